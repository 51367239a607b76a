"""What is known of the objects, learned from clicks on a few typical ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from napari_samstar._widgets.answers import Answers
from napari_samstar._widgets.context import Context
from napari_samstar._widgets.gestures import watch
from napari_samstar._widgets.marks import Marks, window_outlines
from napari_samstar.session import OpenImage

if TYPE_CHECKING:
    from napari_samstar.proposals.clicked import Clicks, Suggestion
    from napari_samstar.runs import MaskRuns

__all__ = ["LearnFromClicks"]

_ENOUGH = 3
_HINT = "Click a few typical objects in the picture; three are enough. Shift-click: not the last."


class LearnFromClicks(QWidget):
    """A button; while it is pressed, clicked objects say what is known.

    Parameters
    ----------
    context : Context
        The viewer's.
    """

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._marks = Marks(context)
        self._answers = Answers(context, self, self._say)
        self._unwatch: Callable[[], None] | None = None
        self._image: OpenImage | None = None
        self._examples: list[MaskRuns] = []
        self.button = QPushButton("Learn from clicks")
        self.button.setCheckable(True)
        self.button.setToolTip(
            "Click a few typical objects: their sizes, shape and contrast fill in the fields above."
        )
        self.button.toggled.connect(self._on_toggled)
        self._text = QLabel()
        self._text.setWordWrap(True)
        self._text.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(self._text)

    def stop(self) -> None:
        """Take no clicks any more."""
        self.button.setChecked(False)

    def follow(self, image: OpenImage | None) -> None:
        """Stop where another image is worked on."""
        if image is not self._image:
            self.stop()

    def hideEvent(self, event: Any) -> None:
        """Stop when the page is left."""
        super().hideEvent(event)
        self.stop()

    # clicks

    def grabs(self) -> bool:
        """Strokes move the picture."""
        return False

    def drawing(self, line: NDArray[np.float64]) -> None:
        """Nothing is drawn here."""

    def drawn(self, line: NDArray[np.float64]) -> None:
        """Nothing is drawn here."""

    def clicked(self, position: NDArray[np.float64], plain: bool) -> None:
        """Ask which object was meant; without `plain` the last one is taken back."""
        image = self._image
        if image is None or image is not self._context.image:
            return
        if not plain:
            self._examples = self._examples[:-1]
            self._learn(image)
            return
        from napari_samstar.proposals.clicked import Clicks

        x, y = self._context.outputs.places(image, position[None])[0]
        height, width = image.state.source.shape
        if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
            self._say("Click into an object inside the image.")
            return
        clicks = Clicks().with_point(float(x), float(y), True)
        known = list(self._examples)
        self._say("Looking ...")
        self._answers.ask(
            image, lambda: clicks, lambda _, found: self._answered(image, known, clicks, found)
        )

    def _answered(
        self, image: OpenImage, known: list[MaskRuns], clicks: Clicks, found: Suggestion
    ) -> None:
        if image is self._image:  # a second and better answer replaces the first
            self._examples = [*known, found.runs.take([0])]
            self._learn(image)

    def _learn(self, image: OpenImage) -> None:
        rings = []
        for runs in self._examples:
            x0, y0, x1, y1 = (int(v) for v in runs.boxes()[0])
            box = x0, y0, x1, y1
            rings.append(window_outlines(runs.window(0, box), box))
        self._marks.draw(image, rings)
        count = len(self._examples)
        if not count:
            self._say(_HINT)
            return
        more = "" if count >= _ENOUGH else f"; {_ENOUGH - count} more make it surer"
        self._say(f"Learned from {count} object{'' if count == 1 else 's'}{more}.")
        self._context.run_quick(
            f"Learning from clicks on {image.state.source.name}",
            image,
            image.learn_steps(list(self._examples)),
            done=lambda changes: self._learned(image, changes["known"]),
        )

    @staticmethod
    def _learned(image: OpenImage, known: dict[str, Any]) -> None:
        image.set_settings(prior=image.state.settings.prior.model_copy(update=known))

    def _on_toggled(self, on: bool) -> None:
        if on:
            self._image = self._context.image
            self._examples = []
            self._unwatch = watch(self._context.viewer, self)
            self._say(_HINT)
            image = self._image
            if image is not None and not image.state.clickable:
                self._answers.get_ready(image, lambda: self._say(_HINT))
        else:
            if self._unwatch is not None:
                self._unwatch()
                self._unwatch = None
            self._answers.stop()
            if not self._context.is_closed:
                self._marks.remove(self._image)
            self._image = None
            self._text.hide()

    def _say(self, sentence: str) -> None:
        self._text.setText(sentence)
        self._text.setVisible(bool(sentence) and self.button.isChecked())
