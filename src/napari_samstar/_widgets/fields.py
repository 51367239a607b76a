"""Small editors that several docks use: lengths, their units, ranges."""

from __future__ import annotations

import math
from typing import Any

from napari.utils.notifications import show_error
from qtpy.QtCore import QLocale, QRegularExpression
from qtpy.QtGui import QRegularExpressionValidator, QValidator
from qtpy.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_samstar._widgets.qt import Signal
from napari_samstar.units import calibration

__all__ = [
    "UNITS",
    "DecimalBox",
    "Fold",
    "RangeEditor",
    "is_refused",
    "length",
    "number",
    "number_of",
    "point",
    "unit_box",
]

#: Unit as pint knows it, and as it is written.
UNITS = {"pm": "pm", "nm": "nm", "um": "µm", "mm": "mm"}

# All that may be typed on the way to a number. What it is worth is judged when it is finished: of
# a text that a validator holds for unfinished, such as none at all, Qt would never tell the end.
_TYPED = QRegularExpression(r"\s*[-+]?\d*[.,]?\d*([eE][-+]?\d*)?\s*")


def length(value: float, unit: str) -> str:
    """Write a length in the unit that suits it: "3.25 mm"."""
    pair, better = calibration(value, unit)
    if pair is None:
        return f"{value:.4g} {UNITS.get(unit, unit)}"
    return f"{pair[0]:.3g} {UNITS.get(better, better)}"


def number(placeholder: str) -> QLineEdit:
    """Make an editor of a positive number, with a point or a comma, that may be left empty."""
    line = QLineEdit()
    line.setPlaceholderText(placeholder)
    line.setValidator(QRegularExpressionValidator(_TYPED, line))
    line.setMinimumWidth(50)
    return line


def number_of(line: QLineEdit) -> float | None:
    """Return the number in `line`; None where there is none above zero."""
    value = _read(line)
    return value if value is not None and value > 0 else None


def is_refused(line: QLineEdit) -> bool:
    """Whether something was typed that is no number above zero."""
    return bool(line.text().strip()) and number_of(line) is None


def point(text: str) -> str:
    """Write a decimal comma as a point."""
    return text.replace(",", ".")


def _read(line: QLineEdit) -> float | None:
    try:
        value = float(point(line.text()))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def unit_box(pixels: bool = False) -> QComboBox:
    """Make a list of units of length, with px where `pixels` is set."""
    box = QComboBox()
    for unit, written in {**({"px": "px"} if pixels else {}), **UNITS}.items():
        box.addItem(written, unit)
    box.setCurrentIndex(box.findData("nm"))
    box.setToolTip("Unit of the length beside it.")
    return box


class DecimalBox(QDoubleSpinBox):
    """A number that is typed with a point or a comma, wherever the computer stands."""

    def __init__(self) -> None:
        super().__init__()
        # with the system's own one of the two would part thousands: 0,5 would be 5
        self.setLocale(QLocale(QLocale.Language.C))

    def validate(self, text: str | None, at: int) -> tuple[QValidator.State, str, int]:
        """Judge what is typed."""
        return super().validate(point(text or ""), at)

    def valueFromText(self, text: str | None) -> float:
        """Read what was typed."""
        return super().valueFromText(point(text or ""))


class RangeEditor(QWidget):
    """From one length to another, either of which may be left open.

    Parameters
    ----------
    tip : str
        What the range is of.
    """

    #: The range or None, and its unit.
    changed = Signal(object, str)

    def __init__(self, tip: str) -> None:
        super().__init__()
        self._low, self._high = number("any"), number("any")
        self._unit = unit_box(pixels=True)
        for line in (self._low, self._high):
            line.setToolTip(tip)
            line.editingFinished.connect(self._edited)
        self._unit.activated.connect(self._edited)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._low, 1)
        row.addWidget(QLabel("to"))
        row.addWidget(self._high, 1)
        row.addWidget(self._unit)
        self._shown: tuple[tuple[float, float] | None, str] = (None, "px")

    def value(self) -> tuple[tuple[float, float] | None, str]:
        """Return the range, or None where it is open on both sides, and its unit."""
        low, high, unit = number_of(self._low), number_of(self._high), self._unit.currentData()
        if low is None and high is None:
            return None, unit
        low = 0.0 if low is None else low
        high = 1e6 if high is None else high
        return (min(low, high), max(low, high)), unit

    def set_value(self, pair: tuple[float, float] | None, unit: str) -> None:
        """Show a range; nothing is told."""
        low, high = (None, None) if pair is None else pair
        self._low.setText("" if not low else f"{low:.6g}")
        self._high.setText("" if high is None or high >= 1e6 else f"{high:.6g}")
        if self._unit.findData(unit) < 0:
            self._unit.addItem(unit, unit)
        self._unit.setCurrentIndex(self._unit.findData(unit))
        self._shown = self.value()

    def _edited(self, *_: Any) -> None:
        bad = next((line for line in (self._high, self._low) if self._refuses(line)), None)
        if bad is not None:
            typed = bad.text().strip()
            self.set_value(*self._shown)
            show_error(f"A length is a number above zero, not '{typed}': type 7.5 or 7,5.")
            return
        before, (pair, unit) = self._shown, self.value()
        self.set_value(pair, unit)
        if (pair, unit) != before:
            self.changed.emit(pair, unit)

    def _refuses(self, line: QLineEdit) -> bool:
        from_zero = line is self._low and _read(line) == 0  # as good as open
        return is_refused(line) and not from_zero


class Fold(QWidget):
    """A part of a dock that is folded away until it is asked for.

    Parameters
    ----------
    title : str
        What is in it.
    inside : QWidget
        Shown when it is open.
    tip : str
        What it is for.
    """

    def __init__(self, title: str, inside: QWidget, tip: str) -> None:
        super().__init__()
        self._title, self._inside = title, inside
        self.button = QPushButton()
        self.button.setCheckable(True)
        self.button.setToolTip(tip)
        self.button.toggled.connect(self._show)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button)
        layout.addWidget(inside)
        self._show(False)

    def _show(self, opened: bool) -> None:
        self.button.setText(f"{'▾' if opened else '▸'} {self._title}")
        self._inside.setVisible(opened)
