"""Colors of napari's theme."""

from __future__ import annotations

from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy.QtGui import QColor

__all__ = ["accent"]


def accent() -> QColor:
    """Return the color in which the theme shows what is current."""
    return QColor(get_theme(get_settings().appearance.theme).current.as_hex())
