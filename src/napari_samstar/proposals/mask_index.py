"""Masks by level of size and by where their centroids are, to look near ones up in compiled loops.

Masks of one level and cell hang in a chain: `keys` and `heads` are a table with a place for each
chain, `after` (N,) has the next mask of each mask's chain, or -1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.hashing import place
from napari_samstar.runs import _intersection

__all__ = [
    "box_diagonal",
    "cell_key",
    "centroids",
    "enter",
    "first_with",
    "shared_box",
    "shared_pixels",
]


@njit(cache=True, nogil=True)
def centroids(
    counts: NDArray[np.uint32], offsets: NDArray[np.int64], height: int
) -> NDArray[np.float64]:
    """Centroids (N, 2) of all masks, x and y, px."""
    out = np.zeros((offsets.size - 1, 2))
    for i in range(out.shape[0]):
        position = 0
        area = 0.0
        sx = 0.0
        sy = 0.0
        for k in range(offsets[i], offsets[i + 1]):
            length = int(counts[k])
            if (k - offsets[i]) % 2 == 1:
                p, end = position, position + length
                while p < end:
                    x = p // height
                    stop = min(end, (x + 1) * height)
                    n = stop - p
                    sx += float(n * x)
                    sy += n * (p - x * height + 0.5 * (n - 1))
                    area += n
                    p = stop
            position += length
        if area > 0:
            out[i, 0] = sx / area
            out[i, 1] = sy / area
    return out


@njit(cache=True, nogil=True)
def enter(keys: Any, heads: Any, after: Any, key: int, i: int) -> None:
    """Put mask i in front of those with the same key."""
    s = place(keys, key)
    keys[s] = key
    after[i] = heads[s]
    heads[s] = i


@njit(cache=True, nogil=True)
def first_with(keys: Any, heads: Any, key: int) -> int:
    """Mask put in last with this key, or -1."""
    s = place(keys, key)
    return int(heads[s]) if keys[s] != -1 else -1


@njit(cache=True, nogil=True)
def cell_key(level: int, x: int, y: int) -> int:
    """Key of a cell (x, y) of the grid that masks of one level of size have."""
    return ((level << 20) + x << 20) + y


@njit(cache=True, nogil=True)
def box_diagonal(boxes: NDArray[np.int32], i: int) -> float:
    """Of mask i's box, px."""
    return float(
        np.hypot(float(boxes[i, 2] - boxes[i, 0] + 1), float(boxes[i, 3] - boxes[i, 1] + 1))
    )


@njit(cache=True, nogil=True)
def shared_box(boxes: NDArray[np.int32], i: int, j: int) -> int:
    """Pixels that the boxes of two masks share."""
    w = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0]) + 1
    h = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1]) + 1
    return int(w) * int(h) if w > 0 and h > 0 else 0


@njit(cache=True, nogil=True)
def shared_pixels(counts: NDArray[np.uint32], offsets: NDArray[np.int64], i: int, j: int) -> int:
    """Pixels that two masks share."""
    return int(
        _intersection(counts[offsets[i] : offsets[i + 1]], counts[offsets[j] : offsets[j + 1]])
    )
