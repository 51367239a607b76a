"""The size of a pixel: shown as read, typed, or drawn over the scale bar with two clicks."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from napari.utils.notifications import show_error
from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_samstar._widgets.clicks import on_click
from napari_samstar._widgets.context import EVERYTHING, Context
from napari_samstar._widgets.fields import is_refused, number, number_of, point, unit_box
from napari_samstar.session import OpenImage
from napari_samstar.types import SamStarError

__all__ = ["PixelSizeEditor"]


class PixelSizeEditor(QWidget):
    """Edits the pixel size of the active image.

    Parameters
    ----------
    context : Context
        Whose image.
    """

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._image: OpenImage | None = None
        self._ends: list[np.ndarray[Any, Any]] = []
        self._unwatch: Callable[[], None] | None = None

        self._size = number("unknown")
        self._size.setToolTip(
            "Side of one pixel. Read from the file where it says so; type it otherwise. Empty "
            "means unknown: then everything is measured in px."
        )
        self._unit = unit_box()
        self._draw = QPushButton("Scale bar")
        self._draw.setCheckable(True)
        self._draw.setToolTip("Measure the pixel size over the scale bar in the image: two clicks.")
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        for widget, stretch in ((self._size, 1), (self._unit, 0), (self._draw, 0)):
            row.addWidget(widget, stretch)

        self._bar = QWidget()
        self._bar_length = number("500")
        self._bar_length.setToolTip("What is written at the scale bar.")
        self._bar_unit = unit_box()
        self._bar_hint = QLabel()
        self._bar_hint.setWordWrap(True)
        bar_row = QHBoxLayout()
        bar_row.addWidget(QLabel("Bar is"))
        bar_row.addWidget(self._bar_length, 1)
        bar_row.addWidget(self._bar_unit)
        bar = QVBoxLayout(self._bar)
        bar.setContentsMargins(0, 0, 0, 0)
        bar.addLayout(bar_row)
        bar.addWidget(self._bar_hint)
        self._bar.hide()

        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(row)
        layout.addWidget(self._bar)
        self._size.editingFinished.connect(self._typed)
        self._unit.activated.connect(self._typed)
        self._draw.toggled.connect(self._measure)
        self._bar_length.textEdited.connect(self._prompt)
        context.image_changed.connect(self._refresh)
        self._refresh()

    def hideEvent(self, event: Any) -> None:
        """Take no clicks any more when the page is left."""
        super().hideEvent(event)
        self._draw.setChecked(False)

    def _refresh(self, names: frozenset[str] = EVERYTHING) -> None:
        if "source" not in names:
            return  # somebody may be typing
        image = self._context.image
        self.setEnabled(image is not None)
        if image is not self._image:
            self._image = image
            self._draw.setChecked(False)  # clicks were meant for the other one
        self._size.setText(_shown(None if image is None else image.state.source.pixel_size))
        if image is None or image.state.source.pixel_size is None:
            return
        source = image.state.source
        if self._unit.findData(source.unit) < 0:
            self._unit.addItem(source.unit, source.unit)
        self._unit.setCurrentIndex(self._unit.findData(source.unit))

    def _typed(self) -> None:
        image = self._context.image
        if image is None:
            return
        source, unit, text = image.state.source, self._unit.currentData(), self._size.text().strip()
        problem = ""
        try:
            if is_refused(self._size):
                raise SamStarError(
                    f"A pixel size is a number above zero, not '{text}': type 0.5 or 0,5, or "
                    "nothing where it is not known."
                )
            if not text:
                image.set_pixel_size(None, None)
            elif point(text) != _shown(source.pixel_size) or unit != source.unit:
                image.set_pixel_size(number_of(self._size), unit)
        except SamStarError as err:
            problem = str(err)
        self._refresh()  # what counts now, in the way that it is written
        if problem:
            show_error(problem)

    def _measure(self, on: bool) -> None:
        """Begin or end looking for two clicks."""
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        self._ends = []
        self._bar.setVisible(on)
        if on:
            unit = self._unit.currentData()  # a bar is seldom in another
            self._bar_unit.setCurrentIndex(max(0, self._bar_unit.findData(unit)))
            self._unwatch = on_click(self._context.viewer, self.click)
            self._bar_length.setFocus(Qt.FocusReason.OtherFocusReason)
            self._prompt()

    def _prompt(self) -> None:
        if number_of(self._bar_length) is None:
            text = "Type what is written at the bar, 500 for example."
        else:
            text = f"Click the {'other' if self._ends else 'left'} end of the bar in the image."
        self._bar_hint.setText(text)

    def click(self, position: tuple[float, ...]) -> None:
        """Take one end of the scale bar, in world coordinates; the second one calibrates."""
        image, bar = self._context.image, number_of(self._bar_length)
        layer = None if image is None else self._context.outputs.image_layer(image)
        if image is None or layer is None or bar is None:
            self._prompt()
            return
        self._ends.append(np.asarray(layer.world_to_data(position)[-2:], float))
        if len(self._ends) == 1:
            self._prompt()
            return
        pixels = float(np.hypot(*(self._ends[1] - self._ends[0])))
        if pixels < 2:
            self._ends.pop()
            self._prompt()
            return
        unit = self._bar_unit.currentData()
        self._draw.setChecked(False)
        image.set_pixel_size(float(f"{bar / pixels:.6g}"), unit)


def _shown(pixel_size: tuple[float, float] | None) -> str:
    """Side of a pixel, or of the square of the same area."""
    return "" if pixel_size is None else f"{math.sqrt(math.prod(pixel_size)):.6g}"
