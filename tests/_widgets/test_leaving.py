"""Pages that are open when Python ends, and those that were gone before."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from qtpy.QtWidgets import QWidget

from napari_samstar._widgets.leaving import delete_at_exit


def test_a_page_that_is_collected_before_qt_deletes_it_is_never_called_back(qtbot: Any) -> None:
    page = QWidget()
    delete_at_exit(page)
    meta = page.metaObject()
    end = meta.method(meta.indexOfSignal("destroyed(QObject*)"))
    assert end.isValid()
    assert not page.isSignalConnected(end), "it would call what is cleared already"
    page.deleteLater()


HELD = """
from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QApplication, QWidget
from napari_samstar._widgets.leaving import delete_at_exit
app = QApplication([])
held = QWidget()
delete_at_exit(held)
held.deleteLater()
QCoreApplication.sendPostedEvents(held, QEvent.Type.DeferredDelete.value)
"""


def test_a_page_that_qt_deleted_may_be_held_to_the_end(qapp: Any) -> None:
    found = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, timeout=60)
    assert (found.returncode, found.stderr) == (0, "")
