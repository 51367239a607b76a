"""How SAM's low-resolution logits become pixels: twice interpolated, as torch does it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.bilinear import across, blend, column

__all__ = [
    "Axis",
    "Upsampling",
    "arithmetic",
    "make_upsampling",
    "tables",
    "values",
]


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

    `arithmetic` holds the modes of `blend` along x and y, `sizes` the arguments of
    `make_upsampling`.
    """

    y: Axis
    x: Axis
    arithmetic: tuple[int, int]
    sizes: tuple[int, ...] = ()


def _taps(n_in: int, n_out: int, fused: bool) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Compute samples and weights of torch's bilinear interpolation without aligned corners.

    With `fused`, positions are rounded once, after the subtraction, as a fused multiply-add does.
    """
    if n_in == n_out:
        index = np.arange(n_out, dtype=np.int32)
        weight = np.zeros((n_out, 2), np.float32)
        weight[:, 0] = 1
        return np.stack([index, index], axis=1), weight
    half = np.float32(0.5)
    scale = np.float32(n_in) / np.float32(n_out)
    centers = np.arange(n_out, dtype=np.float32) + half
    if fused:  # the product of two singles is exact in double precision
        position = (np.float64(scale) * centers - half).astype(np.float32)
    else:
        position = scale * centers - half
    position = np.maximum(position, np.float32(0))
    first = np.minimum(position.astype(np.int32), n_in - 1)
    second = np.minimum(first + 1, n_in - 1).astype(np.int32)
    fraction = np.clip(position - first.astype(np.float32), 0, 1).astype(np.float32)
    return (
        np.stack([first, second], axis=1).astype(np.int32),
        np.stack([np.float32(1) - fraction, fraction], axis=1).astype(np.float32),
    )


def _axis(low: int, padded: int, used: int, out: int, fused: bool) -> Axis:
    mid_index, mid_weight = _taps(low, padded, fused)
    out_index, out_weight = _taps(used, out, fused)
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
    fused, inner, outer = arithmetic()
    return Upsampling(
        _axis(low_size[0], model_size, input_size[0], original_size[0], fused),
        _axis(low_size[1], model_size, input_size[1], original_size[1], fused),
        (inner, outer),
        (*low_size, model_size, *input_size, *original_size),
    )


def tables(upsampling: Upsampling) -> tuple[Any, ...]:
    """All that `scan` needs of an upsampling, as one tuple."""
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
        column(low, 0, xo[x, 0], xm, xmw, 0, h - 1, inner, left)
        column(low, 0, xo[x, 1], xm, xmw, 0, h - 1, inner, right)
        for y in range(out.shape[0]):
            top = across(left, right, 0, yo[y, 0], ym, ymw, wl, wr, inner, outer)
            bottom = across(left, right, 0, yo[y, 1], ym, ymw, wl, wr, inner, outer)
            out[y, x] = top if yow[y, 1] == 0 else blend(top, yow[y, 0], bottom, yow[y, 1], outer)
    return out


@lru_cache(maxsize=1)
def arithmetic() -> tuple[bool, int, int]:
    """Which roundings this machine's torch has when it interpolates: found by asking it.

    Returns
    -------
    fused : bool
        Whether positions are computed with one rounding or two.
    inner, outer : int
        Modes of `blend` along x and along y.

    Notes
    -----
    Compilers fuse a multiplication with an addition or do not, from one build of torch to the next;
    its answer on a small sample tells which. If none of the eighteen ways agrees to the bit, the
    plain one is used, and pixels on the cut may differ by rounding.
    """
    import torch

    sample = np.random.default_rng(0).normal(size=(24, 24)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(sample)[None, None], (93, 77), mode="bilinear", align_corners=False
    )[0, 0].numpy()
    for fused, inner, outer in product((False, True), (2, 1, 0), (2, 1, 0)):
        y, x = _axis(24, 93, 93, 93, fused), _axis(24, 77, 77, 77, fused)
        if np.array_equal(values(sample, Upsampling(y, x, (inner, outer))), expected):
            return fused, inner, outer
    return False, 0, 0
