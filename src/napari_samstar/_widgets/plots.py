"""What all plots have in common: pyqtgraph in the colors of the theme."""

from __future__ import annotations

import os
from typing import Any

from qtpy import API_NAME
from qtpy.QtGui import QColor, QPalette
from qtpy.QtWidgets import QVBoxLayout, QWidget

# it would take the first binding that it finds
os.environ.setdefault("PYQTGRAPH_QT_LIB", API_NAME)
import pyqtgraph as pg

__all__ = ["Plot", "pg"]


class Plot(QWidget):
    """A plot that stays as it is under the mouse, and follows the theme.

    A subclass adds its items to `self.plot` and gives them their colors in `paint`, which it calls
    once they are there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.plot = pg.PlotWidget()
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.plot.setMouseEnabled(x=False, y=False)
        for side in ("bottom", "left"):
            # before there is a label: numbers are shown as they are, not in thousandths
            self.plot.getAxis(side).enableAutoSIPrefix(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)

    def paint(self) -> QColor:
        """Give the plot the window's background, and its axes the color of text, returned."""
        palette = self.palette()
        text = palette.color(QPalette.ColorRole.WindowText)
        self.plot.setBackground(palette.color(QPalette.ColorRole.Window))
        for side in ("bottom", "left"):
            axis = self.plot.getAxis(side)
            axis.setPen(text)
            axis.setTextPen(text)
        return text

    def changeEvent(self, event: Any) -> None:
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in (event.Type.PaletteChange, event.Type.StyleChange):
            self.paint()

    def showEvent(self, event: Any) -> None:
        """Follow the theme, which is known once the widget is in its window."""
        super().showEvent(event)
        self.paint()
