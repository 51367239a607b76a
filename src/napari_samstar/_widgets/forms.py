"""Settings as forms: one row for each field, with its bounds, unit and meaning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QFormLayout, QSpinBox, QWidget

from napari_samstar._widgets.fields import DecimalBox
from napari_samstar._widgets.qt import Signal
from napari_samstar.settings import Settings

__all__ = ["SettingsForm", "bounds"]


def bounds(info: FieldInfo) -> tuple[float | None, float | None]:
    """Lowest and highest value of a field, where it says so."""
    low = high = None
    for item in info.metadata:
        low = next((v for k in ("ge", "gt") if (v := getattr(item, k, None)) is not None), low)
        high = next((v for k in ("le", "lt") if (v := getattr(item, k, None)) is not None), high)
    return low, high


class SettingsForm(QWidget):
    """Edits some fields of one settings model.

    Parameters
    ----------
    value : Settings
        Shown at first; fields that are not in the form are kept.
    labels : mapping
        Field name to what a microscopist calls it, in the order of the rows.
    tips : mapping, optional
        Field name to a tooltip; else the field's description.
    """

    #: The new settings.
    changed = Signal(object)

    def __init__(
        self,
        value: Settings,
        labels: Mapping[str, str],
        tips: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._value = value
        self._editors: dict[str, QWidget] = {}
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        for name, label in labels.items():
            info = type(value).model_fields[name]
            editor = _editor(info, label)
            editor.setToolTip((tips or {}).get(name) or info.description or label)
            self._editors[name] = editor
            if isinstance(editor, QCheckBox):
                form.addRow("", editor)
            else:
                form.addRow(label, editor)
        self.set_value(value)
        for name, editor in self._editors.items():
            _connect(editor, partial(self._on_edited, name))

    def value(self) -> Settings:
        """Return the settings as they are shown; what nobody edited keeps all its digits."""
        return self._value

    def set_value(self, value: Settings) -> None:
        """Show `value`; nothing is told."""
        self._value = value
        for name, editor in self._editors.items():
            editor.blockSignals(True)
            _write(editor, getattr(value, name))
            editor.blockSignals(False)

    def editor(self, name: str) -> QWidget:
        """Return the widget of one field."""
        return self._editors[name]

    def _on_edited(self, name: str, *_: Any) -> None:
        values = {**self._value.model_dump(), name: _read(self._editors[name])}
        self._value = type(self._value).model_validate(values)
        self.changed.emit(self._value)


def _editor(info: FieldInfo, label: str) -> QWidget:
    low, high = bounds(info)
    if info.annotation is bool:
        return QCheckBox(label)
    if get_origin(info.annotation) is Literal:
        box = QComboBox()
        _fill(box, get_args(info.annotation))
        return box
    low = -1e6 if low is None else low
    high = 1e6 if high is None else high
    spin: QSpinBox | QDoubleSpinBox
    if info.annotation is int:
        spin = QSpinBox()
        spin.setRange(int(low), int(high))
        spin.setSingleStep(10 if high - low > 1000 else 1)
    else:
        spin = DecimalBox()
        spin.setDecimals(2)
        spin.setRange(low, high)
        spin.setSingleStep(0.1)
    spin.setKeyboardTracking(False)
    return spin


def _fill(box: QComboBox, choices: Iterable[str]) -> None:
    for choice in choices:
        box.addItem(choice.replace("_", " "), choice)


def _connect(editor: QWidget, slot: Any) -> None:
    if isinstance(editor, QCheckBox):
        editor.toggled.connect(slot)
    elif isinstance(editor, QComboBox):
        editor.currentIndexChanged.connect(slot)
    elif isinstance(editor, QSpinBox | QDoubleSpinBox):
        editor.valueChanged.connect(slot)


def _read(editor: QWidget) -> Any:
    if isinstance(editor, QCheckBox):
        return editor.isChecked()
    if isinstance(editor, QComboBox):
        return editor.currentData()
    assert isinstance(editor, QSpinBox | QDoubleSpinBox)
    return editor.value()


def _write(editor: QWidget, value: Any) -> None:
    if isinstance(editor, QCheckBox):
        editor.setChecked(value)
    elif isinstance(editor, QComboBox):
        editor.setCurrentIndex(editor.findData(value))
    elif isinstance(editor, QSpinBox | QDoubleSpinBox):
        editor.setValue(value)
