"""Geometry of every region of a label image at once: compiled passes instead of a loop in Python.

A region is cut into its row runs; area, moments and convex hull follow from the runs alone. Hulls
are built from whole numbers, so that equal regions measure equal wherever they lie.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Geometry", "crofton_perimeters", "geometry", "intensity_sums"]


@dataclass(frozen=True)
class Geometry:
    """Shape of N regions; lengths are in the unit of the spacing they were measured with.

    Parameters
    ----------
    pixels : (N,) int64
        Pixels in each region.
    convex_pixels : (N,) int64
        Pixels whose center lies in the convex hull of the region's pixel edges' midpoints.
    centroid : (N, 2) float64
        y, x; the center of the first pixel is 0, 0.
    moments : (N, 3) float64
        Central second moments yy, xx, xy over the area: a pixel counts as a rectangle, not as a
        point, so that a rectangle's moments are exact.
    feret : (N, 2) float64
        Largest and smallest distance between parallel lines that hold the region's hull.
    border : (N,) bool
        True where the region meets the frame.
    """

    pixels: NDArray[np.int64]
    convex_pixels: NDArray[np.int64]
    centroid: NDArray[np.float64]
    moments: NDArray[np.float64]
    feret: NDArray[np.float64]
    border: NDArray[np.bool_]


def geometry(index: NDArray[np.int32], count: int, spacing: tuple[float, float]) -> Geometry:
    """Measure the shape of the regions 1 to `count` of `index`.

    Parameters
    ----------
    index : (H, W) int32
        As from `napari_samstar.labels.index_labels`.
    count : int
        Number of regions N.
    spacing : tuple of float
        Size of a pixel along y and x, the two may differ.
    """
    sy, sx = spacing
    starts, runs = _row_runs(index, count)
    pixels, convex, centroid, moments, feret = _shapes(starts, runs, sy, sx)
    border = np.zeros(count, np.bool_)
    for edge in (index[:1], index[-1:], index[:, :1], index[:, -1:]):
        touched = np.unique(edge)
        border[touched[touched > 0] - 1] = True
    return Geometry(pixels, convex, centroid, moments, feret, border)


def crofton_perimeters(
    index: NDArray[np.int32], count: int, spacing: tuple[float, float]
) -> NDArray[np.float64]:
    """Perimeter of each region, (N,), by Crofton's formula over four directions.

    A line in a random direction meets a curve in proportion to its length. Crossings are counted
    along rows, columns and both diagonals and weighted by the angle each direction stands for and
    the distance between neighboring lines; this holds for pixels that are not square, too. Holes
    count, and so does the frame where a region meets it. For square pixels it is
    `skimage.measure.perimeter_crofton`. It has no trend with size down to a radius of 3 px; a
    straight outline comes out 5 percent short along rows, columns and diagonals, and 3 percent
    long between them.

    References
    ----------
    Lehmann and Legland, "Efficient N-dimensional surface estimation using Crofton formula and
    run-length encoding", The Insight Journal (2012).
    """
    sy, sx = spacing
    crossings = _crossings(index, count).astype(np.float64)
    diagonal = math.hypot(sy, sx)
    steep = math.atan2(sy, sx)  # angle of the diagonals against the rows
    # the angle that each direction stands for, times the distance between its lines
    rows = steep * sy
    columns = (math.pi / 2.0 - steep) * sx
    diagonals = math.pi / 4.0 * sy * sx / diagonal
    return np.asarray(crossings @ np.array([rows, columns, diagonals])) / 2.0


def intensity_sums(
    index: NDArray[np.int32], count: int, data: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Sum of the intensities in each region, (N,); three channels count as their mean."""
    channels = data.reshape(*index.shape, -1)
    sums = np.asarray(_sums(index, channels, count), np.float64)
    return np.asarray(sums / channels.shape[2])


@njit(cache=True, nogil=True)
def _sums(index: NDArray[np.int32], data: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    out = np.zeros(count + 1, np.float64)
    for y in range(index.shape[0]):
        for x in range(index.shape[1]):
            region = index[y, x]
            if region > 0:
                for c in range(data.shape[2]):
                    out[region] += data[y, x, c]
    return out[1:]


@njit(cache=True, nogil=True)
def _crossings(index: NDArray[np.int32], count: int) -> NDArray[np.int64]:
    """Count where rows, columns and diagonals enter or leave each region, (N, 3)."""
    height, width = index.shape
    out = np.zeros((count + 1, 3), np.int64)
    for y in range(height):
        for x in range(width):
            region = index[y, x]
            if region == 0:
                continue
            left, right = x > 0, x + 1 < width
            up, down = y > 0, y + 1 < height
            out[region, 0] += int(not left or index[y, x - 1] != region)
            out[region, 0] += int(not right or index[y, x + 1] != region)
            out[region, 1] += int(not up or index[y - 1, x] != region)
            out[region, 1] += int(not down or index[y + 1, x] != region)
            out[region, 2] += int(not (up and left) or index[y - 1, x - 1] != region)
            out[region, 2] += int(not (up and right) or index[y - 1, x + 1] != region)
            out[region, 2] += int(not (down and left) or index[y + 1, x - 1] != region)
            out[region, 2] += int(not (down and right) or index[y + 1, x + 1] != region)
    return out[1:]


@njit(cache=True, nogil=True)
def _row_runs(index: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """List the runs y, first x, last x of all regions, by region, then down the rows.

    Runs of region i (from 0) are ``runs[starts[i]:starts[i + 1]]``.
    """
    height, width = index.shape
    starts = np.zeros(count + 1, np.int64)
    for y in range(height):
        for x in range(width):
            region = index[y, x]
            if region > 0 and (x == 0 or index[y, x - 1] != region):
                starts[region] += 1
    for i in range(count):
        starts[i + 1] += starts[i]
    place = starts[:-1].copy()
    runs = np.empty((starts[count], 3), np.int32)
    for y in range(height):
        for x in range(width):
            region = index[y, x]
            if region > 0:
                if x == 0 or index[y, x - 1] != region:
                    runs[place[region - 1], 0] = y
                    runs[place[region - 1], 1] = x
                if x + 1 == width or index[y, x + 1] != region:
                    runs[place[region - 1], 2] = x
                    place[region - 1] += 1
    return starts, runs


@njit(cache=True, nogil=True)
def _shapes(starts: NDArray[np.int64], runs: NDArray[np.int32], sy: float, sx: float) -> Any:
    count = starts.size - 1
    pixels = np.zeros(count, np.int64)
    convex = np.zeros(count, np.int64)
    centroid = np.zeros((count, 2), np.float64)
    moments = np.zeros((count, 3), np.float64)
    feret = np.zeros((count, 2), np.float64)
    for i in range(count):
        own = runs[starts[i] : starts[i + 1]]
        y0, x0 = int(own[0, 0]), int(own[0, 1])  # whole numbers from here keep all digits
        area = 0
        sum_y = sum_x2 = 0
        for k in range(own.shape[0]):
            length = int(own[k, 2]) - int(own[k, 1]) + 1
            area += length
            sum_y += length * (int(own[k, 0]) - y0)
            sum_x2 += length * (int(own[k, 1]) + int(own[k, 2]) - 2 * x0)
        cy, cx = sum_y / area, 0.5 * sum_x2 / area
        yy = xx = xy = 0.0
        for k in range(own.shape[0]):
            wide = float(int(own[k, 2]) - int(own[k, 1]) + 1)
            dy = own[k, 0] - y0 - cy
            dx = 0.5 * (int(own[k, 1]) + int(own[k, 2])) - x0 - cx
            yy += wide * dy * dy
            xx += wide * dx * dx + wide * (wide * wide - 1.0) / 12.0
            xy += wide * dy * dx
        pixels[i] = area
        centroid[i, 0], centroid[i, 1] = (y0 + cy) * sy, (x0 + cx) * sx
        moments[i, 0] = (yy / area + 1.0 / 12.0) * sy * sy
        moments[i, 1] = (xx / area + 1.0 / 12.0) * sx * sx
        moments[i, 2] = xy / area * sy * sx
        left, right = _hull(own)
        convex[i] = _pixels_inside(left, right)
        feret[i, 0], feret[i, 1] = _calipers(left, right, sy, sx)
    return pixels, convex, centroid, moments, feret


@njit(cache=True, nogil=True)
def _hull(runs: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Left and right side of the hull of the midpoints of a region's pixel edges, down the rows.

    Points are Y, X in half pixels, so that all of them are whole numbers.
    """
    # a row gives its two ends at its middle, and its first and last center at its top and bottom
    points = np.empty((3 * runs.shape[0] + 1, 3), np.int64)  # Y, leftmost X, rightmost X
    n = 0
    k = 0
    while k < runs.shape[0]:
        y = int(runs[k, 0])
        first, last = 2 * int(runs[k, 1]), 2 * int(runs[k, 2])
        while k + 1 < runs.shape[0] and runs[k + 1, 0] == y:
            k += 1
            last = 2 * int(runs[k, 2])
        k += 1
        if n > 0 and points[n - 1, 0] == 2 * y - 1:  # the bottom of the row above is our top
            points[n - 1, 1] = min(points[n - 1, 1], first)
            points[n - 1, 2] = max(points[n - 1, 2], last)
        else:
            points[n, 0], points[n, 1], points[n, 2] = 2 * y - 1, first, last
            n += 1
        points[n, 0], points[n, 1], points[n, 2] = 2 * y, first - 1, last + 1
        points[n + 1, 0], points[n + 1, 1], points[n + 1, 2] = 2 * y + 1, first, last
        n += 2
    return _side(points[:n], 1, 1), _side(points[:n], 2, -1)


@njit(cache=True, nogil=True)
def _side(points: NDArray[np.int64], column: int, turn: int) -> NDArray[np.int64]:
    """One side of a hull by Andrew's monotone chain: points that never turn inwards."""
    chain = np.empty((points.shape[0], 2), np.int64)
    n = 0
    for k in range(points.shape[0]):
        y, x = points[k, 0], points[k, column]
        while n >= 2:
            ay, ax = chain[n - 2, 0], chain[n - 2, 1]
            by, bx = chain[n - 1, 0], chain[n - 1, 1]
            if turn * ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) < 0:
                break
            n -= 1
        chain[n, 0], chain[n, 1] = y, x
        n += 1
    return chain[:n].copy()


@njit(cache=True, nogil=True)
def _pixels_inside(left: NDArray[np.int64], right: NDArray[np.int64]) -> int:
    """Pixel centers inside a hull, its edge included."""
    total = 0
    i = j = 0
    for y in range(left[0, 0] + 1, left[-1, 0], 2):  # the rows' middles, in half pixels
        while left[i + 1, 0] < y:
            i += 1
        while right[j + 1, 0] < y:
            j += 1
        step = left[i + 1, 0] - left[i, 0]
        above = left[i, 1] * step + (left[i + 1, 1] - left[i, 1]) * (y - left[i, 0])
        first = -((-above) // (2 * step))  # rounded up
        step = right[j + 1, 0] - right[j, 0]
        above = right[j, 1] * step + (right[j + 1, 1] - right[j, 1]) * (y - right[j, 0])
        last = above // (2 * step)
        total += max(0, last - first + 1)
    return total


@njit(cache=True, nogil=True)
def _calipers(
    left: NDArray[np.int64], right: NDArray[np.int64], sy: float, sx: float
) -> tuple[float, float]:
    """Largest distance of two corners, and smallest width across an edge, of a hull."""
    n = left.shape[0] + right.shape[0]
    ys = np.empty(n, np.float64)
    xs = np.empty(n, np.float64)
    for k in range(left.shape[0]):
        ys[k], xs[k] = 0.5 * sy * left[k, 0], 0.5 * sx * left[k, 1]
    for k in range(right.shape[0]):  # back up the other side
        ys[n - 1 - k], xs[n - 1 - k] = 0.5 * sy * right[k, 0], 0.5 * sx * right[k, 1]
    longest = 0.0
    narrowest = math.inf
    for a in range(n):
        b = (a + 1) % n
        dy, dx = ys[b] - ys[a], xs[b] - xs[a]
        length = math.hypot(dy, dx)
        width = 0.0
        for c in range(n):
            longest = max(longest, (ys[c] - ys[a]) ** 2 + (xs[c] - xs[a]) ** 2)
            width = max(width, abs(dx * (ys[c] - ys[a]) - dy * (xs[c] - xs[a])))
        if length > 0.0:
            narrowest = min(narrowest, width / length)
    return math.sqrt(longest), narrowest
