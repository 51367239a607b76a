"""Full garbage collections: held off while jobs run, as before once none does."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Generator
from typing import Any

from tests.waiting import until

from napari_samstar._widgets.collecting import Collecting
from napari_samstar._widgets.job_runner import JobRunner
from napari_samstar.types import Progress


def test_while_jobs_run_python_makes_no_full_collection(runner: JobRunner, qtbot: Any) -> None:
    usual = gc.get_threshold()
    seen: list[int] = []

    def steps() -> Generator[Progress, None, None]:
        seen.append(gc.get_threshold()[2])
        yield Progress("working", 0, 1)

    with Collecting().held_off():
        runner.start("Working", steps())
        until(qtbot, lambda: not runner.busy)
        assert gc.get_threshold() != usual, "one of two has ended"
    assert seen[0] > 100 * usual[2]
    until(qtbot, lambda: gc.get_threshold() == usual)


def test_what_is_set_aside_is_let_go_and_set_aside_anew() -> None:
    first, second = Collecting(), Collecting()
    with first.held_off():
        pass
    assert gc.get_freeze_count()
    second.let_go()
    assert not gc.get_freeze_count()
    with first.held_off(), second.held_off():
        assert not gc.get_freeze_count(), "one still runs"
    assert gc.get_freeze_count()
    first.let_go()


def test_what_a_job_leaves_after_its_viewer_was_closed_is_collected() -> None:
    class Left:
        pass

    viewer = Collecting()
    with viewer.held_off():
        one = Left()
        one.itself = one  # type: ignore[attr-defined]
        left = weakref.ref(one)
        del one
        viewer.let_go()
    gc.collect()
    assert left() is None


def test_a_threshold_that_somebody_sets_meanwhile_stays() -> None:
    usual = gc.get_threshold()
    try:
        with Collecting().held_off():
            gc.set_threshold(500, 5, 5)
        assert gc.get_threshold() == (500, 5, 5)
    finally:
        gc.set_threshold(*usual)
