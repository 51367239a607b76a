"""What is still open when Python ends goes before Qt does."""

from __future__ import annotations

import atexit
import weakref
from contextlib import suppress

from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QWidget

__all__ = ["delete_at_exit"]


def delete_at_exit(widget: QWidget) -> None:
    """Delete a widget at the end of Python, where nothing deleted it before.

    Somebody may leave IPython or end a script while napari is open. PyQt then deletes what is left
    while it walks through the list of it, which crashes where an event filter written in Python is
    called and so makes the list longer. What is registered here comes before that.

    Nothing is connected to the widget: a page that Python collects before Qt deletes it would
    call a function that is cleared already, which crashes.
    """

    def delete() -> None:
        left = held()
        with suppress(RuntimeError):  # deleted by Qt, and still held by somebody
            if left is not None:
                left.deleteLater()
                QCoreApplication.sendPostedEvents(left, QEvent.Type.DeferredDelete.value)

    held = weakref.ref(widget, lambda _: atexit.unregister(delete))
    atexit.register(delete)
