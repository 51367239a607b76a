"""Masks and stability counts straight from low-resolution logits, bit for bit as torch upsamples.

SAM upsamples each mask's logits twice (bilinearly, to the network's input and then to the crop) and
only then cuts them. Full-size logits are what makes that slow and large. An upsampled value lies
between the few low-resolution values around it, so it needs computing only where these disagree on
the cut: along the outline. There the very floating-point operations of torch are repeated, and
elsewhere the answer is known; so masks, boxes and scores equal those of
`segment_anything` (Kirillov et al., 2023) at a fraction of the cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

__all__ = [
    "Axis",
    "Upsampling",
    "arithmetic",
    "make_upsampling",
    "scan",
    "scan_kernel",
    "tables",
    "values",
]

#: Interpolated values may pass their neighbors' range by rounding alone, logits.
_MARGIN = np.float32(1e-3)

_LOW, _HIGH, _EXACT = 0, 1, 2


@dataclass(frozen=True)
class Axis:
    """Interpolation tables of one axis: low resolution -> network input -> crop.

    Parameters
    ----------
    mid_index : (M, 2) int32
        The two low-resolution samples of each sample of the network's input.
    mid_weight : (M, 2) float32
        Their weights.
    out_index : (N, 2) int32
        The two samples of the network's input of each crop pixel.
    out_weight : (N, 2) float32
        Their weights.
    support : (N, 2) int32
        First and last low-resolution sample that a crop pixel depends on.
    """

    mid_index: NDArray[np.int32]
    mid_weight: NDArray[np.float32]
    out_index: NDArray[np.int32]
    out_weight: NDArray[np.float32]
    support: NDArray[np.int32]


@dataclass(frozen=True)
class Upsampling:
    """How low-resolution logits of one crop become pixels: both axes, and torch's arithmetic.

    `sizes` are the arguments of `make_upsampling`, one after another.
    """

    y: Axis
    x: Axis
    arithmetic: tuple[int, int]
    sizes: tuple[int, ...] = ()


def _taps(n_in: int, n_out: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Compute samples and weights of torch's bilinear interpolation without aligned corners."""
    if n_in == n_out:
        index = np.arange(n_out, dtype=np.int32)
        weight = np.zeros((n_out, 2), np.float32)
        weight[:, 0] = 1
        return np.stack([index, index], axis=1), weight
    half = np.float32(0.5)
    scale = np.float32(n_in) / np.float32(n_out)
    position = np.maximum(scale * (np.arange(n_out, dtype=np.float32) + half) - half, 0)
    first = np.minimum(position.astype(np.int32), n_in - 1)
    second = np.minimum(first + 1, n_in - 1).astype(np.int32)
    fraction = np.clip(position - first.astype(np.float32), 0, 1).astype(np.float32)
    return (
        np.stack([first, second], axis=1).astype(np.int32),
        np.stack([np.float32(1) - fraction, fraction], axis=1).astype(np.float32),
    )


def _axis(low: int, padded: int, used: int, out: int) -> Axis:
    mid_index, mid_weight = _taps(low, padded)
    out_index, out_weight = _taps(used, out)
    support = np.stack([mid_index[out_index[:, 0], 0], mid_index[out_index[:, 1], 1]], axis=1)
    # an exact hit (weight 0) does not depend on its second sample
    single = out_weight[:, 1] == 0
    support[single, 1] = mid_index[out_index[single, 0], 1]
    return Axis(mid_index, mid_weight, out_index, out_weight, support.astype(np.int32))


def make_upsampling(
    low_size: tuple[int, int],
    model_size: int,
    input_size: tuple[int, int],
    original_size: tuple[int, int],
) -> Upsampling:
    """Tables for logits of `low_size` that Meta's `Sam.postprocess_masks` would upsample.

    Parameters
    ----------
    low_size : tuple of int
        (h, w) of the decoder's logits.
    model_size : int
        Side of the network's square, padded input, px.
    input_size, original_size : tuple of int
        (H, W) of the resized crop inside that square, and of the crop itself, px.
    """
    return Upsampling(
        _axis(low_size[0], model_size, input_size[0], original_size[0]),
        _axis(low_size[1], model_size, input_size[1], original_size[1]),
        arithmetic(),
        (*low_size, model_size, *input_size, *original_size),
    )


def _fused(context: Any, a: Any, b: Any, c: Any) -> Any:
    """Fused multiply-add in single precision: one rounding, as the processor's own."""
    signature = types.float32(types.float32, types.float32, types.float32)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return signature, generate


_fma: Any = intrinsic(_fused)


@njit(cache=True, nogil=True, inline="always")
def _blend(a: Any, wa: Any, b: Any, wb: Any, mode: int) -> Any:
    """Compute ``a * wa + b * wb`` in the order of roundings that this build of torch has."""
    if mode == 2:
        return _fma(a, wa, np.float32(b * wb))
    if mode == 1:
        return _fma(b, wb, np.float32(a * wa))
    return np.float32(np.float32(a * wa) + np.float32(b * wb))


@njit(cache=True, nogil=True, inline="always")
def _column(
    low: Any, x0: int, x: int, xi: Any, xw: Any, first: int, last: int, mode: int, out: Any
) -> None:
    """Fill rows first..last of `out` with `low` interpolated at column x of the network's input."""
    a, b = xi[x, 0] - x0, xi[x, 1] - x0
    wa, wb = xw[x, 0], xw[x, 1]
    for r in range(first, last + 1):
        out[r] = _blend(low[r, a], wa, low[r, b], wb, mode)


@njit(cache=True, nogil=True, inline="always")
def _across(
    left: Any,
    right: Any,
    y0: int,
    y: int,
    yi: Any,
    yw: Any,
    wl: Any,
    wr: Any,
    inner: int,
    outer: int,
) -> Any:
    """Logit at row y of the network's input, between its two columns that a crop pixel needs."""
    a, b = yi[y, 0] - y0, yi[y, 1] - y0
    value = _blend(left[a], yw[y, 0], left[b], yw[y, 1], outer)
    if wr == 0:
        return value
    other = _blend(right[a], yw[y, 0], right[b], yw[y, 1], outer)
    return _blend(value, wl, other, wr, inner)


@njit(cache=True, nogil=True)
def _push(buffer: Any, n: int, value: int) -> Any:
    if n == buffer.size:
        larger = np.empty(buffer.size * 2, np.uint32)
        larger[:n] = buffer
        buffer = larger
    buffer[n] = value
    return buffer


@njit(cache=True, nogil=True)
def scan_kernel(
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
    want_runs: bool,
) -> Any:
    """See `scan`; walks the crop column by column and writes runs as it goes."""
    ym, ymw, yo, yow, ys, xm, xmw, xo, xow, xs, inner, outer = axes
    h, w = low.shape
    n_y, n_x = ys.shape[0], xs.shape[0]
    cut = np.float32(threshold)
    above, below = np.float32(threshold + offset), np.float32(threshold - offset)
    sure_high, sure_low = above + _MARGIN, below - _MARGIN

    runs = np.empty(256 if want_runs else 1, np.uint32)
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
                _column(low, x0, xo[x, 0], xm, xmw, r_first, r_last, inner, left)
                if wr != 0:
                    _column(low, x0, xo[x, 1], xm, xmw, r_first, r_last, inner, right)
                row_a, row_b = -1, -1  # neighbors in a column share rows of the network's input
                top = bottom = np.float32(0)
                for y in range(start, stop):
                    if yo[y, 0] != row_a:
                        if yo[y, 0] == row_b:
                            top = bottom
                        else:
                            top = _across(left, right, y0, yo[y, 0], ym, ymw, wl, wr, inner, outer)
                        row_a = yo[y, 0]
                    value = top
                    if yow[y, 1] != 0:
                        if yo[y, 1] != row_b:
                            bottom = _across(
                                left, right, y0, yo[y, 1], ym, ymw, wl, wr, inner, outer
                            )
                            row_b = yo[y, 1]
                        value = _blend(top, yow[y, 0], bottom, yow[y, 1], outer)
                    n_above += value > above
                    n_below += value > below
                    if value > cut:
                        n_cut += 1
                        y_min, y_max = min(y_min, y), max(y_max, y)
                        x_min, x_max = min(x_min, x), max(x_max, x)
                    if (value > cut) != inside:
                        inside = not inside
                        if want_runs:
                            runs = _push(runs, n_runs, base + y - run_start)
                            n_runs += 1
                            run_start = base + y
                continue
            if state == _HIGH:
                n_cut += stop - start
                n_above += stop - start
                n_below += stop - start
                y_min, y_max = min(y_min, start), max(y_max, stop - 1)
                x_min, x_max = min(x_min, x), max(x_max, x)
            if (state == _HIGH) != inside:
                inside = not inside
                if want_runs:
                    runs = _push(runs, n_runs, base + start - run_start)
                    n_runs += 1
                    run_start = base + start
        # only a crop as high as the frame lets a run go on into its next column
        if inside and (n_y < frame_height or x + 1 == n_x or xs[x + 1, 0] - x0 >= w):
            inside = False
            if want_runs:
                runs = _push(runs, n_runs, base + n_y - run_start)
                n_runs += 1
                run_start = base + n_y
    total = frame_height * frame_width
    if want_runs and (run_start < total or n_runs == 0):
        runs = _push(runs, n_runs, total - run_start)
        n_runs += 1
    if x_max < 0:
        y_min = y_max = x_min = x_max = 0
    stats = np.array([n_cut, n_above, n_below, x_min, y_min, x_max, y_max], np.int64)
    return runs[:n_runs].copy(), stats


def scan(
    low: NDArray[np.float32],
    origin: tuple[int, int],
    upsampling: Upsampling,
    threshold: float,
    offset: float,
    frame: tuple[int, int],
    crop_origin: tuple[int, int],
    *,
    want_runs: bool = True,
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
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
    want_runs : bool
        Whether to write run lengths, or only count.

    Returns
    -------
    runs : (R,) uint32
        The mask in the image's frame (empty unless wanted).
    stats : (7,) int64
        Pixels above the threshold, above threshold + offset, above threshold - offset; and the
        mask's box in the crop: x0, y0, x1, y1, inclusive, zeros if empty.
    """
    runs, stats = scan_kernel(
        low, *origin, tables(upsampling), threshold, offset, *frame, *crop_origin, want_runs
    )
    return runs, stats


def tables(upsampling: Upsampling) -> tuple[Any, ...]:
    """All that `scan_kernel` needs of an upsampling, as one tuple."""
    y, x = upsampling.y, upsampling.x
    return (
        y.mid_index,
        y.mid_weight,
        y.out_index,
        y.out_weight,
        y.support,
        x.mid_index,
        x.mid_weight,
        x.out_index,
        x.out_weight,
        x.support,
        *upsampling.arithmetic,
    )


def values(low: NDArray[np.float32], upsampling: Upsampling) -> NDArray[np.float32]:
    """All logits of the crop, (H, W) float32: for tests and for showing one mask."""
    y, x = upsampling.y, upsampling.x
    axes: Any = (y.mid_index, y.mid_weight, y.out_index, y.out_weight)
    axes += (x.mid_index, x.mid_weight, x.out_index, x.out_weight)
    kernel: Any = _values
    return np.asarray(kernel(low, *axes, *upsampling.arithmetic))


@njit(cache=True, nogil=True)
def _values(
    low: Any,
    ym: Any,
    ymw: Any,
    yo: Any,
    yow: Any,
    xm: Any,
    xmw: Any,
    xo: Any,
    xow: Any,
    inner: int,
    outer: int,
) -> Any:
    h = low.shape[0]
    out = np.empty((yo.shape[0], xo.shape[0]), np.float32)
    left, right = np.empty(h, np.float32), np.empty(h, np.float32)
    for x in range(out.shape[1]):
        wl, wr = xow[x, 0], xow[x, 1]
        _column(low, 0, xo[x, 0], xm, xmw, 0, h - 1, inner, left)
        _column(low, 0, xo[x, 1], xm, xmw, 0, h - 1, inner, right)
        for y in range(out.shape[0]):
            top = _across(left, right, 0, yo[y, 0], ym, ymw, wl, wr, inner, outer)
            bottom = _across(left, right, 0, yo[y, 1], ym, ymw, wl, wr, inner, outer)
            out[y, x] = top if yow[y, 1] == 0 else _blend(top, yow[y, 0], bottom, yow[y, 1], outer)
    return out


@lru_cache(maxsize=1)
def arithmetic() -> tuple[int, int]:
    """Which roundings this machine's torch has when it interpolates: found by asking it.

    Returns
    -------
    tuple of int
        Modes of `_blend` along x and along y. Compilers fuse a multiplication with an addition
        or do not; torch's answer on a small sample tells which. If none of the nine ways agrees
        to the bit, the plain one is used, and pixels on the cut may differ by rounding.
    """
    import torch

    sample = np.random.default_rng(0).normal(size=(24, 24)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(sample)[None, None], (93, 77), mode="bilinear", align_corners=False
    )[0, 0].numpy()
    y, x = _axis(24, 93, 93, 93), _axis(24, 77, 77, 77)
    for inner in (2, 1, 0):
        for outer in (2, 1, 0):
            if np.array_equal(values(sample, Upsampling(y, x, (inner, outer))), expected):
                return inner, outer
    return 0, 0
