"""The bar of a running job, in words."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication

from napari_samstar._widgets.job_bar import JobBar, duration
from napari_samstar._widgets.job_runner import JobRunner
from napari_samstar._widgets.job_status import JobStatus
from napari_samstar.types import Progress


def test_the_bar_says_what_is_done_and_for_how_long(runner: JobRunner, qtbot: Any) -> None:
    bar = JobBar(runner)
    qtbot.addWidget(bar)
    assert bar.isHidden()
    runner.status.emit(JobStatus("Preparing film", Progress("decoding", 2, 10), 33.0))
    assert not bar.isHidden()
    assert "Preparing film: decoding" in bar._label.text()
    assert "about 35 s left" in bar._label.text()
    assert (bar._bar.value(), bar._bar.maximum()) == (2, 10)
    runner.status.emit(None)
    assert bar.isHidden()


class Drawn(QObject):
    """Counts how often a widget is drawn."""

    def __init__(self, widget: Any) -> None:
        super().__init__(widget)
        self.times = 0
        widget.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        self.times += event.type() == QEvent.Type.Paint
        return False


def test_the_bar_is_drawn_with_the_rest_of_the_window(runner: JobRunner, qtbot: Any) -> None:
    bar = JobBar(runner)
    qtbot.addWidget(bar)
    runner.status.emit(JobStatus("Preparing film", Progress("decoding", 2, 10), 33.0))
    with qtbot.waitExposed(bar):
        bar.show()
    QApplication.processEvents()
    drawn = Drawn(bar._bar)
    runner.status.emit(JobStatus("Preparing film", Progress("decoding", 7, 10), 9.0))
    assert drawn.times == 0, "drawn by itself, and everything with it"
    QApplication.processEvents()
    assert drawn.times > 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "about 1 s"), (43, "about 45 s"), (200, "about 3 min"), (6000, "about 1.7 h")],
)
def test_times_are_said_as_one_would(seconds: float, text: str) -> None:
    assert duration(seconds) == text
