"""How many pixels are above two cuts: all that a stability score needs of a mask.

An upsampled value lies between the low-resolution values around it. So pixels that depend on the
same few values are sorted together into those over both cuts, between them and under both. Where
the values disagree runs the outline of a cut, a pixel or two of the low resolution wide; there
alone, and not in all of the band between the cuts, torch's operations are repeated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from napari_samstar.proposals.bilinear import blend

__all__ = ["count_above", "prepare"]

#: Interpolated values may pass their neighbors' range by rounding alone, logits.
_MARGIN = np.float32(1e-3)

# Kinds of values. Bits, so that any two that differ make _DOUBTFUL when joined by "or".
_BETWEEN, _OVER, _UNDER, _DOUBTFUL = 0b011, 0b101, 0b110, 0b111


@njit(cache=True, nogil=True)
def prepare(axes: Any) -> Any:
    """Work out what `count_above` needs besides the tables, once for all masks of a crop."""
    xow = axes[8]
    return _groups(axes[4]), _groups(axes[9]), (xow[:, 1] != 0).any()


@njit(cache=True, nogil=True)
def count_above(
    low: Any, y0: int, x0: int, axes: Any, prepared: Any, above: float, below: float
) -> Any:
    """Count one mask's pixels above each of two cuts.

    Parameters
    ----------
    low : (h, w) float32
        Window of the low-resolution logits; outside it all logits must be surely below the cuts.
    y0, x0 : int
        Where the window begins.
    axes : tuple
        From `upsample.tables`.
    prepared : tuple
        From `prepare`.
    above, below : float32
        The cuts, logits; `below` is the lower one.

    Returns
    -------
    n_above, n_below : int
        Pixels above `above`, and pixels above `below`.
    """
    y_groups, x_groups, two_columns = prepared
    sure_above, sure_below, doubtful = _sort(
        low, y0, x0, axes[4], axes[9], y_groups, x_groups, above, below
    )
    n_above, n_below = _count_exactly(low, y0, x0, axes, two_columns, doubtful, above, below)
    return sure_above + n_above, sure_below + n_below


@njit(cache=True, nogil=True)
def _groups(support: Any) -> Any:
    """Where along an axis pixels begin to depend on other samples, and its end; (G + 1,) int64."""
    n = support.shape[0]
    starts, found = np.empty(n + 1, np.int64), 0
    for i in range(n):
        if i == 0 or support[i, 0] != support[i - 1, 0] or support[i, 1] != support[i - 1, 1]:
            starts[found] = i
            found += 1
    starts[found] = n
    return starts[: found + 1].copy()


@njit(cache=True, nogil=True)
def _touched(support: Any, starts: Any, start: int, stop: int) -> Any:
    """First and last + 1 of the groups that depend on samples start to stop."""
    first, last = 0, starts.size - 1
    while first < last and support[starts[first], 1] < start:
        first += 1
    while first < last and support[starts[last - 1], 0] >= stop:
        last -= 1
    return first, last


@njit(cache=True, nogil=True)
def _sort(
    low: Any,
    y0: int,
    x0: int,
    ys: Any,
    xs: Any,
    y_groups: Any,
    x_groups: Any,
    above: float,
    below: float,
) -> Any:
    """Count pixels that are sure; the others as rectangles (N, 4): y, y end, x, x end."""
    h, w = low.shape
    kinds = np.empty((h, w), np.uint8)
    for r in range(h):
        for c in range(w):
            v = low[r, c]
            if v < below - _MARGIN:
                kinds[r, c] = _UNDER
            elif v > above + _MARGIN:
                kinds[r, c] = _OVER
            elif v > below + _MARGIN and v < above - _MARGIN:
                kinds[r, c] = _BETWEEN
            else:
                kinds[r, c] = _DOUBTFUL

    f0, f1 = _touched(ys, y_groups, y0, y0 + h)
    g0, g1 = _touched(xs, x_groups, x0, x0 + w)
    first_column, last_column = np.empty(g1 - g0, np.int64), np.empty(g1 - g0, np.int64)
    for g in range(g0, g1):
        first_column[g - g0] = max(xs[x_groups[g], 0] - x0, 0)
        last_column[g - g0] = min(xs[x_groups[g], 1] - x0, w - 1)

    n_above, n_below, found = 0, 0, 0
    doubtful = np.empty(((f1 - f0) * ((g1 - g0) // 2 + 1), 4), np.int64)
    joined = np.empty(w, np.uint8)
    for f in range(f0, f1):
        y, y_end = y_groups[f], y_groups[f + 1]
        first, last = max(ys[y, 0] - y0, 0), min(ys[y, 1] - y0, h - 1)
        for c in range(w):
            joined[c] = kinds[first, c]
        for r in range(first + 1, last + 1):
            for c in range(w):
                joined[c] |= kinds[r, c]
        x, kind = x_groups[g0], np.uint8(_UNDER)
        for g in range(g1 - g0 + 1):
            new = np.uint8(0)  # no kind: ends the last stretch
            if g < g1 - g0:
                new = joined[first_column[g]]
                for c in range(first_column[g] + 1, last_column[g] + 1):
                    new |= joined[c]
            if new == kind:
                continue
            x_end = x_groups[g0 + g]
            if kind == _DOUBTFUL:
                doubtful[found, 0], doubtful[found, 1] = y, y_end
                doubtful[found, 2], doubtful[found, 3] = x, x_end
                found += 1
            elif kind != _UNDER:
                size = (y_end - y) * (x_end - x)
                n_below += size
                if kind == _OVER:
                    n_above += size
            x, kind = x_end, new
    return n_above, n_below, doubtful[:found]


@njit(cache=True, nogil=True)
def _count_exactly(
    low: Any,
    y0: int,
    x0: int,
    axes: Any,
    two_columns: bool,
    rectangles: Any,
    above: float,
    below: float,
) -> Any:
    """Count as `count_above`, but in rectangles and by upsampling all their pixels."""
    ym, ymw, yo, yow, ys, xm, xmw, xo, xow, _, inner, outer = axes
    width = 0
    for n in range(rectangles.shape[0]):
        width = max(width, rectangles[n, 3] - rectangles[n, 2])
    # rows of `low` at the two columns of the network's input that each column of the crop needs
    left = np.empty((low.shape[0], width), np.float32)
    right = np.empty((low.shape[0] if two_columns else 0, width), np.float32)
    n_above, n_below = 0, 0
    for n in range(rectangles.shape[0]):
        y, y_end = rectangles[n, 0], rectangles[n, 1]
        x, width = rectangles[n, 2], rectangles[n, 3] - rectangles[n, 2]
        for r in range(ys[y, 0] - y0, ys[y, 1] - y0 + 1):
            for i in range(width):
                k = xo[x + i, 0]
                a, b = xm[k, 0] - x0, xm[k, 1] - x0
                left[r, i] = blend(low[r, a], xmw[k, 0], low[r, b], xmw[k, 1], inner)
            if two_columns:
                for i in range(width):
                    k = xo[x + i, 1 if xow[x + i, 1] != 0 else 0]
                    a, b = xm[k, 0] - x0, xm[k, 1] - x0
                    right[r, i] = blend(low[r, a], xmw[k, 0], low[r, b], xmw[k, 1], inner)
        for j in range(y, y_end):
            m = yo[j, 0]
            a, b, wa, wb = ym[m, 0] - y0, ym[m, 1] - y0, ymw[m, 0], ymw[m, 1]
            m = yo[j, 1]
            c, d, wc, wd = ym[m, 0] - y0, ym[m, 1] - y0, ymw[m, 0], ymw[m, 1]
            wu, wv = yow[j, 0], yow[j, 1]
            for i in range(width):
                value = blend(left[a, i], wa, left[b, i], wb, outer)
                if two_columns:
                    other = blend(right[a, i], wa, right[b, i], wb, outer)
                    value = blend(value, xow[x + i, 0], other, xow[x + i, 1], inner)
                if wv != 0:
                    under = blend(left[c, i], wc, left[d, i], wd, outer)
                    if two_columns:
                        other = blend(right[c, i], wc, right[d, i], wd, outer)
                        under = blend(under, xow[x + i, 0], other, xow[x + i, 1], inner)
                    value = blend(value, wu, under, wv, outer)
                n_above += value > above
                n_below += value > below
    return n_above, n_below
