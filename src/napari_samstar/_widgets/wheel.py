"""The mouse wheel scrolls a page; only a control that has the focus takes it for itself."""

from __future__ import annotations

from qtpy.QtCore import QChildEvent, QEvent, QObject, Qt
from qtpy.QtWidgets import QAbstractSlider, QAbstractSpinBox, QComboBox, QScrollBar, QWidget

__all__ = ["CalmWheel"]


class CalmWheel(QObject):
    """Lets the wheel pass over the sliders, lists and numbers of a page, later ones, too.

    Parameters
    ----------
    page : QWidget
        Whose controls; it keeps this.
    """

    def __init__(self, page: QWidget) -> None:
        super().__init__(page)
        self._watch(page)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Leave the wheel to the page, and look at what is added to it."""
        if isinstance(event, QChildEvent):
            # polished: made in full, and all in it, before it is first seen
            child = event.child()
            if event.type() == QEvent.Type.ChildPolished and isinstance(child, QWidget):
                self._watch(child)
            return False
        if event is None or event.type() != QEvent.Type.Wheel or not _is_control(watched):
            return False
        if isinstance(watched, QWidget) and watched.hasFocus():
            return False
        event.ignore()  # what lies around it is asked next
        return True

    def _watch(self, widget: QWidget) -> None:
        for part in (widget, *widget.findChildren(QWidget)):
            if _is_control(part):
                if part.focusPolicy() == Qt.FocusPolicy.WheelFocus:
                    part.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
                part.installEventFilter(self)
            elif part.layout() is not None:  # others may be added to it
                part.installEventFilter(self)


def _is_control(widget: QObject | None) -> bool:
    kinds = QAbstractSlider | QAbstractSpinBox | QComboBox
    return isinstance(widget, kinds) and not isinstance(widget, QScrollBar)
