"""Low-resolution logits kept small, so that no setting ever needs the network again.

The stability score at any offset (`area(logit > t + d) / area(logit > t - d)`, Kirillov et al.,
2023) follows from the logits around the outline; far from it their sign says all. So for each mask
the three levels low, high and between are kept as runs, and values only in between.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.count import count_above, prepare
from napari_samstar.proposals.scan import LADDER
from napari_samstar.proposals.upsample import Upsampling, tables

__all__ = ["MAX_OFFSET", "PackedLogits", "pack", "stability_score"]

#: Largest stability offset that packed logits can answer; the bound of the setting, logits.
MAX_OFFSET = 5.0
_ROWS_PER_THREAD = 64  # fewer are counted before another thread has started
_FAR = np.float32(1e4)  # stands for "certain", beyond any offset


@njit(cache=True, nogil=True)
def _pack(logits: Any, low_cut: float, high_cut: float) -> Any:
    """Window, runs of levels (0 low, 1 high, 2 value) row by row, and values."""
    h, w = logits.shape
    level = np.empty((h, w), np.uint8)
    r0, r1, c0, c1 = h, -1, w, -1
    for r in range(h):
        for c in range(w):
            v = logits[r, c]
            if v < low_cut:
                level[r, c] = 0
            else:
                level[r, c] = 1 if v > high_cut else 2
                r0, r1, c0, c1 = min(r0, r), max(r1, r), min(c0, c), max(c1, c)
    if r1 < 0:
        return (
            np.zeros(4, np.int32),
            np.zeros(0, np.uint32),
            np.zeros(0, np.float32),
        )
    # every interpolated pixel depends on at most 3x3 neighbors, here one block around each center
    r0, r1 = max(r0 - 2, 0), min(r1 + 2, h - 1)
    c0, c1 = max(c0 - 2, 0), min(c1 + 2, w - 1)
    mixed = np.zeros((h, w), np.bool_)
    for r in range(r0, r1 + 1):
        for c in range(c0, c1 + 1):
            first = level[r, c]
            same = first != 2
            for i in range(max(r - 1, 0), min(r + 2, h)):
                for j in range(max(c - 1, 0), min(c + 2, w)):
                    same = same and level[i, j] == first
            mixed[r, c] = not same
    n_values, n_runs, last = 0, 0, 9
    kind = np.empty((r1 - r0 + 1, c1 - c0 + 1), np.uint8)
    for r in range(r0, r1 + 1):
        for c in range(c0, c1 + 1):
            need = False
            for i in range(max(r - 1, 0), min(r + 2, h)):
                for j in range(max(c - 1, 0), min(c + 2, w)):
                    need = need or mixed[i, j]
            value = 2 if need else level[r, c]
            kind[r - r0, c - c0] = value
            n_values += need
            n_runs += value != last
            last = value
    runs = np.empty(n_runs, np.uint32)
    values = np.empty(n_values, np.float32)
    i_run, i_value, last, length = -1, 0, 9, 0
    for r in range(kind.shape[0]):
        for c in range(kind.shape[1]):
            value = kind[r, c]
            if value != last:
                if i_run >= 0:
                    runs[i_run] = length * 4 + last
                i_run, last, length = i_run + 1, value, 0
            length += 1
            if value == 2:
                values[i_value] = logits[r + r0, c + c0]
                i_value += 1
    runs[i_run] = length * 4 + last
    return np.array([r0, c0, r1 - r0 + 1, c1 - c0 + 1], np.int32), runs, values


@njit(cache=True, nogil=True)
def _unpack(h: int, w: int, runs: Any, values: Any, low: Any, high: Any) -> Any:
    flat = np.empty(h * w, np.float32)
    position = taken = 0
    for run in runs:
        kind, length = int(run) % 4, int(run) // 4
        for k in range(position, position + length):
            if kind == 2:
                flat[k] = values[taken]
                taken += 1
            else:
                flat[k] = high if kind == 1 else low
        position += length
    return flat.reshape(h, w)


@njit(cache=True, nogil=True)
def _count(
    windows: Any,
    runs: Any,
    values: Any,
    run_offsets: Any,
    value_offsets: Any,
    rows: Any,
    axes: Any,
    threshold: float,
    offset: float,
) -> Any:
    """Pixels above threshold + offset and above threshold - offset of each row, (K, 2)."""
    out = np.empty((rows.size, 2), np.int64)
    low, high = np.float32(threshold) - _FAR, np.float32(threshold) + _FAR
    above: Any = np.float32(threshold + offset)
    below: Any = np.float32(threshold - offset)
    prepared = prepare(axes)
    for k in range(rows.size):
        i = rows[k]
        y, x, h, w = windows[i]
        window = _unpack(
            h,
            w,
            runs[run_offsets[i] : run_offsets[i + 1]],
            values[value_offsets[i] : value_offsets[i + 1]],
            low,
            high,
        )
        out[k] = count_above(window, y, x, axes, prepared, above, below)
    return out


@dataclass(frozen=True)
class PackedLogits:
    """Logits of N masks, each of one crop.

    Parameters
    ----------
    windows : (N, 4) int32
        Row, column, height, width of the window kept of each mask's logits.
    runs : (R,) uint32
        Lengths times 4 plus level: 0 surely low, 1 surely high, 2 a value.
    values : (V,) float32
        The logits near the outlines.
    ladder : (N, 17) float32
        Stability scores at the offsets `LADDER`, which bound those at any other.
    run_offsets, value_offsets : (N + 1,) int64
        Where each mask's runs and values begin.
    threshold : float
        The model's mask threshold, logits.
    crop : (N,) int32
        Index into `upsamplings`.
    upsamplings : tuple of Upsampling
        One for each crop.
    """

    windows: NDArray[np.int32]
    runs: NDArray[np.uint32]
    values: NDArray[np.float32]
    ladder: NDArray[np.float32]
    run_offsets: NDArray[np.int64]
    value_offsets: NDArray[np.int64]
    threshold: float
    crop: NDArray[np.int32]
    upsamplings: tuple[Upsampling, ...]

    def __len__(self) -> int:
        return int(self.windows.shape[0])

    @property
    def nbytes(self) -> int:
        """Memory held, bytes."""
        return self.runs.nbytes + self.values.nbytes + self.windows.nbytes

    def logits(self, row: int) -> tuple[NDArray[np.float32], tuple[int, int]]:
        """Window of one mask's logits (h, w) and its (y, x).

        Far from the cut only the sign holds.
        """
        y, x, h, w = (int(v) for v in self.windows[row])
        window = _unpack(
            h,
            w,
            self.runs[self.run_offsets[row] : self.run_offsets[row + 1]],
            self.values[self.value_offsets[row] : self.value_offsets[row + 1]],
            np.float32(self.threshold) - _FAR,
            np.float32(self.threshold) + _FAR,
        )
        return window, (y, x)

    def bounds(self, offset: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the lowest and highest (N,) that stability at `offset` can be.

        The score falls as the offset grows, so the next rungs of the ladder enclose it.
        """
        k = int(np.searchsorted(LADDER, np.float32(offset), side="right"))
        zero = np.zeros(len(self), np.float32)
        lower = self.ladder[:, k] if k < LADDER.size else zero
        upper = self.ladder[:, k - 1]
        unknown = np.isnan(lower) | np.isnan(upper)  # no logit above the lower cut
        return np.where(unknown, 0, lower), np.where(unknown, 1, upper)

    def on_ladder(self, offset: float) -> NDArray[np.float32] | None:
        """Return the scores (N,) at one of the ladder's own offsets, None at any other."""
        rungs = np.flatnonzero(np.float32(offset) == LADDER)
        return self.ladder[:, rungs[0]] if rungs.size else None

    def stability(self, rows: NDArray[np.intp], offset: float) -> NDArray[np.float32]:
        """Stability scores of `rows` at `offset` logits, exactly as from full-size logits."""
        rows = np.asarray(rows, np.int64)
        counts = np.empty((len(rows), 2), np.int64)
        crops = self.crop[rows]
        for crop in np.unique(crops):
            chosen = crops == crop
            counts[chosen] = self._count(rows[chosen], tables(self.upsamplings[crop]), offset)
        return stability_score(counts[:, 0], counts[:, 1])

    def _count(
        self, rows: NDArray[np.int64], axes: tuple[Any, ...], offset: float
    ) -> NDArray[np.int64]:
        """Pixels of `rows` above threshold + offset and above threshold - offset, (K, 2)."""

        def count(part: NDArray[np.int64]) -> Any:
            kernel: Any = _count
            return kernel(
                self.windows,
                self.runs,
                self.values,
                self.run_offsets,
                self.value_offsets,
                part,
                axes,
                self.threshold,
                offset,
            )

        workers = min(4, os.cpu_count() or 1, 1 + len(rows) // _ROWS_PER_THREAD)
        if workers == 1:
            return np.asarray(count(rows))
        with ThreadPoolExecutor(workers) as pool:
            return np.concatenate(list(pool.map(count, np.array_split(rows, workers))))


def stability_score(n_above: NDArray[np.int64], n_below: NDArray[np.int64]) -> NDArray[np.float32]:
    """Stability from two counts; NaN where no logit passes the lower cut, as Meta has it."""
    with np.errstate(invalid="ignore"):
        return np.divide(n_above.astype(np.float32), n_below.astype(np.float32), dtype=np.float32)


@dataclass(frozen=True)
class Packed:
    """Packed logits of one mask; see `PackedLogits`."""

    window: NDArray[np.int32]
    runs: NDArray[np.uint32]
    values: NDArray[np.float32]
    ladder: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        """Memory held, bytes."""
        return self.runs.nbytes + self.values.nbytes + self.ladder.nbytes


def pack_one(logits: NDArray[np.float32], threshold: float, ladder: NDArray[np.int64]) -> Packed:
    """Pack one mask's (h, w) logits, with the ladder of counts that `scan` gave for it."""
    cuts = (threshold - MAX_OFFSET - 0.01, threshold + MAX_OFFSET + 0.01)
    window, runs, values = _pack(logits, *cuts)
    return Packed(window, runs, values, stability_score(*ladder))


def pack(
    parts: Sequence[Packed],
    threshold: float,
    crop: NDArray[np.int32],
    upsamplings: tuple[Upsampling, ...],
) -> PackedLogits:
    """Join what `pack_one` gave for single masks."""
    run_offsets = np.zeros(len(parts) + 1, np.int64)
    value_offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([p.runs.size for p in parts], out=run_offsets[1:])
    np.cumsum([p.values.size for p in parts], out=value_offsets[1:])
    return PackedLogits(
        np.array([p.window for p in parts], np.int32).reshape(-1, 4),
        np.concatenate([np.zeros(0, np.uint32), *(p.runs for p in parts)]),
        np.concatenate([np.zeros(0, np.float32), *(p.values for p in parts)]),
        np.array([p.ladder for p in parts], np.float32).reshape(-1, LADDER.size),
        run_offsets,
        value_offsets,
        threshold,
        crop,
        upsamplings,
    )
