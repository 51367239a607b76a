"""The trade-off between two rewards: every candidate a point, and the ones worth knowing marked."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QPointF, QSize
from qtpy.QtGui import QColor

from napari_samstar._widgets.plots import Plot, pg
from napari_samstar._widgets.qt import Signal
from napari_samstar._widgets.theme import accent
from napari_samstar.search.pareto import Candidate, Front

__all__ = ["ParetoPlot"]

# told apart by shape as well as by color
_MARKS = {"default": "s", "knee": "d", "preferred": "star"}
_SIZES = {"default": 11, "knee": 13, "preferred": 17}
_COLORS = {"default": "#56b4e9", "knee": "#009e73", "preferred": "#e69f00"}
_REACH = 12.0  # a click this near, screen px, means a point


class ParetoPlot(Plot):
    """Points that grow in number while a search runs; a click tells the nearest on the front."""

    #: The candidate that was clicked.
    clicked = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.plot.scene().sigMouseClicked.connect(self._on_clicked)
        self._beaten = pg.ScatterPlotItem(size=4, pen=None)
        self._front = pg.ScatterPlotItem(size=8)
        self._marks = {
            name: pg.ScatterPlotItem(symbol=symbol, size=_SIZES[name], pen=None)
            for name, symbol in _MARKS.items()
        }
        self._shown = pg.ScatterPlotItem(size=19, brush=None)
        for item in (self._beaten, self._front, *self._marks.values(), self._shown):
            self.plot.addItem(item)
        self.setToolTip(
            "Each point is one way to segment the image; right and up is better. Those in color "
            "are the best compromises: click one to see it. Star: preferred by your importances. "
            "Diamond: the knee, beyond which a little gain costs much. Square: the default "
            "settings. Ring: what is shown."
        )
        self._candidates: tuple[Candidate, ...] = ()
        self._drawn: tuple[Front | None, tuple[str, str]] = (None, ("", ""))
        self._points = np.zeros((0, 2))
        self._all = np.zeros((0, 2))
        self.paint()

    def sizeHint(self) -> QSize:
        """Leave room for the rewards."""
        return QSize(300, 210)

    def minimumSizeHint(self) -> QSize:
        """Stay readable."""
        return QSize(150, 160)

    def show_front(
        self,
        front: Front,
        axes: tuple[str, str],
        names: tuple[str, str],
        preferred: Candidate | None,
        shown: Candidate | None,
    ) -> None:
        """Draw all candidates of a search.

        Parameters
        ----------
        front : Front
            What was found so far.
        axes : (str, str)
            Objectives to the right and upwards.
        names : (str, str)
            What they are called.
        preferred, shown : Candidate or None
            To be marked.
        """
        columns = [front.objectives.index(name) for name in axes]
        if front is not self._drawn[0] or axes != self._drawn[1]:  # else another choice alone
            self._drawn = front, axes
            self._show_points(front, columns)
            for side, name in zip(("bottom", "left"), names, strict=True):
                self.plot.setLabel(side, name)
        known = {
            "default": front.default,
            "knee": front.knee if front.candidates else None,
            "preferred": preferred,
        }
        for name, candidate in known.items():
            self._marks[name].setData(pos=self._place(candidate, columns))
        self._shown.setData(pos=self._place(shown, columns))

    def _show_points(self, front: Front, columns: list[int]) -> None:
        self._candidates = front.candidates
        self._points = front.rewards[:, columns]
        rewards = np.array([c.rewards for c in front.evaluated], np.float64)
        self._all = rewards.reshape(-1, len(front.objectives))[:, columns]
        self._beaten.setData(pos=self._all)
        self._front.setData(pos=self._points)
        low, high = self._all.min(axis=0, initial=1.0), self._all.max(axis=0, initial=0.0)
        margin = np.maximum(0.06 * (high - low), 0.01)
        self.plot.setXRange(low[0] - margin[0], high[0] + margin[0], padding=0)
        self.plot.setYRange(low[1] - margin[1], high[1] + margin[1], padding=0)

    def pixel_of(self, candidate: Candidate) -> QPointF:
        """Where a candidate of the front stands in the plot's view, px."""
        numbers = [c.index for c in self._candidates]
        x, y = self._points[numbers.index(candidate.index)]
        box = self.plot.getViewBox()
        return QPointF(self.plot.mapFromScene(box.mapViewToScene(QPointF(x, y))))

    @property
    def viewport(self) -> Any:
        """The widget that takes the clicks."""
        return self.plot.viewport()

    @staticmethod
    def _place(candidate: Candidate | None, columns: list[int]) -> Any:
        if candidate is None:
            return np.zeros((0, 2))
        return np.array([[candidate.rewards[column] for column in columns]])

    def paint(self) -> QColor:
        """Color the items."""
        text = super().paint()
        faint = pg.mkColor(text)
        faint.setAlpha(80)
        self._beaten.setBrush(faint)
        self._front.setBrush(accent())
        self._front.setPen(pg.mkPen(text, width=0.5))
        for name, item in self._marks.items():
            item.setBrush(_COLORS[name])
            item.setPen(pg.mkPen(text, width=1))
        self._shown.setPen(pg.mkPen(text, width=2))
        return text

    def _on_clicked(self, event: Any) -> None:
        if not self._candidates:
            return
        box = self.plot.getViewBox()
        width, height = box.viewPixelSize()
        at = box.mapSceneToView(event.scenePos())
        away = (self._points - [at.x(), at.y()]) / [width, height]
        distance = np.hypot(*away.T)
        nearest = int(np.argmin(distance))
        if distance[nearest] <= _REACH:
            self.clicked.emit(self._candidates[nearest])
