"""From nodes of region trees to run lengths, holes filled on the way."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["emit_nodes"]


@njit(cache=True, nogil=True)
def _flood(window: NDArray[np.uint8], stack: NDArray[np.int32]) -> int:
    """Mark with 2 the zeros that reach the (empty) frame of the window; count what they are."""
    height, width = window.shape
    flat = window.ravel()
    flat[0] = 2
    stack[0] = 0
    top = 1
    count = 1
    while top > 0:
        top -= 1
        p = stack[top]
        y = p // width
        x = p - y * width
        if x > 0 and flat[p - 1] == 0:
            flat[p - 1] = 2
            stack[top] = p - 1
            top += 1
            count += 1
        if x + 1 < width and flat[p + 1] == 0:
            flat[p + 1] = 2
            stack[top] = p + 1
            top += 1
            count += 1
        if y > 0 and flat[p - width] == 0:
            flat[p - width] = 2
            stack[top] = p - width
            top += 1
            count += 1
        if y + 1 < height and flat[p + width] == 0:
            flat[p + width] = 2
            stack[top] = p + width
            top += 1
            count += 1
    return count


@njit(cache=True, nogil=True)
def _encode(
    window: NDArray[np.uint8],
    filled: bool,
    y0: int,
    x0: int,
    height: int,
    total: int,
    out: NDArray[np.uint32],
    n: int,
) -> int:
    """Append the runs of a window (with an empty frame of 1 px, first pixel at y0 - 1, x0 - 1)."""
    h, w = window.shape
    begin = n
    start = 0
    value = False
    for x in range(1, w - 1):
        base = (x - 1 + x0) * height + y0 - 1
        for y in range(1, h - 1):
            v = window[y, x]
            on = v == 1 or (filled and v == 0)
            if on != value:
                out[n] = base + y - start
                n += 1
                start = base + y
                value = on
        if value and (h - 2 < height or x + 2 == w):
            out[n] = base + h - 1 - start
            n += 1
            start = base + h - 1
            value = False
    if start < total or n == begin:
        out[n] = total - start
        n += 1
    return n


@njit(cache=True, nogil=True)
def emit_nodes(
    pixels: NDArray[np.int32],
    start: NDArray[np.int32],
    area: NDArray[np.int32],
    rows: NDArray[np.int32],
    height: int,
    width: int,
    max_area: int,
    duplicate_iou: float,
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int32]]:
    """Encode the nodes `rows` of a tree laid out by `subtree_layout`.

    A node with holes gives a second mask with the holes filled; if the two are nearly the same,
    only that one.

    Returns
    -------
    counts, offsets : arrays
        Run lengths as in `MaskRuns`.
    origin : (N,) int32
        Index into `rows` of each mask.
    """
    counts = np.empty(1 << 16, np.uint32)
    offsets = np.zeros(2 * rows.size + 1, np.int64)
    origin = np.empty(2 * rows.size, np.int32)
    scratch = np.zeros(1 << 12, np.uint8)
    stack = np.empty(1 << 12, np.int32)
    made = 0
    n = 0
    for k in range(rows.size):
        i = rows[k]
        y_min, y_max, x_min, x_max = height, -1, width, -1
        for j in range(start[i], start[i] + area[i]):
            y = pixels[j] // width
            x = pixels[j] - y * width
            y_min, y_max = min(y_min, y), max(y_max, y)
            x_min, x_max = min(x_min, x), max(x_max, x)
        h = y_max - y_min + 3
        w = x_max - x_min + 3
        if h * w > scratch.size:
            scratch = np.zeros(2 * h * w, np.uint8)
            stack = np.empty(2 * h * w, np.int32)
        window = scratch[: h * w].reshape(h, w)
        window[:] = 0
        for j in range(start[i], start[i] + area[i]):
            y = pixels[j] // width
            window[y - y_min + 1, pixels[j] - y * width - x_min + 1] = 1
        holes = h * w - area[i] - _flood(window, stack)
        if n + 2 * h * w + 4 > counts.size:
            more = np.empty(2 * counts.size + 2 * h * w, np.uint32)
            more[:n] = counts[:n]
            counts = more
        for filled in range(2):
            if filled == 0:
                if area[i] >= duplicate_iou * (area[i] + holes) and holes > 0:
                    continue
            elif holes == 0 or area[i] + holes > max_area:
                continue
            n = _encode(window, filled == 1, y_min, x_min, height, height * width, counts, n)
            origin[made] = k
            made += 1
            offsets[made] = n
    return counts[:n].copy(), offsets[: made + 1].copy(), origin[:made].copy()
