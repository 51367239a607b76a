"""Terms that know how large objects are, and how many."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, JsonValue

from napari_samstar.rewards.bands import in_band, within
from napari_samstar.rewards.base import Quality, Term, Wanted, measured, pixel_in
from napari_samstar.types import Micrograph, Selection

__all__ = ["Count", "NumberDensity", "SizeBand", "SizeDistribution"]

_LENGTH: dict[str, JsonValue] = {"unit": "length"}
_UNIT = "Unit of lengths: px, or one such as nm."


def _diameters(selection: Selection, unit: str, micrograph: Micrograph) -> NDArray[np.float64]:
    """Equivalent diameters sqrt(4 A / pi) in `unit`; exact for pixels that are not square, too."""
    y, x = pixel_in(unit, micrograph)
    diameters = measured(selection).column("equivalent_diameter")
    return np.asarray(diameters.astype(np.float64) * math.sqrt(y * x))


class SizeBand(Quality):
    """Share of the masks whose equivalent diameter lies in a range.

    ``q = 1`` for low <= d <= high; outside, q falls to 0 over `softness` in ln d, so that a search
    feels which way is better. ``d = sqrt(4 A / pi)``, by number.

    Bias: an object that the frame cuts looks smaller than it is. Masks at the frame count only
    where they are too large already, unless there are no others. Splitting one good mask into two
    of allowed size costs nothing: pair it with shape, count or edge alignment.
    """

    name: ClassVar[str] = "size_band"
    family: ClassVar[str] = "size"
    measure: ClassVar[str] = "equivalent_diameter"

    low: float = Field(
        5.0, ge=0.0, le=1e9, description="Smallest diameter.", json_schema_extra=_LENGTH
    )
    high: float = Field(
        200.0, gt=0.0, le=1e9, description="Largest diameter.", json_schema_extra=_LENGTH
    )
    unit: str = Field("px", description=_UNIT)
    softness: float = Field(
        0.1, ge=0.001, le=2.0, description="Width of the soft edges, in the logarithm of diameter."
    )

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """1 in the range, 0 well outside."""
        diameters = _diameters(selection, self.unit, micrograph)
        return in_band(diameters, self.low, self.high, self.softness)

    def judged(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.bool_]:
        """Masks whose size is known: whole ones, and cut ones that are too large as they are."""
        columns = measured(selection)
        some = columns.column("area") > 0
        too_large = _diameters(selection, self.unit, micrograph) > self.high
        known = some & ((columns.column("border") == 0) | too_large)
        return np.asarray(known if known.any() else some)


class SizeDistribution(Term):
    """How well diameters follow a log-normal distribution.

    ``score = exp(-W1 / tau) * min(1, n / least_count)``; W1 is the first Wasserstein distance in
    ln d, the mean over ranks i of ``|ln d_(i) - ln median - spread * z((i - 1/2) / n)|``, where z
    is the normal quantile: a W1 of 0.1 is a size wrong by 10 percent. Without a median, the
    sample's own stands for it and the shape of the distribution alone is judged.
    Log-normal sizes: Granqvist and Buhrman, J. Appl. Phys. 47, 2200 (1976).

    Bias: a sample of n from the very distribution has W1 of about ``spread / sqrt(n)``, so that
    few masks score lower even where all is right; fewer than 3 score 0. Masks at the frame are
    left out unless there are no others.
    """

    name: ClassVar[str] = "size_distribution"
    family: ClassVar[str] = "size"
    measure: ClassVar[str] = "equivalent_diameter"

    median: float | None = Field(
        None,
        gt=0.0,
        le=1e9,
        description="Median diameter; left out, the masks' own.",
        json_schema_extra=_LENGTH,
    )
    unit: str = Field("px", description=_UNIT)
    spread: float = Field(
        0.3, ge=0.0, le=3.0, description="Standard deviation of the logarithm of diameter."
    )
    tau: float = Field(0.25, ge=0.01, le=10.0, description="Distance that costs a factor of e.")
    least_count: int = Field(
        10, ge=3, le=100_000, description="Fewer masks than this cannot have full score."
    )

    def wanted(self) -> Wanted | None:
        """Within one standard deviation, where the median is given."""
        if self.median is None:
            return None
        by = math.exp(self.spread)
        return Wanted(self.measure, self.median / by, self.median * by, self.unit)

    def score(self, selection: Selection, micrograph: Micrograph) -> float:
        """Agreement with the distribution."""
        if len(selection) < 3:
            return 0.0
        from scipy.special import ndtri

        diameters = _diameters(selection, self.unit, micrograph)
        whole = (measured(selection).column("border") == 0) & (diameters > 0)
        known = diameters[whole if whole.any() else diameters > 0]
        n = known.size
        if n < 3:
            return 0.0
        log = np.sort(np.log(known))
        middle = float(np.median(log)) if self.median is None else math.log(self.median)
        expected = middle + self.spread * ndtri((np.arange(n) + 0.5) / n)
        distance = float(np.abs(log - expected).mean())
        return math.exp(-distance / self.tau) * min(1.0, n / self.least_count)


class Count(Term):
    """Whether there are as many masks as expected.

    ``score = min(1, n / low, high / n)``: the group's QC term ``|n - n0| / n0`` (Barakati et al.,
    Digital Discovery 2024, doi 10.1039/D4DD00132J) as a ratio, so that twice too many costs the
    same as half too few.

    Bias: it does not ask where the masks are; any n masks have full score.
    """

    name: ClassVar[str] = "count"
    family: ClassVar[str] = "coverage"

    low: int = Field(1, ge=1, le=10_000_000, description="Fewest masks expected.")
    high: int = Field(1000, ge=1, le=10_000_000, description="Most masks expected.")

    def score(self, selection: Selection, micrograph: Micrograph) -> float:
        """1 in the range."""
        if len(selection) == 0:
            return 0.0
        n = int((measured(selection).column("area") > 0).sum())
        return within(float(n), float(self.low), float(self.high))


class NumberDensity(Term):
    """Whether there are as many masks per area as expected.

    ``score = min(1, r / low, high / r)`` with ``r = (n - n_border / 2) / (H W s^2)``: an object at
    the frame belongs to this image and to its neighbor, so it counts half, close to the unbiased
    frame of Gundersen, J. Microsc. 111, 219 (1977).

    Bias: as for the count, it does not ask where the masks are.
    """

    name: ClassVar[str] = "number_density"
    family: ClassVar[str] = "coverage"

    low: float = Field(
        0.0,
        ge=0.0,
        le=1e12,
        description="Fewest per area.",
        json_schema_extra={"unit": "length^-2"},
    )
    high: float = Field(
        1e12, gt=0.0, le=1e12, description="Most per area.", json_schema_extra={"unit": "length^-2"}
    )
    unit: str = Field("px", description="Unit of length; densities are per its square.")

    def score(self, selection: Selection, micrograph: Micrograph) -> float:
        """1 in the range."""
        if len(selection) == 0:
            return 0.0
        y, x = pixel_in(self.unit, micrograph)
        columns = measured(selection)
        some = columns.column("area") > 0
        cut = some & (columns.column("border") > 0)
        height, width = selection.shape
        density = (int(some.sum()) - 0.5 * int(cut.sum())) / (height * y * width * x)
        return within(density, self.low, self.high)
