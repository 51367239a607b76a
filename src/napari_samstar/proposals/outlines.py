"""How gray falls along the outlines of many masks, and how even it is inside them."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.photometry import column_sums
from napari_samstar.proposals.segments import outline_sides, segments

__all__ = ["QUANTILES", "gradient_image", "outlines"]

#: Quantiles of the fall along the outline.
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)

_MOST = 600  # sides of an outline looked at, evenly spread
_REACH = 2  # px from the outline, either way, between which the wide fall is taken
GRADIENT_UNIT = 32  # levels of the gradient image that are the image's mean gradient


@njit(cache=True, nogil=True)
def gradient_image(f: NDArray[np.uint16], average: float) -> NDArray[np.uint8]:
    """Gradient magnitude of a transposed image, 32 for its mean, cut at 255."""
    width, height = f.shape
    out = np.empty((width, height), np.uint8)
    scale = GRADIENT_UNIT / max(average, 1e-9)
    for x in range(width):
        xa, xb = max(x - 1, 0), min(x + 1, width - 1)
        for y in range(height):
            ya, yb = max(y - 1, 0), min(y + 1, height - 1)
            gx = (float(f[xb, y]) - float(f[xa, y])) / max(xb - xa, 1)
            gy = (float(f[x, yb]) - float(f[x, ya])) / max(yb - ya, 1)
            out[x, y] = np.uint8(min(np.sqrt(gx * gx + gy * gy) * scale, 255.0))
    return out


@njit(cache=True, nogil=True)
def outlines(
    counts: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    f: NDArray[np.uint16],
    gradient: NDArray[np.uint8],
    sums: NDArray[np.int64],
    average: float,
) -> NDArray[np.float32]:
    """Fall of gray along every mask's outline, (N, 12).

    Parameters
    ----------
    counts, offsets : arrays
        The masks' runs.
    f : (W, H) uint16
        The smoothed image, transposed.
    gradient : (W, H) uint8
        From `gradient_image`.
    sums : (W, rows, 2) int64
        Its running sums.
    average : float
        Mean gradient of `f`, the unit of what is returned.

    Returns
    -------
    (N, 12) float32
        Quantiles of the fall from the pixel inside to the one outside; the same from 2 px inside
        to 2 px outside; mean and standard deviation of the gradient inside the mask.
    """
    width, height = f.shape
    m = len(QUANTILES)
    out = np.zeros((offsets.size - 1, 2 * m + 2), np.float32)
    scale = 1.0 / max(average, 1e-9)
    near = np.empty(_MOST + 1, np.float64)
    wide = np.empty(_MOST + 1, np.float64)
    for i in range(out.shape[0]):
        top, bottom, first, x0 = segments(counts[offsets[i] : offsets[i + 1]], height)
        if top.size == 0:
            continue
        sides = outline_sides(top, bottom, first, x0, width, height)
        step = max(sides.shape[0] - 1, 0) // _MOST + 1
        n = 0
        for k in range(0, sides.shape[0], step):
            x, y, dx, dy = sides[k, 0], sides[k, 1], sides[k, 2], sides[k, 3]
            near[n] = float(f[x, y]) - float(f[x + dx, y + dy])
            xa = min(max(x - _REACH * dx, 0), width - 1)
            ya = min(max(y - _REACH * dy, 0), height - 1)
            xb = min(max(x + (_REACH + 1) * dx, 0), width - 1)
            yb = min(max(y + (_REACH + 1) * dy, 0), height - 1)
            wide[n] = float(f[xa, ya]) - float(f[xb, yb])
            n += 1
        if n > 0:
            a, b = np.sort(near[:n]), np.sort(wide[:n])
            for q in range(m):
                place = int(QUANTILES[q] * (n - 1) + 0.5)
                out[i, q] = a[place] * scale
                out[i, m + q] = b[place] * scale
        total = 0.0
        s = 0.0
        q2 = 0.0
        for j in range(first.size - 1):
            for k in range(first[j], first[j + 1]):
                ds, dq = column_sums(gradient, sums, x0 + j, top[k], bottom[k])
                total += bottom[k] - top[k]
                s += ds
                q2 += dq
        mean = s / total
        out[i, 2 * m] = mean / GRADIENT_UNIT
        out[i, 2 * m + 1] = np.sqrt(max(q2 / total - mean * mean, 0.0)) / GRADIENT_UNIT
    return out
