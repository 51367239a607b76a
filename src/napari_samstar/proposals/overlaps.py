"""Which proposals share pixels: a sparse table of pairs that fills as it is asked for.

A mask's partners are counted once, when it is first kept; from then on a greedy choice among
thousands of masks walks along short lists instead of run lengths.
"""

from __future__ import annotations

from threading import Lock
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.sharing import cells, partners, run_ends, shared_pixels
from napari_samstar.types import Proposals

__all__ = ["Overlaps", "other_kind", "overlaps"]

# masks are looked up by a grid of cells that their boxes touch
_LEAST_CELL, _MOST_CELLS = 16, 32  # px, and cells along the longer side


@njit(cache=True, nogil=True)
def _greedy(
    order: NDArray[np.int64],
    begin: int,
    areas: NDArray[np.int64],
    max_overlap: float,
    budget: float,
    start: NDArray[np.int64],
    size: NDArray[np.int64],
    partner: NDArray[np.int32],
    pixels: NDArray[np.int64],
    state: NDArray[np.uint8],
    covered: int,
) -> tuple[int, int]:
    """Go on from ``order[begin]`` until a kept row's partners are unknown, or to the end.

    `state` is 1 for kept rows and 2 for those that share too much with one. Returns where it
    stopped and the pixels kept.
    """
    for p in range(begin, order.size):
        i = order[p]
        if areas[i] == 0 or state[i] == 2 or covered + areas[i] > budget:
            continue
        if start[i] < 0:
            return p, covered
        state[i] = 1
        covered += areas[i]
        for k in range(start[i], start[i] + size[i]):
            j = partner[k]
            if pixels[k] > max_overlap * min(areas[i], areas[j]):
                state[j] = 2
    return order.size, covered


@njit(cache=True, nogil=True)
def _pairs_among(rows: Any, start: Any, size: Any, partner: Any, pixels: Any, place: Any) -> Any:
    """Pairs among `rows` (indices into it, first < second) with the pixels shared."""
    total = 0
    for a in range(rows.size):
        total += size[rows[a]]
    first = np.empty(total, np.int64)
    second = np.empty(total, np.int64)
    shared = np.empty(total, np.int64)
    n = 0
    for a in range(rows.size):
        place[rows[a]] = a
    for a in range(rows.size):
        i = rows[a]
        for k in range(start[i], start[i] + size[i]):
            b = place[partner[k]]
            if b > a:
                first[n], second[n], shared[n] = a, b, pixels[k]
                n += 1
    for a in range(rows.size):
        place[rows[a]] = -1
    return first[:n].copy(), second[:n].copy(), shared[:n].copy()


@njit(cache=True, nogil=True)
def _best_iou(
    rows: Any, others: Any, sorted_areas: Any, ends: Any, offsets: Any, boxes: Any, areas: Any
) -> Any:
    """Largest IoU of each mask with one of the other group, and with which; 0, -1 under one half.

    `others` are sorted by area, so that only masks of half to twice the area are compared.
    """
    best = np.zeros(areas.size, np.float32)
    which = np.full(areas.size, -1, np.int64)
    for i in rows:
        area = areas[i]
        low = np.searchsorted(sorted_areas, (area + 1) // 2)
        high = np.searchsorted(sorted_areas, 2 * area, side="right")
        for place in range(low, high):
            j = others[place]
            w = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0]) + 1
            h = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1]) + 1
            if w <= 0 or h <= 0:
                continue
            most = min(int(w) * int(h), area, areas[j])
            bound = most / (area + areas[j] - most)
            if bound < 0.5 or (bound <= best[i] and bound <= best[j]):
                continue
            shared = shared_pixels(ends, offsets[i], offsets[i + 1], offsets[j], offsets[j + 1])
            iou = np.float32(shared / (area + areas[j] - shared))
            if iou >= 0.5:
                if iou > best[i]:
                    best[i], which[i] = iou, j
                if iou > best[j]:
                    best[j], which[j] = iou, i
    return best, which


class Overlaps:
    """Partners of proposals, counted on first use and kept; threads may share it."""

    def __init__(self, proposals: Proposals) -> None:
        runs = proposals.runs
        n = len(runs)
        self._offsets = runs.offsets
        self._ends = run_ends(runs.counts, runs.offsets)
        self._areas = runs.areas()
        self._boxes = runs.boxes()
        self._start = np.full(n, -1, np.int64)
        self._size = np.zeros(n, np.int64)
        self._partner = np.empty(1024, np.int32)
        self._pixels = np.empty(1024, np.int64)
        self._used = 0
        height, width = proposals.shape
        self._cell = max(_LEAST_CELL, -(-max(height, width) // _MOST_CELLS))
        columns, self._cell_rows = (-(-side // self._cell) for side in (width, height))
        self._cells, self._members = cells(
            self._boxes, self._areas, self._cell, columns, self._cell_rows
        )
        self._seen = np.full(n, -1, np.int32)
        self._found = np.empty(n, np.int32)
        self._counted = np.empty(n, np.int64)
        self._place = np.full(n, -1, np.int64)
        self._lock = Lock()

    def keep(
        self, order: NDArray[np.int64], max_overlap: float, budget: float = np.inf
    ) -> NDArray[np.int64]:
        """Keep rows one by one, none that shares too much with one kept before.

        Parameters
        ----------
        order : (K,) int64
            Rows, best first, each once.
        max_overlap : float
            Share of the smaller of two masks that both may cover.
        budget : float
            Rows that would bring the sum of areas above it are passed over, px.

        Returns
        -------
        (M,) int64
            The rows kept, in order.
        """
        state = np.zeros(self._areas.size, np.uint8)
        position, covered = 0, 0
        with self._lock:
            while True:
                position, covered = _greedy(
                    order,
                    position,
                    self._areas,
                    max_overlap,
                    budget,
                    self._start,
                    self._size,
                    self._partner,
                    self._pixels,
                    state,
                    covered,
                )
                if position == order.size:
                    return np.asarray(order[state[order] == 1], np.int64)
                self._count(int(order[position]))

    def pairs(
        self, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Pairs among `rows`: indices into it, first < second, and the pixels shared, each (P,)."""
        with self._lock:
            for row in rows[self._start[rows] < 0].tolist():
                self._count(row)
            first, second, shared = _pairs_among(
                rows, self._start, self._size, self._partner, self._pixels, self._place
            )
        return first, second, shared

    def best_partner(
        self, rows: NDArray[np.int64], others: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Compare two groups of masks.

        Parameters
        ----------
        rows, others : (K,), (L,) int64
            The groups; empty masks match nothing.

        Returns
        -------
        iou : (N,) float32
            For every mask of either group the largest IoU with one of the other group, 0 where that
            is under one half, and 0 for all other masks.
        which : (N,) int64
            The mask that it has that IoU with; -1 for none.
        """
        rows, others = rows[self._areas[rows] > 0], others[self._areas[others] > 0]
        others = others[np.argsort(self._areas[others], kind="stable")]
        sizes = self._areas[others]
        iou, which = _best_iou(
            rows, others, sizes, self._ends, self._offsets, self._boxes, self._areas
        )
        return np.asarray(iou), np.asarray(which)

    def partners(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Rows that share pixels with `row`, ascending, and the pixels shared."""
        with self._lock:
            self._count(row)
            here = slice(self._start[row], self._start[row] + self._size[row])
            return self._partner[here].copy(), self._pixels[here].copy()

    def _count(self, row: int) -> None:
        """Find the partners of one row."""
        if self._start[row] >= 0:
            return
        n = 0
        if self._areas[row] > 0:
            n = partners(
                row,
                self._ends,
                self._offsets,
                self._boxes,
                self._cells,
                self._members,
                self._cell,
                self._cell_rows,
                self._seen,
                self._start,
                self._size,
                self._partner,
                self._pixels,
                self._found,
                self._counted,
            )
        while self._used + n > self._partner.size:
            self._partner = np.concatenate([self._partner, np.empty_like(self._partner)])
            self._pixels = np.concatenate([self._pixels, np.empty_like(self._pixels)])
        self._partner[self._used : self._used + n] = self._found[:n]
        self._pixels[self._used : self._used + n] = self._counted[:n]
        self._start[row], self._size[row] = self._used, n
        self._used += n


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
    if "other_kind" not in proposals.columns:
        by_network = ~np.isnan(proposals.predicted_iou)
        network, regions = np.flatnonzero(by_network), np.flatnonzero(~by_network)
        alone = not (network.size and regions.size)
        found = None if alone else overlaps(proposals).best_partner(network, regions)
        proposals.columns["other_kind"] = found
    known: tuple[NDArray[np.float32], NDArray[np.int64]] | None = proposals.columns["other_kind"]
    return known


def overlaps(proposals: Proposals) -> Overlaps:
    """Return the table's pairs, memoized with it."""
    known: Overlaps = proposals.columns.setdefault("overlaps", None) or Overlaps(proposals)
    proposals.columns["overlaps"] = known
    return known
