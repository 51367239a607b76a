"""What is wanted of the objects, and behind it the objects as they are."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_samstar._widgets.qt import Signal
from napari_samstar._widgets.theme import accent
from napari_samstar.measurements.ranges import RangeCount, count_in_range
from napari_samstar.rewards.base import Wanted
from napari_samstar.session.advice import OPEN, range_in_words

__all__ = ["WantedPlot"]

_NAMES = {"nearest_neighbor_distance": "distance to the nearest", "equivalent_diameter": "diameter"}
_SMALL = QSize(84, 18)  # beside a switch, px of the screen
_LARGE = QSize(160, 58)  # on its own, with numbers
_NEAR = 6  # px of the screen from an edge that is dragged


class WantedPlot(QWidget):
    """A range of one measure, shaded, and a histogram of the present objects behind it.

    It is painted, and counts only when it is: one that nobody sees costs nothing.

    Parameters
    ----------
    large : bool
        With numbers below, and edges that a person drags; else for the eye alone.
    """

    #: The range that was dragged, or None where it is open on both sides, and its unit.
    changed = Signal(object, str)

    def __init__(self, large: bool = False) -> None:
        super().__init__()
        self._large = large
        self._wanted: Wanted | None = None
        self._table: Any = None
        self._counted: RangeCount | None = None
        self._stale = False
        self._drag: tuple[int, float] | None = None  # which edge, and where it is now
        self.setFixedHeight(self.sizeHint().height())
        across = QSizePolicy.Policy.Expanding if large else QSizePolicy.Policy.Fixed
        self.setSizePolicy(across, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(large)

    def sizeHint(self) -> QSize:
        """Be no larger than it must."""
        return _LARGE if self._large else _SMALL

    def minimumSizeHint(self) -> QSize:
        """Stay readable."""
        return _SMALL

    def show_wanted(self, wanted: Wanted | None, table: Any) -> None:
        """Show what is wanted, and the objects of a table as `measure` gives it, or of none."""
        if table is self._table and wanted == self._wanted:
            return
        self._wanted, self._table, self._stale, self._drag = wanted, table, True, None
        self.setToolTip("" if wanted is None else _range_of(wanted))  # the rest when it is asked
        self.update()

    def counted(self) -> RangeCount | None:
        """Objects in and around the range; None where there are none."""
        if self._stale:
            self._stale = False
            self._counted = None
            if self._wanted is not None and self._table is not None:
                wanted = self._wanted
                high = math.inf if wanted.high >= OPEN else wanted.high
                self._counted = count_in_range(
                    self._table, wanted.measure, wanted.low, high, wanted.unit
                )
        return self._counted

    def place_of(self, value: float) -> float:
        """Where on the widget a value is, px of the screen from its left."""
        counted = self.counted()
        if counted is None:
            return 0.0
        first, last = float(counted.edges[0]), float(counted.edges[-1])
        area = self._area()
        share = (min(max(value, first), last) - first) / (last - first)
        return area.left() + share * area.width()

    # painting

    def paintEvent(self, event: QPaintEvent | None) -> None:
        """Paint shade, bars and edges in the colors of the theme."""
        painter = QPainter(self)
        text = self.palette().color(QPalette.ColorRole.WindowText)
        area, counted = self._area(), self.counted()
        if counted is None or self._wanted is None:
            painter.fillRect(area, _faint(text, 18))
            return
        low, high = self._range(counted)
        painter.fillRect(area, _faint(text, 18))
        left, right = self.place_of(low), self.place_of(high)
        painter.fillRect(QRectF(left, area.top(), right - left, area.height()), _faint(text, 45))
        self._paint_bars(painter, counted, low, high, text)
        painter.setPen(QPen(text, 2 if self._large else 1))
        for value, at in ((low, left), (high, right)):
            if counted.edges[0] <= value <= counted.edges[-1] or self._large:
                painter.drawLine(QPointF(at, area.top()), QPointF(at, area.bottom()))
        if self._large:
            self._paint_numbers(painter, counted, text)

    def _paint_bars(
        self, painter: QPainter, counted: RangeCount, low: float, high: float, text: QColor
    ) -> None:
        area, top = self._area(), max(int(counted.counts.max()), 1)
        chosen, other = accent(), _faint(text, 110)
        for count, first, last in zip(
            counted.counts.tolist(), counted.edges[:-1], counted.edges[1:], strict=True
        ):
            if count:
                left, right = self.place_of(first), self.place_of(last)
                height = max(area.height() * count / top, 1.0)
                middle = 0.5 * (first + last)
                painter.fillRect(
                    QRectF(left, area.bottom() - height, max(right - left - 0.5, 1.0), height),
                    chosen if low <= middle <= high else other,
                )

    def _paint_numbers(self, painter: QPainter, counted: RangeCount, text: QColor) -> None:
        area = self._area()
        painter.setPen(text)
        below = QRectF(area.left(), area.bottom(), area.width(), self.height() - area.bottom())
        unit = counted.unit.replace("um", "µm")
        ends = (
            (counted.edges[0], Qt.AlignmentFlag.AlignLeft, ""),
            (counted.edges[-1], Qt.AlignmentFlag.AlignRight, f" {unit}"),
        )
        for value, side, after in ends:
            number = f"{float(f'{value:.3g}'):g}{after}"  # 1000, not 1e+03
            painter.drawText(below, side | Qt.AlignmentFlag.AlignBottom, number)
        middle = f"{_percent(counted)} % of {counted.total} within"
        if self._drag is not None:
            middle = range_in_words(*self._dragged(counted), counted.unit)
        center = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom
        painter.drawText(below, center, middle)

    def _area(self) -> QRectF:
        """Where the bars are."""
        below = self.fontMetrics().height() if self._large else 0
        side = 2 if self._large else 0
        return QRectF(side, 0, max(self.width() - 2 * side, 1), max(self.height() - below - 2, 1))

    def _range(self, counted: RangeCount) -> tuple[float, float]:
        """Return the range, as it is dragged at this moment."""
        if self._drag is None:
            return counted.low, counted.high
        edge, value = self._drag
        fixed = counted.low if edge else counted.high
        return min(value, fixed), max(value, fixed)

    def _dragged(self, counted: RangeCount) -> tuple[float, float]:
        """Return the range to tell, in three digits; an edge at the end of all there is opens."""
        pair = [counted.low, counted.high]
        if self._drag is not None:
            edge, value = self._drag
            first, last = float(counted.edges[0]), float(counted.edges[-1])
            pair[edge] = 0.0 if value <= first else OPEN if value >= last else _rounded(value)
        return min(pair), min(max(pair), OPEN)

    # the mouse

    def event(self, event: QEvent | None) -> bool:
        """Count for the tooltip only when it is asked for."""
        if event is not None and event.type() == QEvent.Type.ToolTip and self._wanted is not None:
            counted, tip = self.counted(), _range_of(self._wanted)
            if counted is not None:
                share = _percent(counted)
                tip += f" Bars: {counted.total} objects at present, {share} % of them within."
            if self._large:
                tip += " Drag the edges to change it."
            self.setToolTip(tip)
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:
        """Take hold of an edge."""
        edge = None if event is None else self._edge_at(event.position().x())
        if event is not None and edge is not None:
            self._move(edge, event.position().x())

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:
        """Move the edge that is held; show which one could be."""
        if event is None or not self._large:
            return
        x = event.position().x()
        if self._drag is not None:
            self._move(self._drag[0], x)
        elif self._edge_at(x) is not None:
            self.setCursor(Qt.CursorShape.SplitHCursor)
        else:
            self.unsetCursor()

    def mouseReleaseEvent(self, event: QMouseEvent | None) -> None:
        """Tell the new range."""
        counted = self.counted()
        if self._drag is None or counted is None:
            return
        low, high = self._dragged(counted)
        self._drag = None
        self.update()
        if (low, high) != self._dragged(counted):
            everything = low == 0 and high >= OPEN
            self.changed.emit(None if everything else (low, high), counted.unit)

    def _edge_at(self, x: float) -> int | None:
        counted = self.counted()
        if not self._large or counted is None or not self.isEnabled():
            return None
        away = [abs(x - self.place_of(value)) for value in (counted.low, counted.high)]
        edge = away.index(min(away))
        return edge if away[edge] <= _NEAR else None

    def _move(self, edge: int, x: float) -> None:
        counted = self.counted()
        if counted is None:
            return
        area = self._area()
        share = min(max((x - area.left()) / area.width(), 0.0), 1.0)
        first, last = float(counted.edges[0]), float(counted.edges[-1])
        self._drag = edge, first + share * (last - first)
        self.update()


def _range_of(wanted: Wanted) -> str:
    name = _NAMES.get(wanted.measure, wanted.measure.replace("_", " "))
    return f"Wanted, shaded: {name} {range_in_words(wanted.low, wanted.high, wanted.unit)}."


def _percent(counted: RangeCount) -> int:
    return round(100 * counted.inside / counted.total)


def _rounded(value: float) -> float:
    return round(value, 2 - math.floor(math.log10(value))) if value > 0 else 0.0


def _faint(color: QColor, alpha: int) -> QColor:
    faint = QColor(color)
    faint.setAlpha(alpha)
    return faint
