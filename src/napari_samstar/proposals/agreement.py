"""Where selections of one image agree: a confidence that needs no labels.

What every good setting finds is surely there; what only some find is what a person should look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.runs import MaskRuns, _intersection
from napari_samstar.types import Selection

__all__ = ["VOICES", "object_agreement", "pixel_agreement"]

#: So many of a search's best candidates vote, each with one voice.
VOICES = 50


@njit(cache=True, nogil=True)
def _add_union(counts: Any, offsets: Any, seen: Any, votes: Any, turn: int) -> None:
    """Give each pixel of any mask one vote; `seen` holds the turn of its last."""
    for i in range(offsets.size - 1):
        position = 0
        for k in range(offsets[i], offsets[i + 1]):
            length = int(counts[k])
            if (k - offsets[i]) % 2 == 1:
                for p in range(position, position + length):
                    votes[p] += seen[p] != turn
                    seen[p] = turn
            position += length


def pixel_agreement(selections: Sequence[Selection]) -> NDArray[np.float32]:
    """Share of selections in which a pixel is inside any mask.

    Parameters
    ----------
    selections : sequence of Selection
        Of one image; at least one.

    Returns
    -------
    (H, W) float32
        0 where all say background, 1 where all say object; 0.5 is doubt at its largest.
    """
    height, width = selections[0].shape
    votes = np.zeros(height * width, np.int32)
    seen = np.full(height * width, -1, np.int32)
    for turn, selection in enumerate(selections):
        _add_union(selection.runs.counts, selection.runs.offsets, seen, votes, turn)
    # runs go down the columns
    share = votes.reshape(width, height).T / np.float32(len(selections))
    return np.ascontiguousarray(share, np.float32)


@njit(cache=True, nogil=True)
def _found(
    counts: Any,
    offsets: Any,
    boxes: Any,
    areas: Any,
    other_counts: Any,
    other_offsets: Any,
    other_boxes: Any,
    other_areas: Any,
    by_area: Any,
    iou: float,
) -> Any:
    """Whether each mask has its like among others, which `by_area` gives smallest first."""
    found = np.zeros(areas.size, np.bool_)
    sorted_areas = other_areas[by_area]
    for i in range(areas.size):
        # the areas of two masks of that IoU cannot differ by more
        low = np.searchsorted(sorted_areas, iou * areas[i])
        high = np.searchsorted(sorted_areas, areas[i] / iou, side="right")
        for place in range(low, high):
            j = by_area[place]
            w = min(boxes[i, 2], other_boxes[j, 2]) - max(boxes[i, 0], other_boxes[j, 0]) + 1
            h = min(boxes[i, 3], other_boxes[j, 3]) - max(boxes[i, 1], other_boxes[j, 1]) + 1
            if w <= 0 or h <= 0:
                continue
            both = areas[i] + other_areas[j]
            most = min(int(w) * int(h), areas[i], other_areas[j])
            if most <= iou * (both - most):
                continue
            shared = _intersection(
                counts[offsets[i] : offsets[i + 1]],
                other_counts[other_offsets[j] : other_offsets[j + 1]],
            )
            if shared > iou * (both - shared):
                found[i] = True
                break
    return found


def object_agreement(
    objects: MaskRuns, selections: Sequence[Selection], iou: float = 0.5
) -> NDArray[np.float32]:
    """Share of selections that hold (nearly) the same object, for each of `objects`.

    Parameters
    ----------
    objects : MaskRuns
        K masks.
    selections : sequence of Selection
        Of the same image, from any proposals; at least one.
    iou : float
        Two masks show the same object above this intersection over union, over 0.

    Returns
    -------
    (K,) float32
        0 to 1; empty masks get 0.
    """
    boxes, areas = objects.boxes(), objects.areas()
    votes = np.zeros(len(objects), np.int64)
    for selection in selections:
        runs = selection.runs
        other_areas = runs.areas()
        votes += _found(
            objects.counts,
            objects.offsets,
            boxes,
            areas,
            runs.counts,
            runs.offsets,
            runs.boxes(),
            other_areas,
            np.argsort(other_areas, kind="stable"),
            float(iou),
        )
    return (votes / len(selections)).astype(np.float32)
