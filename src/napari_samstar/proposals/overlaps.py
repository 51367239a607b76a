"""Which proposals share pixels: a greedy choice among them, their pairs, their best matches."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.blocks import Blocks, by_place, joined, pack, shared_by
from napari_samstar.proposals.chunks import at_once, in_chunks
from napari_samstar.proposals.neighbors import Neighbors
from napari_samstar.types import Proposals

__all__ = [
    "best_partner",
    "blocks",
    "blocks_steps",
    "keep",
    "neighbors",
    "other_kind",
    "partner_steps",
]


_ROWS = 256  # worked on at once


def blocks(proposals: Proposals) -> Blocks:
    """Return the table's blocks, memoized with it."""
    return at_once(blocks_steps(proposals))


def blocks_steps(proposals: Proposals) -> Generator[int, None, Blocks]:
    """Find what `blocks` returns, unless it is known; yields masks done."""
    if "blocks" not in proposals.columns:
        runs = proposals.runs

        def work(start: int, stop: int) -> Blocks:
            return pack(runs.take(np.arange(start, stop)))

        parts = yield from in_chunks(len(runs), work, _ROWS)
        proposals.columns["blocks"] = joined(parts) if parts else pack(runs)
    known: Blocks = proposals.columns["blocks"]
    return known


def keep(
    proposals: Proposals, order: NDArray[np.int64], max_overlap: float, budget: float = np.inf
) -> NDArray[np.int64]:
    """Keep rows one by one, none that shares too much with one kept before.

    Parameters
    ----------
    proposals : Proposals
        All masks.
    order : (K,) int64
        Rows, best first, each once; empty masks are never kept.
    max_overlap : float
        Share of the smaller of two masks that both may cover.
    budget : float
        Rows that would bring the sum of areas above it are passed over, px.

    Returns
    -------
    (M,) int64
        The rows kept, in order.
    """
    kept = neighbors(proposals).keep(order, max_overlap, budget)
    return np.asarray(order[kept], np.int64)


def neighbors(proposals: Proposals) -> Neighbors:
    """Return the table's lists of masks that share pixels, memoized with it."""
    if "neighbors" not in proposals.columns:
        proposals.columns["neighbors"] = Neighbors(blocks(proposals), _areas(proposals))
    known: Neighbors = proposals.columns["neighbors"]
    return known


def best_partner(
    proposals: Proposals, rows: NDArray[np.int64], others: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Compare two groups of masks.

    Parameters
    ----------
    proposals : Proposals
        N masks.
    rows, others : (K,), (L,) int64
        The groups; empty masks match nothing.

    Returns
    -------
    iou : (N,) float32
        For every mask of either group the largest IoU with one of the other group, 0 where that
        is under one half, and 0 for all other masks.
    which : (N,) int64
        The mask that it has that IoU with, the first of them if there are several; -1 for none.
    """
    return at_once(_best_steps(proposals, rows, others))


def _best_steps(
    proposals: Proposals, rows: NDArray[np.int64], others: NDArray[np.int64]
) -> Generator[int, None, tuple[NDArray[np.float32], NDArray[np.int64]]]:
    known = yield from blocks_steps(proposals)
    areas = _areas(proposals)
    others = others[np.argsort(areas[others], kind="stable")]
    table = (known.offsets, known.places, known.words)
    listed = by_place(others, *table, known.count)
    yield 0
    iou = np.zeros(len(proposals), np.float32)
    which = np.full(len(proposals), -1, np.int64)
    compare: Any = _best_iou
    for start in range(0, rows.size, _ROWS):
        compare(rows[start : start + _ROWS], *table, *listed, areas, iou, which)
        yield min(start + _ROWS, rows.size)
    return iou, which


def other_kind(
    proposals: Proposals,
) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
    """Each region's best match among SAM's masks and the other way round; memoized.

    Returns
    -------
    iou : (N,) float32
        Largest IoU with a mask of the other kind, 0 under one half.
    which : (N,) int64
        That mask; -1 for none. None in place of both where there is but one kind.
    """
    at_once(partner_steps(proposals))
    known: tuple[NDArray[np.float32], NDArray[np.int64]] | None = proposals.columns["other_kind"]
    return known


def partner_steps(proposals: Proposals) -> Generator[int, None, None]:
    """Find what `other_kind` returns, unless it is known; yields masks done."""
    if "other_kind" in proposals.columns:
        return
    by_network = ~np.isnan(proposals.predicted_iou)
    network, regions = np.flatnonzero(by_network), np.flatnonzero(~by_network)
    alone = not (network.size and regions.size)
    found = None if alone else (yield from _best_steps(proposals, network, regions))
    proposals.columns["other_kind"] = found


def _areas(proposals: Proposals) -> NDArray[np.int64]:
    if "areas_px" not in proposals.columns:
        proposals.columns["areas_px"] = proposals.runs.areas()
    known: NDArray[np.int64] = proposals.columns["areas_px"]
    return known


@njit(cache=True, nogil=True)
def _best_iou(
    rows: Any,
    offsets: Any,
    places: Any,
    words: Any,
    ends: Any,
    owner: Any,
    word: Any,
    areas: Any,
    best: Any,
    which: Any,
) -> None:
    """Largest IoU of each mask with one of the other group, and with which, if it is one half.

    The other group is listed by the blocks of the image, in each by area.
    """
    shared = np.zeros(areas.size, np.int64)
    met = np.empty(areas.size, np.int64)
    for i in rows:
        n = 0
        for e in range(offsets[i], offsets[i + 1]):
            for k in range(ends[places[e]], ends[places[e] + 1]):
                j = owner[k]
                # an IoU of one half needs areas within a factor of two
                if areas[i] > 2 * areas[j]:
                    continue
                if areas[j] > 2 * areas[i]:
                    break
                common = shared_by(words[e], word[k])
                if common:
                    if shared[j] == 0:
                        met[n] = j
                        n += 1
                    shared[j] += common
        for j in np.sort(met[:n]):
            iou = np.float32(shared[j] / (areas[i] + areas[j] - shared[j]))
            shared[j] = 0
            if iou >= 0.5:
                if iou > best[i]:
                    best[i], which[i] = iou, j
                if iou > best[j]:
                    best[j], which[j] = iou, i
