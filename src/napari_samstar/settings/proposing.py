"""How masks come to be on offer: what the network sees, how it is asked, regions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_samstar.settings.base import FIXED, SLOW, Settings, SourceName

__all__ = ["DecodeSettings", "PreprocessSettings", "PromptSettings", "RegionSettings"]


class PreprocessSettings(Settings):
    """How intensities become the 8-bit RGB image that the network sees, in this order."""

    hot_pixels: bool = Field(
        True,
        description="Replace single pixels far above their neighbors.",
        json_schema_extra=FIXED,
    )
    level_lines: Literal["off", "median", "linear"] = Field(
        "off",
        description="Level AFM scan lines: subtract each line's median or straight line.",
        json_schema_extra=FIXED,
    )
    flatten_sigma: float = Field(
        0.0,
        ge=0.0,
        le=1000.0,
        description="Flatten the background: width of the Gaussian, px; 0 is off.",
        json_schema_extra={"search": {"slow": True, "high": 200.0}},
    )
    denoise: Literal["off", "median", "gaussian"] = Field(
        "off", description="Denoise, 3x3 px or 1 px.", json_schema_extra=SLOW
    )
    low_percentile: float = Field(
        0.1,
        ge=0.0,
        le=49.0,
        description="Shown black, percent of pixels.",
        json_schema_extra=FIXED,
    )
    high_percentile: float = Field(
        99.9,
        ge=51.0,
        le=100.0,
        description="Shown white, percent of pixels.",
        json_schema_extra=FIXED,
    )
    gamma: float = Field(
        1.0,
        ge=0.2,
        le=5.0,
        description="Exponent after contrast.",
        json_schema_extra={"search": {"slow": True, "low": 0.4, "high": 2.5, "log": True}},
    )
    invert: bool = Field(
        False,
        description="Swap dark and bright, for network and regions; masks are judged as they are.",
        json_schema_extra=SLOW,
    )


class DecodeSettings(Settings):
    """How SAM is prompted: all that needs the network. Names are Meta's."""

    points_per_side: int = Field(
        32,
        ge=1,
        le=128,
        description="Grid points along each side.",
        json_schema_extra={"search": {"slow": True, "low": 8, "high": 64, "log": True}},
    )
    crop_n_layers: int = Field(
        0,
        ge=0,
        le=2,
        description="Layers of zoomed crops.",
        json_schema_extra={"search": {"slow": True, "high": 1}},
    )
    crop_overlap_ratio: float = Field(
        512 / 1500, ge=0.0, le=0.9, description="Overlap of crops.", json_schema_extra=FIXED
    )
    crop_n_points_downscale_factor: int = Field(
        1,
        ge=1,
        le=8,
        description="Grid is this much coarser in each further crop layer.",
        json_schema_extra=FIXED,
    )
    points_per_batch: int = Field(
        64, ge=1, le=1024, description="Prompts decoded at once.", json_schema_extra=FIXED
    )
    sources: tuple[SourceName, ...] = Field(
        ("grid", "tiles", "regions", "prompted"),
        description="Which proposals to make.",
        json_schema_extra=FIXED,
    )
    tile_size: int = Field(
        0,
        ge=0,
        le=8192,
        description="Side of extra tiles for large images, px; 0 is automatic, see `tiles`.",
        json_schema_extra=FIXED,
    )
    tiles: Literal["auto", "off", "on"] = Field(
        "auto",
        description="Tiles besides the whole view; auto: where it is over twice the model's view.",
        json_schema_extra=FIXED,
    )


class RegionSettings(Settings):
    """Classical multi-scale regions that need no network."""

    min_area: int = Field(12, ge=1, le=100_000, description="Smallest region, px.")
    max_area_fraction: float = Field(
        0.8, gt=0.0, le=1.0, description="Largest region, share of the image."
    )
    max_rows: int = Field(20_000, ge=100, le=200_000, description="Most regions kept.")
    duplicate_iou: float = Field(
        0.9, gt=0.5, le=1.0, description="Above this IoU two regions are one."
    )


class PromptSettings(Settings):
    """SAM prompted by regions: boxes and centers, small ones in a zoomed crop."""

    max_prompts: int = Field(256, ge=0, le=10_000, description="Best regions used as prompts.")
    max_crops: int = Field(16, ge=0, le=256, description="Most zoomed crops encoded for them.")
    zoom_below: float = Field(
        24.0,
        ge=0.0,
        le=256.0,
        description="Zoom for objects smaller than this, px at the network's input.",
    )
