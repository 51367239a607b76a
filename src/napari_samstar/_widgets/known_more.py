"""Editors of what is known less often: numbers, distances, outlines, overlap, materials."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSignalBlocker
from qtpy.QtWidgets import (
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QSpinBox,
    QWidget,
)

from napari_samstar._widgets.fields import DecimalBox, RangeEditor
from napari_samstar._widgets.qt import Signal
from napari_samstar.session.advice import OPEN
from napari_samstar.settings import Prior

__all__ = ["KnownMore", "also_known"]


class KnownMore(QWidget):
    """A form of the parts of a prior that few people know; each may be left open."""

    #: Fields of the prior and their new values.
    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._fewest, self._most = QSpinBox(), QSpinBox()
        for spin in (self._fewest, self._most):
            spin.setRange(0, round(OPEN))
            spin.setToolTip("Fewest and most objects in the whole image.")
            spin.valueChanged.connect(self._on_count)
        self._spacing = RangeEditor(
            "Distance from an object's center to that of its nearest neighbor."
        )
        self._spacing.changed.connect(
            lambda pair, unit: self._tell(spacing=pair, spacing_unit=unit)
        )
        self._circularity = DecimalBox()
        self._circularity.setRange(0.0, 1.0)
        self._circularity.setSingleStep(0.05)
        self._circularity.setToolTip(
            "4 pi area / perimeter²: 1 for a disc, 0.79 for a square, less for long or ragged "
            "outlines. Objects within 0.1 of it fit."
        )
        self._circularity.valueChanged.connect(
            lambda value: self._tell(circularity=value if value > 0 else None)
        )
        self._overlap = DecimalBox()
        self._overlap.setDecimals(1)
        self._overlap.setRange(-1.0, 100.0)  # 0 says that they do not overlap
        self._overlap.setSuffix(" %")
        self._overlap.setToolTip("Largest share of an object that another may cover.")
        self._overlap.valueChanged.connect(
            lambda value: self._tell(overlap=value / 100 if value >= 0 else None)
        )
        self._materials = QSpinBox()
        self._materials.setRange(0, 64)
        self._materials.setToolTip(
            "How many materials there are in the image, empty background not counted."
        )
        self._materials.valueChanged.connect(lambda value: self._tell(materials=value or None))
        whole = (self._fewest, self._most, self._materials)
        for editor in (*whole, self._circularity, self._overlap):
            editor.setSpecialValueText("any")
            editor.setKeyboardTracking(False)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow("How many", _pair(self._fewest, self._most))
        form.addRow("Neighbors apart", self._spacing)
        form.addRow("Circularity", self._circularity)
        form.addRow("Overlap at most", self._overlap)
        form.addRow("Materials", self._materials)

    def show_prior(self, prior: Prior, unit: str) -> None:
        """Show what is known; `unit` is that of a distance that is not. Nothing is told."""
        low, high = prior.count or (0, OPEN)
        known = prior.spacing is not None
        self._spacing.set_value(prior.spacing, prior.spacing_unit if known else unit)
        values = (
            (self._fewest, low),
            (self._most, high if high < OPEN else 0),
            (self._circularity, prior.circularity or 0.0),
            (self._overlap, -1.0 if prior.overlap is None else 100 * prior.overlap),
            (self._materials, prior.materials or 0),
        )
        for spin, value in values:
            with QSignalBlocker(spin):
                spin.setValue(value)  # type: ignore[arg-type]

    def _on_count(self) -> None:
        low, high = self._fewest.value(), self._most.value() or round(OPEN)
        known = low > 0 or high < OPEN
        self._tell(count=(min(low, high), max(low, high)) if known else None)

    def _tell(self, **known: Any) -> None:
        self.changed.emit(known)


def also_known(prior: Prior) -> str:
    """Say in a sentence what the prior holds of all this; empty where it holds nothing."""
    parts = []
    if prior.count is not None:
        low, high = prior.count
        many = f"at least {low}" if high >= OPEN else f"{low} to {high}"
        parts.append(f"{many} of them" if low or high >= OPEN else f"at most {high} of them")
    if prior.spacing is not None:
        low_, high_ = prior.spacing
        apart = f"at least {low_:g}" if high_ >= OPEN else f"{low_:g} to {high_:g}"
        parts.append(f"neighbors {apart} {prior.spacing_unit.replace('um', 'µm')} apart")
    if prior.circularity is not None:
        parts.append(f"circularity near {prior.circularity:g}")
    if prior.overlap is not None:
        parts.append(f"overlapping by {100 * prior.overlap:g} % at most")
    if prior.materials is not None:
        parts.append(f"of {prior.materials} material{'' if prior.materials == 1 else 's'}")
    return f"Also taken as known: {', '.join(parts)}." if parts else ""


def _pair(low: QSpinBox, high: QSpinBox) -> QWidget:
    inside = QWidget()
    row = QHBoxLayout(inside)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(low, 1)
    row.addWidget(QLabel("to"))
    row.addWidget(high, 1)
    return inside
