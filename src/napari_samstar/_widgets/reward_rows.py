"""Rewards as rows: a switch for each kind, what is wanted beside what is there, how important."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QCheckBox, QGridLayout, QSlider, QWidget

from napari_samstar._widgets.qt import Signal
from napari_samstar._widgets.wanted_plot import WantedPlot
from napari_samstar.rewards.base import Wanted

__all__ = ["FAMILIES", "RewardRows", "family_name"]

#: What a microscopist calls a family of rewards, and what it asks.
FAMILIES: Mapping[str, tuple[str, str]] = {
    "quality": (
        "Real objects",
        "As many as possible of what is surely an object, by all that is known; it leads.",
    ),
    "size": ("Sizes", "Diameters lie in the range that you gave."),
    "shape": ("Shapes", "Outlines are as you said: round, compact, smooth."),
    "overlap": ("No overlap", "Objects do not cover each other."),
    "coverage": ("Area filled", "Objects fill as much of the image as you said."),
    "spacing": ("Spacing", "Neighbors are as far apart as you said."),
    "order": ("Order", "Objects lie as regularly, or point as much one way, as you said."),
    "contrast": ("Contrast", "Objects stand out from what is around, and end on edges."),
    "completeness": ("Nothing left out", "What is left as background looks all alike."),
    "confidence": ("Sureness", "Outlines hardly move when the threshold does."),
}
_STEPS = 100


def family_name(family: str) -> str:
    """Say what a microscopist calls a family; those of other packages have their own name."""
    return FAMILIES.get(family, (family.replace("_", " ").capitalize(), ""))[0]


class RewardRows(QWidget):
    """One row for each family of rewards."""

    #: A family, and whether it counts.
    switched = Signal(str, bool)
    #: A family, and its importance, 0 to 1; told while the mouse moves.
    weighed = Signal(str, float)

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setColumnStretch(2, 1)
        self._grid.setVerticalSpacing(2)
        self._rows: dict[str, tuple[QCheckBox, QSlider]] = {}
        self._plots: dict[str, WantedPlot] = {}

    def set_rows(
        self, families: Iterable[str], off: Iterable[str], importances: Mapping[str, float]
    ) -> bool:
        """Show these families; nothing is told. Returns whether the rows were made anew.

        Parameters
        ----------
        families : iterable of str
            In order.
        off : iterable of str
            Those that do not count.
        importances : mapping
            Family to 0 to 1.
        """
        wanted, out = list(families), set(off)
        remade = wanted != list(self._rows)
        if remade:
            for switch, slider in self._rows.values():
                for widget in (switch, slider):
                    self._grid.removeWidget(widget)
                    widget.deleteLater()
            self.set_wanted({}, None)
            self._rows = {family: self._row(k, family) for k, family in enumerate(wanted)}
        for family, (switch, slider) in self._rows.items():
            on = family not in out
            switch.blockSignals(True)
            switch.setChecked(on)
            switch.blockSignals(False)
            slider.setEnabled(on)
            if not slider.isSliderDown():
                slider.blockSignals(True)
                slider.setValue(_position(importances.get(family, 1.0)))
                slider.blockSignals(False)
        return remade

    def set_wanted(self, wanted: Mapping[str, Wanted], table: Any) -> None:
        """Show what is wanted of each object, by family, before the objects of a table."""
        for family in [family for family in self._plots if family not in wanted]:
            plot = self._plots.pop(family)
            self._grid.removeWidget(plot)
            plot.deleteLater()
        for family, one in wanted.items():
            if family not in self._plots:
                self._plots[family] = WantedPlot()
                self._grid.addWidget(self._plots[family], list(self._rows).index(family), 1)
            self._plots[family].show_wanted(one, table)

    def plot(self, family: str) -> WantedPlot:
        """Return what shows the range of a family that has one."""
        return self._plots[family]

    def row(self, family: str) -> tuple[QCheckBox, QSlider]:
        """Return switch and slider of a family."""
        return self._rows[family]

    def _row(self, number: int, family: str) -> tuple[QCheckBox, QSlider]:
        name, meaning = family_name(family), FAMILIES.get(family, ("", ""))[1]
        switch = QCheckBox(name)
        switch.setToolTip(f"{meaning} Off: the next search does not ask for it.".strip())
        switch.toggled.connect(partial(self.switched.emit, family))
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setRange(0, _STEPS)
        slider.setPageStep(10)
        slider.setToolTip(
            f"How important this is to you when one candidate is preferred: {meaning} "
            "Move it, and the picture follows; nothing is searched again."
        )
        slider.valueChanged.connect(partial(self._on_value, family))
        self._grid.addWidget(switch, number, 0)
        self._grid.addWidget(slider, number, 2)
        return switch, slider

    def _on_value(self, family: str, position: int) -> None:
        self.weighed.emit(family, _importance(position))


def _importance(position: int) -> float:
    """Small importances matter, too: the scale is that of the square."""
    return (position / _STEPS) ** 2


def _position(importance: float) -> int:
    return round(_STEPS * math.sqrt(min(max(importance, 0.0), 1.0)))
