"""The search, and one whole run from a micrograph to its table."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from napari_samstar.settings.base import Settings
from napari_samstar.settings.boosting import BoostSettings
from napari_samstar.settings.prior import Prior
from napari_samstar.settings.proposing import (
    DecodeSettings,
    PreprocessSettings,
    PromptSettings,
    RegionSettings,
)
from napari_samstar.settings.selecting import RewardLayerSettings, SelectSettings

__all__ = ["PaceSettings", "RunSettings", "SearchSettings"]


class PaceSettings(Settings):
    """How long the slow steps take on one machine with one model."""

    encoding: float = Field(0.0, ge=0.0, le=1e5, description="One look of the network, s.")
    prompt: float = Field(0.0, ge=0.0, le=1e5, description="One prompt, s.")
    regions: float = Field(0.0, ge=0.0, le=1e5, description="Regions of a megapixel, s.")
    measuring: float = Field(0.0, ge=0.0, le=1e5, description="Physics of a mask on offer, s.")


class SearchSettings(Settings):
    """How the candidates of one micrograph are searched."""

    method: Literal["nsga", "random", "default", "grid"] = Field(
        "nsga", description="Genetic search; or, to compare: chance, defaults alone, a grid."
    )
    budget: int = Field(600, ge=1, le=1_000_000, description="Most candidates evaluated.")
    objectives: Literal["families", "terms"] = Field(
        "families", description="Rewards of one family share an objective, or each is its own."
    )
    population: int = Field(
        48,
        ge=4,
        le=1000,
        description="Candidates of one generation; half as many do for two or three objectives.",
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="The same seed, the same search.")
    patience: int = Field(
        5,
        ge=0,
        le=1000,
        description="Stop early, after half the budget, when so many generations gain too little; "
        "0 never does.",
    )
    tolerance: float = Field(
        1e-3,
        ge=0.0,
        le=1.0,
        description="Relative growth of the hypervolume that is too little.",
    )
    grid: tuple[str, ...] = Field(
        ("amg.pred_iou_thresh", "amg.stability_score_thresh", "amg.box_nms_thresh"),
        description="Parameters of the exhaustive grid.",
    )
    slow_seconds: float = Field(
        0.0,
        ge=0.0,
        le=1e6,
        description="Time that other grids, crops and preprocessing may cost, s; 0 tries none.",
    )
    pace: PaceSettings | None = Field(
        None, description="How long they take; left out, it is measured, and the recipe says."
    )


class RunSettings(Settings):
    """One run from a micrograph to its table: all that `samstar run` can be told."""

    preprocess: PreprocessSettings = PreprocessSettings()
    view: PreprocessSettings | None = Field(
        None,
        description="What network and regions see instead; physics is measured on `preprocess`.",
    )
    decode: DecodeSettings = DecodeSettings()
    regions: RegionSettings = RegionSettings()
    prompts: PromptSettings = PromptSettings()
    select: SelectSettings = SelectSettings(
        sources=("grid", "tiles", "regions", "prompted"), reward_layer=RewardLayerSettings()
    )
    search: SearchSettings | None = Field(
        SearchSettings(), description="Search of the parameters in `select`; none keeps them."
    )
    rewards: tuple[tuple[str, dict[str, JsonValue]], ...] = Field(
        (), description="Name and parameters of rewards besides those that the prior asks for."
    )
    without: tuple[str, ...] = Field(
        (), description="Names of rewards that the prior asks for, and that do not count here."
    )
    # a small object on a large one is one of the things looked for, so none goes as a detail, and
    # what lies between objects is none of them
    boost: BoostSettings | None = Field(
        BoostSettings(tiny_percent=0, fallback=None),
        description="The semantic booster; none leaves it out.",
    )
    importances: tuple[tuple[str, Annotated[float, Field(ge=0.0)]], ...] = Field(
        (), description="Of objectives when one candidate is chosen; those left out have their own."
    )
    prior: Prior = Prior()
    seed: int = Field(0, ge=0, le=2**32 - 1)
