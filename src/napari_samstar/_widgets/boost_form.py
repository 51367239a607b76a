"""How masks are cleaned up, and what tells materials apart, as a form."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QHBoxLayout,
    QSizePolicy,
    QSpinBox,
    QWidget,
)

from napari_samstar._widgets.qt import Signal
from napari_samstar.settings import BoostSettings, FallbackSettings

__all__ = ["BoostForm"]

_RULES = {"robust": "robust", "paper": "as published", "code": "as the authors' program"}
_ENCODERS = {
    "intensity physics bundled": "brightness, texture, small network",
    "intensity physics": "brightness and texture",
    "intensity": "brightness alone",
    "physics": "texture alone",
    "bundled": "small network alone",
}


class BoostForm(QWidget):
    """Editors of the settings that a person may want to choose."""

    #: The settings, once somebody has changed them.
    changed = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._settings = BoostSettings()
        self._writing = False
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self.rules = _choice(
            _RULES,
            "Which masks go because they overlap others or say the same. Robust also drops "
            "duplicates; the others do exactly what the method's authors wrote, or programmed.",
        )
        self.rules.activated.connect(lambda: self._set(removal=self.rules.currentData()))
        form.addRow("Ambiguous masks", self.rules)
        self.fill = QCheckBox("also look where no mask lies")
        self.fill.setToolTip(
            "Areas that no mask covers are divided by their texture, and become objects, too."
        )
        self.fill.toggled.connect(lambda on: self._set(fallback=FallbackSettings() if on else None))
        form.addRow("", self.fill)
        self.encoder = _choice(_ENCODERS, "What tells one material from another.")
        self.encoder.activated.connect(self._on_encoder)
        form.addRow("Tell apart by", self.encoder)
        row = QHBoxLayout()
        self.automatic = QCheckBox("as many as there are")
        self.automatic.setToolTip("The image decides how many materials there are.")
        self.count = QSpinBox()
        self.count.setRange(1, 64)
        self.count.setValue(2)
        self.count.setToolTip("How many materials there are, empty background not counted.")
        self.automatic.toggled.connect(self._on_count)
        self.count.valueChanged.connect(self._on_count)
        row.addWidget(self.automatic, 1)
        row.addWidget(self.count)
        form.addRow("Materials", row)

    def set_value(self, settings: BoostSettings) -> None:
        """Show settings; nothing is told."""
        self._settings = settings
        self._writing = True
        self.rules.setCurrentIndex(self.rules.findData(settings.removal))
        self.fill.setChecked(settings.fallback is not None)
        encoders = " ".join(settings.texture.encoders)
        if self.encoder.findData(encoders) < 0:  # somebody chose others, in a recipe
            self.encoder.addItem(encoders.replace(" ", ", "), encoders)
        self.encoder.setCurrentIndex(self.encoder.findData(encoders))
        count = settings.materials.count
        self.automatic.setChecked(count is None)
        self.count.setEnabled(count is not None)
        if count is not None:
            self.count.setValue(count)
        self._writing = False

    def _on_encoder(self) -> None:
        encoders = tuple(self.encoder.currentData().split())
        self._set(texture=self._settings.texture.model_copy(update={"encoders": encoders}))

    def _on_count(self) -> None:
        count = None if self.automatic.isChecked() else self.count.value()
        self.count.setEnabled(count is not None)
        self._set(materials=self._settings.materials.model_copy(update={"count": count}))

    def _set(self, **chosen: Any) -> None:
        if not self._writing:
            self._settings = self._settings.model_copy(update=chosen)
            self.changed.emit(self._settings)


def _choice(choices: dict[str, str], tip: str) -> QComboBox:
    box = QComboBox()
    for value, label in choices.items():
        box.addItem(label, value)
    box.setToolTip(tip)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(12)
    box.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return box
