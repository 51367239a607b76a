"""Something that is done once a pause is over."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer

__all__ = ["after_pause", "begin"]


def after_pause(parent: QObject, pause_ms: int, slot: Callable[[], None]) -> QTimer:
    """Make a timer that calls `slot` once, `pause_ms` after its last start."""
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(pause_ms)
    timer.timeout.connect(slot)
    return timer


def begin(timer: QTimer) -> None:
    """Start a timer that does not run yet, so that a stream does not put it off for ever."""
    if not timer.isActive():
        timer.start()
