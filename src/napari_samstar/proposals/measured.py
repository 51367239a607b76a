"""What rewards know of a selection, gathered from what is memoized for all proposals."""

from __future__ import annotations

from copy import copy
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_samstar.proposals.blocks import Blocks, joined
from napari_samstar.proposals.columns import GRAY_NAMES, column, share_image
from napari_samstar.proposals.layer import expected_objects
from napari_samstar.proposals.overlaps import blocks
from napari_samstar.proposals.quality import quality
from napari_samstar.proposals.table import from_masks
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import Prior
from napari_samstar.types import Proposals

__all__ = ["MeasuredRows"]


# gray values are measured anew only where a clean-up changed a larger share of a mask's area
_MUCH = 0.1


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
        self._changed = np.flatnonzero(changed) if changed is not None else np.zeros(0, np.int64)
        self._columns: dict[str, NDArray[np.float32]] = {}

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

    def _table(self, runs: MaskRuns) -> Proposals:
        """Table of masks of this image."""
        stability = np.ones(len(runs), np.float32)
        made = from_masks(runs, self._proposals.gray, "regions", stability)
        return share_image(self._proposals, made)

    def column(self, name: str) -> NDArray[np.float32]:
        """One property of every mask, (K,), read-only; see `proposals.columns.column`."""
        if name not in self._columns:
            values = column(self._proposals, name)[self._rows]
            if self._changed.size and name not in GRAY_NAMES:
                values[self._changed] = column(self._anew, name)
            elif self._changed.size and self._regrayed[0].size:
                which, table = self._regrayed
                values[which] = column(table, name)
            values.flags.writeable = False  # terms share it
            self._columns[name] = values
        return self._columns[name]

    @cached_property
    def _regrayed(self) -> tuple[NDArray[np.int64], Proposals]:
        """Masks whose clean-up changed much of them, and their table."""
        before = column(self._proposals, "area")[self._rows[self._changed]]
        after = column(self._anew, "area")
        much = np.abs(after - before) > _MUCH * before
        which = self._changed[much]
        return which, self._table(self._runs.take(which))

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Masks that share pixels: first and second index, first < second, and px shared."""
        return self._pairs

    @cached_property
    def _blocks(self) -> tuple[Blocks, NDArray[np.int64], NDArray[np.int64]]:
        """Blocks of the masks, the rows of theirs, and which of the K each row is."""
        known = blocks(self._proposals)
        if self._changed.size == 0:
            return known, self._rows, np.arange(self._rows.size)
        same = np.ones(self._rows.size, np.bool_)
        same[self._changed] = False
        which = np.concatenate([np.flatnonzero(same), self._changed])
        both = joined([known.take(self._rows[same]), blocks(self._anew)])
        return both, np.arange(which.size), which

    @cached_property
    def _pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        known, rows, which = self._blocks
        first, second, shared = known.pairs(rows)
        first, second = which[first], which[second]
        return np.minimum(first, second), np.maximum(first, second), shared

    def covered(self) -> tuple[int, int]:
        """Pixels in at least one mask, and in at least two, px."""
        return self._covered

    @cached_property
    def _covered(self) -> tuple[int, int]:
        known, rows, _ = self._blocks
        return known.depth(rows)
