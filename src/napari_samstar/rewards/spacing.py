"""Terms that know how far apart objects lie, and how regularly."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_samstar.rewards.bands import in_band, within
from napari_samstar.rewards.base import Quality, Term, measured, pixel_in
from napari_samstar.types import Micrograph, Selection

__all__ = ["ClarkEvans", "NeighborSpacing"]


def _nearest(centers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each of at least two points (K, 2) to its nearest neighbor, (K,)."""
    from scipy.spatial import cKDTree

    tree = cKDTree(centers)
    return np.asarray(tree.query(centers, k=2)[0])[:, 1]


def _centers(selection: Selection, pixel: tuple[float, float]) -> NDArray[np.float64]:
    """Centers of the masks that are not empty, (K, 2) as y, x, in units of `pixel`."""
    columns = measured(selection)
    some = columns.column("area") > 0
    y, x = columns.column("centroid_y")[some], columns.column("centroid_x")[some]
    return np.stack([y, x], axis=1).astype(np.float64) * pixel


class NeighborSpacing(Quality):
    """Share of masks whose nearest neighbor, center to center, is at an expected distance.

    ``q = 1`` for low <= r <= high; outside, q falls to 0 over `softness` in ln r.

    Bias: near the frame the true neighbor may lie outside, so that distances come out too long.
    Masks nearer to the frame than to their neighbor are left out (reduced sample; Ripley, Spatial
    Statistics, Wiley 1981) unless nothing else remains. A mask that is found twice is its
    own neighbor, at 0. One mask alone scores 0.
    """

    name: ClassVar[str] = "neighbor_spacing"
    family: ClassVar[str] = "spacing"
    measure: ClassVar[str] = "nearest_neighbor_distance"

    low: float = Field(
        0.0, ge=0.0, le=1e9, description="Smallest distance.", json_schema_extra={"unit": "length"}
    )
    high: float = Field(
        100.0, gt=0.0, le=1e9, description="Largest distance.", json_schema_extra={"unit": "length"}
    )
    unit: str = Field("px", description="Unit of lengths: px, or one such as nm.")
    softness: float = Field(
        0.1, ge=0.001, le=2.0, description="Width of the soft edges, in the logarithm of distance."
    )

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """1 for masks whose neighbor is where it should be."""
        return self._judge(selection, micrograph)[0]

    def judged(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.bool_]:
        """Masks whose nearest neighbor must be in the image."""
        return self._judge(selection, micrograph)[1]

    def score(self, selection: Selection, micrograph: Micrograph) -> float:
        """Share of the masks that are well spaced."""
        if len(selection) < 2:
            return 0.0
        quality, known = self._judge(selection, micrograph)
        return self.mean(quality, known, selection)

    def _judge(
        self, selection: Selection, micrograph: Micrograph
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        pixel = pixel_in(self.unit, micrograph)
        some = np.flatnonzero(measured(selection).column("area") > 0)
        quality = np.zeros(len(selection))
        known = np.zeros(len(selection), np.bool_)
        if some.size < 2:
            return quality, known
        centers = _centers(selection, pixel)
        near = _nearest(centers)
        quality[some] = in_band(near, self.low, self.high, self.softness)
        far = (np.array(selection.shape) - 1.0) * pixel
        inside = near <= np.minimum(centers, far - centers).min(axis=1)
        known[some] = inside if inside.any() else True
        return quality, known


class ClarkEvans(Term):
    """Whether objects are as regularly spaced as expected: 1 random, over 1 ordered, under 1 not.

    ``R`` = mean distance to the nearest neighbor over that of as many random points,
    ``E = sqrt(A / n) / 2 + (0.0514 + 0.041 / sqrt(n)) P / n`` in a frame of area A and perimeter P:
    Clark and Evans, Ecology 35, 445 (1954), with the edge correction of Donnelly (in Simulation
    Studies in Archaeology, Cambridge 1978). ``score = min(1, R / low, high / R)``; a hexagonal
    lattice has 2.15.

    Bias: R is biased high without the correction, which holds for at least 8 masks in a frame that
    is not too long; fewer score 0. Objects that cannot overlap are never quite random: crowded
    discs reach 1.5 without any lattice.
    """

    name: ClassVar[str] = "clark_evans"
    family: ClassVar[str] = "order"

    low: float = Field(1.2, ge=0.0, le=2.15, description="Least R.")
    high: float = Field(2.15, gt=0.0, le=2.15, description="Largest R.")

    def score(self, selection: Selection, micrograph: Micrograph) -> float:
        """1 where the order is as expected."""
        if len(selection) < 8:
            return 0.0
        # R has no unit, but pixels may not be square
        pixel = micrograph.pixel_size or (1.0, 1.0)
        centers = _centers(selection, pixel)
        n = len(centers)
        if n < 8:
            return 0.0
        height, width = selection.shape[0] * pixel[0], selection.shape[1] * pixel[1]
        edge = (0.0514 + 0.041 / n**0.5) * 2 * (height + width) / n
        expected = 0.5 * (height * width / n) ** 0.5 + edge
        return within(float(_nearest(centers).mean()) / expected, self.low, self.high)
