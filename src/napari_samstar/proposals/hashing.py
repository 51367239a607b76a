"""Open-addressing tables of whole numbers for compiled loops."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["place", "table_size"]


@njit(cache=True, nogil=True)
def table_size(least: int) -> int:
    """Smallest size of a table that has at least so many places: a power of two."""
    size = 1024
    while size < least:
        size *= 2
    return size


@njit(cache=True, nogil=True)
def place(keys: NDArray[np.int64], key: int) -> int:
    """Place of `key` among `keys`, or the free place (-1) where it belongs."""
    last = keys.size - 1
    i = ((key * 0x9E3779B97F4A7C1) >> 17) & last
    while keys[i] != -1 and keys[i] != key:
        i = (i + 1) & last
    return i
