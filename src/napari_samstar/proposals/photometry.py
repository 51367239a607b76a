"""What the image looks like inside, around and along the outline of many masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.segments import outline_sides, segments

__all__ = ["PHOTOMETRY", "column_sums", "mean_gradient", "photometry", "running_sums"]

#: Columns of `photometry`.
PHOTOMETRY = ("mean", "std", "ring_mean", "ring_std", "edge", "flux", "support")

_STEP = 16  # rows between the stored running sums
_RING_COLUMNS = 64  # of a mask, at most so many are looked at for its ring


@njit(cache=True, nogil=True)
def running_sums(gray: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Sum gray and its square down each column, at every 16th row, (W, rows, 2).

    `gray` is transposed, (W, H).
    """
    width, height = gray.shape
    out = np.zeros((width, height // _STEP + 1, 2), np.int64)
    for x in range(width):
        s = 0
        q = 0
        for y in range(height):
            if y % _STEP == 0:
                out[x, y // _STEP, 0] = s
                out[x, y // _STEP, 1] = q
            v = int(gray[x, y])
            s += v
            q += v * v
        if height % _STEP == 0:
            out[x, height // _STEP, 0] = s
            out[x, height // _STEP, 1] = q
    return out


@njit(cache=True, nogil=True)
def column_sums(gray: Any, sums: NDArray[np.int64], x: int, a: int, b: int) -> tuple[int, int]:
    """Sum of gray and of its square over rows a:b of column x."""
    low, high = a // _STEP, b // _STEP
    s = sums[x, high, 0] - sums[x, low, 0]
    q = sums[x, high, 1] - sums[x, low, 1]
    for y in range(low * _STEP, a):
        v = int(gray[x, y])
        s -= v
        q -= v * v
    for y in range(high * _STEP, b):
        v = int(gray[x, y])
        s += v
        q += v * v
    return s, q


@njit(cache=True, nogil=True)
def _gradient(f: NDArray[np.uint16], x: int, y: int) -> float:
    width, height = f.shape
    xa, xb = max(x - 1, 0), min(x + 1, width - 1)
    ya, yb = max(y - 1, 0), min(y + 1, height - 1)
    gx = (float(f[xb, y]) - float(f[xa, y])) / max(xb - xa, 1)
    gy = (float(f[x, yb]) - float(f[x, ya])) / max(yb - ya, 1)
    return float(np.sqrt(gx * gx + gy * gy))


@njit(cache=True, nogil=True)
def mean_gradient(f: NDArray[np.uint16]) -> float:
    """Mean gradient magnitude of a transposed image."""
    total = 0.0
    for x in range(f.shape[0]):
        for y in range(f.shape[1]):
            total += _gradient(f, x, y)
    return total / f.size


@njit(cache=True, nogil=True)
def _merge(
    top: Any, bottom: Any, a: int, a1: int, grow: int, old: Any, n: int, new: Any, height: int
) -> int:
    """Union of n sorted intervals `old` and segments a:a1 longer by `grow` at either end."""
    m = 0
    i = 0
    while i < n or a < a1:
        if a >= a1 or (i < n and old[i, 0] <= max(top[a] - grow, 0)):
            low, high = old[i, 0], old[i, 1]
            i += 1
        else:
            low, high = max(top[a] - grow, 0), min(bottom[a] + grow, height)
            a += 1
        if m > 0 and low <= new[m - 1, 1]:
            new[m - 1, 1] = max(new[m - 1, 1], high)
        else:
            new[m, 0] = low
            new[m, 1] = high
            m += 1
    return m


@njit(cache=True, nogil=True)
def _dilated(
    top: Any, bottom: Any, first: Any, j: int, radius: int, one: Any, two: Any, height: int
) -> tuple[Any, int]:
    """Intervals of column j of the mask dilated by a disc."""
    n = 0
    for d in range(-radius, radius + 1):
        c = j + d
        if c < 0 or c >= first.size - 1 or first[c] == first[c + 1]:
            continue
        grow = int(np.sqrt(float(radius * radius - d * d)) + 0.3)
        n = _merge(top, bottom, first[c], first[c + 1], grow, one, n, two, height)
        one, two = two, one
    return one, n


@njit(cache=True, nogil=True)
def _ring(
    gray: Any, sums: Any, top: Any, bottom: Any, first: Any, x0: int, inner: int, outer: int
) -> tuple[float, float, float]:
    """Pixels, sum and sum of squares between `inner` and `outer` px from the mask."""
    width, height = gray.shape
    columns = first.size - 1
    room = 1
    for j in range(columns):
        room = max(room, first[j + 1] - first[j])
    room = (2 * outer + 1) * room + 1
    buffers = np.empty((4, room, 2), np.int64)
    n = 0.0
    s = 0.0
    q = 0.0
    start = max(-outer, -x0)
    stop = min(columns + outer, width - x0)
    step = (stop - start - 1) // _RING_COLUMNS + 1
    for j in range(start + (step - 1) // 2, stop, step):
        wide, n_wide = _dilated(top, bottom, first, j, outer, buffers[0], buffers[1], height)
        near, n_near = _dilated(top, bottom, first, j, inner, buffers[2], buffers[3], height)
        for sign, intervals, count in ((1, wide, n_wide), (-1, near, n_near)):
            for k in range(count):
                a, b = intervals[k, 0], intervals[k, 1]
                ds, dq = column_sums(gray, sums, x0 + j, a, b)
                n += sign * (b - a)
                s += sign * ds
                q += sign * dq
    return n, s, q


@njit(cache=True, nogil=True)
def _outline(
    f: NDArray[np.uint16], top: Any, bottom: Any, first: Any, x0: int, strong: float
) -> tuple[float, float, float]:
    """Along the outline: mean gradient, mean fall outwards, share that falls minus that rises."""
    width, height = f.shape
    sides = outline_sides(top, bottom, first, x0, width, height)
    total = 0.0
    fall = 0.0
    sign = 0
    for k in range(sides.shape[0]):
        x, y = sides[k, 0], sides[k, 1]
        u, v = x + sides[k, 2], y + sides[k, 3]
        step = float(f[x, y]) - float(f[u, v])
        total += 0.5 * (_gradient(f, x, y) + _gradient(f, u, v))
        fall += step
        sign += int(step > strong) - int(step < -strong)
    n = sides.shape[0]
    if n == 0:
        return 0.0, 0.0, 0.0
    return total / n, fall / n, sign / n


@njit(cache=True, nogil=True)
def photometry(
    counts: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    gray: NDArray[np.uint8],
    sums: NDArray[np.int64],
    f: NDArray[np.uint16],
    average: float,
) -> NDArray[np.float64]:
    """Gray statistics of every mask, (N, 7); see `PHOTOMETRY`.

    Parameters
    ----------
    counts, offsets : arrays
        The masks' runs.
    gray : (W, H) uint8
        The image, transposed.
    sums : (W, rows, 2) int64
        Its `running_sums`.
    f : (W, H) uint16
        The smoothed image, transposed.
    average : float
        Its mean gradient: unit of `edge` and `flux`.

    Notes
    -----
    The ring lies 1 px outside the mask and is 2 to 4 px wide, a tenth of the equivalent diameter;
    where nothing is left of it, its mean is the mask's own. `flux` is the mean fall of gray from
    inside to outside the outline, `support` the share of the outline where it falls less the share
    where it rises (by more than half the image's mean gradient).
    """
    height = gray.shape[1]
    out = np.zeros((offsets.size - 1, 7))
    scale = 1.0 / max(average, 1e-9)
    for i in range(out.shape[0]):
        top, bottom, first, x0 = segments(counts[offsets[i] : offsets[i + 1]], height)
        n = 0.0
        s = 0.0
        q = 0.0
        for j in range(first.size - 1):
            for k in range(first[j], first[j + 1]):
                ds, dq = column_sums(gray, sums, x0 + j, top[k], bottom[k])
                n += bottom[k] - top[k]
                s += ds
                q += dq
        if n == 0:
            continue
        mean = s / n
        out[i, 0] = mean
        out[i, 1] = np.sqrt(max(q / n - mean * mean, 0.0))
        wide = min(max(int(0.1 * np.sqrt(4 * n / np.pi) + 0.5), 2), 4)
        m, s, q = _ring(gray, sums, top, bottom, first, x0, 1, 1 + wide)
        out[i, 2] = mean
        if m > 0:
            out[i, 2] = s / m
            out[i, 3] = np.sqrt(max(q / m - (s / m) ** 2, 0.0))
        edge, fall, sign = _outline(f, top, bottom, first, x0, 0.5 * average)
        out[i, 4] = edge * scale
        out[i, 5] = fall * scale
        out[i, 6] = sign
    return out
