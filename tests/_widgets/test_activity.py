"""The bar of a job among napari's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from napari.utils import progress as napari_progress
from tests.waiting import until

from napari_samstar._widgets.activity import Activity
from napari_samstar._widgets.job_runner import JobRunner
from napari_samstar._widgets.job_status import JobProgress


@pytest.fixture
def activity() -> Iterator[Activity]:
    activity = Activity()
    yield activity
    activity.end()


def shown() -> list[str]:
    return [bar.desc for bar in napari_progress._all_instances]


def test_a_job_gets_a_bar_after_a_moment_and_loses_it_at_its_end(activity: Activity) -> None:
    status = JobProgress("Search").status(0.0)
    activity.begin("Search", 10.0)
    activity.show(status, 10.1)
    assert shown() == []
    activity.show(status, 10.6)
    assert len(shown()) == 1
    activity.end()
    assert shown() == []


def test_a_job_that_is_over_at_once_never_gets_a_bar(activity: Activity) -> None:
    status = JobProgress("Sort").status(0.0)
    activity.begin("Sort", 10.0)
    activity.end()
    activity.show(status, 11.0)
    assert shown() == []


def test_a_long_step_that_tells_nothing_gets_a_bar_too(runner: JobRunner, qtbot: Any) -> None:
    go_on = threading.Event()

    def steps() -> Any:
        go_on.wait(600)
        yield 1

    runner.start("Encode", steps())
    try:
        until(qtbot, lambda: len(shown()) == 1)
    finally:
        go_on.set()
    until(qtbot, lambda: not runner.busy)
    assert shown() == []
