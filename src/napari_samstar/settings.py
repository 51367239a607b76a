"""All settings, with defaults, bounds and units, in this one place.

Every model is frozen, so that it can key a cache and cross a thread. Forms, the command line and
the search's bounds are read from the fields.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic.config import JsonDict

__all__ = [
    "AmgSettings",
    "BoostSettings",
    "CropSettings",
    "CrystalTraining",
    "DecodeSettings",
    "FallbackSettings",
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
    "SynthSettings",
    "TextureSettings",
    "TrainQualitySettings",
    "TrainTextureSettings",
    "TrainTinySettings",
]

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
SourceName = Literal["grid", "tiles", "regions", "prompted"]

# marks for the search, see `search.fields`: a field is searched within its bounds unless one of
# these says otherwise
_FIXED: JsonDict = {"search": False}
_SLOW: JsonDict = {"search": {"slow": True}}
_WITHOUT_LAYER: JsonDict = {"search": {"when": ["reward_layer", False]}}
# at these steps stability scores are known from the decoding; between them they take a recount
_BY_STEPS: JsonDict = {"search": {"when": ["reward_layer", False], "high": 2.0, "step": 0.125}}


class Settings(BaseModel):
    """Base of all settings: frozen, refuses unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def key(self) -> str:
        """Canonical JSON: equal settings give equal keys."""
        return self.model_dump_json()


class PreprocessSettings(Settings):
    """How intensities become the 8-bit RGB image that the network sees, in this order."""

    hot_pixels: bool = Field(
        True,
        description="Replace single pixels far above their neighbors.",
        json_schema_extra=_FIXED,
    )
    level_lines: Literal["off", "median", "linear"] = Field(
        "off",
        description="Level AFM scan lines: subtract each line's median or straight line.",
        json_schema_extra=_FIXED,
    )
    flatten_sigma: float = Field(
        0.0,
        ge=0.0,
        le=1000.0,
        description="Flatten the background: width of the Gaussian, px; 0 is off.",
        json_schema_extra={"search": {"slow": True, "high": 200.0}},
    )
    denoise: Literal["off", "median", "gaussian"] = Field(
        "off", description="Denoise, 3x3 px or 1 px.", json_schema_extra=_SLOW
    )
    low_percentile: float = Field(
        0.1,
        ge=0.0,
        le=49.0,
        description="Shown black, percent of pixels.",
        json_schema_extra=_FIXED,
    )
    high_percentile: float = Field(
        99.9,
        ge=51.0,
        le=100.0,
        description="Shown white, percent of pixels.",
        json_schema_extra=_FIXED,
    )
    gamma: float = Field(
        1.0,
        ge=0.2,
        le=5.0,
        description="Exponent after contrast.",
        json_schema_extra={"search": {"slow": True, "low": 0.4, "high": 2.5, "log": True}},
    )
    invert: bool = Field(False, description="Swap dark and bright.", json_schema_extra=_SLOW)


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
        512 / 1500, ge=0.0, le=0.9, description="Overlap of crops.", json_schema_extra=_FIXED
    )
    crop_n_points_downscale_factor: int = Field(
        1,
        ge=1,
        le=8,
        description="Grid is this much coarser in each further crop layer.",
        json_schema_extra=_FIXED,
    )
    points_per_batch: int = Field(
        64, ge=1, le=1024, description="Prompts decoded at once.", json_schema_extra=_FIXED
    )
    sources: tuple[SourceName, ...] = Field(
        ("grid", "tiles", "regions", "prompted"),
        description="Which proposals to make.",
        json_schema_extra=_FIXED,
    )
    tile_size: int = Field(
        0,
        ge=0,
        le=8192,
        description="Side of extra tiles for large images, px; 0 is automatic, see `tiles`.",
        json_schema_extra=_FIXED,
    )
    tiles: Literal["auto", "off", "on"] = Field(
        "auto",
        description="Tiles besides the whole view; auto: where it is over twice the model's view.",
        json_schema_extra=_FIXED,
    )


class AmgSettings(Settings):
    """The ten parameters of Meta's `SamAutomaticMaskGenerator`, with its names and defaults.

    The four that need the network are None unless asked for: then the proposals' own are used.
    `select` refuses values that the proposals were not decoded with.
    """

    points_per_side: int | None = Field(None, ge=1, le=128)
    crop_n_layers: int | None = Field(None, ge=0, le=2)
    crop_overlap_ratio: float | None = Field(None, ge=0.0, le=0.9)
    crop_n_points_downscale_factor: int | None = Field(None, ge=1, le=8)
    pred_iou_thresh: float = Field(
        0.88,
        ge=0.0,
        le=1.0,
        description="Keep masks that SAM predicts above this IoU.",
        json_schema_extra=_WITHOUT_LAYER,
    )
    stability_score_thresh: float = Field(
        0.95,
        ge=0.0,
        le=1.0,
        description="Keep masks at least this stable.",
        json_schema_extra=_WITHOUT_LAYER,
    )
    stability_score_offset: float = Field(
        1.0,
        ge=0.0,
        le=5.0,
        description="Shift of the cut-off, logits.",
        json_schema_extra=_BY_STEPS,
    )
    box_nms_thresh: float = Field(
        0.7,
        ge=0.0,
        le=1.0,
        description="Box IoU above which the worse of two goes.",
        json_schema_extra=_WITHOUT_LAYER,
    )
    crop_nms_thresh: float = Field(
        0.7,
        ge=0.0,
        le=1.0,
        description="The same between crops.",
        json_schema_extra=_WITHOUT_LAYER,
    )
    min_mask_region_area: int = Field(
        0,
        ge=0,
        le=1_000_000,
        description="Fill holes and drop islands below, px.",
        json_schema_extra={"search": {"high": 1000, "log": True}},
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


# where `prior.toml` says what: lengths carry their unit in the name, as in diameter_nm
_PRIOR_ENTRIES = {
    ("shape", "class"): "shape",
    ("shape", "circularity"): "circularity",
    ("coverage", "fraction"): "coverage",
    ("contrast", "polarity"): "polarity",
    ("materials", "count"): "materials",
    ("count", "objects"): "count",
    ("overlap", "fraction"): "overlap",
}
_PRIOR_LENGTHS = {
    ("size", "diameter"): ("diameter", "size_unit"),
    ("spacing", "distance"): ("spacing", "spacing_unit"),
}


class Prior(Settings):
    """What the microscopist knows before segmenting; every part may be left out.

    Diameters are in `size_unit`, distances in `spacing_unit`: units that pint understands, or "px".
    """

    diameter: tuple[float, float] | None = Field(None, description="Range of equivalent diameters.")
    size_unit: str = "px"
    shape: Literal["round", "compact", "irregular"] | None = Field(
        None, description="Round as discs; compact: without bays; irregular: anything else."
    )
    circularity: Fraction | None = Field(
        None, description="4 pi area / perimeter^2; 1 for a disc, 0.79 for a square."
    )
    coverage: tuple[Fraction, Fraction] | None = Field(
        None, description="Range of the share of the image that objects fill."
    )
    polarity: Literal["bright", "dark"] | None = Field(
        None, description="Whether objects are brighter or darker than around."
    )
    materials: int | None = Field(None, ge=1, le=64, description="Number of materials.")
    spacing: tuple[float, float] | None = Field(
        None, description="Range of distances between the centers of nearest neighbors."
    )
    spacing_unit: str = "px"
    count: tuple[int, int] | None = Field(None, description="Range of the number of objects.")
    overlap: Fraction | None = Field(
        None, description="Largest share of an object that another may cover."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("diameter", "coverage", "spacing", "count"):
            pair = getattr(self, name)
            if pair is not None and not 0 <= pair[0] <= pair[1]:
                raise ValueError(f"{name} must be a range from low to high, not {pair}")
        return self

    def diameter_px(self, pixel_size: float | None, unit: str) -> tuple[float, float] | None:
        """Diameter range in pixels, for a pixel of `pixel_size` `unit`.

        Raises
        ------
        ValueError
            If the prior is physical and the pixel size unknown.
        """
        return _in_pixels(self.diameter, self.size_unit, pixel_size, unit, "diameter_px")

    def in_pixels(self, pixel_size: float | None, unit: str) -> Prior:
        """Return the same prior with its lengths in pixels; raises as `diameter_px` does."""
        distance = _in_pixels(self.spacing, self.spacing_unit, pixel_size, unit, "distance_px")
        return self.model_copy(
            update={
                "diameter": self.diameter_px(pixel_size, unit),
                "size_unit": "px",
                "spacing": distance,
                "spacing_unit": "px",
            }
        )

    @classmethod
    def from_toml(cls, path: str | Path) -> Prior:
        """Read a `prior.toml`, e.g. ``[size] diameter_nm = [8, 30]``, ``[shape] class = "round"``.

        Raises
        ------
        ValueError
            If the file is not TOML or says something that is not understood.
        """
        import tomllib

        try:
            raw: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
            raise ValueError(f"{path} is not a TOML file: {err}.") from err
        values: dict[str, Any] = {}
        for section, entries in raw.items():
            if not isinstance(entries, dict):
                raise ValueError(f"{path}: '{section}' stands outside a section such as [size].")
            for name, value in entries.items():
                length, _, unit = name.partition("_")
                if (section, length) in _PRIOR_LENGTHS and unit:
                    field, field_unit = _PRIOR_LENGTHS[section, length]
                    values[field], values[field_unit] = value, unit
                elif (section, name) in _PRIOR_ENTRIES:
                    values[_PRIOR_ENTRIES[section, name]] = value
                else:
                    raise ValueError(f"{path}: [{section}] {name} is not known.")
        return cls(**values)

    def to_toml(self) -> str:
        """Text of a `prior.toml` that `from_toml` reads as an equal prior."""
        lines: dict[str, list[str]] = {}
        for (section, name), (field, field_unit) in _PRIOR_LENGTHS.items():
            if (pair := getattr(self, field)) is not None:
                unit = getattr(self, field_unit)
                lines.setdefault(section, []).append(f"{name}_{unit} = {list(pair)}")
        for (section, name), field in _PRIOR_ENTRIES.items():
            value = getattr(self, field)
            if value is not None:
                shown = f'"{value}"' if isinstance(value, str) else value
                shown = list(value) if isinstance(value, tuple) else shown
                lines.setdefault(section, []).append(f"{name} = {shown}")
        return "".join(f"[{name}]\n" + "\n".join(rows) + "\n" for name, rows in lines.items())


def _in_pixels(
    pair: tuple[float, float] | None, given: str, pixel_size: float | None, unit: str, name: str
) -> tuple[float, float] | None:
    """Lengths in `given` as pixels of `pixel_size` `unit`; `name` is what to write instead."""
    if pair is None or given == "px":
        return pair
    if pixel_size is None:
        raise ValueError(
            f"The prior gives sizes in {given}, but the image has no pixel size: "
            f"give one with --pixel-size, or write {name} in the prior."
        )
    import pint

    factor = float(pint.Quantity(1.0, given).to(unit).magnitude) / pixel_size
    return pair[0] * factor, pair[1] * factor


class RewardLayerSettings(Settings):
    """Weights of the physics that judges single masks, in place of SAM's thresholds."""

    prior: Prior = Field(Prior(), json_schema_extra=_FIXED)
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
    threshold: float = Field(0.15, ge=0.0, le=1.0, description="Lowest score kept.")
    max_overlap: float = Field(
        0.2,
        ge=0.0,
        le=1.0,
        description="Share of a mask that better ones may cover.",
        json_schema_extra={"search": {"high": 0.5}},
    )


class SelectSettings(Settings):
    """One candidate of the search: what to keep of the proposals."""

    amg: AmgSettings = AmgSettings()
    sources: tuple[SourceName, ...] = ("grid",)
    reward_layer: RewardLayerSettings | None = None


class CropSettings(Settings):
    """Which crops stand for a mask's texture."""

    side: int = Field(0, ge=0, le=1024, description="Side, px; 0 follows the lattice.")
    default_side: int = Field(60, ge=8, le=1024, description="Side where no lattice shows, px.")
    smallest_side: int = Field(40, ge=8, le=1024, description="Least side by a lattice, px.")
    largest_side: int = Field(128, ge=8, le=1024, description="Largest side by a lattice, px.")
    least_side: int = Field(
        24, ge=8, le=1024, description="Least side that masks too small for others may ask for, px."
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
    dimensions: int = Field(24, ge=1, le=1024, description="Principal components kept.")


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
        1.6,
        ge=0.0,
        le=100.0,
        description="Masks nearer than this are one material, null distances.",
    )
    surely_different: float = Field(
        4.0, ge=0.0, le=100.0, description="Masks farther than this are two, null distances."
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
        0.5,
        ge=0.0,
        le=1.0,
        description="Thin or small masks may be a material of their own: least coverage.",
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


class SynthSettings(Settings):
    """Ranges and chances of the generator of synthetic micrographs."""

    weights: tuple[tuple[str, Annotated[float, Field(ge=0.0)]], ...] = Field(
        (), description="Share of each kind in a random mix; empty is the built-in mix."
    )
    min_diameter: float = Field(5.0, ge=3.0, le=500.0, description="Smallest object, px.")
    max_diameter_fraction: Fraction = Field(
        0.5, gt=0.0, description="Largest object, share of the shorter side."
    )
    max_objects: int = Field(500, ge=1, le=10_000, description="Most objects of one population.")
    min_visible: int = Field(
        12, ge=1, le=10_000, description="Instances showing less are dropped, px."
    )
    noise: float = Field(1.0, ge=0.0, le=5.0, description="Factor on all noise.")
    max_blur: float = Field(1.8, ge=0.0, le=10.0, description="Widest point spread, sigma in px.")
    min_contrast: float = Field(
        0.12, gt=0.0, le=1.0, description="Least share of the gray range that an image uses."
    )
    overlay: Fraction = Field(0.15, description="Chance of a burnt-in bar, text or banner.")
    jpeg: Fraction = Field(0.3, description="Chance of JPEG blocks.")
    inversion: Fraction = Field(0.15, description="Chance of swapped dark and bright.")
    uneven: Fraction = Field(0.5, description="Chance of uneven illumination.")
    contamination: Fraction = Field(0.05, description="Chance of an earlier scan's rectangle.")
    charging: Fraction = Field(0.1, description="Chance of charging streaks.")
    scan_errors: Fraction = Field(0.2, description="Chance of line jitter.")
    drift: Fraction = Field(0.08, description="Chance of drift during the scan.")


class TrainTinySettings(Settings):
    """How `samstar-tiny` is trained on synthetic micrographs."""

    steps: int = Field(4000, ge=1, le=10_000_000, description="Steps of the optimizer.")
    seed: int = Field(0, ge=0, description="Seeds weights, scenes, crops and prompts.")
    scenes: int = Field(6000, ge=8, description="Different synthetic micrographs in all.")
    scene_size: int = Field(512, ge=128, le=4096, description="Side of a scene, px.")
    pixels: int = Field(
        8 * 256 * 256, ge=64 * 64, description="Pixels of the crops of one step together."
    )
    prompts: int = Field(12, ge=1, le=256, description="Prompts in each crop.")
    learning_rate: float = Field(2e-3, gt=0.0, le=1.0, description="Between warm-up and decay.")
    warmup: int = Field(150, ge=0, description="Steps over which the learning rate rises.")
    decay: float = Field(
        0.35, ge=0.0, le=1.0, description="Last share of the steps: the learning rate falls."
    )
    frozen: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Last share of the steps: batch statistics stay, crops grow up to 768 px.",
    )
    weight_decay: float = Field(0.02, ge=0.0, le=1.0, description="Of AdamW, on matrices.")
    average: float = Field(0.998, ge=0.0, lt=1.0, description="Decay of the averaged weights.")
    evaluate_every: int = Field(200, ge=1, description="Steps between held-out measurements.")
    checkpoint_every: int = Field(100, ge=1, description="Steps between checkpoints.")
    workers: int = Field(
        2, ge=1, le=64, description="Processes that share each step on a CPU; a GPU takes one."
    )
    threads: int = Field(1, ge=1, le=256, description="CPU threads of each process.")
    device: str = Field("cpu", description="Where to train: cpu, cuda, mps.")


class TrainQualitySettings(Settings):
    """How the mask quality is learned from synthetic micrographs."""

    even_scenes: int = Field(76, ge=1, le=10_000, description="Scenes of all kinds in turn.")
    mix_scenes: int = Field(60, ge=0, le=10_000, description="More scenes, of many objects each.")
    smallest_side: int = Field(240, ge=64, le=2048, description="Least height of a scene, px.")
    largest_side: int = Field(560, ge=64, le=2048, description="Largest height of a scene, px.")
    masks: int = Field(1800, ge=10, le=100_000, description="Masks drawn of each scene.")
    trees: int = Field(300, ge=1, le=5000, description="Regression trees.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seeds the trees.")


class TrainTextureSettings(Settings):
    """How the bundled texture encoder is trained on synthetic materials."""

    steps: int = Field(1200, ge=1, le=10_000_000, description="Steps of the optimizer.")
    seed: int = Field(0, ge=0, description="Seeds weights, materials and crops.")
    images: int = Field(4, ge=1, le=256, description="Synthetic images in one step.")
    materials: int = Field(8, ge=2, le=64, description="Materials of each image.")
    crops: int = Field(3, ge=2, le=64, description="Crops of each material.")
    smallest_side: int = Field(40, ge=16, le=512, description="Smallest side of a crop, px.")
    largest_side: int = Field(72, ge=16, le=512, description="Largest side of a crop, px.")
    temperature: float = Field(0.1, gt=0.0, le=10.0, description="Divides the cosines.")
    learning_rate: float = Field(3e-3, gt=0.0, le=1.0, description="After warm-up.")
    weight_decay: float = Field(0.02, ge=0.0, le=1.0, description="Of AdamW.")
    evaluate_every: int = Field(
        50, ge=1, description="Steps between held-out measurements and checkpoints."
    )


class CrystalTraining(Settings):
    """How a crop classifier is trained on simulated phases."""

    steps: int = Field(200, ge=1, le=1_000_000, description="Steps of the optimizer.")
    batch: int = Field(48, ge=2, le=4096, description="Crops of one step.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seeds weights and crops.")
    smallest_side: int = Field(40, ge=16, le=512, description="Smallest side of a crop, px.")
    largest_side: int = Field(72, ge=16, le=512, description="Largest side of a crop, px.")
    noise: tuple[float, float] = Field(
        (0.02, 0.25), description="Range of the noise, full scale 1; columns deviate by 0.12."
    )
    calibration: float = Field(
        0.05, ge=0.0, le=1.0, description="How far the pixel size may be wrong, share."
    )
    learning_rate: float = Field(3e-3, gt=0.0, le=1.0, description="At the beginning.")
