"""The objects of one image while a person corrects them: edits, undo, redo, and the journal."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.edits.delta import Delta, Looks, Segment, segment_table
from napari_samstar.edits.history import Editor
from napari_samstar.edits.journal import Journal
from napari_samstar.edits.patch import painted
from napari_samstar.edits.recovery import journals_folder, restore, start
from napari_samstar.edits.review import review_order
from napari_samstar.edits.values import ColorMaterial, Edit, Merge, NameMaterial, Relabel, Split
from napari_samstar.labels import index_labels
from napari_samstar.recipe import ImageRecord
from napari_samstar.types import SamStarError

if TYPE_CHECKING:
    from napari_samstar.pipeline import RunResult

__all__ = ["KEEP", "Corrections", "begin", "bring_back", "materials_by_label", "materials_of"]

#: In place of corrections among a command's changes: its result is of the same objects.
KEEP: Any = object()


class Corrections:
    """One undo history over the objects of one image, kept on disk as it grows.

    To be used in the thread of the window; `begin` and `bring_back` may make one in another.

    Parameters
    ----------
    editor : Editor
        Labels and history.
    journal : Journal or None
        Where edits are written down; None where the disk refused.
    confidence : mapping of label to float
        How sure each object was at first.
    notice : str
        What the user should know, in a sentence; empty for nothing.
    """

    def __init__(
        self,
        editor: Editor,
        journal: Journal | None = None,
        confidence: Mapping[int, float] | None = None,
        notice: str = "",
    ) -> None:
        self._editor = editor
        self._journal = journal
        self._confidence = dict(confidence or {})
        self.notice = notice or ("" if journal is None else journal.notice)
        #: Goes up with each change, so that an answer can be told from a stale one.
        self.version = 0
        # however the viewer ends, short of a crash, the journal is closed
        self._closing = weakref.finalize(self, _close, editor, journal)

    @property
    def labels(self) -> NDArray[np.int32]:
        """Labels as they are now, (H, W); read-only."""
        return self._editor.labels

    @property
    def table(self) -> Mapping[int, Segment]:
        """Segments by label."""
        return self._editor.table

    @property
    def materials(self) -> dict[int, int]:
        """Material of each segment that has one."""
        return {k: row.material for k, row in self._editor.table.items() if row.material}

    @property
    def names(self) -> dict[int, str]:
        """Names of materials that somebody named."""
        return self._editor.names

    @property
    def colors(self) -> dict[int, str]:
        """Colors of materials, "#rrggbb", that somebody chose."""
        return self._editor.colors

    @property
    def confidence(self) -> dict[int, float]:
        """How sure each object was at first, under the number that it has now."""
        known = dict(self._confidence)
        for edit in self.done:
            if isinstance(edit, Relabel) and edit.label in known:
                known[edit.to] = known.pop(edit.label)
        return known

    @property
    def done(self) -> tuple[Edit, ...]:
        """Edits that stand."""
        return self._editor.history.edits

    @property
    def at_stake(self) -> int:
        """How many edits end with these objects: all that stand, but for looks, which stay."""
        return sum(not isinstance(edit, NameMaterial | ColorMaterial) for edit in self.done)

    @property
    def can_redo(self) -> bool:
        """Whether something was undone."""
        return bool(self._editor.history.undone)

    @property
    def unsaved(self) -> bool:
        """Whether there is something that was not exported."""
        return self._editor.unsaved

    @property
    def kept(self) -> Path | None:
        """Folder of the journal; None where nothing is kept."""
        return None if self._journal is None else self._journal.path

    @property
    def free(self) -> int:
        """A number that no segment ever had."""
        return self._editor.free

    def at(self, x: float, y: float) -> int:
        """Segment under a point, px; 0 on the background and outside."""
        column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        height, width = self.labels.shape
        return int(self.labels[row, column]) if 0 <= row < height and 0 <= column < width else 0

    def along(self, line: NDArray[np.float64]) -> dict[int, float]:
        """Segments under a polyline (N, 2) of x, y, as it meets them, and how far it goes in each.

        Lengths in px, to half a pixel.
        """
        found: dict[int, float] = {}
        for (xa, ya), (xb, yb) in pairwise(line):
            length = float(np.hypot(xb - xa, yb - ya))
            steps = max(int(np.ceil(2 * length)), 1)
            for t in (np.arange(steps) + 0.5) / steps:
                label = self.at(xa + t * (xb - xa), ya + t * (yb - ya))
                if label:
                    found[label] = found.get(label, 0.0) + length / steps
        return found

    def do(self, edit: Edit) -> Delta:
        """Carry out an edit.

        Raises
        ------
        SamStarError
            If it cannot be carried out or written down; nothing is changed then.
        """
        return self._count(self._editor.do(edit))

    def undo(self) -> Delta | None:
        """Take the last edit back; None where there is none.

        Raises
        ------
        SamStarError
            If it cannot be written down.
        """
        delta = self._editor.undo()
        return None if delta is None else self._count(delta)

    def redo(self) -> Delta | None:
        """Make the edit again that was undone last; None where there is none.

        Raises
        ------
        SamStarError
            If it cannot be written down.
        """
        delta = self._editor.redo()
        return None if delta is None else self._count(delta)

    def take(self, labels: NDArray[Any]) -> Delta | None:
        """Take in what was painted by other hands: one edit; None where nothing was.

        Parameters
        ----------
        labels : (H, W) int
            The label image as somebody painted it.

        Raises
        ------
        SamStarError
            If it is no such label image, or cannot be written down.
        """
        if labels.shape != self.labels.shape or labels.dtype.kind not in "iu":
            raise SamStarError("The layer of the objects holds another image now: undo that.")
        edit = painted(self.labels, labels)
        return None if edit is None else self.do(edit)

    def queue(self) -> tuple[int, ...]:
        """Segments that nobody has looked at, the most doubtful first."""
        return review_order(self.confidence, {k: row.status for k, row in self.table.items()})

    def exported(self, where: str) -> None:
        """Say that the labels as they are were written as files: they need no recovery."""
        with contextlib.suppress(SamStarError):
            self._editor.saved(where)

    def close(self) -> None:
        """End it; what was not exported stays on disk and is offered back."""
        self._closing()

    def _count(self, delta: Delta) -> Delta:
        self.version += 1
        return delta


def begin(result: RunResult, folder: Path | None = None, looks: Looks | None = None) -> Corrections:
    """Begin to correct a result; any thread.

    Parameters
    ----------
    result : RunResult
        What was found.
    folder : Path, optional
        Where journals lie; by default the user's.
    looks : mapping of material to Look, optional
        How materials are called and shown already.
    """
    from napari_samstar.session.doubt import confidences

    _warm_up()
    labels = result.segmentation.labels
    confidence = confidences(result)
    table = segment_table(labels, materials_by_label(labels, result.segmentation.materials))
    context = {
        "recipe": result.recipe.model_dump(mode="json"),
        "confidence": [[k, round(v, 6)] for k, v in confidence.items() if k in table],
    }
    image = ImageRecord.of(result.segmentation.micrograph)
    try:
        editor, journal = start(folder or journals_folder(), labels, image, table, context, looks)
    except SamStarError as err:
        notice = f"Corrections cannot be kept on disk, so export them before you close: {err}"
        editor = Editor(labels, table, looks=looks)
        return Corrections(editor, None, confidence, notice)
    return Corrections(editor, journal, confidence)


def bring_back(path: str | Path) -> tuple[Corrections, Mapping[str, Any]]:
    """Open a journal again; also gives what was kept with it, such as the recipe.

    Raises
    ------
    SamStarError
        If another window has it open, or it cannot be read at all.
    """
    _warm_up()
    editor, journal = restore(path)
    confidence: dict[int, float] = {}
    with contextlib.suppress(KeyError, TypeError, ValueError):
        confidence = {int(k): float(v) for k, v in journal.context["confidence"]}
    return Corrections(editor, journal, confidence), journal.context


def materials_of(
    labels: NDArray[np.int32], materials: Mapping[int, int]
) -> NDArray[np.int32] | None:
    """Label image with one value per material, (H, W); None where no segment has one."""
    if not materials:
        return None
    index, ids = index_labels(labels)
    table = np.array([0, *(materials.get(label, 0) for label in ids.tolist())], np.int32)
    return table[index]


def materials_by_label(
    labels: NDArray[np.int32], materials: NDArray[np.int32] | None
) -> dict[int, int]:
    """Material of each label that has one, from an image (H, W) of them."""
    if materials is None:
        return {}
    values, first = np.unique(labels, return_index=True)
    return {
        int(label): int(materials.flat[place])
        for label, place in zip(values, first, strict=True)
        if label and materials.flat[place]
    }


def _close(editor: Editor, journal: Journal | None) -> None:
    if journal is not None:
        with contextlib.suppress(SamStarError, OSError):
            journal.close(keep=editor.unsaved)


def _warm_up() -> None:
    """Compile what edits need, so that the first click does not wait for it."""
    editor = Editor(np.kron(np.array([[1, 2]], np.int32), np.ones((8, 8), np.int32)))
    editor.do(Merge(1, 2))
    editor.do(Split(1, line=((-1.0, 4.0), (17.0, 4.0))))
    take = np.array(editor.labels)
    take[0, 0] = 0
    edit = painted(editor.labels, take)
    if edit is not None:
        editor.do(edit)
