"""Undo and redo: what was done, and the label image as it now is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_samstar.edits.delta import Delta, Looks, Segment, SegmentTable, Step, segment_table
from napari_samstar.edits.plan import next_free, own_labels, plan
from napari_samstar.edits.values import Edit, edit_from_record
from napari_samstar.types import SamStarError

__all__ = ["Editor", "History", "Log"]


@dataclass(frozen=True)
class History:
    """What was done and what was undone, the latest last.

    Each step keeps the runs of pixels that it changed, so that any number of them can be kept.
    """

    done: tuple[Step, ...] = ()
    undone: tuple[Step, ...] = ()

    def did(self, step: Step) -> History:
        """After something new: what was undone cannot be redone any more."""
        return History((*self.done, step), ())

    def undo(self) -> History:
        """After the last step was taken back."""
        return History(self.done[:-1], (*self.undone, self.done[-1]))

    def redo(self) -> History:
        """After the step undone last was done again."""
        return History((*self.done, self.undone[-1]), self.undone[:-1])

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits that stand."""
        return tuple(step.edit for step in self.done)


class Log(Protocol):
    """Where edits are written down as they are made."""

    def append(self, record: Mapping[str, Any]) -> None:
        """Keep one record for good, or raise SamStarError."""
        ...


class Editor:
    """The label image of one window, corrected in place.

    Every call changes what it must and no more, and says what that was, so that only this part
    is painted anew. An edit that cannot be carried out, or not be written down, changes nothing.
    To be used by one thread at a time.

    Parameters
    ----------
    labels : (H, W) int
        0 is background; a copy is taken.
    table : mapping of label to Segment, optional
        As `segment_table` gives it for these labels, with materials and statuses.
    log : Log, optional
        Where edits are written down before they are made.
    looks : mapping of material to Look, optional
        How materials are called and shown at first.

    Attributes
    ----------
    labels : (H, W) int32
        As it now is; read-only to others, so that nothing is changed behind the history's back.
    table : mapping of label to Segment
        Its segments.
    names, colors : mapping of material to str
        How materials are called, and in which colors they are shown, where somebody said so.
    history : History
        What can be undone and redone.
    free : int
        First number that no segment ever had, undone ones included.

    Raises
    ------
    SamStarError
        If `labels` is not a label image.
    """

    def __init__(
        self,
        labels: NDArray[Any],
        table: SegmentTable | None = None,
        log: Log | None = None,
        looks: Looks | None = None,
    ) -> None:
        self._pixels = own_labels(labels)
        self.labels: NDArray[np.int32] = self._pixels.view()
        self.labels.flags.writeable = False
        self._table = dict(segment_table(self._pixels) if table is None else table)
        self.log = log
        self._looks: Looks = dict(looks or {})
        self.history = History()
        self.free = max(self._table, default=0) + 1
        self._saved: Step | None = None

    @property
    def table(self) -> Mapping[int, Segment]:
        """Segments by label."""
        return self._table

    @property
    def names(self) -> dict[int, str]:
        """Names of materials that somebody named."""
        return {k: look.name for k, look in self._looks.items() if look.name}

    @property
    def colors(self) -> dict[int, str]:
        """Colors of materials, "#rrggbb", that somebody chose."""
        return {k: look.color for k, look in self._looks.items() if look.color}

    @property
    def unsaved(self) -> bool:
        """Whether what stands differs from what was saved last, or from the beginning."""
        return self._last is not self._saved

    def do(self, edit: Edit) -> Delta:
        """Carry out an edit.

        Returns
        -------
        Delta
            What it changed: `Delta.box` is to be repainted.

        Raises
        ------
        SamStarError
            If it cannot be carried out or written down; nothing is changed then.
        """
        step = plan(self._pixels, self._table, edit, self.free, self._looks)
        self._note({"do": step.edit.record()})
        self.history = self.history.did(step)
        self.free = next_free(self.free, step.delta)
        return self._change(step.delta)

    def undo(self) -> Delta | None:
        """Take the last edit back; None where there is none.

        Raises
        ------
        SamStarError
            If it cannot be written down; nothing is changed then.
        """
        if not self.history.done:
            return None
        self._note({"undo": True})
        delta = self.history.done[-1].delta.inverse
        self.history = self.history.undo()
        return self._change(delta)

    def redo(self) -> Delta | None:
        """Make the edit again that was taken back last; None where there is none.

        Raises
        ------
        SamStarError
            If it cannot be written down; nothing is changed then.
        """
        if not self.history.undone:
            return None
        self._note({"redo": True})
        delta = self.history.undone[-1].delta
        self.history = self.history.redo()
        return self._change(delta)

    def saved(self, path: str = "") -> None:
        """Say that the labels as they are were saved as a file: they need no recovery."""
        self._note({"saved": path})
        self._saved = self._last

    def replay(self, record: Mapping[str, Any]) -> None:
        """Do what a log says.

        Raises
        ------
        SamStarError
            If the record is not understood, or does not fit; nothing is changed then.
        """
        log, self.log = self.log, None
        try:
            match record:
                case {"do": dict(edit)}:
                    self.do(edit_from_record(edit))
                case {"undo": _} if self.history.done:
                    self.undo()
                case {"redo": _} if self.history.undone:
                    self.redo()
                case {"saved": _}:
                    self.saved()
                case {"closed": _}:
                    pass
                case _:
                    raise SamStarError("This is not a record that this napari-samstar knows.")
        finally:
            self.log = log

    @property
    def _last(self) -> Step | None:
        # a step stands on one pile only, so the last one tells the whole pile
        return self.history.done[-1] if self.history.done else None

    def _note(self, record: Mapping[str, Any]) -> None:
        if self.log is not None:
            self.log.append(record)

    def _change(self, delta: Delta) -> Delta:
        delta.write(self._pixels)
        delta.update(self._table)
        if delta.looks_before or delta.looks_after:
            self._looks = delta.seen(self._looks)
        return delta
