"""Histogram of one measure, with its fit, and a range on it that filters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize
from qtpy.QtGui import QColor, QPalette

from napari_samstar._widgets.plots import Plot, pg
from napari_samstar._widgets.qt import Signal
from napari_samstar._widgets.theme import accent
from napari_samstar.measurements.histogram import Fit, Histogram

__all__ = ["HistogramPlot"]

_CURVE_POINTS = 256


class HistogramPlot(Plot):
    """Bars in the colors of the theme, and a range that a person drags."""

    #: Lowest and highest value of the range, or None twice where it holds all.
    range_changed = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self._bars = pg.BarGraphItem(x0=[], x1=[], height=[])
        self.plot.addItem(self._bars)
        self._curve = pg.PlotCurveItem()
        self._curve.setZValue(5)
        self.plot.addItem(self._curve)
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

    def show_histogram(self, counted: Histogram, fitted: Fit | None = None) -> None:
        """Draw a histogram, and its fit over the bars; the range holds all of it."""
        self._edges = counted.edges
        self._bars.setOpts(x0=counted.edges[:-1], x1=counted.edges[1:], height=counted.counts)
        self.plot.setLabel("left", "objects")
        low, high = float(counted.edges[0]), float(counted.edges[-1])
        margin = 0.03 * (high - low)
        self.plot.setXRange(low - margin, high + margin, padding=0)
        highest = max(1.0, float(counted.counts.max(initial=0)))
        if fitted is None:
            self._curve.setData([], [])
        else:
            at = np.linspace(low, high, _CURVE_POINTS)
            expected = fitted.expected(at, float(counted.edges[1] - counted.edges[0]))
            self._curve.setData(at, expected)
            highest = max(highest, float(expected.max()))
        self.plot.setYRange(0, highest, padding=0.05)
        self._range.blockSignals(True)
        self._range.setBounds((low - margin, high + margin))
        self._range.setRegion((low - margin, high + margin))
        self._range.blockSignals(False)

    def set_range(self, low: float, high: float) -> None:
        """Put the range where a person would have dragged it."""
        self._range.setRegion((low, high))

    def curve(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values and expected counts of the fit that is drawn; empty for none."""
        values, counts = self._curve.getData()
        return np.zeros(0) if values is None else values, np.zeros(0) if counts is None else counts

    def paint(self) -> QColor:
        """Color the items."""
        text = super().paint()
        palette = self.palette()
        self._bars.setOpts(brush=accent(), pen=palette.color(QPalette.ColorRole.Window))
        self._curve.setPen(pg.mkPen(text, width=2))
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
