"""Masks as column segments, and their shape, without ever painting them.

All costs go with the number of runs, not with the area: a mask of a million pixels takes as long as
one of a thousand with the same outline.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["SHAPE", "outline_sides", "segments", "shapes"]

#: Columns of `shapes`.
SHAPE = (
    "area",
    "x",
    "y",
    "vxx",
    "vyy",
    "vxy",
    "perimeter",
    "convex_area",
    "border",
    "ellipse",
    "feret",
)


@njit(cache=True, nogil=True)
def segments(counts: NDArray[np.uint32], height: int) -> tuple[Any, Any, Any, int]:
    """Vertical segments of one mask.

    Returns
    -------
    top, bottom : (S,) int32
        First row of each segment, and the row after its last; column by column, downwards.
    first : (C + 1,) int32
        Segments of column ``x0 + j`` are ``first[j]:first[j + 1]``.
    x0 : int
        First column that the mask reaches.
    """
    total = 0
    position = 0
    x_min, x_max = -1, -1
    for k in range(counts.size):
        length = int(counts[k])
        if k % 2 == 1 and length > 0:
            a, b = position // height, (position + length - 1) // height
            if x_min < 0:
                x_min = a
            x_max = b
            total += b - a + 1
        position += length
    if x_min < 0:
        none = np.zeros(0, np.int32)
        return none, none, np.zeros(1, np.int32), 0
    top = np.empty(total, np.int32)
    bottom = np.empty(total, np.int32)
    first = np.zeros(x_max - x_min + 2, np.int32)
    n = 0
    position = 0
    for k in range(counts.size):
        length = int(counts[k])
        if k % 2 == 1:
            p, end = position, position + length
            while p < end:
                x = p // height
                stop = min(end, (x + 1) * height)
                top[n] = p - x * height
                bottom[n] = stop - x * height
                n += 1
                first[x - x_min + 1] = n
                p = stop
        position += length
    for j in range(1, first.size):
        first[j] = max(first[j], first[j - 1])
    return top, bottom, first, x_min


@njit(cache=True, nogil=True)
def outline_sides(top: Any, bottom: Any, first: Any, x0: int, width: int, height: int) -> Any:
    """Pixel sides of one mask's outline, those on the image's frame left out.

    Parameters
    ----------
    top, bottom, first, x0
        From `segments`.
    width, height : int
        Of the image, px.

    Returns
    -------
    (S, 4) int32
        Pixel inside, x and y, and the step outwards, dx and dy.
    """
    columns = first.size - 1
    room = 2 * top.size
    for k in range(top.size):
        room += 2 * (bottom[k] - top[k])
    out = np.empty((room, 4), np.int32)
    n = 0
    for j in range(columns):
        x = x0 + j
        for k in range(first[j], first[j + 1]):
            if top[k] > 0:
                out[n, 0], out[n, 1], out[n, 2], out[n, 3] = x, top[k], 0, -1
                n += 1
            if bottom[k] < height:
                out[n, 0], out[n, 1], out[n, 2], out[n, 3] = x, bottom[k] - 1, 0, 1
                n += 1
            for side in range(-1, 2, 2):
                c = j + side
                if not 0 <= x0 + c < width:
                    continue
                b = first[c] if 0 <= c < columns else 0
                b1 = first[c + 1] if 0 <= c < columns else 0
                y = top[k]
                while y < bottom[k]:
                    while b < b1 and bottom[b] <= y:
                        b += 1
                    if b < b1 and top[b] <= y:
                        y = bottom[b]
                        continue
                    stop = min(bottom[k], top[b]) if b < b1 else bottom[k]
                    while y < stop:
                        out[n, 0], out[n, 1], out[n, 2], out[n, 3] = x, y, side, 0
                        n += 1
                        y += 1
    return out[:n]


@njit(cache=True, nogil=True)
def _common(
    top: NDArray[np.int32], bottom: NDArray[np.int32], a: int, a1: int, b: int, b1: int, shift: int
) -> int:
    """Rows shared by segments a:a1 and, moved down by `shift`, segments b:b1."""
    total = 0
    while a < a1 and b < b1:
        low = max(top[a], top[b] + shift)
        high = min(bottom[a], bottom[b] + shift)
        if high > low:
            total += high - low
        if bottom[a] < bottom[b] + shift:
            a += 1
        else:
            b += 1
    return total


@njit(cache=True, nogil=True)
def _chain(z: NDArray[np.float64], hull: NDArray[np.int64]) -> int:
    """Find indices of the lower convex chain of the points (i, z[i]); infinite ones are skipped."""
    n = 0
    for i in range(z.size):
        if np.isinf(z[i]):
            continue
        while n >= 2:
            p, q = hull[n - 2], hull[n - 1]
            if (q - p) * (z[i] - z[p]) - (z[q] - z[p]) * (i - p) <= 0:
                n -= 1
            else:
                break
        hull[n] = i
        n += 1
    return n


@njit(cache=True, nogil=True)
def _longest(z: NDArray[np.float64], hulls: NDArray[np.int64], sizes: tuple[int, int]) -> float:
    """Largest distance between two corners of a hull, given as its two chains on half columns.

    Parallel lines that hold the hull touch one chain each, so no pair within a chain is longer.
    """
    longest = 0.0
    for k in range(sizes[0]):
        i = hulls[0, k]
        y = z[0, i]
        for m in range(sizes[1]):
            j = hulls[1, m]
            dx, dy = 0.5 * (i - j), y + z[1, j]
            longest = max(longest, dx * dx + dy * dy)
    return float(np.sqrt(longest))


@njit(cache=True, nogil=True)
def _hull(top: Any, bottom: Any, first: NDArray[np.int32]) -> tuple[int, float]:
    """Convex area and largest Feret diameter, from the hull of all pixels' four side centers.

    As scikit-image: the area is the number of pixels whose center lies in the hull.
    """
    columns = first.size - 1
    # every half column from -1/2 on: the highest and (negated) the lowest point there
    z = np.full((2, 2 * columns + 1), np.inf)
    for j in range(columns):
        if first[j] == first[j + 1]:
            continue
        high = float(top[first[j]])
        low = -float(bottom[first[j + 1] - 1] - 1)
        z[0, 2 * j + 1] = min(z[0, 2 * j + 1], high - 0.5)
        z[1, 2 * j + 1] = min(z[1, 2 * j + 1], low - 0.5)
        for side in (2 * j, 2 * j + 2):
            z[0, side] = min(z[0, side], high)
            z[1, side] = min(z[1, side], low)
    hulls = np.empty((2, 2 * columns + 1), np.int64)
    sizes = (_chain(z[0], hulls[0]), _chain(z[1], hulls[1]))
    at = np.zeros(2, np.int64)
    ends = np.empty(2)
    total = 0
    for j in range(columns):
        i = 2 * j + 1
        for s in range(2):
            while at[s] + 2 < sizes[s] and hulls[s, at[s] + 1] < i:
                at[s] += 1
            p, q = hulls[s, at[s]], hulls[s, at[s] + 1]
            ends[s] = z[s, p] + (z[s, q] - z[s, p]) * (i - p) / (q - p)
        total += int(np.floor(-ends[1] + 1e-9) - np.ceil(ends[0] - 1e-9)) + 1
    return total, _longest(z, hulls, sizes)


@njit(cache=True, nogil=True)
def shapes(
    counts: NDArray[np.uint32], offsets: NDArray[np.int64], height: int, width: int
) -> NDArray[np.float64]:
    """Shape of every mask, (N, 11); see `SHAPE`.

    The perimeter is Crofton's from four directions (Legland et al., Image Anal. Stereol. 26, 83,
    2007): pi/4 times the chords that lines of each direction cut, times the distance of the lines.
    `ellipse` is the area shared with the ellipse of the same moments.
    """
    out = np.zeros((offsets.size - 1, 11))
    for i in range(out.shape[0]):
        top, bottom, first, x0 = segments(counts[offsets[i] : offsets[i + 1]], height)
        columns = first.size - 1
        area = 0.0
        sx = 0.0
        sy = 0.0
        chords = 0
        slanted = 0
        border = columns > 0 and (x0 == 0 or x0 + columns == width)
        for j in range(columns):
            a, a1 = first[j], first[j + 1]
            here = 0
            for k in range(a, a1):
                n = bottom[k] - top[k]
                here += n
                sy += n * (0.5 * (top[k] + bottom[k] - 1))
                border = border or top[k] == 0 or bottom[k] == height
            area += here
            sx += float(here) * j
            b, b1 = (first[j - 1], a) if j > 0 else (0, 0)
            chords += a1 - a + here - _common(top, bottom, a, a1, b, b1, 0)
            slanted += here - _common(top, bottom, a, a1, b, b1, 1)
            slanted += here - _common(top, bottom, a, a1, b, b1, -1)
        if area == 0:
            continue
        cx, cy = sx / area, sy / area
        vxx = 0.0
        vyy = 0.0
        vxy = 0.0
        for j in range(columns):
            for k in range(first[j], first[j + 1]):
                n = float(bottom[k] - top[k])
                dy = 0.5 * (top[k] + bottom[k] - 1) - cy
                vxx += n * (j - cx) ** 2
                vxy += n * (j - cx) * dy
                vyy += n * (dy * dy + (n * n - 1) / 12)
        vxx /= area
        vyy /= area
        vxy /= area
        # the ellipse of these moments (a pixel's own extent included), column by column
        sxx, syy = vxx + 1 / 12, vyy + 1 / 12
        slope = vxy / sxx
        rest = syy - vxy * slope
        shared = 0.0
        for j in range(columns):
            inside = (4 - (j - cx) ** 2 / sxx) * rest
            if inside <= 0:
                continue
            middle, half = cy + slope * (j - cx), np.sqrt(inside)
            for k in range(first[j], first[j + 1]):
                low = max(top[k] - 0.5, middle - half)
                high = min(bottom[k] - 0.5, middle + half)
                if high > low:
                    shared += high - low
        out[i, 0] = area
        out[i, 1] = x0 + cx
        out[i, 2] = cy
        out[i, 3] = vxx
        out[i, 4] = vyy
        out[i, 5] = vxy
        out[i, 6] = np.pi / 4 * (chords + slanted / np.sqrt(2.0))
        out[i, 7], out[i, 10] = _hull(top, bottom, first)
        out[i, 8] = border
        out[i, 9] = shared
    return out
