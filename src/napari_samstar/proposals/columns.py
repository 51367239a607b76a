"""Physical properties of every mask on offer, measured on first use and kept with the table."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_samstar.proposals.chunks import at_once, in_chunks
from napari_samstar.proposals.photometry import mean_gradient, photometry, running_sums
from napari_samstar.proposals.segments import shapes
from napari_samstar.runs import MaskRuns
from napari_samstar.types import Proposals

__all__ = ["GRAY_NAMES", "NAMES", "column", "column_steps", "image_of", "share_image"]

_SHAPE = (
    "area",
    "perimeter",
    "circularity",
    "solidity",
    "aspect_ratio",
    "eccentricity",
    "orientation",
    "major_axis",
    "minor_axis",
    "centroid_x",
    "centroid_y",
    "boundary_smoothness",
    "border",
    "equivalent_diameter",
    "feret_diameter",
)
#: Columns that need the image.
GRAY_NAMES = ("mean", "std", "ring_mean", "ring_std", "contrast", "edge", "flux", "support")
#: Every column there is.
NAMES = _SHAPE + GRAY_NAMES

_Family = Callable[[Proposals], Generator[int, None, dict[str, NDArray[np.float64]]]]


def column(proposals: Proposals, name: str) -> NDArray[np.float32]:
    """One property of every mask, (N,) float32, kept in ``proposals.columns``.

    Parameters
    ----------
    proposals : Proposals
        The table; gray values are measured on its ``gray``.
    name : str
        One of `NAMES`. Lengths in px, areas in px. ``perimeter`` is Crofton's (four directions),
        ``circularity`` 4 pi A / P^2 cut at 1, ``solidity`` area over convex area,
        ``feret_diameter`` the largest distance between two points of the outline, axes those of the
        ellipse with the same moments, ``orientation`` the angle of the major axis from the
        rows' axis, -pi/2 to pi/2, ``boundary_smoothness`` 1 less the area of mask XOR that
        ellipse over the mask's. ``contrast`` is (mean - ring_mean) / sqrt(std^2 + ring_std^2),
        positive for bright masks; ``edge`` the mean gradient along the outline over the image's
        mean; ``flux`` its outward fall in the same unit, ``support`` the share of the outline
        where gray falls outwards less where it rises; ``border`` is 1 where the frame cuts.
        Empty masks give zeros.

    Raises
    ------
    KeyError
        If there is no such column.
    """
    if name not in NAMES:
        raise KeyError(f"There is no column '{name}'; known are {', '.join(NAMES)}.")
    if name not in proposals.columns:
        family = _shape_columns if name in _SHAPE else _gray_columns
        at_once(_measure(proposals, family))
    known: NDArray[np.float32] = proposals.columns[name]
    return known


def column_steps(proposals: Proposals) -> Generator[int, None, None]:
    """Measure all columns that are not known yet; yields rows done of either family."""
    for family, names in ((_shape_columns, _SHAPE), (_gray_columns, GRAY_NAMES)):
        if names[0] not in proposals.columns:
            yield from _measure(proposals, family)


def _measure(proposals: Proposals, family: _Family) -> Generator[int, None, None]:
    for key, values in (yield from family(proposals)).items():
        proposals.columns[key] = np.asarray(values, np.float32)


def _tabled(
    runs: MaskRuns, measure: Callable[[Any, Any], NDArray[np.float64]]
) -> Generator[int, None, NDArray[np.float64]]:
    """Measure parts of the masks; every row stands for itself."""
    if not len(runs):
        return measure(runs.counts, runs.offsets)

    def work(start: int, stop: int) -> NDArray[np.float64]:
        return measure(runs.counts, runs.offsets[start : stop + 1])

    return np.concatenate((yield from in_chunks(len(runs), work)))


def _shape_columns(proposals: Proposals) -> Generator[int, None, dict[str, NDArray[np.float64]]]:
    height, width = proposals.shape
    table = yield from _tabled(proposals.runs, lambda c, o: np.asarray(shapes(c, o, height, width)))
    area, x, y, vxx, vyy, vxy, perimeter, convex, border, shared, feret = table.T
    spread = np.hypot((vxx - vyy) / 2, vxy)
    large, small = (vxx + vyy) / 2 + spread, np.maximum((vxx + vyy) / 2 - spread, 0)
    some = np.maximum(area, 1)
    # a single row or column has no width by its moments: a pixel's own is added for the ratio
    ratio = np.sqrt((large + 1 / 12) / (small + 1 / 12))
    ellipse = 4 * np.pi * np.sqrt((large + 1 / 12) * (small + 1 / 12))
    return {
        "area": area,
        "perimeter": perimeter,
        "circularity": np.minimum(4 * np.pi * area / np.maximum(perimeter, 1e-9) ** 2, 1),
        "solidity": area / np.maximum(convex, 1),
        "aspect_ratio": np.where(area > 0, ratio, 0),
        "eccentricity": np.sqrt(1 - small / np.maximum(large, 1e-12)) * (large > 0),
        "orientation": np.where(
            (vxx == vyy) & (vxy == 0), -np.pi / 4, 0.5 * np.arctan2(2 * vxy, vyy - vxx)
        )
        * (area > 0),
        "major_axis": 4 * np.sqrt(large),
        "minor_axis": 4 * np.sqrt(small),
        "centroid_x": x,
        "centroid_y": y,
        "boundary_smoothness": np.clip(1 - (area + ellipse - 2 * shared) / some, 0, 1),
        "border": border,
        "equivalent_diameter": np.sqrt(4 * area / np.pi),
        "feret_diameter": feret,
    }


def share_image(source: Proposals, other: Proposals) -> Proposals:
    """Give `other`, of the same image, what `source` knows of the image itself."""
    other.columns["image"] = image_of(source)
    return other


def image_of(proposals: Proposals) -> Any:
    """Return image, its running sums and itself smoothed, all transposed, and its mean gradient."""
    if "image" not in proposals.columns:
        gray = proposals.gray
        turned = np.ascontiguousarray(gray.T)
        smooth = cv2.GaussianBlur(gray.astype(np.uint16) * np.uint16(256), (0, 0), 1.0)
        f = np.ascontiguousarray(np.asarray(smooth, np.uint16).T)
        proposals.columns["image"] = (turned, running_sums(turned), f, float(mean_gradient(f)))
    return proposals.columns["image"]


def _gray_columns(proposals: Proposals) -> Generator[int, None, dict[str, NDArray[np.float64]]]:
    turned, sums, f, average = image_of(proposals)
    table = yield from _tabled(
        proposals.runs, lambda c, o: np.asarray(photometry(c, o, turned, sums, f, average))
    )
    mean, std, ring_mean, ring_std, edge, flux, support = table.T
    # one gray level is the least that 8 bits can tell
    noise = np.sqrt(std**2 + ring_std**2 + 1)
    return {
        "mean": mean,
        "std": std,
        "ring_mean": ring_mean,
        "ring_std": ring_std,
        "contrast": (mean - ring_mean) / noise,
        "edge": edge,
        "flux": flux,
        "support": support,
    }
