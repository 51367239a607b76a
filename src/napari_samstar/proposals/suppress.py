"""Non-maximum suppression of boxes, as torchvision does it on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["box_nms"]


@njit(cache=True, nogil=True, error_model="numpy")
def _nms(x0: Any, y0: Any, x1: Any, y1: Any, place: Any, rank: Any, threshold: np.float32) -> Any:
    """Which of N boxes, sorted by x0, stay; the best is at ``place[0]``, the next at ``place[1]``.

    An IoU above t needs an overlap along x of at least t times either width, so that only boxes
    that begin near each other are compared.
    """
    n = x0.size
    kept = np.ones(n, np.bool_)
    areas = (x1 - x0) * (y1 - y0)
    zero = np.float32(0)
    for i in place:
        if not kept[i]:
            continue
        width = x1[i] - x0[i]
        before = (1 - threshold) * width / threshold if threshold > 0 else np.inf
        first = np.searchsorted(x0, x0[i] - before - 1)
        last = np.searchsorted(x0, x0[i] + (1 - threshold) * width + 1, side="right")
        for j in range(first, last):
            w = min(x1[i], x1[j]) - max(x0[i], x0[j])
            h = min(y1[i], y1[j]) - max(y0[i], y0[j])
            shared = max(zero, w) * max(zero, h)
            # two empty boxes give 0 / 0, which suppresses nothing
            near = shared / (areas[i] + areas[j] - shared) > threshold
            kept[j] &= not (near and rank[j] > rank[i])
    return kept


def box_nms(
    boxes: NDArray[np.int32], scores: NDArray[np.float32], threshold: float
) -> NDArray[np.int64]:
    """Return indices kept, best first; ties keep the order of the rows.

    Parameters
    ----------
    boxes : (N, 4)
        x0, y0, x1, y1, as `torchvision.ops.nms` takes them (no pixel is added to the size).
    scores : (N,) float32
        What ranks the boxes.
    threshold : float
        A box goes whose IoU with a better one is larger.
    """
    order = np.argsort(-scores, kind="stable")
    place = np.argsort(boxes[order, 0], kind="stable")
    x0, y0, x1, y1 = np.ascontiguousarray(boxes[order[place]].astype(np.float32).T)
    # a ratio of 32 bits is above the threshold where it is above the next such number below it
    limit = np.float32(threshold)
    if float(limit) > threshold:  # NumPy would compare the two as 32 bits
        limit = np.nextafter(limit, np.float32(-1))
    kept = _nms(x0, y0, x1, y1, np.argsort(place), place, limit)
    return np.asarray(order[np.sort(place[kept])])
