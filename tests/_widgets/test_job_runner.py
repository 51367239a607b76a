"""Jobs of a window: what it is told, how they stop, what is said when they fail."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QObject
from tests._widgets.steps import Gate, iter_of
from tests.waiting import until

from napari_samstar._widgets.job_runner import JobRunner
from napari_samstar._widgets.job_status import JobStatus
from napari_samstar.types import Progress, SamStarError


def test_events_and_the_value_arrive_in_the_thread_of_the_window(
    runner: JobRunner, qtbot: Any
) -> None:
    arrived: list[tuple[int, Any]] = []
    here = threading.get_ident()

    def steps() -> Any:
        for k in range(300):
            yield k
            yield Progress("counting", k, 300)
        return "value"

    runner.start(
        "Counting",
        steps(),
        events=lambda events: arrived.extend((threading.get_ident(), e) for e in events),
        done=lambda value: arrived.append((threading.get_ident(), value)),
    )
    assert runner.busy
    until(qtbot, lambda: not runner.busy)
    assert [event for _, event in arrived] == [*range(300), "value"], "order or events were lost"
    assert {thread for thread, _ in arrived} == {here}


@pytest.mark.parametrize("how", ["stopped", "stopped at the end", "failed"])
def test_nothing_of_a_job_that_is_over_is_held(how: str, qtbot: Any) -> None:
    class Answer:
        pass

    left: list[weakref.ref[Answer]] = []
    begun, go_on = threading.Event(), threading.Event()

    def steps() -> Any:
        answer = Answer()
        left.append(weakref.ref(answer))
        yield Progress("working", 0, 1)
        begun.set()
        go_on.wait(60)
        if how == "failed":
            raise SamStarError("It cannot be done.")
        return answer

    runner = JobRunner(poll_ms=20)
    runner.start("Working", steps())
    threads = [one for one in threading.enumerate() if one.name == "samstar job"]
    assert begun.wait(60)
    if how == "stopped":
        runner.stop()
    go_on.set()
    for thread in threads:
        thread.join()
    if how == "stopped at the end":
        runner.stop()
    until(qtbot, lambda: not runner.busy)
    gc.collect()
    assert left
    assert left[0]() is None


def test_progress_is_told_of_even_where_every_answer_takes_long_to_show(
    runner: JobRunner, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_samstar._widgets.job_runner._LONG", 0.0)
    told: list[JobStatus | None] = []
    runner.status.connect(told.append)

    gate = Gate()

    def steps() -> Any:
        yield "an answer"
        yield from gate.steps()

    runner.start("Counting", steps(), events=lambda events: None)
    until(qtbot, lambda: any(s is not None and s.progress.stage == "decoding" for s in told))
    gate.go.set()
    runner.stop()


def test_stop_closes_the_steps_in_their_own_thread(runner: JobRunner, qtbot: Any) -> None:
    gate, values = Gate(), []
    runner.start("Waiting", gate.steps(), done=values.append)
    statuses: list[JobStatus | None] = []
    runner.status.connect(statuses.append)
    job = runner._running.job
    runner.stop()
    assert (runner.busy, statuses[-1]) == (False, None), "Stop is not answered at once"
    # the next job waits for the end of the step that the stopped one is in
    closed: list[int | None] = []

    def following() -> Any:
        closed.append(gate.closed_in)
        yield Progress("decoding", 0, 1)

    assert runner.start("Following", following())
    assert not job.join(0)
    gate.go.set()
    until(qtbot, lambda: not runner.busy)
    assert closed not in ([None], [threading.get_ident()])
    assert values == []


def test_what_came_before_stop_is_kept(runner: JobRunner) -> None:
    gate, kept = threading.Event(), []

    def steps() -> Any:
        yield "candidate"
        gate.set()
        while True:
            yield Progress("searching", 0, 1)

    runner.start("Searching", steps(), events=kept.extend)
    assert gate.wait(10)
    runner.stop()
    assert kept == ["candidate"]


@pytest.mark.parametrize(
    ("error", "sentence", "logged"),
    [
        (SamStarError("The film is torn: mount another."), "The film is torn", False),
        (MemoryError(), "memory is too small", False),
        (RuntimeError("CUDA out of memory. Tried to allocate 9 GiB"), "memory is too small", False),
        (OSError(28, "No space left on device", "a.tif"), "a.tif: No space left", False),
        (RuntimeError("shape mismatch"), "unexpected", True),
    ],
)
def test_an_error_becomes_one_sentence(
    runner: JobRunner,
    qtbot: Any,
    told: list[str],
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    sentence: str,
    logged: bool,
) -> None:
    def steps() -> Any:
        yield Progress("decoding", 0, 1)
        raise error

    runner.start("Preparing", steps())
    until(qtbot, lambda: not runner.busy)
    assert len(told) == 1
    assert sentence in told[0]
    assert "\n" not in told[0]
    assert bool(caplog.records) is logged
    caplog.clear()


def test_one_job_at_a_time(runner: JobRunner, qtbot: Any, told: list[str]) -> None:
    gate, values = Gate(), []
    runner.start("Preparing film", gate.steps())
    assert not runner.start("Segmenting", iter_of("late"), done=values.append)
    assert "Preparing film is not finished" in told[0]
    runner.stop()
    gate.go.set()
    until(qtbot, lambda: not runner.busy)


def test_the_latest_of_what_is_asked_for_often_wins(runner: JobRunner, qtbot: Any) -> None:
    gate, values, owner = Gate(), [], object()
    runner.start("Drawing", gate.steps(), done=values.append)
    for value in ("dropped", "kept"):
        assert runner.start("Drawing", iter_of(value), done=values.append, replace=True)
    runner.start("Measuring", iter_of("other"), done=values.append, replace=True)
    runner.start("Filling", iter_of("gone"), done=values.append, replace=True, owner=owner)
    runner.forget(owner)
    gate.go.set()
    until(qtbot, lambda: not runner.busy)
    assert values == ["kept", "other"]


def test_the_answer_for_what_is_gone_is_dropped(runner: JobRunner, qtbot: Any) -> None:
    gate, values, owner = Gate(), [], object()
    runner.start("Preparing", gate.steps(), done=values.append, owner=owner)
    runner.forget(object())
    assert runner.busy
    runner.forget(owner)
    gate.go.set()
    until(qtbot, lambda: not runner.busy)
    assert values == []


def test_a_runner_that_goes_stops_its_job(qtbot: Any) -> None:
    gate, parent = Gate(), QObject()
    runner = JobRunner(parent)
    runner.start("Preparing", gate.steps())
    job = runner._running.job
    del runner, parent
    gc.collect()
    assert job.stopping
    gate.go.set()
    job.join()
    assert gate.closed_in is not None


def test_numbers_of_numpy_pass_through(runner: JobRunner, qtbot: Any) -> None:
    values: list[Any] = []
    runner.start("Counting", iter_of(np.arange(3)), done=values.append)
    until(qtbot, lambda: not runner.busy)
    np.testing.assert_array_equal(values[0], [0, 1, 2])


def test_a_job_that_rests_takes_no_step_and_goes_on_or_stops(runner: JobRunner, qtbot: Any) -> None:
    gate = Gate()
    shown: list[JobStatus | None] = []
    runner.status.connect(shown.append)
    runner.start("Searching", gate.steps(), owner=gate)
    assert runner.runs_for(gate, "Searching")
    runner.pause()
    assert runner.paused
    assert shown[-1].progress.stage == "paused"
    gate.go.set()
    job = runner._running.job
    job.join(0.1)
    assert gate.steps_done <= 1, "it went on"
    runner.pause(False)
    until(qtbot, lambda: gate.steps_done > 2)
    runner.pause()
    runner.stop()
    assert not runner.busy
    assert not runner.paused
    assert job.join(10)
    assert gate.closed_in is not None
