"""Clean-up of single masks: small holes filled, small islands dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.runs import MaskRuns, encode_window

__all__ = ["clean_masks"]


def clean_masks(
    runs: MaskRuns, boxes: NDArray[np.int32], min_area: float
) -> tuple[MaskRuns, NDArray[np.bool_]]:
    """Fill holes and drop islands smaller than `min_area`, as Meta's `remove_small_regions`.

    Each mask is looked at in its own box with a rim of one pixel, where Meta's code labels the
    whole image.

    Parameters
    ----------
    runs : MaskRuns
        K masks.
    boxes : (K, 4) int32
        Their boxes, x0, y0, x1, y1, inclusive.
    min_area : float
        Holes and islands of fewer pixels go; if all islands are small the largest stays.

    Returns
    -------
    runs : MaskRuns
        The cleaned masks.
    changed : (K,) bool
        Which masks are no longer what they were.
    """
    height, width = runs.shape
    rows = []
    changed = np.zeros(len(runs), bool)
    areas = runs.areas()
    for i in range(len(runs)):
        if areas[i] == 0:
            # Meta's code sees one component, the background: a hole, if the image is small
            changed[i] = height * width < min_area
            full = np.full((height, width), changed[i])
            rows.append(encode_window(full, 0, 0, height, width))
            continue
        # an even origin: OpenCV numbers components by blocks of 2x2, which settles ties
        x0, y0 = max(int(boxes[i, 0]) - 1, 0) & ~1, max(int(boxes[i, 1]) - 1, 0) & ~1
        x1, y1 = min(int(boxes[i, 2]) + 1, width - 1), min(int(boxes[i, 3]) + 1, height - 1)
        strips = (width * y0, width * (height - 1 - y1), height * x0, height * (width - 1 - x1))
        if any(0 < strip < min_area for strip in strips):
            # the background beyond the box may itself be a small component: look at all of it
            x0, y0, x1, y1, strips = 0, 0, width - 1, height - 1, (0, 0, 0, 0)
        mask = runs.window(i, (x0, y0, x1, y1))
        filled, filled_any = _fill_holes(mask, min_area, strips)
        cleaned, dropped_any = _drop_islands(filled, min_area)
        changed[i] = filled_any or dropped_any
        rows.append(encode_window(cleaned, y0, x0, height, width) if changed[i] else runs.row(i))
    return MaskRuns.from_rows(rows, runs.shape), changed


def _components(image: NDArray[np.bool_]) -> tuple[int, Any, Any]:
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        image.astype(np.uint8), connectivity=8
    )
    return count, labels, stats[:, -1].astype(np.int64)


def _fill_holes(
    mask: NDArray[np.bool_], min_area: float, strips: tuple[int, int, int, int]
) -> tuple[NDArray[np.bool_], bool]:
    """Fill background components under `min_area`.

    `strips` are the areas of the image above, below, left and right of this window; a component
    that reaches one of them is larger than the limit.
    """
    count, labels, sizes = _components(~mask)
    reached = (labels[0, 0], labels[-1, 0], labels[0, 0], labels[0, -1])
    outer = {int(label) for label, strip in zip(reached, strips, strict=True) if strip}
    small = [k for k in range(1, count) if sizes[k] < min_area and k not in outer]
    if not small:
        return mask, False
    return mask | np.isin(labels, small), True


def _drop_islands(mask: NDArray[np.bool_], min_area: float) -> tuple[NDArray[np.bool_], bool]:
    count, labels, sizes = _components(mask)
    small = [label for label in range(1, count) if sizes[label] < min_area]
    if not small:
        return mask, False
    kept = [label for label in range(1, count) if label not in small]
    if not kept:
        kept = [int(np.argmax(sizes[1:])) + 1]
    return np.isin(labels, kept), True
