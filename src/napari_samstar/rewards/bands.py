"""How close numbers are to what is expected of them, from 0 to 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_band", "plateau", "within"]


def within(value: float, low: float, high: float) -> float:
    """1 from `low` to `high`; below ``value / low``, above ``high / value``: ratios, as for counts.

    0 for what is not finite or not positive, whatever the bounds.
    """
    if not math.isfinite(value) or value <= 0:
        return 0.0
    return min(1.0, value / low if low > 0 else 1.0, high / value)


def in_band(
    values: NDArray[Any], low: float, high: float, softness: float
) -> NDArray[np.floating[Any]]:
    """1 from `low` to `high`; outside it falls to 0 over `softness`, in the natural logarithm."""
    with np.errstate(divide="ignore"):
        log = np.log(np.maximum(values, 0))
        off = np.maximum(np.log(low) - log if low > 0 else -np.inf, log - np.log(high))
    return np.asarray(np.clip(1 - np.maximum(off, 0) / softness, 0, 1) * (values > 0))


def plateau(
    values: NDArray[Any], low: float, high: float, softness: float
) -> NDArray[np.floating[Any]]:
    """1 from `low` to `high`; outside it falls in a straight line to 0 over `softness`."""
    off = np.maximum(low - values, values - high)
    return np.asarray(np.clip(1 - np.maximum(off, 0) / softness, 0, 1))
