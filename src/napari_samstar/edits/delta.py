"""What one edit changes, no more: enough to do it, to undo it and to repaint it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.edits.values import Status
from napari_samstar.labels import index_labels

__all__ = [
    "Delta",
    "Segment",
    "SegmentTable",
    "difference",
    "extents",
    "runs_of",
    "segment_table",
    "tight_box",
]

#: x0, y0, x1, y1, last row and column included, px.
Box: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True)
class Segment:
    """What is known of one segment beside its pixels.

    Parameters
    ----------
    area : int
        px.
    box : tuple of int
        x0, y0, x1, y1, last row and column included, px.
    material : int
        0 for unknown.
    status : str
        "open", "reviewed" (changed by hand) or "accepted".
    """

    area: int
    box: Box
    material: int = 0
    status: Status = "open"


SegmentTable: TypeAlias = Mapping[int, Segment]


def segment_table(
    labels: NDArray[Any],
    materials: Mapping[int, int] | None = None,
    statuses: Mapping[int, Status] | None = None,
) -> dict[int, Segment]:
    """List the segments of a label image.

    Parameters
    ----------
    labels : (H, W) int
        0 is background.
    materials, statuses : mapping of label to material and to status, optional
        Unknown and "open" where they say nothing.

    Raises
    ------
    SamStarError
        If `labels` is not a label image.
    """
    index, ids = index_labels(labels)
    areas, boxes = extents(index, ids.size)
    materials, statuses = materials or {}, statuses or {}
    return {
        label: Segment(
            area, (x0, y0, x1, y1), int(materials.get(label, 0)), statuses.get(label, "open")
        )
        for label, area, (x0, y0, x1, y1) in zip(
            ids.tolist(), areas.tolist(), boxes.tolist(), strict=True
        )
    }


@dataclass(frozen=True, eq=False)
class Delta:
    """One change of a label image and of its table; `inverse` takes it back.

    Parameters
    ----------
    starts, lengths : (R,) uint32
        Runs of changed pixels along the rows: where they start in the flat image, and how long
        they are, px.
    before, after : (R,) or (1,) int32
        Label of each run, or one for all.
    rows_before, rows_after : mapping of label to Segment
        The segments concerned: one that is in `rows_before` alone goes, in `rows_after` alone
        comes.
    shape : tuple of int
        Height and width of the image, px.
    """

    starts: NDArray[np.uint32]
    lengths: NDArray[np.uint32]
    before: NDArray[np.int32]
    after: NDArray[np.int32]
    rows_before: SegmentTable
    rows_after: SegmentTable
    shape: tuple[int, int]

    @property
    def inverse(self) -> Delta:
        """The change back."""
        return Delta(
            self.starts,
            self.lengths,
            self.after,
            self.before,
            self.rows_after,
            self.rows_before,
            self.shape,
        )

    @cached_property
    def box(self) -> Box | None:
        """What to repaint: x0, y0, x1, y1, last row and column included; None for no pixel."""
        if not self.starts.size:
            return None
        y, x = np.divmod(self.starts.astype(np.int64), self.shape[1])
        return int(x.min()), int(y.min()), int((x + self.lengths).max()) - 1, int(y.max())

    @property
    def changed_pixels(self) -> int:
        """How many pixels change."""
        return int(self.lengths.sum(dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Memory that the runs take."""
        return sum(a.nbytes for a in (self.starts, self.lengths, self.before, self.after))

    def write(self, labels: NDArray[np.int32]) -> None:
        """Change the pixels of `labels` (H, W), in place; it must be contiguous."""
        _write(labels.reshape(-1), self.starts, self.lengths, self.after)

    def update(self, table: dict[int, Segment]) -> None:
        """Change the rows of `table`, in place."""
        for label in self.rows_before:
            if label not in self.rows_after:
                del table[label]
        table.update(self.rows_after)


def no_pixels(rows_before: SegmentTable, rows_after: SegmentTable, shape: tuple[int, int]) -> Delta:
    """Change the table alone."""
    none = np.zeros(0, np.uint32)
    empty = np.zeros(0, np.int32)
    return Delta(none, none, empty, empty, rows_before, rows_after, shape)


def packed(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """One value where all are equal."""
    return values[:1].copy() if values.size and (values == values[0]).all() else values


@njit(cache=True, nogil=True)
def _write(
    flat: NDArray[np.int32],
    starts: NDArray[np.uint32],
    lengths: NDArray[np.uint32],
    values: NDArray[np.int32],
) -> None:
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
