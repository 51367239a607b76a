"""Physics-guided interactive segmentation of micrographs."""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

# name -> module that defines it; imported on first use, so that importing the package is quick
_PUBLIC = {
    "Micrograph": "types",
    "Proposals": "types",
    "SamStarError": "types",
    "Segmentation": "types",
    "Selection": "types",
    "AmgSettings": "settings",
    "BoostSettings": "settings",
    "DecodeSettings": "settings",
    "PreprocessSettings": "settings",
    "Prior": "settings",
    "PromptSettings": "settings",
    "RegionSettings": "settings",
    "RewardLayerSettings": "settings",
    "RunSettings": "settings",
    "SearchSettings": "settings",
    "SelectSettings": "settings",
    "SynthSettings": "settings",
    "load_micrograph": "io.read",
    "micrograph_from_array": "io.array",
    "to_rgb": "io.preprocess",
    "load_model": "sam.zoo",
    "boost": "pipeline",
    "agreement": "pipeline",
    "optimize": "pipeline",
    "propose": "pipeline",
    "select": "proposals.select",
    "measure": "measurements.table",
    "evaluate": "metrics.evaluation",
    "summarize": "measurements.summary",
    "Recipe": "recipe",
}
_MODULES = ("booster", "edits", "metrics", "pipeline", "synth")

__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        value = getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES])
