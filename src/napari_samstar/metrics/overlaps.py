"""Which masks of two lists meet, in how many pixels; the time follows the runs, not all pairs."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.runs import MaskRuns

__all__ = ["shared_pixels"]


def shared_pixels(
    ones: MaskRuns, others: MaskRuns
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Find every pair of masks, one of each list, that share a pixel.

    Parameters
    ----------
    ones, others : MaskRuns
        Masks of one height and width; masks of a list may overlap.

    Returns
    -------
    first, second : (K,) int64
        Where the two masks of each pair stand in `ones` and `others`, ascending.
    shared : (K,) int64
        Pixels in both.
    """
    starts, ends, owners = _pieces(others.counts, others.offsets, others.shape[0])
    order = np.argsort(starts, kind="stable")
    starts, ends, owners = starts[order], ends[order], owners[order]
    # no piece goes over the end of a column, so that this leaves whole columns out
    reach = np.maximum.accumulate(ends)
    mine = _pieces(ones.counts, ones.offsets, ones.shape[0])
    near = np.searchsorted(reach, mine[0], side="right")
    first, second, shared = _meetings(*mine, near, starts, ends, owners, len(others))
    return first, second, shared


@njit(cache=True, nogil=True)
def _pieces(
    counts: NDArray[np.uint32], offsets: NDArray[np.int64], height: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Cut runs of ones at the ends of columns: start, end in the flat frame, and mask of each."""
    n = 0
    for filling in range(2):
        if filling:
            starts, ends = np.empty(n, np.int64), np.empty(n, np.int64)
            owners = np.empty(n, np.int32)
            n = 0
        for i in range(offsets.size - 1):
            position = 0
            for k in range(offsets[i], offsets[i + 1]):
                end = position + int(counts[k])
                if (k - offsets[i]) % 2 == 0:
                    position = end
                while position < end:
                    stop = min(end, (position // height + 1) * height)
                    if filling:
                        starts[n], ends[n], owners[n] = position, stop, i
                    n += 1
                    position = stop
    return starts, ends, owners


@njit(cache=True, nogil=True)
def _meetings(
    mine_start: NDArray[np.int64],
    mine_end: NDArray[np.int64],
    mine: NDArray[np.int32],
    near: NDArray[np.int64],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    owners: NDArray[np.int32],
    count: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pairs that meet; piece p of mine meets none of `starts` before ``near[p]``."""
    capacity = 1024
    found = np.empty((capacity, 3), np.int64)
    n = 0
    shared = np.zeros(count, np.int64)
    met = np.empty(count, np.int64)  # of the mask at hand
    n_met = 0
    for p in range(mine.size):
        for q in range(near[p], starts.size):
            if starts[q] >= mine_end[p]:
                break
            both = min(mine_end[p], ends[q]) - max(mine_start[p], starts[q])
            if both > 0:
                if shared[owners[q]] == 0:
                    met[n_met] = owners[q]
                    n_met += 1
                shared[owners[q]] += both
        if p + 1 == mine.size or mine[p + 1] != mine[p]:
            while n + n_met > capacity:
                capacity *= 2
                larger = np.empty((capacity, 3), np.int64)
                larger[:n] = found[:n]
                found = larger
            for other in np.sort(met[:n_met]):
                found[n, 0], found[n, 1], found[n, 2] = mine[p], other, shared[other]
                shared[other] = 0
                n += 1
            n_met = 0
    return found[:n, 0].copy(), found[:n, 1].copy(), found[:n, 2].copy()
