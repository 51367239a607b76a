"""All settings, with defaults, bounds and units, in this one place: a file for each kind.

Every model is frozen, so that it can key a cache and cross a thread. Forms, the command line and
the search's bounds are read from the fields.
"""

from __future__ import annotations

from napari_samstar.settings.base import Fraction, Settings, SourceName
from napari_samstar.settings.boosting import (
    BoostSettings,
    CropSettings,
    FallbackSettings,
    MaterialSettings,
    TextureSettings,
)
from napari_samstar.settings.prior import Prior
from napari_samstar.settings.proposing import (
    DecodeSettings,
    PreprocessSettings,
    PromptSettings,
    RegionSettings,
)
from napari_samstar.settings.running import PaceSettings, RunSettings, SearchSettings
from napari_samstar.settings.selecting import AmgSettings, RewardLayerSettings, SelectSettings
from napari_samstar.settings.training import (
    CrystalTraining,
    FitSettings,
    SynthSettings,
    TrainMosaicSettings,
    TrainQualitySettings,
    TrainTextureSettings,
    TrainTinySettings,
)

__all__ = [
    "AmgSettings",
    "BoostSettings",
    "CropSettings",
    "CrystalTraining",
    "DecodeSettings",
    "FallbackSettings",
    "FitSettings",
    "Fraction",
    "MaterialSettings",
    "PaceSettings",
    "PreprocessSettings",
    "Prior",
    "PromptSettings",
    "RegionSettings",
    "RewardLayerSettings",
    "RunSettings",
    "SearchSettings",
    "SelectSettings",
    "Settings",
    "SourceName",
    "SynthSettings",
    "TextureSettings",
    "TrainMosaicSettings",
    "TrainQualitySettings",
    "TrainTextureSettings",
    "TrainTinySettings",
]
