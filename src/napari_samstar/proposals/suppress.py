"""Non-maximum suppression of boxes, as torchvision does it on a CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["box_nms"]


@njit(cache=True, nogil=True, error_model="numpy")
def _nms(boxes: Any, order: Any, threshold: float) -> Any:
    n = order.size
    gone = np.zeros(n, np.bool_)
    kept = np.empty(n, np.int64)
    count = 0
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    zero = np.float32(0)
    for i in range(n):
        a = order[i]
        if gone[a]:
            continue
        kept[count] = a
        count += 1
        for j in range(i + 1, n):
            b = order[j]
            if gone[b]:
                continue
            w = min(boxes[a, 2], boxes[b, 2]) - max(boxes[a, 0], boxes[b, 0])
            h = min(boxes[a, 3], boxes[b, 3]) - max(boxes[a, 1], boxes[b, 1])
            shared = max(zero, w) * max(zero, h)
            # two empty boxes give 0 / 0, which suppresses nothing
            if shared / (areas[a] + areas[b] - shared) > threshold:
                gone[b] = True
    return kept[:count].copy()


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
    return np.asarray(_nms(boxes.astype(np.float32), order, float(threshold)))
