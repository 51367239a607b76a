"""Masks of a block or of a reduced view, moved into the frame of the whole image."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.runs import MaskRuns

__all__ = ["reframe"]


@njit(cache=True, nogil=True)
def _reframe(
    counts: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    small: int,
    factor: int,
    y0: int,
    x0: int,
    height: int,
    width: int,
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    out = np.empty(2 * counts.size * factor + 1024, np.uint32)
    new = np.zeros(offsets.size, np.int64)
    column = np.empty((small + 1, 2), np.int64)  # segments of one column
    n = 0
    for i in range(offsets.size - 1):
        end = 0  # where the last run of ones ended, in the new frame
        begin = n
        pending = False
        segments = 0
        at = -1
        position = 0
        last = offsets[i + 1] - 1
        for k in range(offsets[i], offsets[i + 1]):
            length = int(counts[k])
            p, stop = position, position + length
            position = stop
            if (k - offsets[i]) % 2 == 0:
                if k < last:
                    continue
                p = stop  # the final zeros only flush the last column
            while p < stop or k == last:
                x = p // small if p < stop else -2
                if x != at:
                    if segments > 0:
                        need = 2 * (segments + 1) * factor + 4
                        if n + need > out.size:
                            more = np.empty(2 * out.size + need, np.uint32)
                            more[:n] = out[:n]
                            out = more
                        for r in range(factor):
                            base = (at * factor + r + x0) * height + y0
                            for s in range(segments):
                                a = base + column[s, 0] * factor
                                b = base + column[s, 1] * factor
                                if pending and a == end:  # goes on from the column before
                                    out[n - 1] += b - a
                                else:
                                    out[n] = a - end
                                    out[n + 1] = b - a
                                    n += 2
                                    pending = True
                                end = b
                    segments = 0
                    at = x
                if p >= stop:
                    break
                edge = min(stop, (x + 1) * small)
                column[segments, 0] = p - x * small
                column[segments, 1] = edge - x * small
                segments += 1
                p = edge
        total = height * width
        if end < total or n == begin:
            if n + 1 > out.size:
                more = np.empty(out.size + 1024, np.uint32)
                more[:n] = out[:n]
                out = more
            out[n] = total - end
            n += 1
        new[i + 1] = n
    return out[:n].copy(), new


def reframe(
    runs: MaskRuns, shape: tuple[int, int], y0: int = 0, x0: int = 0, factor: int = 1
) -> MaskRuns:
    """Enlarge masks by a whole `factor` and move them to (y0, x0) of a frame of `shape`.

    The enlarged frame must lie inside the new one.
    """
    counts, offsets = _reframe(
        runs.counts, runs.offsets, runs.shape[0], factor, y0, x0, shape[0], shape[1]
    )
    return MaskRuns(counts, offsets, shape)
