"""What rewards know of a selection, gathered from what is memoized for all proposals."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.columns import column, share_image
from napari_samstar.proposals.layer import expected_objects
from napari_samstar.proposals.overlaps import overlaps
from napari_samstar.proposals.quality import quality
from napari_samstar.proposals.table import from_masks
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import Prior
from napari_samstar.types import Proposals

__all__ = ["MeasuredRows"]


@njit(cache=True, nogil=True)
def _union(counts: Any, offsets: Any, rows: Any) -> Any:
    """Pixels in at least one of `rows`, and in at least two."""
    total = 0
    for i in rows:
        total += (offsets[i + 1] - offsets[i]) // 2
    begins = np.empty(total, np.int64)
    stops = np.empty(total, np.int64)
    n = 0
    for i in rows:
        position = 0
        for k in range(offsets[i], offsets[i + 1]):
            length = int(counts[k])
            if (k - offsets[i]) % 2 == 1 and length > 0:
                begins[n], stops[n] = position, position + length
                n += 1
            position += length
    begins, stops = np.sort(begins[:n]), np.sort(stops[:n])
    one, two, depth, last = 0, 0, 0, 0
    a, b = 0, 0
    while b < n:
        opens = a < n and begins[a] < stops[b]
        position = begins[a] if opens else stops[b]
        one += (position - last) * (depth >= 1)
        two += (position - last) * (depth >= 2)
        last = position
        depth += 1 if opens else -1
        a += opens
        b += not opens
    return one, two


class MeasuredRows:
    """`types.Measured` of some rows of a table.

    Parameters
    ----------
    proposals : Proposals
        The table.
    rows : (K,) int64
        The selected rows.
    runs : MaskRuns
        The K masks as selected: a clean-up of small regions may have changed some.
    changed : (K,) bool, optional
        Which masks were changed; those are measured anew.
    prior : Prior, optional
        What is known of the sample, sizes in px; it enters the quality of masks.
    """

    def __init__(
        self,
        proposals: Proposals,
        rows: NDArray[np.int64],
        runs: MaskRuns,
        changed: NDArray[np.bool_] | None = None,
        prior: Prior | None = None,
    ) -> None:
        self._proposals = proposals
        self._prior = prior or Prior()
        self._first: Proposals | None = None
        self._rows = rows
        self._runs = runs
        # a clean-up may have touched a mask and yet left it as it was
        touched = np.flatnonzero(changed) if changed is not None else np.zeros(0, np.int64)
        differ = [
            not np.array_equal(runs.row(i), proposals.runs.row(int(rows[i])))
            for i in touched.tolist()
        ]
        self._changed = touched[np.array(differ, np.bool_)]

    def knowing(self, prior: Prior, first: Proposals | None = None) -> MeasuredRows:
        """Return the same masks, judged by what `prior` says; sizes in px.

        Where another table of the image, `first`, lets expect more objects, they are expected: a
        table is not better for offering less.
        """
        other = copy(self)
        other._prior = prior
        other._first = first
        return other

    def quality(self) -> NDArray[np.float32]:
        """How likely each mask is an object, 0 to 1, (K,); see `layer.quality`.

        Masks that a clean-up changed are judged as they were on offer.
        """
        return quality(self._proposals, self._prior)[self._rows]

    def expected_objects(self) -> float:
        """Sum of the squared `quality` of the best masks on offer that do not overlap."""
        expected = expected_objects(self._proposals, self._prior)
        if self._first is None:
            return expected
        return max(expected, expected_objects(self._first, self._prior))

    @cached_property
    def gray_mean(self) -> float:
        """Mean gray level of the image."""
        return self._gray[0]

    @cached_property
    def gray_std(self) -> float:
        """Standard deviation of the image, gray levels."""
        return self._gray[1]

    @cached_property
    def _gray(self) -> tuple[float, float]:
        known = self._proposals.columns
        if "gray" not in known:
            gray = self._proposals.gray
            known["gray"] = (float(gray.mean()), float(gray.std()))
        found: tuple[float, float] = known["gray"]
        return found

    @cached_property
    def _anew(self) -> Proposals:
        """Table of the changed masks alone."""
        return self._table(self._runs.take(self._changed))

    @cached_property
    def _own(self) -> Proposals:
        """Table of the selected masks alone, for their pairs where some were changed."""
        return self._table(self._runs)

    def _table(self, runs: MaskRuns) -> Proposals:
        """Table of masks of this image."""
        stability = np.ones(len(runs), np.float32)
        made = from_masks(runs, self._proposals.gray, "regions", stability)
        return share_image(self._proposals, made)

    def column(self, name: str) -> NDArray[np.float32]:
        """One property of every mask, (K,); see `proposals.columns.column`."""
        values = column(self._proposals, name)[self._rows]
        if self._changed.size:
            values[self._changed] = column(self._anew, name)
        return values

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Masks that share pixels: first and second index, first < second, and px shared."""
        return self._pairs

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        same = np.ones(self._rows.size, bool)
        same[self._changed] = False
        places = np.flatnonzero(same)
        first, second, shared = overlaps(self._proposals).pairs(self._rows[places])
        if self._changed.size == 0:
            return first, second, shared
        first, second = places[first], places[second]
        found = [(first, second, shared)]
        for i in self._changed.tolist():
            others, pixels = overlaps(self._own).partners(i)
            # a pair of two changed masks is counted once
            once = same[others] | (others > i)
            others = others[once].astype(np.int64)
            found.append((np.minimum(others, i), np.maximum(others, i), pixels[once]))
        parts = [np.concatenate(part) for part in zip(*found, strict=True)]
        return parts[0], parts[1], parts[2]

    def covered(self) -> tuple[int, int]:
        """Pixels in at least one mask, and in at least two, px."""
        return self._covered

    @cached_property
    def _covered(self) -> tuple[int, int]:
        first, second, _ = self._pairs
        meeting = np.union1d(first, second)
        one, two = _union(self._runs.counts, self._runs.offsets, meeting)
        alone = np.ones(self._rows.size, bool)
        alone[meeting] = False
        return int(one) + int(self.column("area")[alone].sum(dtype=np.float64)), int(two)
