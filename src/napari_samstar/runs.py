"""Binary masks as run lengths: the only form in which masks are kept.

Runs follow COCO's convention, as `segment_anything` does: pixels are read column by column, runs
alternate between 0 and 1, and the first run counts zeros (it may be 0). A thousand masks of a
4096x4096 image take a few megabytes, where a dense stack would take gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["MaskRuns", "RunsBuilder", "encode_window"]


@njit(cache=True, nogil=True)
def encode_window(
    window: NDArray[np.bool_], y0: int, x0: int, height: int, width: int
) -> NDArray[np.uint32]:
    """Run lengths in a (height, width) frame of a mask that is `window` at (y0, x0), else zero."""
    h, w = window.shape
    changes = 0
    for x in range(w):
        last = False
        for y in range(h):
            if window[y, x] != last:
                changes += 1
                last = not last
        if last:
            changes += 1
    out = np.empty(changes + 2, np.uint32)
    n = 0
    value = False
    start = 0  # flat column-major position where the current run began
    for x in range(w):
        base = (x + x0) * height + y0
        for y in range(h):
            if window[y, x] != value:
                out[n] = base + y - start
                n += 1
                start = base + y
                value = not value
        # only a window as high as the frame lets a run go on into the next column
        if value and (h < height or x + 1 == w):
            out[n] = base + h - start
            n += 1
            start = base + h
            value = False
    total = height * width
    if start < total or n == 0:
        out[n] = total - start
        n += 1
    return out[:n].copy()


@njit(cache=True, nogil=True)
def _areas(counts: NDArray[np.uint32], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    out = np.zeros(offsets.size - 1, np.int64)
    for i in range(out.size):
        total = 0
        for k in range(offsets[i] + 1, offsets[i + 1], 2):
            total += int(counts[k])
        out[i] = total
    return out


@njit(cache=True, nogil=True)
def _boxes(
    counts: NDArray[np.uint32], offsets: NDArray[np.int64], height: int
) -> NDArray[np.int32]:
    out = np.zeros((offsets.size - 1, 4), np.int32)
    for i in range(offsets.size - 1):
        y_min, y_max, x_min, x_max = height, -1, 1 << 30, -1
        position = 0
        for k in range(offsets[i], offsets[i + 1]):
            length = int(counts[k])
            if (k - offsets[i]) % 2 == 1 and length > 0:
                first, last = position, position + length - 1
                xa, xb = first // height, last // height
                x_min, x_max = min(x_min, xa), max(x_max, xb)
                if (
                    xa != xb
                ):  # a run over a column's end holds its last and the next one's first row
                    y_min, y_max = 0, height - 1
                else:
                    y_min = min(y_min, first - xa * height)
                    y_max = max(y_max, last - xa * height)
            position += length
        if x_max >= 0:
            out[i, 0], out[i, 1], out[i, 2], out[i, 3] = x_min, y_min, x_max, y_max
    return out


@njit(cache=True, nogil=True)
def _paint(
    counts: NDArray[np.uint32],
    height: int,
    y0: int,
    x0: int,
    canvas: Any,
    value: Any,
) -> None:
    """Write `value` where the mask is 1, on a canvas that shows the frame from (y0, x0) on."""
    h, w = canvas.shape
    position = 0
    for k in range(counts.size):
        length = int(counts[k])
        if k % 2 == 1 and length > 0:
            end = position + length
            x = position // height
            y = position - x * height
            while position < end:
                stop = min(height, y + end - position)
                if 0 <= x - x0 < w:
                    for row in range(max(y, y0), min(stop, y0 + h)):
                        canvas[row - y0, x - x0] = value
                position += stop - y
                x += 1
                y = 0
        else:
            position += length


@njit(cache=True, nogil=True)
def _paint_many(
    counts: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    order: NDArray[np.int64],
    values: NDArray[np.int32],
    canvas: NDArray[np.int32],
) -> None:
    for i in order:
        _paint(counts[offsets[i] : offsets[i + 1]], canvas.shape[0], 0, 0, canvas, values[i])


@njit(cache=True, nogil=True)
def _intersection(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> int:
    """Pixels that two masks of one frame share: one walk along both run lists."""
    total = 0
    i = j = 0
    end_a, end_b = int(a[0]), int(b[0])
    position = 0
    while True:
        stop = min(end_a, end_b)
        if i % 2 == 1 and j % 2 == 1:
            total += stop - position
        position = stop
        while i < a.size and end_a <= position:
            i += 1
            if i < a.size:
                end_a += int(a[i])
        while j < b.size and end_b <= position:
            j += 1
            if j < b.size:
                end_b += int(b[j])
        if i >= a.size or j >= b.size:
            return total


@njit(cache=True, nogil=True)
def _intersections(
    counts: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> NDArray[np.int64]:
    out = np.empty(first.size, np.int64)
    for k in range(first.size):
        a, b = first[k], second[k]
        out[k] = _intersection(
            counts[offsets[a] : offsets[a + 1]], counts[offsets[b] : offsets[b + 1]]
        )
    return out


@njit(cache=True, nogil=True)
def _gather(
    counts: NDArray[np.uint32], offsets: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    new = np.zeros(rows.size + 1, np.int64)
    for k in range(rows.size):
        new[k + 1] = new[k] + offsets[rows[k] + 1] - offsets[rows[k]]
    out = np.empty(new[-1], np.uint32)
    for k in range(rows.size):
        out[new[k] : new[k + 1]] = counts[offsets[rows[k]] : offsets[rows[k] + 1]]
    return out, new


@njit(cache=True, nogil=True)
def _differ(counts: Any, offsets: Any, others: Any, other_offsets: Any) -> NDArray[np.bool_]:
    out = np.zeros(offsets.size - 1, np.bool_)
    for i in range(out.size):
        mine = counts[offsets[i] : offsets[i + 1]]
        theirs = others[other_offsets[i] : other_offsets[i + 1]]
        out[i] = mine.size != theirs.size or (mine != theirs).any()
    return out


@njit(cache=True, nogil=True)
def _hold(counts: Any, offsets: Any, rows: Any, position: int) -> NDArray[np.bool_]:
    out = np.zeros(rows.size, np.bool_)
    for k in range(rows.size):
        end = np.int64(0)
        for r in range(offsets[rows[k]], offsets[rows[k] + 1]):
            end += counts[r]
            if end > position:
                out[k] = (r - offsets[rows[k]]) % 2 == 1
                break
    return out


@dataclass(frozen=True)
class MaskRuns:
    """N binary masks of one (H, W) frame as run lengths.

    Parameters
    ----------
    counts : (R,) uint32
        Run lengths of all masks, one after another.
    offsets : (N + 1,) int64
        ``counts[offsets[i]:offsets[i + 1]]`` are the runs of mask `i`; they sum to ``H * W``.
    shape : tuple of int
        Height and width of the frame, px.
    """

    counts: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    shape: tuple[int, int]

    def __len__(self) -> int:
        return int(self.offsets.size - 1)

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> MaskRuns:
        """No masks at all."""
        return cls(np.zeros(0, np.uint32), np.zeros(1, np.int64), shape)

    @classmethod
    def from_rows(cls, rows: Sequence[NDArray[np.uint32]], shape: tuple[int, int]) -> MaskRuns:
        """Join the run lists of single masks."""
        if not rows:
            return cls.empty(shape)
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum([row.size for row in rows], out=offsets[1:])
        return cls(np.concatenate(rows).astype(np.uint32, copy=False), offsets, shape)

    @classmethod
    def from_dense(
        cls, masks: Iterable[NDArray[np.bool_]], shape: tuple[int, int] | None = None
    ) -> MaskRuns:
        """Encode (H, W) boolean masks; `shape` is needed only where there may be none."""
        rows = []
        for mask in masks:
            dense = np.asarray(mask, dtype=bool)
            shape = shape or (int(dense.shape[0]), int(dense.shape[1]))
            if dense.shape != shape:
                raise ValueError(f"Masks must share one shape: {dense.shape} is not {shape}.")
            rows.append(encode_window(np.ascontiguousarray(dense), 0, 0, *shape))
        if shape is None:
            raise ValueError("No masks and no shape were given.")
        return cls.from_rows(rows, shape)

    def row(self, index: int) -> NDArray[np.uint32]:
        """Run lengths of one mask."""
        return self.counts[self.offsets[index] : self.offsets[index + 1]]

    def take(self, rows: NDArray[np.intp] | Sequence[int]) -> MaskRuns:
        """Masks at `rows` (indices), in that order; a mask of rows is none."""
        if np.asarray(rows).dtype == np.bool_:
            raise TypeError(
                "Rows are taken by their indices: np.flatnonzero makes them of booleans."
            )
        counts, offsets = _gather(self.counts, self.offsets, np.asarray(rows, np.int64))
        return MaskRuns(counts, offsets, self.shape)

    def __add__(self, other: MaskRuns) -> MaskRuns:
        if self.shape != other.shape:
            raise ValueError(f"Masks of frames {self.shape} and {other.shape} cannot be joined.")
        return MaskRuns(
            np.concatenate([self.counts, other.counts]),
            np.concatenate([self.offsets, other.offsets[1:] + self.offsets[-1]]),
            self.shape,
        )

    def areas(self) -> NDArray[np.int64]:
        """Pixels in each mask, (N,)."""
        return np.asarray(_areas(self.counts, self.offsets))

    def differ(self, other: MaskRuns) -> NDArray[np.bool_]:
        """Which of N masks are not the same as N others, one by one, (N,)."""
        return np.asarray(_differ(self.counts, self.offsets, other.counts, other.offsets))

    def boxes(self) -> NDArray[np.int32]:
        """Boxes (N, 4) as x0, y0, x1, y1, the last row and column included; zeros if empty."""
        return np.asarray(_boxes(self.counts, self.offsets, self.shape[0]))

    def dense(self, index: int) -> NDArray[np.bool_]:
        """One mask as an (H, W) boolean array."""
        return self.window(index, (0, 0, self.shape[1] - 1, self.shape[0] - 1))

    def window(self, index: int, box: tuple[int, int, int, int]) -> NDArray[np.bool_]:
        """One mask inside `box` (x0, y0, x1, y1, inclusive) as a boolean array."""
        x0, y0, x1, y1 = (int(v) for v in box)
        canvas = np.zeros((y1 - y0 + 1, x1 - x0 + 1), np.bool_)
        _paint(self.row(index), self.shape[0], y0, x0, canvas, True)
        return canvas

    def hold(self, rows: NDArray[np.intp], y: int, x: int) -> NDArray[np.bool_]:
        """Whether each of the masks `rows` holds the pixel in row `y` and column `x`, (K,)."""
        position = int(x) * self.shape[0] + int(y)
        return np.asarray(_hold(self.counts, self.offsets, np.asarray(rows, np.int64), position))

    def paint(
        self, order: NDArray[np.intp], values: NDArray[np.int32] | None = None
    ) -> NDArray[np.int32]:
        """Label image (H, W): masks painted in `order`, later ones on top; 0 is background.

        `values` holds one label per mask (not per entry of `order`); by default index + 1.
        """
        canvas = np.zeros(self.shape, np.int32, order="F")  # runs go down the columns
        if values is None:
            values = np.arange(1, len(self) + 1, dtype=np.int32)
        _paint_many(self.counts, self.offsets, np.asarray(order, np.int64), values, canvas)
        return np.ascontiguousarray(canvas)

    def intersections(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> NDArray[np.int64]:
        """Pixels shared by masks ``first[k]`` and ``second[k]``, for every k."""
        return np.asarray(
            _intersections(
                self.counts, self.offsets, np.asarray(first, np.int64), np.asarray(second, np.int64)
            )
        )


class RunsBuilder:
    """Collects run lists one by one; `build` joins them."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._rows: list[NDArray[np.uint32]] = []

    def add(self, window: NDArray[np.bool_], y0: int = 0, x0: int = 0) -> None:
        """Add a mask that is `window` at (y0, x0) and empty elsewhere."""
        self._rows.append(encode_window(window, y0, x0, *self._shape))

    def build(self) -> MaskRuns:
        """All masks added so far."""
        return MaskRuns.from_rows(self._rows, self._shape)
