"""Which masks several families of masks agree on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.hashing import table_size
from napari_samstar.proposals.mask_index import (
    box_diagonal,
    cell_key,
    centroids,
    enter,
    first_with,
    shared_box,
    shared_pixels,
)
from napari_samstar.runs import MaskRuns

__all__ = ["agreement"]


@njit(cache=True, nogil=True)
def _agreement(
    counts: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    areas: NDArray[np.int64],
    boxes: NDArray[np.int32],
    centers: NDArray[np.float64],
    family: NDArray[np.int64],
    families: int,
    rows: NDArray[np.int64],
    iou: float,
) -> Any:
    n = areas.size
    size = table_size(4 * n)
    keys, heads = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    after = np.full(n, -1, np.int64)
    for i in range(n):
        if areas[i] == 0:
            continue
        level = int(np.log2(float(areas[i])))
        cell = 0.5 * np.sqrt(2.0 ** (level + 1))
        key = cell_key(level, int(centers[i, 0] // cell), int(centers[i, 1] // cell))
        enter(keys, heads, after, key, i)
    out = np.empty(rows.size, np.float32)
    best = np.zeros(families)
    for r in range(rows.size):
        i = rows[r]
        best[:] = 0
        level = int(np.log2(float(max(areas[i], 1))))
        reach = (1 - iou) * box_diagonal(boxes, i)
        for b in range(max(level - 1, 0), level + 2):
            cell = 0.5 * np.sqrt(2.0 ** (b + 1))
            x_low = max(int((centers[i, 0] - reach) // cell), 0)
            y_low = max(int((centers[i, 1] - reach) // cell), 0)
            for cx in range(x_low, int((centers[i, 0] + reach) // cell) + 1):
                for cy in range(y_low, int((centers[i, 1] + reach) // cell) + 1):
                    j = first_with(keys, heads, cell_key(b, cx, cy))
                    while j >= 0:
                        k = j
                        j = after[j]
                        small, large = min(areas[i], areas[k]), max(areas[i], areas[k])
                        if small <= iou * large or best[family[k]] == 1:
                            continue
                        most = min(shared_box(boxes, i, k), small)  # they cannot share more
                        bound = (most / (small + large - most) - iou) / (1 - iou)
                        if bound <= best[family[k]]:
                            continue
                        shared = shared_pixels(counts, offsets, i, k)
                        value = shared / (areas[i] + areas[k] - shared)
                        best[family[k]] = max(best[family[k]], (value - iou) / (1 - iou))
        out[r] = best.sum()
    return out


def agreement(
    runs: MaskRuns, family: NDArray[np.int64], rows: NDArray[np.int64], iou: float = 0.6
) -> NDArray[np.float32]:
    """How many families of masks have one like each of `rows`.

    Parameters
    ----------
    runs : MaskRuns
        Masks of all families.
    family : (N,) int64
        Family of each mask, from 0.
    rows : (K,) int64
        Masks asked about.
    iou : float
        A family's vote grows from 0 at this IoU of its most similar mask to 1 at equality.

    Returns
    -------
    (K,) float32
        Sum of votes; at least 1, the mask's own.
    """
    if rows.size == 0:
        return np.zeros(0, np.float32)
    centers = centroids(runs.counts, runs.offsets, runs.shape[0])
    votes = _agreement(
        runs.counts,
        runs.offsets,
        runs.areas(),
        runs.boxes(),
        centers,
        family.astype(np.int64),
        int(family.max()) + 1,
        rows.astype(np.int64),
        iou,
    )
    return np.asarray(votes, np.float32)
