"""Corrections by click, stroke and key, with one undo history and a queue of doubtful objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize

from napari_samstar._widgets.answers import Answers
from napari_samstar._widgets.correct_keys import KEYS, key_table
from napari_samstar._widgets.correct_parts import CorrectParts
from napari_samstar._widgets.dock import Dock
from napari_samstar._widgets.fields import Fold
from napari_samstar._widgets.gestures import watch
from napari_samstar._widgets.keys import LayerKeys
from napari_samstar._widgets.marks import Marks, look_at, window_outlines
from napari_samstar._widgets.offer import Offer
from napari_samstar._widgets.outputs import OBJECTS
from napari_samstar._widgets.pause import after_pause
from napari_samstar.session import OpenImage
from napari_samstar.session.hand import TOOLS, Hand
from napari_samstar.types import SamStarError

if TYPE_CHECKING:
    from napari_samstar.edits.values import Edit
    from napari_samstar.proposals.clicked import Clicks, Suggestion
    from napari_samstar.session.corrections import Corrections

__all__ = ["CorrectDock"]

_LATE_MS = 150  # after a click


class CorrectDock(Dock):
    """Corrects the objects; each correction is on disk before it is on the screen."""

    title = "Correct"
    tip = "Merge, cut, delete and add objects; review the doubtful ones; undo anything."

    def build(self) -> None:
        """Make the widgets."""
        self._hand = Hand()
        self._marks = Marks(self.context)
        self._answers = Answers(self.context, self, self._say)
        # the mark of a click is drawn with its answer, if that comes soon: one drawing, not two
        self._late = after_pause(self, _LATE_MS, self._draw_present)
        self._unwatch: Callable[[], None] | None = None
        self._panning = False
        self._to_draw: bool | None = None  # while an edit is made: whether something has changed
        self._worked_on: OpenImage | None = None
        keys = {key: action for key, action, _ in KEYS}
        self._keys = LayerKeys(keys, self.press, self._hold)
        self._offer = Offer(self.context)
        self.body.addWidget(self._offer)
        self.parts = CorrectParts(self.press)
        for button in self.parts.buttons:
            self.needs(button, _has_result)
        self.body.addWidget(self.parts)
        self.body.addWidget(
            Fold(
                "All keys",
                self.note(key_table()),
                "Keys work while the objects' layer is selected and the picture was clicked last.",
            )
        )
        self.body.addStretch(1)
        correcting = self.context.correcting
        correcting.edited.connect(self._on_edited)
        correcting.said.connect(self._say)

    def sizeHint(self) -> QSize:
        """Ask for no more than the buttons need."""
        return QSize(340, 480)

    # what is shown

    def refresh(self, image: OpenImage | None, names: frozenset[str]) -> None:
        """Show what there is to correct."""
        if image is not self._worked_on:
            self._leave(self._worked_on)
            self._worked_on = image
        if names & {"result", "corrections"}:
            self._hand.keep(None if image is None else image.state.corrections)
            if self._unwatch is not None and image is not None:
                self._enter(image)
        self._offer.refresh()
        self._show_state()

    def press(self, action: str) -> None:
        """Do what a key or a button says."""
        image = self.image
        if image is None:
            self._say("Open a micrograph first.")
            return
        self._say("")
        if action in TOOLS:
            self._take_tool(image, action)
        elif action == "undo":
            self.context.correcting.undo(image)
        elif action == "redo":
            self.context.correcting.redo(image)
        elif action == "drop":
            self._drop(image)
        elif action == "other":
            self._other(image)
        elif action == "next":
            self._go_to_doubtful(image)
        elif action in ("accept", "reject"):
            good = action == "accept"
            if self._do(image, lambda _: self._hand.judge(good, self._pointed(image))):
                self._go_to_doubtful(image)
        else:
            self._do(image, lambda _: self._edit(image, action))

    # clicks and strokes

    def grabs(self) -> bool:
        """Whether a stroke draws."""
        return self._hand.tool != "choose" and not self._panning

    def clicked(self, position: NDArray[np.float64], plain: bool) -> None:
        """Do what the tool does where it was clicked."""
        image = self.image
        if image is None:
            return
        self._say("")
        x, y = self.context.outputs.places(image, position[None])[0]
        tool = self._hand.tool
        edit = self._do(image, lambda corrections: self._hand.click(corrections, x, y, plain))
        if tool == "add" and image.state.corrections is not None:
            self._ask(image)
        elif edit is None:
            self._draw(image)

    def drawing(self, line: NDArray[np.float64]) -> None:
        """Show the stroke."""
        image = self.image
        if image is not None:
            self._draw(image, self.context.outputs.places(image, line))

    def drawn(self, line: NDArray[np.float64]) -> None:
        """Do what the tool does along the stroke."""
        image = self.image
        if image is None:
            return
        self._say("")
        places = self.context.outputs.places(image, line)
        self._do(image, lambda corrections: self._hand.draw(corrections, places))
        self._draw(image)
        if self._hand.tool == "add" and not self._hand.clicks.empty:
            self._ask(image)

    def showEvent(self, event: Any) -> None:
        """Take clicks and keys while the page is seen."""
        super().showEvent(event)
        if self._unwatch is None:
            self._unwatch = watch(self.context.viewer, self)
        image = self.image
        if image is not None:
            self._worked_on = image
            self._enter(image)
        self._show_state()

    def hideEvent(self, event: Any) -> None:
        """Leave clicks and keys alone while the page is not seen."""
        super().hideEvent(event)
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        self._leave(self.image)

    # what keys and buttons do

    def _take_tool(self, image: OpenImage, tool: str) -> None:
        self._answers.stop()
        for name in TOOLS:
            if name == tool:
                self._hand.take(name)
                self.parts.show_tool(name)
        if tool == "split":
            self._hand.choose(())
        self._select_objects(image)
        self.context.correcting.begin(image)
        if tool == "add" and not image.state.clickable:
            self._answers.get_ready(image)
        self._show_state()
        self._draw(image)

    def _edit(self, image: OpenImage, action: str) -> Edit:
        pointed = self._pointed(image)
        if action == "take":
            return self._hand.add(self.parts.over.isChecked())
        if action == "material":
            return self._hand.set_material(self.parts.material.value(), pointed)
        if action == "renumber":
            return self._hand.renumber(self.parts.new_number.value(), pointed)
        return self._hand.delete(pointed)

    def _do(self, image: OpenImage, make: Callable[[Corrections], Edit | None]) -> Edit | None:
        self._to_draw = False  # drawn once, when the hand has put down what it held
        try:
            edit = self.context.correcting.do(image, make)
        finally:
            changed, self._to_draw = self._to_draw, None
        if edit is not None:
            self._hand.drop()
        if edit is not None or changed:
            self._draw(image)
        return edit

    def _drop(self, image: OpenImage) -> None:
        self._answers.stop()
        if self._hand.clicks.empty and self._hand.first is None:
            self._hand.choose(())
        self._hand.drop()
        self._show_state()
        self._draw(image)

    def _other(self, image: OpenImage) -> None:
        try:
            self._hand.other()
        except SamStarError as err:
            self._say(str(err))
        self._draw(image)

    def _go_to_doubtful(self, image: OpenImage) -> None:
        corrections = image.state.corrections
        if corrections is None:
            self.context.correcting.begin(image, lambda: self._go_to_doubtful(image))
            return
        label = self._hand.doubtful(corrections)
        layer = self.context.outputs.layer(image, OBJECTS)
        if not label:
            self._say("Every object was looked at.")
        elif layer is not None:
            look_at(self.context.viewer, layer, corrections.table[label].box)
        self._show_state()
        self._draw(image)

    def _ask(self, image: OpenImage) -> None:
        self._late.start()
        self._answers.ask(
            image,
            lambda: self._hand.clicks,
            lambda clicks, suggestion: self._answered(image, clicks, suggestion),
        )

    def _answered(self, image: OpenImage, clicks: Clicks, suggestion: Suggestion) -> None:
        if image is self.image and clicks == self._hand.clicks and self._unwatch is not None:
            self._hand.suggested(suggestion)
            self._say("")
            self._draw(image)

    # drawing

    def _draw_present(self) -> None:
        image = self.image
        if image is not None:
            self._draw(image)

    def _draw(self, image: OpenImage, line: NDArray[np.float64] | None = None) -> None:
        corrections, hand = image.state.corrections, self._hand
        self._late.stop()
        if self._unwatch is None or corrections is None:
            return
        chosen = []
        for label in hand.chosen:
            if label in corrections.table:
                x0, y0, x1, y1 = box = corrections.table[label].box
                window = corrections.labels[y0 : y1 + 1, x0 : x1 + 1] == label
                chosen.append(window_outlines(window, box))
        mask = hand.mask()
        new = None if mask is None else window_outlines(*mask)
        clicks = hand.clicks
        points = [(x, y, ok) for (x, y), ok in zip(clicks.points, clicks.inside, strict=True)]
        if hand.first is not None:
            points.append((*hand.first, True))
        box_drawn = clicks.box
        if line is not None and hand.tool == "add":
            (x0, y0), (x1, y1) = line.min(axis=0), line.max(axis=0)
            line, box_drawn = line[:1], (x0, y0, x1, y1)
        self._marks.draw(image, chosen, new, points, line, box_drawn)
        self._show_state()

    def _show_state(self) -> None:
        self.parts.show_state(self.image, self._hand)

    def _say(self, sentence: str) -> None:
        """Show a sentence in place of the hint; empty for the hint again."""
        self.parts.say(sentence)
        if not sentence:
            self._show_state()

    # what happens elsewhere

    def _on_edited(self, image: OpenImage) -> None:
        if image is self.image:
            self._hand.keep(image.state.corrections)
            if self._unwatch is not None:
                self._keys.bind(self.context.outputs.layer(image, OBJECTS))
                if self._to_draw is None:
                    self._draw(image)
                else:
                    self._to_draw = True
            self._show_state()

    def _enter(self, image: OpenImage) -> None:
        self.context.outputs.bring_back(image)
        self._keys.bind(self.context.outputs.layer(image, OBJECTS))
        self._select_objects(image)
        if image.state.result is not None:
            self.context.correcting.begin(image)
        self._draw(image)

    def _leave(self, image: OpenImage | None) -> None:
        self._answers.stop()
        self._keys.bind(None)
        self._hand.drop()
        self._hand.choose(())
        self._marks.remove(image)

    def _select_objects(self, image: OpenImage) -> None:
        """Select the objects' layer: napari gives keys to the selected one."""
        layer = self.context.outputs.layer(image, OBJECTS)
        if layer is not None:
            self.context.viewer.layers.selection.active = layer

    def _hold(self, held: bool) -> None:
        self._panning = held

    def _pointed(self, image: OpenImage) -> int:
        corrections = image.state.corrections
        if corrections is None or self._hand.chosen:
            return 0
        position = np.array(self.context.viewer.cursor.position, np.float64)
        x, y = self.context.outputs.places(image, position[None])[0]
        return corrections.at(x, y)


def _has_result(image: OpenImage) -> bool:
    return image.state.result is not None
