"""The bar of a running job, in words."""

from __future__ import annotations

from typing import Any

import pytest

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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "about 1 s"), (43, "about 45 s"), (200, "about 3 min"), (6000, "about 1.7 h")],
)
def test_times_are_said_as_one_would(seconds: float, text: str) -> None:
    assert duration(seconds) == text
