"""Compiled walks over label images; numpy would make copies of them."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["difference", "extents", "runs_of", "tight_box", "write_runs"]


@njit(cache=True, nogil=True)
def write_runs(
    flat: NDArray[np.int32],
    starts: NDArray[np.uint32],
    lengths: NDArray[np.uint32],
    values: NDArray[np.int32],
) -> None:
    """Give each run of a flat image its value, or all the one there is."""
    for i in range(starts.size):
        value = values[i if values.size > 1 else 0]
        start = np.int64(starts[i])
        for p in range(start, start + np.int64(lengths[i])):
            flat[p] = value


@njit(cache=True, nogil=True)
def runs_of(
    labels: NDArray[np.int32], label: int, box: tuple[int, int, int, int]
) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Row runs of one label inside `box`: start in the flat image, and length."""
    x0, y0, x1, y1 = box
    n = 0
    for y in range(y0, y1 + 1):
        row = labels[y, x0 : x1 + 1]
        last = False
        for x in range(row.size):
            now = row[x] == label
            n += now != last
            last = now
        n += last
    edges = np.empty(n + 1, np.uint32)
    n = 0
    for y in range(y0, y1 + 1):
        row = labels[y, x0 : x1 + 1]
        base = y * labels.shape[1] + x0
        last = False
        for x in range(row.size):
            now = row[x] == label
            edges[n] = base + x  # kept only if it is one: no branch to guess wrong
            n += now != last
            last = now
        if last:
            edges[n] = base + row.size
            n += 1
    starts = edges[:n:2].copy()
    return starts, edges[1:n:2] - starts


@njit(cache=True, nogil=True)
def difference(
    before: NDArray[np.int32], after: NDArray[np.int32], y0: int, x0: int, width: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int32], NDArray[np.int32]]:
    """Row runs in which two windows at (y0, x0) of an image of this width differ.

    Returns the start in the flat image, the length, and the label before and after of each.
    """
    h, w = before.shape
    n = 0
    for y in range(h):
        old_row, new_row = before[y], after[y]
        a = b = np.int32(0)  # of the pixel to the left: no change at first
        for x in range(w):
            begins = old_row[x] != new_row[x] and (old_row[x] != a or new_row[x] != b)
            n += begins
            a, b = old_row[x], new_row[x]
    starts = np.empty(n, np.uint32)
    lengths = np.zeros(n, np.uint32)
    old = np.empty(n, np.int32)
    new = np.empty(n, np.int32)
    n = 0
    for y in range(h):
        old_row, new_row = before[y], after[y]
        base = (y + y0) * width + x0
        a = b = np.int32(0)
        for x in range(w):
            if old_row[x] != new_row[x]:
                if old_row[x] != a or new_row[x] != b:
                    starts[n] = base + x
                    old[n] = old_row[x]
                    new[n] = new_row[x]
                    n += 1
                lengths[n - 1] += np.uint32(1)
            a, b = old_row[x], new_row[x]
    return starts, lengths, old, new


@njit(cache=True, nogil=True)
def tight_box(
    labels: NDArray[np.int32],
    label: int,
    box: tuple[int, int, int, int],
    after: NDArray[np.int32],
    y0: int,
    x0: int,
) -> tuple[int, int, int, int]:
    """Box of a label inside `box` once the window at (y0, x0) holds `after`."""
    h, w = after.shape
    left, top, right, bottom = box[2] + 1, box[3] + 1, -1, -1
    for y in range(box[1], box[3] + 1):
        for x in range(box[0], box[2] + 1):
            inside = y0 <= y < y0 + h and x0 <= x < x0 + w
            value = after[y - y0, x - x0] if inside else labels[y, x]
            if value == label:
                left, right = min(left, x), max(right, x)
                top, bottom = min(top, y), y
    return left, top, right, bottom


@njit(cache=True, nogil=True)
def extents(index: NDArray[np.int32], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Area and box of the regions 1 to `count`."""
    areas = np.zeros(count, np.int64)
    boxes = np.empty((count, 4), np.int64)
    boxes[:, :2] = max(index.shape)
    boxes[:, 2:] = -1
    for y in range(index.shape[0]):
        for x in range(index.shape[1]):
            i = index[y, x] - 1
            if i >= 0:
                areas[i] += 1
                boxes[i, 0] = min(boxes[i, 0], x)
                boxes[i, 1] = min(boxes[i, 1], y)
                boxes[i, 2] = max(boxes[i, 2], x)
                boxes[i, 3] = y
    return areas, boxes
