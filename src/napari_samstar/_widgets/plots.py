"""What all plots have in common: pyqtgraph in the colors of the theme."""

from __future__ import annotations

import os
from typing import Any

from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy import API_NAME
from qtpy.QtGui import QColor, QPalette

# it would take the first binding that it finds
os.environ.setdefault("PYQTGRAPH_QT_LIB", API_NAME)
import pyqtgraph as pg

__all__ = ["accent", "paint_plot", "pg"]


def accent() -> QColor:
    """Return the color in which the theme shows what is current."""
    return QColor(get_theme(get_settings().appearance.theme).current.as_hex())


def paint_plot(plot: Any, palette: QPalette) -> QColor:
    """Give a plot the window's background, and its axes the color of text, which is returned."""
    text = palette.color(QPalette.ColorRole.WindowText)
    plot.setBackground(palette.color(QPalette.ColorRole.Window))
    for side in ("bottom", "left"):
        axis = plot.getAxis(side)
        axis.setPen(text)
        axis.setTextPen(text)
    return text
