"""Pixels that masks share, counted on their runs, and who may share any at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["cells", "partners", "run_ends", "shared_pixels"]


@njit(cache=True, nogil=True)
def run_ends(counts: NDArray[np.uint32], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position after each run, mask by mask."""
    out = np.empty(counts.size, np.int64)
    for i in range(offsets.size - 1):
        position = 0
        for k in range(offsets[i], offsets[i + 1]):
            position += int(counts[k])
            out[k] = position
    return out


@njit(cache=True, nogil=True)
def _first_after(ends: NDArray[np.int64], low: int, high: int, position: int) -> int:
    """First run of low:high that ends after `position`."""
    while low < high:
        middle = (low + high) // 2
        if ends[middle] > position:
            high = middle
        else:
            low = middle + 1
    return low


@njit(cache=True, nogil=True)
def shared_pixels(ends: NDArray[np.int64], a0: int, a1: int, b0: int, b1: int) -> int:
    """Pixels that runs a0:a1 and b0:b1 share; every other run of a mask is inside it."""
    start = max(ends[a0], ends[b0])  # the first run is outside, perhaps empty
    a, b = _first_after(ends, a0, a1, start), _first_after(ends, b0, b1, start)
    total = 0
    position = start
    while a < a1 and b < b1:
        stop = min(ends[a], ends[b])
        if (a - a0) % 2 == 1 and (b - b0) % 2 == 1:
            total += stop - position
        position = stop
        a += ends[a] == stop
        b += b < b1 and ends[b] == stop
    return total


@njit(cache=True, nogil=True)
def cells(boxes: Any, areas: Any, cell: int, columns: int, rows: int) -> Any:
    """Masks by the cells of a grid that their boxes touch: where each cell's list ends, and all."""
    ends = np.zeros(columns * rows + 1, np.int64)
    members = np.empty(0, np.int32)
    for fill in range(2):
        for i in range(areas.size):
            if areas[i] == 0:
                continue
            for x in range(boxes[i, 0] // cell, boxes[i, 2] // cell + 1):
                for y in range(boxes[i, 1] // cell, boxes[i, 3] // cell + 1):
                    here = x * rows + y
                    if fill == 0:
                        ends[here + 1] += 1
                    else:
                        members[ends[here]] = i
                        ends[here] += 1
        if fill == 0:
            ends = np.cumsum(ends)
            members = np.empty(ends[-1], np.int32)
    return ends[:-1].copy(), members


@njit(cache=True, nogil=True)
def partners(
    row: int,
    ends: Any,
    offsets: Any,
    boxes: Any,
    cell_ends: Any,
    members: Any,
    cell: int,
    rows: int,
    seen: Any,
    start: Any,
    size: Any,
    partner: Any,
    counted: Any,
    found: Any,
    pixels: Any,
) -> int:
    """Rows that share pixels with `row`, ascending, into `found` and `pixels`; how many.

    What was counted from the other side is looked up: ``partner[start[j] : start[j] + size[j]]``
    are the rows, ascending, that share ``counted`` pixels with j; `start` is -1 where unknown.
    """
    n = 0
    x0, y0, x1, y1 = boxes[row, 0], boxes[row, 1], boxes[row, 2], boxes[row, 3]
    seen[row] = row
    for x in range(x0 // cell, x1 // cell + 1):
        for y in range(y0 // cell, y1 // cell + 1):
            here = x * rows + y
            for k in range(cell_ends[here - 1] if here else 0, cell_ends[here]):
                j = members[k]
                if seen[j] == row:
                    continue
                seen[j] = row
                if boxes[j, 0] > x1 or boxes[j, 2] < x0 or boxes[j, 1] > y1 or boxes[j, 3] < y0:
                    continue
                found[n] = j
                n += 1
    candidates = np.sort(found[:n])
    n = 0
    for j in candidates:
        if start[j] < 0:
            shared = shared_pixels(ends, offsets[row], offsets[row + 1], offsets[j], offsets[j + 1])
        else:
            shared = 0
            known = partner[start[j] : start[j] + size[j]]
            place = np.searchsorted(known, row)
            if place < known.size and known[place] == row:
                shared = counted[start[j] + place]
        if shared > 0:
            found[n] = j
            pixels[n] = shared
            n += 1
    return n
