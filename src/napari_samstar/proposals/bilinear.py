"""Torch's bilinear interpolation in its own order of roundings, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["across", "blend", "column"]


def _fused(context: Any, a: Any, b: Any, c: Any) -> Any:
    """Fused multiply-add in single precision: one rounding, as the processor's own."""
    signature = types.float32(types.float32, types.float32, types.float32)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return signature, generate


_fma: Any = intrinsic(_fused)


@njit(cache=True, nogil=True, inline="always")
def blend(a: Any, wa: Any, b: Any, wb: Any, mode: int) -> Any:
    """Compute ``a * wa + b * wb`` in the order of roundings that this build of torch has."""
    if mode == 2:
        return _fma(a, wa, np.float32(b * wb))
    if mode == 1:
        return _fma(b, wb, np.float32(a * wa))
    return np.float32(np.float32(a * wa) + np.float32(b * wb))


@njit(cache=True, nogil=True, inline="always")
def column(
    low: Any, x0: int, x: int, xi: Any, xw: Any, first: int, last: int, mode: int, out: Any
) -> None:
    """Fill rows first..last of `out` with `low` interpolated at column x of the network's input."""
    a, b = xi[x, 0] - x0, xi[x, 1] - x0
    wa, wb = xw[x, 0], xw[x, 1]
    for r in range(first, last + 1):
        out[r] = blend(low[r, a], wa, low[r, b], wb, mode)


@njit(cache=True, nogil=True, inline="always")
def across(
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
    value = blend(left[a], yw[y, 0], left[b], yw[y, 1], outer)
    if wr == 0:
        return value
    other = blend(right[a], yw[y, 0], right[b], yw[y, 1], outer)
    return blend(value, wl, other, wr, inner)
