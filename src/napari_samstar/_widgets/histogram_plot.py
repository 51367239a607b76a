"""Histogram of one measure, with a range on it that filters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize
from qtpy.QtGui import QColor, QPalette

from napari_samstar._widgets.plots import Plot, pg
from napari_samstar._widgets.qt import Signal
from napari_samstar._widgets.theme import accent
from napari_samstar.measurements.histogram import Histogram

__all__ = ["HistogramPlot"]


class HistogramPlot(Plot):
    """Bars in the colors of the theme, and a range that a person drags."""

    #: Lowest and highest value of the range, or None twice where it holds all.
    range_changed = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self._bars = pg.BarGraphItem(x0=[], x1=[], height=[])
        self.plot.addItem(self._bars)
        self._range = pg.LinearRegionItem(swapMode="sort")
        self._range.setZValue(10)
        self._range.sigRegionChanged.connect(self._on_range)
        self.plot.addItem(self._range)
        self._edges: NDArray[np.float64] = np.zeros(0)
        self.setToolTip("Drag the edges of the shaded range: the table shows what lies within.")
        self.paint()

    def sizeHint(self) -> QSize:
        """Leave room for the table."""
        return QSize(300, 150)

    def minimumSizeHint(self) -> QSize:
        """Stay readable."""
        return QSize(150, 110)

    def show_histogram(self, counted: Histogram) -> None:
        """Draw a histogram; the range holds all of it."""
        self._edges = counted.edges
        self._bars.setOpts(x0=counted.edges[:-1], x1=counted.edges[1:], height=counted.counts)
        self.plot.setLabel("left", "objects")
        low, high = float(counted.edges[0]), float(counted.edges[-1])
        margin = 0.03 * (high - low)
        self.plot.setXRange(low - margin, high + margin, padding=0)
        self.plot.setYRange(0, max(1, int(counted.counts.max(initial=0))), padding=0.05)
        self._range.blockSignals(True)
        self._range.setBounds((low - margin, high + margin))
        self._range.setRegion((low - margin, high + margin))
        self._range.blockSignals(False)

    def set_range(self, low: float, high: float) -> None:
        """Put the range where a person would have dragged it."""
        self._range.setRegion((low, high))

    def paint(self) -> QColor:
        """Color the items."""
        text = super().paint()
        palette = self.palette()
        self._bars.setOpts(brush=accent(), pen=palette.color(QPalette.ColorRole.Window))
        shade = pg.mkColor(text)
        shade.setAlpha(25)
        self._range.setBrush(shade)
        self._range.setHoverBrush(shade)
        for line in self._range.lines:
            line.setPen(pg.mkPen(text, width=2))
        return text

    def _on_range(self) -> None:
        low, high = self._range.getRegion()
        if self._edges.size and low < self._edges[0] and high > self._edges[-1]:
            self.range_changed.emit(None, None)
        else:
            self.range_changed.emit(float(low), float(high))
