"""Masks as spans of pixels, and which of them lie in which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.runs import MaskRuns

__all__ = ["MaskSpans", "Pairs", "Spans", "nested_pairs"]


@dataclass(frozen=True)
class Spans:
    """Pixels of a frame: flat column-major positions from ``starts[k]`` to before ``ends[k]``.

    Both ascend, and spans do not meet.
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int((self.ends - self.starts).sum())

    @classmethod
    def united(cls, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Self:
        """Join spans that may overlap and stand in any order."""
        order = np.argsort(starts, kind="stable")
        starts, ends = starts[order], np.maximum.accumulate(ends[order])
        apart = starts[1:] > ends[:-1]
        edge = np.ones(min(starts.size, 1), np.bool_)
        return cls(starts[np.append(edge, apart)], ends[np.append(apart, edge)])

    def __and__(self, other: Spans) -> Spans:
        return Spans(*_shared(self.starts, self.ends, other.starts, other.ends))

    def without(self, other: Spans) -> Spans:
        """Pixels that `other` does not hold."""
        if self.starts.size == 0:
            return self
        gaps_from = np.append(0, other.ends)
        gaps_to = np.append(other.starts, self.ends[-1])
        real = gaps_from < gaps_to
        return self & Spans(gaps_from[real], gaps_to[real])

    def grown(self, height: int) -> Spans:
        """Grow by a pixel on all sides; no pixel may stand on the border of the frame."""
        steps = np.array([-height, 0, height])
        starts = np.add.outer(steps, self.starts - 1).ravel()
        return Spans.united(starts, np.add.outer(steps, self.ends + 1).ravel())

    def run_lengths(self, size: int) -> NDArray[np.uint32]:
        """Run lengths in a frame of `size` pixels, a row for `MaskRuns.from_rows`."""
        edges = np.stack([self.starts, self.ends], axis=1).ravel()
        lengths = np.diff(edges, prepend=0, append=size).astype(np.uint32)
        return lengths[:-1] if edges.size and edges[-1] == size else lengths


@dataclass(frozen=True)
class MaskSpans:
    """N masks as spans, one mask after another, with what is asked of each more than once."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    #: Spans of mask i are ``first[i]:first[i + 1]``, (N + 1,).
    first: NDArray[np.int64]
    #: Pixels in each mask, (N,).
    areas: NDArray[np.int64]
    #: As `MaskRuns.boxes`, (N, 4).
    boxes: NDArray[np.int32]

    @classmethod
    def of(cls, runs: MaskRuns) -> Self:
        """Take masks from run lengths."""
        counts = runs.counts.astype(np.int64)
        mask = np.repeat(np.arange(len(runs)), np.diff(runs.offsets))
        inside = ((np.arange(counts.size) - runs.offsets[mask]) % 2 == 1) & (counts > 0)
        frame = runs.shape[0] * runs.shape[1]  # the runs of each mask sum to it
        ends = np.cumsum(counts)[inside] - mask[inside] * frame
        first = np.zeros(len(runs) + 1, np.int64)
        np.cumsum(np.bincount(mask[inside], minlength=len(runs)), out=first[1:])
        return cls(ends - counts[inside], ends, first, runs.areas(), runs.boxes())

    def __len__(self) -> int:
        return self.areas.size

    def __getitem__(self, index: int) -> Spans:
        own = slice(self.first[index], self.first[index + 1])
        return Spans(self.starts[own], self.ends[own])

    def together(self, rows: Iterable[int]) -> Spans:
        """Pixels in any of the masks at `rows`."""
        masks = [self[i] for i in rows] or [Spans(*np.zeros((2, 0), np.int64))]
        return Spans.united(
            np.concatenate([m.starts for m in masks]), np.concatenate([m.ends for m in masks])
        )


class Pairs(NamedTuple):
    """Pairs of masks, by the area of the smaller, then of the larger.

    Of two equally large ones the later in the list counts as the smaller.
    """

    small: NDArray[np.int64]
    large: NDArray[np.int64]
    #: Pixels in both.
    shared: NDArray[np.int64]

    def where(self, chosen: NDArray[np.bool_]) -> Pairs:
        """Choose some of the pairs."""
        return Pairs(*(column[chosen] for column in self))


def nested_pairs(masks: MaskSpans, percent: int) -> Pairs:
    """Every pair of which the larger mask holds at least `percent` % of the smaller.

    Boxes settle most pairs; for the others a walk along the spans ends as soon as too many pixels
    lie outside.
    """
    order = np.lexsort([-np.arange(len(masks)), masks.areas])
    order = order[masks.areas[order] > 0]
    found = _nested(masks.starts, masks.ends, masks.first, masks.areas, masks.boxes, order, percent)
    return Pairs(*found)


@njit(cache=True, nogil=True)
def _shared(
    a_starts: NDArray[np.int64],
    a_ends: NDArray[np.int64],
    b_starts: NDArray[np.int64],
    b_ends: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    starts = np.empty(a_starts.size + b_starts.size, np.int64)
    ends = np.empty_like(starts)
    n = i = j = 0
    while i < a_starts.size and j < b_starts.size:
        start, end = max(a_starts[i], b_starts[j]), min(a_ends[i], b_ends[j])
        if start < end:
            starts[n], ends[n] = start, end
            n += 1
        if a_ends[i] < b_ends[j]:
            i += 1
        else:
            j += 1
    return starts[:n].copy(), ends[:n].copy()


@njit(cache=True, nogil=True)
def _nested(
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    first: NDArray[np.int64],
    areas: NDArray[np.int64],
    boxes: NDArray[np.int32],
    order: NDArray[np.int64],
    percent: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    found = np.empty((1024, 3), np.int64)
    n = 0
    for place in range(order.size):
        i = order[place]
        allowed = (100 - percent) * areas[i] // 100  # pixels that may lie outside
        for j in order[place + 1 :]:
            w = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0]) + 1
            h = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1]) + 1
            if w <= 0 or h <= 0 or areas[i] - int(w) * int(h) > allowed:
                continue
            a, b = slice(first[i], first[i + 1]), slice(first[j], first[j + 1])
            missing = _missing(starts[a], ends[a], starts[b], ends[b], allowed)
            if missing > allowed:
                continue
            if n == found.shape[0]:
                more = np.empty((2 * n, 3), np.int64)
                more[:n] = found
                found = more
            found[n, 0], found[n, 1], found[n, 2] = i, j, areas[i] - missing
            n += 1
    return found[:n, 0].copy(), found[:n, 1].copy(), found[:n, 2].copy()


@njit(cache=True, nogil=True)
def _missing(
    a_starts: NDArray[np.int64],
    a_ends: NDArray[np.int64],
    b_starts: NDArray[np.int64],
    b_ends: NDArray[np.int64],
    allowed: int,
) -> int:
    """Pixels of `a` outside `b`; any number above `allowed` once there are more than that."""
    total = 0
    j = np.searchsorted(b_ends, a_starts[0], side="right")
    for i in range(a_starts.size):
        start, end = a_starts[i], a_ends[i]
        while j < b_ends.size and b_ends[j] <= start:
            j += 1
        total += end - start
        k = j
        while k < b_ends.size and b_starts[k] < end:
            total -= min(end, b_ends[k]) - max(start, b_starts[k])
            k += 1
        if total > allowed:
            return int(total)
    return int(total)
