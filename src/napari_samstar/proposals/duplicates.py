"""Near-duplicates among many masks, found through where they are and how large they are."""

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

__all__ = ["distinct"]


@njit(cache=True, nogil=True)
def _distinct(
    counts: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    areas: NDArray[np.int64],
    boxes: NDArray[np.int32],
    centers: NDArray[np.float64],
    order: NDArray[np.int64],
    iou: float,
    limit: int,
) -> Any:
    n = areas.size
    size = table_size(4 * n)
    keys, heads = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    after = np.full(n, -1, np.int64)
    kept = np.empty(n, np.int64)
    m = 0
    step = -np.log(iou) + 1e-9
    thin = 1 << 40  # pseudo-cell of masks too long for the cells' bound
    for i in order:
        if areas[i] == 0:
            continue
        # two masks of IoU t differ by at most a factor t in area, and their centroids by at most
        # (1 - t) of the sum of their diagonals: each lies that near to the shared part's centroid
        level = int(np.log(float(areas[i])) / step)
        diagonal = box_diagonal(boxes, i)
        found = False
        for b in range(max(level - 1, 0), level + 2):
            root = np.exp(0.5 * (b + 1) * step)  # largest sqrt(area) in this level
            cell = max(2.0, 0.4 * root)
            reach = (1 - iou) * (diagonal + 3 * root) + 1e-6
            x_low, x_high = (
                int((centers[i, 0] - reach) // cell),
                int((centers[i, 0] + reach) // cell),
            )
            y_low, y_high = (
                int((centers[i, 1] - reach) // cell),
                int((centers[i, 1] + reach) // cell),
            )
            x_low, y_low = max(x_low, 0), max(y_low, 0)
            for cx in range(x_low, x_high + 2):
                for cy in range(y_low, y_high + 1):
                    key = cell_key(b, cx, cy)
                    if cx == x_high + 1:  # one turn more, for the long ones
                        if cy > y_low:
                            break
                        key = thin + b
                    j = first_with(keys, heads, key)
                    while j >= 0:
                        if _same(counts, offsets, areas, boxes, centers, i, j, iou, diagonal):
                            found = True
                            break
                        j = after[j]
                    if found:
                        break
                if found:
                    break
            if found:
                break
        if found:
            continue
        kept[m] = i
        m += 1
        root = np.exp(0.5 * (level + 1) * step)
        cell = max(2.0, 0.4 * root)
        key = cell_key(level, int(centers[i, 0] // cell), int(centers[i, 1] // cell))
        enter(keys, heads, after, thin + level if diagonal > 3 * root else key, i)
        if m == limit:
            break
    return kept[:m].copy()


@njit(cache=True, nogil=True)
def _same(
    counts: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    areas: NDArray[np.int64],
    boxes: NDArray[np.int32],
    centers: NDArray[np.float64],
    i: int,
    j: int,
    iou: float,
    diagonal: float,
) -> bool:
    small, large = min(areas[i], areas[j]), max(areas[i], areas[j])
    if small < iou * large:
        return False
    most = shared_box(boxes, i, j)
    if most == 0 or most < iou * large:
        return False
    shift = np.hypot(centers[i, 0] - centers[j, 0], centers[i, 1] - centers[j, 1])
    if shift > (1 - iou) * (diagonal + box_diagonal(boxes, j)):
        return False
    shared = shared_pixels(counts, offsets, i, j)
    return bool(shared > iou * (areas[i] + areas[j] - shared))


def distinct(
    runs: MaskRuns, order: NDArray[np.int64], iou: float, limit: int | None = None
) -> NDArray[np.int64]:
    """Rows to keep so that no two have a greater IoU than `iou`.

    Parameters
    ----------
    runs : MaskRuns
        The masks; empty ones are dropped.
    order : (K,) int64
        Rows, best first: of two duplicates the earlier stays.
    iou : float
        Above this two masks are one.
    limit : int, optional
        Stop after so many.

    Returns
    -------
    (M,) int64
        Rows kept, in `order`.
    """
    if len(runs) == 0 or order.size == 0:
        return np.zeros(0, np.int64)
    return np.asarray(
        _distinct(
            runs.counts,
            runs.offsets,
            runs.areas(),
            runs.boxes(),
            centroids(runs.counts, runs.offsets, runs.shape[0]),
            order.astype(np.int64),
            min(iou, 0.9999),
            limit or len(runs),
        )
    )
