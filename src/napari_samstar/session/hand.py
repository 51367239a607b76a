"""What a person is about to do to the objects: the tool, what is chosen, clicks that wait."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from napari_samstar.edits.mask import Mask
from napari_samstar.edits.values import (
    Add,
    Delete,
    Edit,
    Merge,
    Relabel,
    SetMaterial,
    SetStatus,
    Split,
)
from napari_samstar.types import SamStarError

if TYPE_CHECKING:
    from napari_samstar.proposals.clicked import Clicks, Suggestion
    from napari_samstar.session.corrections import Corrections

__all__ = ["TOOLS", "Hand", "Tool"]

Tool = Literal["choose", "merge", "split", "add"]

#: What each tool asks for.
TOOLS: dict[Tool, str] = {
    "choose": "Click an object to choose it; Shift-click chooses several.",
    "merge": "Click an object, then the others that belong to it; or drag across all of them.",
    "split": "Drag a line across an object, from edge to edge; or click one point in each half.",
    "add": "Click into what is missing; Shift-click beside it what is not of it. Or drag a box.",
}


class Hand:
    """Turns clicks, strokes and keys into edits; a click that makes none changes what is chosen.

    Whatever cannot be meant raises `SamStarError` with a sentence, and changes nothing.
    """

    def __init__(self) -> None:
        self.tool: Tool = "choose"
        #: Segments chosen, the first leading.
        self.chosen: tuple[int, ...] = ()
        #: First of two points that cut a segment, x and y in px.
        self.first: tuple[float, float] | None = None
        self._clicks: Clicks | None = None
        #: What the clicks may mean, and which of the masks is shown.
        self.suggestion: Suggestion | None = None
        self.shown = 0
        self._skipped: set[int] = set()

    @property
    def clicks(self) -> Clicks:
        """Clicks for a new object so far."""
        from napari_samstar.proposals.clicked import Clicks

        return self._clicks or Clicks()

    def take(self, tool: Tool) -> None:
        """Take a tool; clicks for a new object are dropped."""
        self.tool = tool
        self.drop()

    def drop(self) -> None:
        """Forget clicks and points; the chosen objects stay chosen."""
        self.first = None
        self._clicks = None
        self.suggestion = None
        self.shown = 0

    def choose(self, labels: Iterable[int]) -> None:
        """Choose these objects and no others."""
        self.chosen = tuple(labels)

    def keep(self, corrections: Corrections | None) -> None:
        """Let go of what is no longer there."""
        table = () if corrections is None else corrections.table
        self.chosen = tuple(label for label in self.chosen if label in table)

    def click(
        self, corrections: Corrections, x: float, y: float, plain: bool = True
    ) -> Edit | None:
        """Do what the tool does where it was clicked, x and y in px; `plain` is without Shift."""
        if self.tool == "add":
            self._clicks = self._asked(self.clicks.with_point(x, y, plain))
            return None
        label = corrections.at(x, y)
        if not label:
            self.choose(self.chosen if not plain else ())
            raise SamStarError("There is no object: click into one.")
        if self.tool == "choose":
            others = [k for k in self.chosen if k != label]
            again = label in self.chosen
            self.choose((label,) if plain else others if again else (*self.chosen, label))
            return None
        if self.tool == "merge":
            if not self.chosen or self.chosen[0] not in corrections.table:
                self.choose((label,))
                return None
            if label == self.chosen[0]:
                raise SamStarError("That is the same object: click another that belongs to it.")
            return Merge(self.chosen[0], label)
        first, self.first = self.first, (x, y)
        self.choose((label,))
        if first is None or corrections.at(*first) != label:
            return None
        self.first = None
        return Split(label, points=(first, (x, y)))

    def draw(self, corrections: Corrections, line: NDArray[np.float64]) -> Edit | None:
        """Do what the tool does along a stroke (N, 2) of x, y in px."""
        if self.tool == "add":
            (x0, y0), (x1, y1) = line.min(axis=0), line.max(axis=0)
            height, width = corrections.labels.shape
            box = (max(x0, 0.0), max(y0, 0.0), min(x1, width - 1.0), min(y1, height - 1.0))
            if box[2] - box[0] < 2 or box[3] - box[1] < 2:
                raise SamStarError("Draw the box around an object, inside the image.")
            from napari_samstar.proposals.clicked import Clicks

            self._clicks = Clicks(box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])))
            return None
        under = corrections.along(line)
        if self.tool == "merge":
            into = [k for k in self.chosen[:1] if k in under]
            labels = list(dict.fromkeys([*into, *under]))
            if len(labels) < 2:
                raise SamStarError("Drag across two objects or more to merge them.")
            return Merge(*labels)
        if not under:
            raise SamStarError("The line crosses no object: draw it across one, edge to edge.")
        named = [k for k in self.chosen if k in under]
        label = named[0] if named else max(under, key=lambda k: under[k])
        return Split(label, line=tuple((float(x), float(y)) for x, y in line))

    def suggested(self, suggestion: Suggestion | None) -> None:
        """Show what the clicks may mean."""
        self.suggestion = suggestion
        self.shown = 0

    def other(self) -> None:
        """Show the next of the masks that the clicks may mean."""
        if self.suggestion is None:
            raise SamStarError("Click into what is missing first.")
        self.shown = (self.shown + 1) % len(self.suggestion.runs)

    def mask(self) -> tuple[NDArray[np.bool_], tuple[int, int, int, int]] | None:
        """Mask that is shown, inside its box: x0, y0, x1, y1, last row and column included, px."""
        if self.suggestion is None:
            return None
        runs = self.suggestion.runs
        x0, y0, x1, y1 = (int(v) for v in runs.boxes()[self.shown])
        return runs.window(self.shown, (x0, y0, x1, y1)), (x0, y0, x1, y1)

    def add(self, over: bool = False) -> Edit:
        """Make the mask that is shown an object; `over` takes pixels of others, too."""
        shown = self.mask()
        if shown is None or self.suggestion is None:
            raise SamStarError("Click into what is missing first, or drag a box around it.")
        window, (x0, y0, _, _) = shown
        return Add(Mask.of(window, y0, x0, self.suggestion.runs.shape), over=over)

    def delete(self, pointed: int = 0) -> Edit:
        """Delete what is chosen, else the object pointed at."""
        return Delete(*self._meant(pointed))

    def set_material(self, material: int, pointed: int = 0) -> Edit:
        """Say of which material the chosen objects are."""
        return SetMaterial(self._meant(pointed), material)

    def renumber(self, to: int, pointed: int = 0) -> Edit:
        """Give the chosen object another number."""
        meant = self._meant(pointed)
        if len(meant) > 1:
            raise SamStarError("Choose one object alone to give it a number.")
        return Relabel(meant[0], to)

    def doubtful(self, corrections: Corrections) -> int:
        """Choose the most doubtful object that was not passed over yet; 0 where none is left."""
        queue = corrections.queue()
        if self.chosen and self.chosen[0] in queue:
            self._skipped.add(self.chosen[0])
        left = [label for label in queue if label not in self._skipped]
        if not left:  # once round
            self._skipped.clear()
            left = list(queue)
        self.choose(left[:1])
        return left[0] if left else 0

    def judge(self, good: bool, pointed: int = 0) -> Edit:
        """Accept the chosen objects, or reject them: then they are deleted."""
        meant = self._meant(pointed)
        return SetStatus(meant, "accepted") if good else Delete(*meant)

    def _meant(self, pointed: int) -> tuple[int, ...]:
        meant = self.chosen or ((pointed,) if pointed else ())
        if not meant:
            raise SamStarError("Choose an object first: click it, or point at it.")
        return meant

    def _asked(self, clicks: Clicks) -> Clicks:
        if clicks.empty:
            raise SamStarError("Click into the object first, then beside it what is not of it.")
        return clicks
