"""How ambiguous masks go and materials are found."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from napari_samstar.settings.base import Fraction, Settings

__all__ = [
    "LEAST_SIDE",
    "BoostSettings",
    "CropSettings",
    "FallbackSettings",
    "MaterialSettings",
    "TextureSettings",
]

#: Crops smaller than this show no texture, px.
LEAST_SIDE = 12


class CropSettings(Settings):
    """Which crops stand for a mask's texture."""

    side: int = Field(
        0, ge=0, le=1024, description=f"Side, px, {LEAST_SIDE} or more; 0 follows the lattice."
    )
    default_side: int = Field(
        60, ge=LEAST_SIDE, le=1024, description="Side where no lattice shows, px."
    )
    smallest_side: int = Field(
        40, ge=LEAST_SIDE, le=1024, description="Least side by a lattice, px."
    )
    largest_side: int = Field(
        128, ge=LEAST_SIDE, le=1024, description="Largest side by a lattice, px."
    )
    least_side: int = Field(
        24,
        ge=LEAST_SIDE,
        le=1024,
        description="Least side that masks too small for others may ask for, px.",
    )
    periods: float = Field(
        4.5, ge=1.0, le=20.0, description="Periods of the strongest lattice in a crop."
    )
    coverage: float = Field(0.95, gt=0.0, le=1.0, description="Least share of a crop in its mask.")
    ladder: tuple[Fraction, ...] = Field(
        (1.0, 2 / 3, 0.4, 0.2),
        description="Middle of a crop that must be covered, shares of the side, in turn.",
    )
    nearly: float = Field(
        0.9, gt=0.0, le=1.0, description="At last: windows nearly as covered as the best."
    )
    fewest: int = Field(8, ge=1, le=1024, description="Crops of a small mask.")
    most: int = Field(16, ge=1, le=1024, description="Crops of a large mask.")
    budget: int = Field(
        1000, ge=1, le=1_000_000, description="Crops of all small masks; many have fewer each."
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seeds the choice of places.")

    @field_validator("side")
    @classmethod
    def _shows_texture(cls, side: int) -> int:
        if 0 < side < LEAST_SIDE:
            raise ValueError(
                f"A crop of {side} px shows no texture: give {LEAST_SIDE} px or more, or 0 to "
                "follow the lattice"
            )
        return side


class TextureSettings(Settings):
    """How crops become vectors."""

    encoders: tuple[Literal["intensity", "physics", "bundled", "sam", "fenet"], ...] = Field(
        ("intensity", "physics", "bundled"),
        min_length=1,
        description="Encoders, joined with equal weight.",
    )
    rotation: Literal["ignore", "keep"] = Field(
        "ignore", description="Whether the same texture, turned, is the same material."
    )
    fenet: str | None = Field(None, description="Path of the checkpoint for the encoder fenet.")
    dimensions: int = Field(24, ge=1, le=1024, description="Principal components kept.")

    @field_validator("encoders", mode="before")
    @classmethod
    def _one_or_more(cls, given: object) -> object:
        # one name, or several with commas, as one types them
        return tuple(part.strip() for part in given.split(",")) if isinstance(given, str) else given


class MaterialSettings(Settings):
    """How masks become materials."""

    count: int | None = Field(
        None, ge=1, le=64, description="Number of materials; none lets the image decide."
    )
    grouping: Literal["linkage", "kmeans"] = Field(
        "linkage",
        description="Group masks by average linkage, or their crops by k-means as the paper does.",
    )
    most: int = Field(6, ge=1, le=64, description="Most materials that the image may decide for.")
    surely_alike: float = Field(
        1.0,
        ge=0.0,
        le=100.0,
        description="Masks nearer than this are one material, null distances.",
    )
    surely_different: float = Field(
        3.0, ge=0.0, le=100.0, description="Masks farther than this are two, null distances."
    )
    told_apart: float | None = Field(
        0.3,
        ge=0.0,
        le=100.0,
        description="What the network for borders sees nearer than this is one material, where the "
        "number is not known; at 1 it is as likely to be two; none asks no network.",
    )
    min_silhouette: float = Field(
        0.25, ge=-1.0, le=1.0, description="Groups less evident than this are one material."
    )
    min_margin: float = Field(
        0.05,
        ge=0.0,
        le=1.0,
        description="Masks whose best two materials are nearer to equal than this stay uncertain.",
    )
    background: bool = Field(True, description="Keep vacuum out of the materials.")
    level_light: bool = Field(True, description="Even out slow changes of brightness first.")
    evident: float = Field(
        0.9, ge=0.0, le=1.0, description="Crops of masks that found materials: least coverage."
    )
    founding: float = Field(
        0.33,
        ge=0.0,
        le=1.0,
        description="Thin or small masks may be a material of their own: least width, share of a "
        "crop.",
    )
    restarts: int = Field(20, ge=1, le=1000, description="Starts of k-means.")
    resamples: int = Field(20, ge=2, le=1000, description="Bootstrap samples for the stability.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seeds k-means, splits and bootstrap.")


class FallbackSettings(Settings):
    """How area that no mask covers is segmented by texture."""

    step: float = Field(0.25, gt=0.0, le=1.0, description="Distance of crops, share of the side.")
    coverage: float = Field(0.5, gt=0.0, le=1.0, description="Least uncovered share of a crop.")
    crops: int = Field(1500, ge=16, le=100_000, description="Most crops; a wider grid has fewer.")
    share: float = Field(
        0.65, gt=0.0, le=1.0, description="Side of the crops, share of what masks' textures need."
    )
    alike: float = Field(
        1.5,
        ge=0.0,
        le=100.0,
        description="Neighbors nearer than this are one region, null distances.",
    )
    min_area: float = Field(
        0.5, ge=0.0, le=1000.0, description="Smallest region, in areas of a crop."
    )
    trusted: float = Field(
        0.9,
        ge=0.0,
        le=1.0,
        description="Wide masks that a network is less stable in than this give way to texture.",
    )
    wide: float = Field(2.0, ge=0.0, le=1000.0, description="Wide masks, in areas of a crop.")
    apart: float | None = Field(
        0.8,
        ge=0.0,
        le=100.0,
        description="Regions and wide masks end where the network for borders sees two materials "
        "farther apart than this; at 1 it is as likely that they are one; none asks no network.",
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seeds the choice of pixels.")


class BoostSettings(Settings):
    """From overlapping masks to one mask per material, in the order of the steps.

    Shares are whole percents, so that limits are compared without rounding. What the paper gives is
    the default (Abebe et al., "SAM-I-Am", 2024).
    """

    removal: Literal["robust", "paper", "code"] = Field(
        "robust", description="Rules by which ambiguous masks go; see `booster.removal`."
    )
    child_percent: int = Field(
        90, ge=50, le=99, description="A mask lying in another by more than this is its child, %."
    )
    tiny_percent: int = Field(
        5, ge=0, le=50, description="Children below this share of their parent go, %."
    )
    compound_percent: int = Field(
        70, ge=1, le=100, description="Parents that children cover by more than this go, %."
    )
    duplicate_iou_percent: int = Field(
        85, ge=51, le=100, description="From this IoU on two masks are one, %; robust only."
    )
    drop_islands: bool = Field(
        False,
        description="Drop small masks that touch neither another nor the border; robust only.",
    )

    crop_size: int = Field(
        60, ge=8, le=1024, description="Side of a crop, below whose area islands are small, px."
    )

    crops: CropSettings = CropSettings()
    texture: TextureSettings = TextureSettings()
    materials: MaterialSettings = MaterialSettings()

    fallback: FallbackSettings | None = Field(
        FallbackSettings(), description="Regions by texture where no mask lies; none adds none."
    )
    min_speck: int = Field(
        16, ge=0, le=1_000_000, description="Smaller scraps of a mask go to their neighbor, px."
    )
    grow: int = Field(
        0, ge=0, le=1000, description="Masks grow into pixels of none, by at most so many px."
    )
