"""Clean-up of single masks: small holes filled, small islands dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.runs import MaskRuns

__all__ = ["clean_masks", "smallest_parts"]


def clean_masks(runs: MaskRuns, min_area: float) -> tuple[MaskRuns, NDArray[np.bool_]]:
    """Fill holes and drop islands smaller than `min_area`, as Meta's `remove_small_regions`.

    Meta's code labels the pixels of the whole image, ours the runs of the mask and those between
    them: some microseconds a mask.

    Parameters
    ----------
    runs : MaskRuns
        K masks.
    min_area : float
        Holes and islands of fewer pixels go; if all islands are small the largest stays, of equal
        ones the first that OpenCV counts. The background, too, is a hole if it is small.

    Returns
    -------
    runs : MaskRuns
        The cleaned masks.
    changed : (K,) bool
        Which masks had something small, even where it is what stays.
    """
    counts, offsets, changed = _clean(runs.counts, runs.offsets, *runs.shape, min_area)
    return MaskRuns(counts, offsets, runs.shape), changed


def smallest_parts(runs: MaskRuns, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pixels of the smallest island or hole of masks, (K,): no smaller limit changes them.

    An island is any part of the mask, a hole any part of what is around, the background too.
    """
    return np.asarray(_smallest(runs.counts, runs.offsets, rows, *runs.shape))


@njit(cache=True, nogil=True)
def _root(parent: Any, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _label(x: Any, top: Any, bottom: Any, size: Any, parent: Any, total: Any) -> None:
    """Join pieces of columns that touch, also by a corner; `total` is each root's size, px.

    A piece is the pixels ``top:bottom`` of column x. Pieces are sorted by x and top, and those of a
    column lie apart.
    """
    n = x.size
    for i in range(n):
        parent[i] = i
    last, begin = -1, 0  # the pieces of the column before, and of this one
    while begin < n:
        end = begin + 1
        while end < n and x[end] == x[begin]:
            end += 1
        if last >= 0 and x[last] == x[begin] - 1:
            a, b = last, begin
            while a < begin and b < end:
                if top[a] <= bottom[b] and top[b] <= bottom[a]:
                    one, other = _root(parent, a), _root(parent, b)
                    parent[max(one, other)] = min(one, other)
                if bottom[a] < bottom[b]:
                    a += 1
                else:
                    b += 1
        last, begin = begin, end
    total[:n] = 0
    for i in range(n):
        total[_root(parent, i)] += size[i]


@njit(cache=True, nogil=True)
def _pieces(counts: Any, height: int, x: Any, top: Any, bottom: Any) -> int:
    """Cut the runs of one mask at the ends of columns; return how many pieces there are."""
    n, position = 0, 0
    for k in range(counts.size):
        end = position + int(counts[k])
        if k % 2 == 1:
            while position < end:
                x[n], top[n] = position // height, position % height
                bottom[n] = min(height, top[n] + end - position)
                position += bottom[n] - top[n]
                n += 1
        position = end
    return n


@njit(cache=True, nogil=True)
def _between(
    n: int, x: Any, top: Any, bottom: Any, height: int, width: int, found: Any, size: Any
) -> int:
    """Pieces of the background of n pieces into `found`, (x, top, bottom); how many.

    What lies left and right of the mask is one piece each, as wide as it is.
    """
    m = 0
    if x[0] > 0:
        found[0, m], found[1, m], found[2, m], size[m] = x[0] - 1, 0, height, x[0] * height
        m += 1
    i = 0
    for column in range(x[0], x[n - 1] + 1):
        start = 0
        while i < n and x[i] == column:
            if top[i] > start:
                found[0, m], found[1, m], found[2, m] = column, start, top[i]
                size[m] = top[i] - start
                m += 1
            start = bottom[i]
            i += 1
        if start < height:
            found[0, m], found[1, m], found[2, m] = column, start, height
            size[m] = height - start
            m += 1
    beyond = width - 1 - x[n - 1]
    if beyond > 0:
        found[0, m], found[1, m], found[2, m] = x[n - 1] + 1, 0, height
        size[m] = beyond * height
        m += 1
    return m


@njit(cache=True, nogil=True)
def _kept(x: Any, top: Any, parent: Any, total: Any, min_area: float, width: int) -> int:
    """Root of the largest component where all are small; of equal ones the first to be counted.

    OpenCV counts components by their first block of 2x2 px, row by row. -1 where not all are small.
    """
    best, largest, first = -1, 0, 0
    for i in range(x.size):
        root = _root(parent, i)
        if total[root] >= min_area:
            return -1
        place = top[i] // 2 * width + x[i] // 2
        if total[root] > largest or (total[root] == largest and place < first):
            best, largest, first = root, total[root], place
    return best


@njit(cache=True, nogil=True)
def _row_pieces(counts: Any, height: int) -> Any:
    """Pieces of one mask, (3, n)."""
    # a run of n px is in n // height + 2 columns at most
    most = 2 * (counts.size // 2) + np.int64(counts[1::2].sum()) // height
    pieces = np.empty((3, most), np.int64)
    n = _pieces(counts, height, pieces[0], pieces[1], pieces[2])
    return pieces[:, :n].copy()


@njit(cache=True, nogil=True)
def _smallest(counts: Any, offsets: Any, rows: Any, height: int, width: int) -> Any:
    out = np.full(rows.size, height * width, np.int64)
    for k in range(rows.size):
        pieces = _row_pieces(counts[offsets[rows[k]] : offsets[rows[k] + 1]], height)
        x, top, bottom = pieces[0], pieces[1], pieces[2]
        n = x.size
        if n == 0:
            continue
        most = n + x[n - 1] - x[0] + 3
        found = np.empty((3, most), np.int64)
        size = np.empty(most, np.int64)
        parent = np.empty(most, np.int64)
        total = np.empty(most, np.int64)
        m = _between(n, x, top, bottom, height, width, found, size)
        _label(found[0, :m], found[1, :m], found[2, :m], size[:m], parent, total)
        for i in range(m):
            out[k] = min(out[k], total[_root(parent, i)])
        _label(x, top, bottom, bottom - top, parent, total)
        for i in range(n):
            out[k] = min(out[k], total[_root(parent, i)])
    return out


@njit(cache=True, nogil=True)
def _clean(counts: Any, offsets: Any, height: int, width: int, min_area: float) -> Any:
    masks = offsets.size - 1
    changed = np.zeros(masks, np.bool_)
    ends = np.zeros(masks + 1, np.int64)
    out = np.empty(max(counts.size, 1024), np.uint32)
    used = 0
    for i in range(masks):
        mine = counts[offsets[i] : offsets[i + 1]]
        pieces = _row_pieces(mine, height)
        cleaned = pieces
        if pieces.shape[1]:
            cleaned, changed[i] = _clean_pieces(pieces, height, width, min_area)
        elif height * width < min_area:  # nothing at all is a hole in a small image
            changed[i] = True
            cleaned = np.zeros((3, width), np.int64)
            cleaned[0], cleaned[2] = np.arange(width), height
        longest = max(mine.size, 2 * cleaned.shape[1] + 1)
        if used + longest > out.size:
            larger = np.empty(2 * (used + longest), np.uint32)
            larger[:used] = out[:used]
            out = larger
        if not changed[i]:
            out[used : used + mine.size] = mine
            used += mine.size
        else:
            used = _encode(cleaned, height, width, out, used)
        ends[i + 1] = used
    return out[:used].copy(), ends, changed


@njit(cache=True, nogil=True)
def _clean_pieces(pieces: Any, height: int, width: int, min_area: float) -> Any:
    """Pieces of one mask after its small holes and islands are gone; whether it had any."""
    x, top, bottom = pieces[0], pieces[1], pieces[2]
    n = x.size
    most = n + x[n - 1] - x[0] + 3
    found = np.empty((3, most), np.int64)
    size = np.empty(most, np.int64)
    parent = np.empty(n + most, np.int64)
    total = np.empty(n + most, np.int64)
    m = _between(n, x, top, bottom, height, width, found, size)
    _label(found[0, :m], found[1, :m], found[2, :m], size[:m], parent, total)
    changed = False
    for k in range(m):
        changed = changed or total[_root(parent, k)] < min_area
    if changed:
        pieces = _filled(pieces, found[:, :m], size, parent, total, min_area, height, width)
        x, top, bottom = pieces[0], pieces[1], pieces[2]
        n = x.size
        parent, total = np.empty(n, np.int64), np.empty(n, np.int64)
    _label(x, top, bottom, bottom - top, parent, total)
    small = False
    for k in range(n):
        small = small or total[_root(parent, k)] < min_area
    if not small:
        return pieces, changed
    alone = _kept(x, top, parent, total, min_area, width)
    kept = np.empty((3, n), np.int64)
    m = 0
    for k in range(n):
        root = _root(parent, k)
        if root == alone or (alone < 0 and total[root] >= min_area):
            kept[:, m] = pieces[:, k]
            m += 1
    return kept[:, :m].copy(), True


@njit(cache=True, nogil=True)
def _filled(
    pieces: Any,
    found: Any,
    size: Any,
    parent: Any,
    total: Any,
    min_area: float,
    height: int,
    width: int,
) -> Any:
    """Pieces of a mask and of the background's small components together, sorted and joined."""
    n, m = pieces.shape[1], found.shape[1]
    most = n + m + 2 * width
    out = np.empty((3, most), np.int64)
    used = 0
    a, b = 0, 0
    while a < n or b < m:
        mine = b == m or (
            a < n
            and (
                pieces[0, a] < found[0, b]
                or (pieces[0, a] == found[0, b] and pieces[1, a] < found[1, b])
            )
        )
        if mine:
            left, right, low, high = pieces[0, a], pieces[0, a], pieces[1, a], pieces[2, a]
            a += 1
        else:
            left, low, high = found[0, b], found[1, b], found[2, b]
            wide = max(1, size[b] // height)  # what lies left or right of the mask
            right = left
            if b == 0 and left < pieces[0, 0]:
                left = right - wide + 1
            elif b == m - 1 and right > pieces[0, n - 1]:
                right = left + wide - 1
            gone = total[_root(parent, b)] >= min_area
            b += 1
            if gone:
                continue
        for column in range(left, right + 1):
            if used and out[0, used - 1] == column and out[2, used - 1] == low:
                out[2, used - 1] = high
            else:
                out[0, used], out[1, used], out[2, used] = column, low, high
                used += 1
    return out[:, :used].copy()


@njit(cache=True, nogil=True)
def _encode(pieces: Any, height: int, width: int, out: Any, used: int) -> int:
    """Run lengths of sorted pieces, from ``out[used]`` on; where they end."""
    position, open_until = 0, -1
    for k in range(pieces.shape[1]):
        start = pieces[0, k] * height + pieces[1, k]
        end = pieces[0, k] * height + pieces[2, k]
        if start == open_until:
            out[used - 1] += np.uint32(end - start)
        else:
            out[used] = start - position
            out[used + 1] = end - start
            used += 2
        position = open_until = end
    if position < height * width or pieces.shape[1] == 0:
        out[used] = height * width - position
        used += 1
    return used
