"""Terms that know what objects are shaped like.

All skip masks under 30 px, whose shape is that of the pixel grid, and masks that the frame cuts,
unless nothing else remains.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_samstar.rewards.bands import in_band, plateau
from napari_samstar.rewards.base import Quality, Term, measured
from napari_samstar.types import Micrograph, Selection

__all__ = [
    "AspectRatio",
    "BoundarySmoothness",
    "Circularity",
    "OrientationOrder",
    "Roundness",
    "ShapeQuality",
    "Solidity",
]

_LEAST_AREA = 30  # px; below, circularity and its like scatter by more than shapes differ


def _shaped(selection: Selection, border: bool) -> NDArray[np.bool_]:
    """Masks whose shape means something, (K,)."""
    columns = measured(selection)
    area = columns.column("area")
    large = area >= _LEAST_AREA
    whole = large if border else large & (columns.column("border") == 0)
    for choice in (whole, large):
        if choice.any():
            return np.asarray(choice)
    return np.asarray(area > 0)


class ShapeQuality(Quality):
    """Base of terms for the shape of single masks."""

    border: bool = Field(False, description="Whether masks that the frame cuts are judged, too.")

    def judged(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.bool_]:
        """Masks whose shape means something."""
        return _shaped(selection, self.border)


class Circularity(ShapeQuality):
    """Share of masks whose circularity c = 4 pi A / P^2 lies in a range; 1 for a disc.

    ``q = 1`` for low <= c <= high; outside, q falls to 0 over `softness`, in a straight line. P is
    Crofton's perimeter from four directions (Legland et al., Image Anal. Stereol. 26, 83, 2007):
    discs have c = 1 within 3 percent on average, at any size. Counting border pixels instead would
    reward smaller masks.

    Bias: an axis-parallel square gets 0.88, not pi / 4 = 0.785; use `Roundness` to tell it from a
    disc. Rough outlines lower c as much as long shapes do.
    """

    name: ClassVar[str] = "circularity"
    family: ClassVar[str] = "shape"
    measure: ClassVar[str] = "circularity"

    low: float = Field(0.9, ge=0.0, le=1.0, description="Least circularity expected.")
    high: float = Field(1.0, ge=0.0, le=1.0, description="Largest circularity expected.")
    softness: float = Field(0.5, ge=0.01, le=1.0, description="Distance from them that is worth 0.")

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """Judge the circularity of each mask."""
        values = measured(selection).column("circularity")
        return plateau(values, self.low, self.high, self.softness)


class Roundness(ShapeQuality):
    """Share of masks whose roundness r = 4 A / (pi F^2) lies in a range; F is the Feret diameter.

    ``q = 1`` for low <= r <= high; outside, q falls to 0 over `softness`, in a straight line. F is
    the largest distance across; a disc has r = 1, a square 2 / pi = 0.64. Ferreira and Rasband,
    ImageJ User Guide (2012), "Roundness", there with the fitted ellipse's axis.

    Bias: F goes around whole pixels, so r of discs rises from 0.85 at 30 px to 0.94 at 300 px and
    0.99 at 30000 px. It tells discs from squares far better than circularity does, and knows
    nothing of rough outlines.
    """

    name: ClassVar[str] = "roundness"
    family: ClassVar[str] = "shape"

    low: float = Field(0.85, ge=0.0, le=1.0, description="Least roundness expected.")
    high: float = Field(1.0, ge=0.0, le=1.0, description="Largest roundness expected.")
    softness: float = Field(0.5, ge=0.01, le=1.0, description="Distance from them that is worth 0.")

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """Judge the roundness of each mask."""
        columns = measured(selection)
        across = np.maximum(columns.column("feret_diameter"), 1e-6)
        round_ = np.minimum(4 * columns.column("area") / (np.pi * across**2), 1)
        return plateau(round_, self.low, self.high, self.softness)


class Solidity(ShapeQuality):
    """Share of masks whose area over convex area s lies in a range; 1 for anything convex.

    ``q = 1`` for low <= s <= high; outside, q falls to 0 over `softness`, in a straight line.

    Bias: discs of 2 to 20 px radius have 0.95 to 0.98, as their hull cuts pixels in half. Holes
    and bays lower it; two discs merged side by side still have 0.85.
    """

    name: ClassVar[str] = "solidity"
    family: ClassVar[str] = "shape"
    measure: ClassVar[str] = "solidity"

    low: float = Field(0.93, ge=0.0, le=1.0, description="Least solidity expected.")
    high: float = Field(1.0, ge=0.0, le=1.0, description="Largest solidity expected.")
    softness: float = Field(0.3, ge=0.01, le=1.0, description="Distance from them that is worth 0.")

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """Judge the solidity of each mask."""
        values = measured(selection).column("solidity")
        return plateau(values, self.low, self.high, self.softness)


class AspectRatio(ShapeQuality):
    """Share of masks whose aspect ratio lies in a range, with soft edges.

    The ratio is that of the axes of the ellipse with the same second moments; outside the range q
    falls to 0 over `softness` in its logarithm.

    Bias: masks of few pixels are a little longer than they should be: discs of 40 px by 6 percent,
    of 300 px by 1 percent. A bent rod is shorter than a straight one.
    """

    name: ClassVar[str] = "aspect_ratio"
    family: ClassVar[str] = "shape"
    measure: ClassVar[str] = "aspect_ratio"

    low: float = Field(1.0, ge=1.0, le=1000.0, description="Smallest ratio, major over minor.")
    high: float = Field(1.5, ge=1.0, le=1000.0, description="Largest ratio.")
    softness: float = Field(
        0.2, ge=0.001, le=2.0, description="Width of the soft edges, in the logarithm of the ratio."
    )

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """1 in the range, 0 well outside."""
        ratio = np.maximum(measured(selection).column("aspect_ratio"), 1)
        return in_band(ratio, self.low, self.high, self.softness)


class BoundarySmoothness(ShapeQuality):
    """Mean smoothness of outlines: 1 less the area of mask XOR its moment ellipse over the mask's.

    ``q = clip((b - floor) / (1 - floor), 0, 1)``.

    Bias: it takes every outline for an ellipse's, so that any rectangle has 0.81; of discs, the
    pixel grid costs 0.06 at 80 px and 0.1 at 30 px.
    """

    name: ClassVar[str] = "boundary_smoothness"
    family: ClassVar[str] = "shape"

    floor: float = Field(0.5, ge=0.0, le=0.95, description="Smoothness that is worth 0.")

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """Smoothness of each mask above the floor."""
        smooth = measured(selection).column("boundary_smoothness")
        return np.asarray((smooth - self.floor) / (1 - self.floor))


class OrientationOrder(Term):
    """How far long masks point the same way: the nematic order parameter in two dimensions.

    ``S = |sum w e^(2 i theta)| / n``, ``n = sum w``; a disc points nowhere, so w rises from 0 at an
    aspect ratio of 1.1 to 1 at 1.5. With an `angle` it is the order along that direction,
    ``sum w cos 2(theta - angle) / n``. ``score = min(1, S / target) * min(1, n / least_count)``.

    Bias: n masks at random still have S near ``sqrt(pi / 4n)``; without an angle, the expected
    1 / n is taken off S^2. Fewer than 3 masks score 0.
    """

    name: ClassVar[str] = "orientation_order"
    family: ClassVar[str] = "order"

    target: float = Field(0.9, ge=0.05, le=1.0, description="Order that gets full score.")
    angle: float | None = Field(
        None,
        ge=-180.0,
        le=180.0,
        description="Expected direction, counter-clockwise from horizontal; left out, any.",
        json_schema_extra={"unit": "deg"},
    )
    least_count: int = Field(
        5, ge=3, le=100_000, description="Fewer long masks than this cannot have full score."
    )
    border: bool = Field(False, description="Whether masks that the frame cuts are judged, too.")

    def score(self, selection: Selection, micrograph: Micrograph) -> float:
        """Order of the directions."""
        if len(selection) < 3:
            return 0.0
        columns = measured(selection)
        which = _shaped(selection, self.border)
        ratio = columns.column("aspect_ratio")[which].astype(np.float64)
        weight = np.clip((ratio - 1.1) / 0.4, 0, 1)
        n = float(weight.sum())
        if int(which.sum()) < 3 or n < 1:
            return 0.0
        # columns count from the rows' axis, which is vertical
        theta = columns.column("orientation")[which].astype(np.float64) - math.pi / 2
        mean = complex(weight @ np.exp(2j * theta)) / n
        if self.angle is not None:
            order = (mean * complex(np.exp(-2j * math.radians(self.angle)))).real
        else:
            order = math.sqrt(max(abs(mean) ** 2 - 1 / n, 0) / max(1 - 1 / n, 1e-9))
        return min(1.0, max(order, 0) / self.target) * min(1.0, n / self.least_count)
