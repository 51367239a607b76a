"""What a reward is: a number from 0 to 1 that says how well a selection agrees with the physics.

A laboratory adds its own by subclassing `Term` or `Quality` and naming the class under the entry
point group ``napari_samstar.rewards``; see `examples/custom_reward`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, Self, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from napari_samstar.settings import Fraction, Settings
from napari_samstar.types import Measured, Micrograph, SamStarError, Selection
from napari_samstar.units import length_unit, meters_per_unit, target_unit

__all__ = [
    "Parameter",
    "Quality",
    "RewardTerm",
    "Term",
    "Wanted",
    "check_calibrated",
    "measured",
    "pixel_in",
]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a term: all that a form needs.

    Parameters
    ----------
    name : str
        Keyword of the term.
    default : Any
        Value unless asked for otherwise; None for "not given".
    low, high : float or None
        Bounds, included; None where there are none.
    unit : str
        "" for pure numbers; "length" counts in the term's own parameter `unit`.
    description : str
        One sentence.
    choices : tuple of str
        The values allowed, where they are words.
    """

    name: str
    default: Any
    low: float | None
    high: float | None
    unit: str
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wanted:
    """What a term wants of each object: a range of one measure.

    Parameters
    ----------
    measure : str
        A column of the table of `measurements.table`, without its unit: "equivalent_diameter".
    low, high : float
        The range, both ends included.
    unit : str
        Of `low` and `high`: a length or "px"; "" for pure numbers.
    """

    measure: str
    low: float
    high: float
    unit: str = ""


class RewardTerm(Protocol):
    """What the search asks of a reward.

    A term is a frozen value: its parameters are fixed when it is made, and it keeps nothing else.
    """

    #: How it is called in recipes, tables and forms.
    name: ClassVar[str]
    #: Terms of one family answer one question and may share one objective: quality, size, shape,
    #: overlap, coverage, spacing, order, contrast, completeness, confidence, or a name of its own.
    family: ClassVar[str]

    @property
    def needs_pixel_size(self) -> bool:
        """Whether lengths are physical, so that the micrograph must be calibrated."""
        ...

    @classmethod
    def parameters(cls) -> tuple[Parameter, ...]:
        """Parameters with defaults, bounds and units."""
        ...

    def values(self) -> dict[str, Any]:
        """Parameters of this term: ``make(term.name, **term.values())`` gives an equal one."""
        ...

    def score(self, selection: Selection, micrograph: Micrograph) -> float:
        """0 (worst) to 1; 0 for selections that are empty or make no sense."""
        ...


class Term(Settings):
    """Base of terms: parameters are fields with bounds; a field `unit` names the unit of lengths.

    Subclasses give `name`, `family` and `score`; those whose fields `low` and `high` are a range
    of what the table of objects measures name it in `measure`, so that a form can show both.
    """

    name: ClassVar[str]
    family: ClassVar[str]
    #: Column of the table that `low` and `high` are a range of, without its unit; "" for none.
    measure: ClassVar[str] = ""

    @field_validator("unit", check_fields=False)
    @classmethod
    def _known_unit(cls, unit: str) -> str:
        return target_unit(unit)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = getattr(self, "low", None), getattr(self, "high", None)
        if low is not None and high is not None and low > high:
            raise ValueError(f"low = {low} is above high = {high}")
        return self

    @property
    def needs_pixel_size(self) -> bool:
        """Whether lengths are physical."""
        return str(getattr(self, "unit", "px")) != "px"

    @classmethod
    def parameters(cls) -> tuple[Parameter, ...]:
        """Parameters with defaults, bounds and units, from the fields."""
        found = []
        for name, field in cls.model_fields.items():
            bounds: dict[str, float] = {}
            for item in field.metadata:
                for key in ("ge", "gt", "le", "lt"):
                    if (limit := getattr(item, key, None)) is not None:
                        bounds[key[0]] = float(limit)
            extra = field.json_schema_extra
            found.append(
                Parameter(
                    name=name,
                    default=field.get_default(),
                    low=bounds.get("g"),
                    high=bounds.get("l"),
                    unit=str(extra.get("unit", "")) if isinstance(extra, dict) else "",
                    description=field.description or "",
                    choices=tuple(str(v) for v in get_args(field.annotation) if type(v) is str),
                )
            )
        return tuple(found)

    def wanted(self) -> Wanted | None:
        """Say what it wants of each object, where that is a range of one measure."""
        low, high = getattr(self, "low", None), getattr(self, "high", None)
        if not self.measure or low is None or high is None:
            return None
        return Wanted(self.measure, low, high, str(getattr(self, "unit", "")))

    def values(self) -> dict[str, Any]:
        """Parameters of this term, as JSON knows them."""
        return self.model_dump(mode="json")

    @abstractmethod
    def score(self, selection: Selection, micrograph: Micrograph) -> float:
        """0 (worst) to 1."""


class Quality(Term):
    """Base of terms that judge masks one by one: the mean of what each mask is worth.

    ``score = sum(w q) / sum(w) * min(1, n / least_count) * min(1, a / (least_coverage H W))``,
    where q is from 0 to 1, w is 1 or the mask's area, and n masks of a pixels in all are judged.

    A plain mean is best for few, perfect masks. So masks that are missing count as failures: below
    `least_count` masks, or `least_coverage` of the image, the score falls in proportion. Above
    both, one bad mask among many costs little; pair the term with coverage, count or size.
    """

    weighting: Literal["number", "area"] = Field(
        "number", description="Whether every mask counts the same, or every pixel."
    )
    least_count: int = Field(
        3, ge=1, le=100_000, description="Fewer masks than this cannot have full score."
    )
    least_coverage: Fraction = Field(
        0.01, ge=0.0, le=1.0, description="Nor can masks that cover less of the image."
    )

    @abstractmethod
    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """Worth of every mask, (K,), 0 to 1."""

    def judged(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.bool_]:
        """Masks that count, (K,): here all that are not empty."""
        return np.asarray(measured(selection).column("area") > 0)

    def score(self, selection: Selection, micrograph: Micrograph) -> float:
        """Mean quality, as far as there are enough masks."""
        if len(selection) == 0:
            return 0.0
        which = self.judged(selection, micrograph)
        return self.mean(self.quality(selection, micrograph), which, selection)

    def mean(
        self, quality: NDArray[np.floating[Any]], which: NDArray[np.bool_], selection: Selection
    ) -> float:
        """Weighted mean of `quality` (K,) over the masks `which`, as far as there are enough."""
        worth: NDArray[np.float64] = np.fmin(np.fmax(quality[which], 0), 1)  # NaN becomes 0
        if worth.size == 0:
            return 0.0
        area = measured(selection).column("area")[which].astype(np.float64)
        height, width = selection.shape
        covered = float(area.sum()) / (height * width)
        enough = min(1.0, worth.size / self.least_count)
        if self.least_coverage > 0:
            enough *= min(1.0, covered / self.least_coverage)
        mean = worth.sum() / worth.size if self.weighting == "number" else area @ worth / area.sum()
        return float(mean) * enough


def measured(selection: Selection) -> Measured:
    """Physics of the selection's masks.

    Raises
    ------
    SamStarError
        If it carries none.
    """
    if selection.measured is None:
        raise SamStarError(
            "This selection carries no measurements, so that it cannot be judged: "
            "take one that select gave."
        )
    return selection.measured


def check_calibrated(terms: Iterable[RewardTerm], micrograph: Micrograph) -> None:
    """See that every term can turn its lengths into those of the micrograph.

    Raises
    ------
    SamStarError
        As `pixel_in`.
    """
    for term in terms:
        if term.needs_pixel_size:
            pixel_in(str(getattr(term, "unit", "nm")), micrograph)


def pixel_in(unit: str, micrograph: Micrograph) -> tuple[float, float]:
    """Size of a pixel along (y, x) in `unit`; 1 and 1 for "px".

    Raises
    ------
    SamStarError
        If the unit is physical and the micrograph has no pixel size.
    """
    if unit == "px":
        return 1.0, 1.0
    known = length_unit(micrograph.unit)
    if micrograph.pixel_size is None or known is None:
        raise SamStarError(
            f"A reward gives lengths in {unit}, but the image '{micrograph.name}' has no pixel "
            "size: give one, or give the lengths in px."
        )
    factor = meters_per_unit(known) / meters_per_unit(unit)
    return micrograph.pixel_size[0] * factor, micrograph.pixel_size[1] * factor
