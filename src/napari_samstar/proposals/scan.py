"""Masks and stability counts straight from low-resolution logits, bit for bit as torch upsamples.

SAM upsamples each mask's logits twice (bilinearly, to the network's input and then to the crop) and
only then cuts them. Full-size logits are what makes that slow and large. An upsampled value lies
between the few low-resolution values around it, so it needs computing only where these disagree on
the cut: along the outline. There the very floating-point operations of torch are repeated, and
elsewhere the answer is known; so masks, boxes and scores equal those of
`segment_anything` (Kirillov et al., 2023) at a fraction of the cost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.bilinear import across, blend, column
from napari_samstar.proposals.upsample import Upsampling, tables

__all__ = ["LADDER", "scan"]

#: Offsets at which stability is counted besides the one asked for, logits.
LADDER = np.arange(17, dtype=np.float32) / 8

#: Interpolated values may pass their neighbors' range by rounding alone, logits.
_MARGIN = np.float32(1e-3)

_LOW, _HIGH, _EXACT = 0, 1, 2


@njit(cache=True, nogil=True)
def _push(buffer: Any, n: int, value: int) -> Any:
    if n == buffer.size:
        larger = np.empty(buffer.size * 2, np.uint32)
        larger[:n] = buffer
        buffer = larger
    buffer[n] = value
    return buffer


@njit(cache=True, nogil=True)
def _scan(
    low: Any,
    y0: int,
    x0: int,
    axes: Any,
    threshold: float,
    offset: float,
    frame_height: int,
    frame_width: int,
    crop_y: int,
    crop_x: int,
) -> Any:
    """See `scan`; walks the crop column by column and writes runs as it goes."""
    ym, ymw, yo, yow, ys, xm, xmw, xo, xow, xs, inner, outer = axes
    h, w = low.shape
    n_y, n_x = ys.shape[0], xs.shape[0]
    cut = np.float32(threshold)
    above, below = np.float32(threshold + offset), np.float32(threshold - offset)
    far = np.float32(max(LADDER[-1], offset)) + _MARGIN
    sure_high, sure_low = cut + far, cut - far
    n_rungs = LADDER.size
    # pixels by the number of rungs they are above, and by the first rung they are not below
    over, under = np.zeros(n_rungs + 1, np.int64), np.zeros(n_rungs + 1, np.int64)

    runs = np.empty(256, np.uint32)
    n_runs, run_start, inside = 0, 0, False
    n_cut: Any = 0
    n_above: Any = 0
    n_below: Any = 0
    y_min: Any = n_y
    y_max: Any = -1
    x_min: Any = n_x
    x_max: Any = -1
    row_max, row_min = np.empty(h, np.float32), np.empty(h, np.float32)
    left, right = np.empty(h, np.float32), np.empty(h, np.float32)
    starts: Any = np.empty(n_y + 1, np.int32)
    states: Any = np.empty(n_y + 1, np.int8)
    n_spans = 0
    start: Any = 0
    stop: Any = 0
    last_a, last_b = -1, -1
    for x in range(n_x):
        a, b = xs[x, 0] - x0, xs[x, 1] - x0
        if b < 0 or a >= w:
            continue  # outside the stored window every logit is far below the cut
        a, b = max(a, 0), min(b, w - 1)
        if a != last_a or b != last_b:
            last_a, last_b = a, b
            for r in range(h):
                high = low[r, a]
                least = high
                for c in range(a + 1, b + 1):
                    high = max(high, low[r, c])
                    least = min(least, low[r, c])
                row_max[r], row_min[r] = high, least
            n_spans = 0
            for y in range(n_y):
                first, last = ys[y, 0] - y0, ys[y, 1] - y0
                state = _LOW
                if last >= 0 and first < h:
                    first, last = max(first, 0), min(last, h - 1)
                    high, least = row_max[first], row_min[first]
                    for r in range(first + 1, last + 1):
                        high = max(high, row_max[r])
                        least = min(least, row_min[r])
                    if high >= sure_low:
                        state = _HIGH if least > sure_high else _EXACT
                if n_spans == 0 or state != states[n_spans - 1]:
                    starts[n_spans], states[n_spans] = y, state
                    n_spans += 1
            starts[n_spans] = n_y
        base = (x + crop_x) * frame_height + crop_y
        for s in range(n_spans):
            start, stop, state = starts[s], starts[s + 1], states[s]
            if state == _EXACT:
                r_first, r_last = max(ys[start, 0] - y0, 0), min(ys[stop - 1, 1] - y0, h - 1)
                wl, wr = xow[x, 0], xow[x, 1]
                column(low, x0, xo[x, 0], xm, xmw, r_first, r_last, inner, left)
                if wr != 0:
                    column(low, x0, xo[x, 1], xm, xmw, r_first, r_last, inner, right)
                row_a, row_b = -1, -1  # neighbors in a column share rows of the network's input
                top = bottom = np.float32(0)
                for y in range(start, stop):
                    if yo[y, 0] != row_a:
                        if yo[y, 0] == row_b:
                            top = bottom
                        else:
                            top = across(left, right, y0, yo[y, 0], ym, ymw, wl, wr, inner, outer)
                        row_a = yo[y, 0]
                    value = top
                    if yow[y, 1] != 0:
                        if yo[y, 1] != row_b:
                            bottom = across(
                                left, right, y0, yo[y, 1], ym, ymw, wl, wr, inner, outer
                            )
                            row_b = yo[y, 1]
                        value = blend(top, yow[y, 0], bottom, yow[y, 1], outer)
                    n_above += value > above
                    n_below += value > below
                    height = (value - cut) * 8
                    if height > 0:
                        over[min(int(np.ceil(height)), n_rungs)] += 1
                        under[0] += 1
                    else:
                        under[min(int(np.floor(-height)) + 1, n_rungs)] += 1
                    if value > cut:
                        n_cut += 1
                        y_min, y_max = min(y_min, y), max(y_max, y)
                        x_min, x_max = min(x_min, x), max(x_max, x)
                    if (value > cut) != inside:
                        inside = not inside
                        runs = _push(runs, n_runs, base + y - run_start)
                        n_runs += 1
                        run_start = base + y
                continue
            if state == _HIGH:
                n_cut += stop - start
                n_above += stop - start
                n_below += stop - start
                over[n_rungs] += stop - start
                under[0] += stop - start
                y_min, y_max = min(y_min, start), max(y_max, stop - 1)
                x_min, x_max = min(x_min, x), max(x_max, x)
            if (state == _HIGH) != inside:
                inside = not inside
                runs = _push(runs, n_runs, base + start - run_start)
                n_runs += 1
                run_start = base + start
        # only a crop as high as the frame lets a run go on into its next column
        if inside and (n_y < frame_height or x + 1 == n_x or xs[x + 1, 0] - x0 >= w):
            inside = False
            runs = _push(runs, n_runs, base + n_y - run_start)
            n_runs += 1
            run_start = base + n_y
    total = frame_height * frame_width
    if run_start < total or n_runs == 0:
        runs = _push(runs, n_runs, total - run_start)
        n_runs += 1
    if x_max < 0:
        y_min = y_max = x_min = x_max = 0
    stats = np.array([n_cut, n_above, n_below, x_min, y_min, x_max, y_max], np.int64)
    ladder = np.zeros((2, n_rungs), np.int64)
    more, less = over[n_rungs], 0
    for k in range(n_rungs - 1, -1, -1):
        ladder[0, k] = more
        more += over[k]
    for k in range(n_rungs):
        less += under[k]
        ladder[1, k] = less
    return runs[:n_runs].copy(), stats, ladder


def scan(
    low: NDArray[np.float32],
    origin: tuple[int, int],
    upsampling: Upsampling,
    threshold: float,
    offset: float,
    frame: tuple[int, int],
    crop_origin: tuple[int, int],
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]:
    """Cut one mask's logits, upsampled to its crop, without making them.

    Parameters
    ----------
    low : (h, w) float32
        Low-resolution logits, or the window of them that matters; outside it all logits must be
        below ``threshold - offset`` by more than rounding.
    origin : tuple of int
        (y, x) of the window in the low-resolution logits.
    upsampling : Upsampling
        From `make_upsampling`.
    threshold, offset : float
        The model's mask threshold and the stability score's offset, logits.
    frame : tuple of int
        (H, W) of the whole image, px.
    crop_origin : tuple of int
        (y, x) of the crop in the image, px.

    Returns
    -------
    runs : (R,) uint32
        The mask in the image's frame.
    stats : (7,) int64
        Pixels above the threshold, above threshold + offset, above threshold - offset; and the
        mask's box in the crop: x0, y0, x1, y1, inclusive, zeros if empty.
    ladder : (2, 17) int64
        Pixels above threshold + offset and above threshold - offset for the offsets `LADDER`.
    """
    runs, stats, ladder = _scan(
        low,
        *origin,
        tables(upsampling),
        threshold,
        offset,
        *frame,
        *crop_origin,
    )
    return runs, stats, ladder
