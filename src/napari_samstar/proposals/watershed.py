"""Watershed: which pixels of a relief drain to which basin.

The relief is flooded by steepest descent: each pixel drains to its lowest neighbor (Vincent and
Soille, IEEE PAMI 13, 583, 1991, for the idea).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["neighbor", "watershed"]


@njit(cache=True, nogil=True)
def watershed(
    relief: NDArray[np.float32], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.int32], int]:
    """Basins of a relief inside a mask.

    Returns
    -------
    labels : (H, W) int32
        Basin of each pixel from 0, -1 outside the mask. Basins are 4-connected.
    count : int
        How many there are.
    """
    height, width = relief.shape
    n = height * width
    z = relief.ravel()
    inside = mask.ravel()
    to = np.full(n, -1, np.int32)
    queue = np.empty(n, np.int32)
    tail = 0
    for y in range(height):
        for x in range(width):
            p = y * width + x
            if not inside[p]:
                continue
            best = z[p]
            flat = False
            target = -1
            if x > 0 and inside[p - 1]:
                v = z[p - 1]
                if v < best:
                    best, target = v, p - 1
                elif v == z[p]:
                    flat = True
            if x + 1 < width and inside[p + 1]:
                v = z[p + 1]
                if v < best:
                    best, target = v, p + 1
                elif v == z[p]:
                    flat = True
            if y > 0 and inside[p - width]:
                v = z[p - width]
                if v < best:
                    best, target = v, p - width
                elif v == z[p]:
                    flat = True
            if y + 1 < height and inside[p + width]:
                v = z[p + width]
                if v < best:
                    best, target = v, p + width
                elif v == z[p]:
                    flat = True
            to[p] = target
            if target >= 0 and flat:
                queue[tail] = p
                tail += 1
    # plateaus drain towards their lower rim
    head = 0
    while head < tail:
        p = queue[head]
        head += 1
        y = p // width
        x = p - y * width
        for d in range(4):
            q = neighbor(p, x, y, d, height, width)
            if q >= 0 and inside[q] and to[q] < 0 and z[q] == z[p]:
                to[q] = p
                queue[tail] = q
                tail += 1
    labels = np.full(n, -1, np.int32)
    count = 0
    for s in range(n):
        if inside[s] and to[s] < 0 and labels[s] < 0:
            head, tail = 0, 1
            queue[0] = s
            labels[s] = count
            while head < tail:
                p = queue[head]
                head += 1
                y = p // width
                x = p - y * width
                for d in range(4):
                    q = neighbor(p, x, y, d, height, width)
                    if q >= 0 and inside[q] and to[q] < 0 and labels[q] < 0 and z[q] == z[p]:
                        labels[q] = count
                        queue[tail] = q
                        tail += 1
            count += 1
    for s in range(n):
        if not inside[s] or labels[s] >= 0:
            continue
        p = s
        tail = 0
        while labels[p] < 0:
            queue[tail] = p
            tail += 1
            p = to[p]
        for k in range(tail):
            labels[queue[k]] = labels[p]
    return labels.reshape(height, width), count


@njit(cache=True, nogil=True)
def neighbor(p: int, x: int, y: int, d: int, height: int, width: int) -> int:
    """Pixel next to p = (y, x) in direction d (left, right, up, down); -1 beyond the image."""
    if d == 0:
        return p - 1 if x > 0 else -1
    if d == 1:
        return p + 1 if x + 1 < width else -1
    if d == 2:
        return p - width if y > 0 else -1
    return p + width if y + 1 < height else -1
