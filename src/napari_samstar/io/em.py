"""Electron microscopes' own formats, by RosettaSciIO where the user installed it (GPL-3)."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_samstar.io.stack import Stack, choose
from napari_samstar.types import SamStarError

__all__ = ["open_stack"]

_PLUGINS = {
    ".dm3": "digitalmicrograph",
    ".dm4": "digitalmicrograph",
    ".ser": "tia",
    ".emi": "tia",
    ".bcf": "bruker",
}


@contextlib.contextmanager
def open_stack(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open a DM3, DM4, SER, EMI or BCF file; `channel` counts its images."""
    plugin = importlib.import_module(f"rsciio.{_PLUGINS[path.suffix.lower()]}")
    # of a Bruker file the image alone: its spectra may be gigabytes
    options = {"select_type": "image"} if path.suffix.lower() == ".bcf" else {}
    with warnings.catch_warnings():
        # of header fields that have nothing to do with pixels or their size
        warnings.simplefilter("ignore")
        signals = plugin.file_reader(str(path), **options)
    images = [signal for signal in signals if _is_image(signal)]
    if not images:
        raise SamStarError(f"{path.name} holds spectra or curves, but no image.")
    titles = [_title(signal) for signal in images]
    areas = [int(np.prod(signal["data"].shape[-2:])) for signal in images]
    signal = images[choose(titles, areas.index(max(areas)), channel, path.name)]
    yx = signal["axes"][-2:]
    data = _values(signal["data"])
    axes = "T" * (len(signal["axes"]) - 2) + "YX" + "S" * (data.ndim - len(signal["axes"]))
    yield Stack(
        data.shape,
        axes,
        data.dtype,
        lambda i: data[i],
        [_number(axis.get("scale")) for axis in yx],
        [axis.get("units") for axis in yx],
        {"title": _title(signal), "images": titles},
    )


def _is_image(signal: Mapping[str, Any]) -> bool:
    """Two axes are the image's own, all before them count frames."""
    axes = signal["axes"]
    spectral = [axis for axis in axes[-2:] if _is_energy(axis)]
    return len(axes) >= 2 and not spectral and not any(a.get("navigate") for a in axes[-2:])


def _is_energy(axis: Mapping[str, Any]) -> bool:
    return str(axis.get("units")) in ("eV", "keV") or "energy" in str(axis.get("name")).lower()


def _values(data: Any) -> Any:
    """Color comes as a structured type; its fields become a last axis."""
    if data.dtype.names:
        return np.stack([data[field] for field in data.dtype.names], axis=-1)
    return data


def _title(signal: Mapping[str, Any]) -> str:
    return str(signal["metadata"].get("General", {}).get("title") or "")


def _number(value: Any) -> float | None:
    return float(value) if value is not None else None
