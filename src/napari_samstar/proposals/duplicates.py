"""Near-duplicates among many masks, found through where they are and how large they are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.runs import MaskRuns, _intersection

__all__ = ["agreement", "distinct"]


@njit(cache=True, nogil=True)
def _centroids(
    counts: NDArray[np.uint32], offsets: NDArray[np.int64], height: int
) -> NDArray[np.float64]:
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
def _place(keys: NDArray[np.int64], key: int) -> int:
    last = keys.size - 1
    i = ((key * 0x9E3779B97F4A7C1) >> 17) & last
    while keys[i] != -1 and keys[i] != key:
        i = (i + 1) & last
    return i


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
    size = 1024
    while size < 4 * n:
        size *= 2
    keys = np.full(size, -1, np.int64)
    heads = np.full(size, -1, np.int64)
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
        diagonal = np.hypot(
            float(boxes[i, 2] - boxes[i, 0] + 1), float(boxes[i, 3] - boxes[i, 1] + 1)
        )
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
                    key = ((b << 20) + cx << 20) + cy
                    if cx == x_high + 1:  # one turn more, for the long ones
                        if cy > y_low:
                            break
                        key = thin + b
                    s = _place(keys, key)
                    if keys[s] == -1:
                        continue
                    j = heads[s]
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
        key = ((level << 20) + int(centers[i, 0] // cell) << 20) + int(centers[i, 1] // cell)
        if diagonal > 3 * root:
            key = thin + level
        s = _place(keys, key)
        keys[s] = key
        after[i] = heads[s]
        heads[s] = i
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
    w = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0]) + 1
    h = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1]) + 1
    if w <= 0 or h <= 0 or int(w) * int(h) < iou * large:
        return False
    other = np.hypot(float(boxes[j, 2] - boxes[j, 0] + 1), float(boxes[j, 3] - boxes[j, 1] + 1))
    shift = np.hypot(centers[i, 0] - centers[j, 0], centers[i, 1] - centers[j, 1])
    if shift > (1 - iou) * (diagonal + other):
        return False
    shared = _intersection(counts[offsets[i] : offsets[i + 1]], counts[offsets[j] : offsets[j + 1]])
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
            _centroids(runs.counts, runs.offsets, runs.shape[0]),
            order.astype(np.int64),
            min(iou, 0.9999),
            limit or len(runs),
        )
    )


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
    size = 1024
    while size < 4 * n:
        size *= 2
    keys = np.full(size, -1, np.int64)
    heads = np.full(size, -1, np.int64)
    after = np.full(n, -1, np.int64)
    diagonals = np.empty(n)
    for i in range(n):
        if areas[i] == 0:
            continue
        level = int(np.log2(float(areas[i])))
        cell = 0.5 * np.sqrt(2.0 ** (level + 1))
        diagonals[i] = np.hypot(
            float(boxes[i, 2] - boxes[i, 0] + 1), float(boxes[i, 3] - boxes[i, 1] + 1)
        )
        key = ((level << 20) + int(centers[i, 0] // cell) << 20) + int(centers[i, 1] // cell)
        s = _place(keys, key)
        keys[s] = key
        after[i] = heads[s]
        heads[s] = i
    out = np.empty(rows.size, np.float32)
    best = np.zeros(families)
    for r in range(rows.size):
        i = rows[r]
        best[:] = 0
        level = int(np.log2(float(max(areas[i], 1))))
        reach = (1 - iou) * diagonals[i]
        for b in range(max(level - 1, 0), level + 2):
            cell = 0.5 * np.sqrt(2.0 ** (b + 1))
            x_low = max(int((centers[i, 0] - reach) // cell), 0)
            y_low = max(int((centers[i, 1] - reach) // cell), 0)
            for cx in range(x_low, int((centers[i, 0] + reach) // cell) + 1):
                for cy in range(y_low, int((centers[i, 1] + reach) // cell) + 1):
                    s = _place(keys, ((b << 20) + cx << 20) + cy)
                    j = heads[s] if keys[s] != -1 else -1
                    while j >= 0:
                        k = j
                        j = after[j]
                        small, large = min(areas[i], areas[k]), max(areas[i], areas[k])
                        if small <= iou * large or best[family[k]] == 1:
                            continue
                        w = min(boxes[i, 2], boxes[k, 2]) - max(boxes[i, 0], boxes[k, 0]) + 1
                        h = min(boxes[i, 3], boxes[k, 3]) - max(boxes[i, 1], boxes[k, 1]) + 1
                        if w <= 0 or h <= 0:
                            continue
                        most = min(int(w) * int(h), small)  # they cannot share more
                        bound = (most / (small + large - most) - iou) / (1 - iou)
                        if bound <= best[family[k]]:
                            continue
                        shared = _intersection(
                            counts[offsets[i] : offsets[i + 1]],
                            counts[offsets[k] : offsets[k + 1]],
                        )
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
    centers = _centroids(runs.counts, runs.offsets, runs.shape[0])
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
