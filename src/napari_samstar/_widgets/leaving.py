"""What is still open when Python ends goes before Qt does."""

from __future__ import annotations

import atexit
import weakref

from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QWidget

__all__ = ["delete_at_exit"]


def delete_at_exit(widget: QWidget) -> None:
    """Delete a widget at the end of Python, where nothing deleted it before.

    Somebody may leave IPython or end a script while napari is open. PyQt then deletes what is left
    while it walks through the list of it, which crashes where an event filter written in Python is
    called and so makes the list longer. What is registered here comes before that.
    """
    held = weakref.ref(widget)

    def delete() -> None:
        left = held()
        if left is not None:
            left.deleteLater()
            QCoreApplication.sendPostedEvents(left, QEvent.Type.DeferredDelete.value)

    atexit.register(delete)
    widget.destroyed.connect(lambda: atexit.unregister(delete))
