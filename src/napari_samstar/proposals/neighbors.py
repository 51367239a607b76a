"""Which masks share pixels with one that is kept: listed once, for all candidates of a search."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.blocks import Blocks, by_place, shared_by

__all__ = ["Neighbors"]

_BYTES = 1 << 29  # of lists; a table with more of them begins anew


class Neighbors:
    """Lists of masks that share pixels with a mask, made when it is first kept.

    A search keeps the same few thousand masks again and again: so most choices among tens of
    thousands of masks only read these lists. Safe to use from several threads.

    Parameters
    ----------
    blocks : Blocks
        Of N masks.
    areas : (N,) int64
        Their areas, px.
    """

    def __init__(self, blocks: Blocks, areas: NDArray[np.int64]) -> None:
        self._blocks = blocks
        self._areas = areas
        self._lock = threading.Lock()
        self._by_place = by_place(
            np.arange(len(areas)), blocks.offsets, blocks.places, blocks.words, blocks.count
        )
        self._forget()

    def _forget(self) -> None:
        self._start = np.full(len(self._areas), -1, np.int64)
        self._end = np.zeros(len(self._areas), np.int64)
        self._others = np.empty(1 << 12, np.int32)
        self._share = np.empty(1 << 12, np.float32)
        self._used = 0

    def keep(
        self, order: NDArray[np.int64], max_overlap: float, budget: float
    ) -> NDArray[np.bool_]:
        """Which of the rows `order`, best first, are kept; see `overlaps.keep`."""
        blocks = self._blocks
        choose: Any = _keep
        with self._lock:
            if self._others.nbytes + self._share.nbytes > _BYTES:
                self._forget()
            kept, self._others, self._share, self._used = choose(
                order,
                blocks.offsets,
                blocks.places,
                blocks.words,
                *self._by_place,
                self._areas,
                self._start,
                self._end,
                self._others,
                self._share,
                self._used,
                max_overlap,
                budget,
            )
        result: NDArray[np.bool_] = kept
        return result


@njit(cache=True, nogil=True)
def _keep(
    order: Any,
    offsets: Any,
    places: Any,
    words: Any,
    begins: Any,
    owner: Any,
    word: Any,
    areas: Any,
    start: Any,
    end: Any,
    others: Any,
    share: Any,
    used: int,
    max_overlap: float,
    budget: float,
) -> Any:
    """Keep rows one by one; each one kept rules out those that share too much with it."""
    kept = np.zeros(order.size, np.bool_)
    ruled_out = np.zeros(areas.size, np.bool_)
    pixels = np.zeros(areas.size, np.int32)
    met = np.empty(areas.size, np.int32)
    most = np.float32(max_overlap)
    covered = 0
    for p in range(order.size):
        i = order[p]
        area = areas[i]
        if ruled_out[i] or area == 0 or covered + area > budget:
            continue
        kept[p] = True
        covered += area
        if start[i] < 0:
            n = 0
            for e in range(offsets[i], offsets[i + 1]):
                for k in range(begins[places[e]], begins[places[e] + 1]):
                    common = shared_by(words[e], word[k])
                    if common:
                        j = owner[k]
                        if pixels[j] == 0:
                            met[n] = j
                            n += 1
                        pixels[j] += common
            while used + n > others.size:
                others = np.concatenate((others, np.empty_like(others)))
                share = np.concatenate((share, np.empty_like(share)))
            part = np.empty(n, np.float32)
            for k in range(n):
                part[k] = np.float32(pixels[met[k]] / min(area, areas[met[k]]))
                pixels[met[k]] = 0
            start[i] = used
            for k in np.argsort(-part):  # those that share most first
                others[used], share[used] = met[k], part[k]
                used += 1
            end[i] = used
        for k in range(start[i], end[i]):
            if share[k] <= most:
                break
            ruled_out[others[k]] = True
    return kept, others, share, used
