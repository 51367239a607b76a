"""What is kept of the masks on offer: one candidate of the search."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from napari_samstar.settings.base import (
    BY_STEPS,
    FIXED,
    WITHOUT_LAYER,
    Fraction,
    Settings,
    SourceName,
)
from napari_samstar.settings.prior import Prior

__all__ = ["AmgSettings", "RewardLayerSettings", "SelectSettings"]


class AmgSettings(Settings):
    """The ten parameters of Meta's `SamAutomaticMaskGenerator`, with its names and defaults.

    The four that need the network are None unless asked for: then the proposals' own are used.
    `select` refuses values that the proposals were not decoded with.
    """

    points_per_side: int | None = Field(None, ge=1, le=128, json_schema_extra=FIXED)
    crop_n_layers: int | None = Field(None, ge=0, le=2, json_schema_extra=FIXED)
    crop_overlap_ratio: float | None = Field(None, ge=0.0, le=0.9, json_schema_extra=FIXED)
    crop_n_points_downscale_factor: int | None = Field(None, ge=1, le=8, json_schema_extra=FIXED)
    pred_iou_thresh: float = Field(
        0.88,
        ge=0.0,
        le=1.0,
        description="Keep masks that SAM predicts above this IoU.",
        json_schema_extra=WITHOUT_LAYER,
    )
    stability_score_thresh: float = Field(
        0.95,
        ge=0.0,
        le=1.0,
        description="Keep masks at least this stable.",
        json_schema_extra=WITHOUT_LAYER,
    )
    stability_score_offset: float = Field(
        1.0,
        ge=0.0,
        le=5.0,
        description="Shift of the cut-off, logits.",
        json_schema_extra=BY_STEPS,
    )
    box_nms_thresh: float = Field(
        0.7,
        ge=0.0,
        le=1.0,
        description="Box IoU above which the worse of two goes.",
        json_schema_extra=WITHOUT_LAYER,
    )
    crop_nms_thresh: float = Field(
        0.7,
        ge=0.0,
        le=1.0,
        description="The same between crops.",
        json_schema_extra=WITHOUT_LAYER,
    )
    min_mask_region_area: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Fill holes and drop islands below, px.",
        json_schema_extra={"search": {"high": 1000, "log": True}},
    )


class RewardLayerSettings(Settings):
    """Weights of the physics that judges single masks, in place of SAM's thresholds."""

    prior: Prior = Field(Prior(), json_schema_extra=FIXED)
    contrast: float = Field(
        1.0, ge=0.0, le=5.0, description="Weight of contrast with the ring around."
    )
    edge: float = Field(
        1.0, ge=0.0, le=5.0, description="Weight of the gradient along the outline."
    )
    solidity: float = Field(1.0, ge=0.0, le=5.0, description="Weight of area over convex area.")
    support: float = Field(
        1.0, ge=0.0, le=5.0, description="Weight of the share of the outline that is an edge."
    )
    circularity: float = Field(
        0.5, ge=0.0, le=5.0, description="Weight of 4 pi area / perimeter^2."
    )
    size: float = Field(1.0, ge=0.0, le=5.0, description="Weight of size: larger masks first.")
    predicted_iou: float = Field(0.0, ge=0.0, le=5.0, description="Weight of SAM's predicted IoU.")
    stability: float = Field(
        5.0, ge=0.0, le=5.0, description="Weight of stability; of regions, of how many agree."
    )
    trust: Fraction = Field(
        1.0, description="Share of predicted IoU, in place of physics, in the score of SAM's masks."
    )
    agreement: Fraction = Field(
        0.5, description="Share lost where only regions, or only SAM, show a mask."
    )
    learned: Fraction = Field(
        1.0,
        description="Share of the expected quality, in place of all of the above, in the score.",
    )
    threshold: float = Field(0.2, ge=0.0, le=1.0, description="Lowest score kept.")
    max_overlap: float = Field(
        0.2,
        ge=0.0,
        le=1.0,
        description="Share of a mask that better ones may cover.",
        json_schema_extra={"search": {"high": 0.5}},
    )


class SelectSettings(Settings):
    """One candidate of the search: what to keep of the proposals.

    What is said of single masks below holds before any are compared, whatever judges them. It is
    not searched: the user decides what counts as an object.
    """

    amg: AmgSettings = AmgSettings()
    sources: tuple[SourceName, ...] = ("grid",)
    reward_layer: RewardLayerSettings | None = None
    min_area: int = Field(
        0, ge=0, le=10**9, description="Leave out smaller masks, px.", json_schema_extra=FIXED
    )
    max_area: int | None = Field(
        None, ge=1, le=10**9, description="Leave out larger masks, px.", json_schema_extra=FIXED
    )
    border: Literal["keep", "drop"] = Field(
        "keep",
        description="Whether masks that the frame cuts count.",
        json_schema_extra=FIXED,
    )
    multimask: Literal["all", "best"] = Field(
        "all",
        description="Of SAM's three masks for a prompt all, or that of the highest predicted IoU.",
        json_schema_extra=FIXED,
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.max_area is not None and self.max_area < self.min_area:
            raise ValueError(
                f"max_area must be at least min_area, {self.min_area} px, not {self.max_area}"
            )
        return self
