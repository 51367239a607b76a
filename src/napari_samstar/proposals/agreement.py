"""Where the candidates of a search agree: a confidence that needs no labels.

What every good setting finds is surely there; what only some find is what a person should look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.overlaps import overlaps
from napari_samstar.types import Proposals, Selection

__all__ = ["object_agreement", "pixel_agreement"]


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
    """Share of candidates in which a pixel is inside any mask.

    Parameters
    ----------
    selections : sequence of Selection
        The candidates, of one image; at least one.

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


def object_agreement(
    proposals: Proposals,
    rows: NDArray[np.int64],
    candidates: Sequence[NDArray[np.int64]],
    iou: float = 0.5,
) -> NDArray[np.float32]:
    """Share of candidates that hold (nearly) the same object, for each of `rows`.

    Parameters
    ----------
    proposals : Proposals
        The table that all were selected from.
    rows : (K,) int64
        Rows of the objects in question.
    candidates : sequence of (M,) int64
        Rows that each candidate keeps (`Selection.rows`); at least one.
    iou : float
        Two masks show the same object above this intersection over union.

    Returns
    -------
    (K,) float32
        0 to 1.
    """
    kept = np.zeros((len(candidates), len(proposals)), np.bool_)
    for turn, chosen in enumerate(candidates):
        kept[turn, chosen] = True
    table = overlaps(proposals)
    areas = proposals.runs.areas()
    agreement = np.empty(rows.size, np.float32)
    for k, row in enumerate(rows.tolist()):
        partners, shared = table.partners(row)
        union = areas[row] + areas[partners] - shared
        same = partners[shared > iou * union]
        agreement[k] = (kept[:, same].any(axis=1) | kept[:, row]).mean()
    return agreement
