"""One job in its thread: what it tells, how it rests and ends; no window."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from tests._widgets.monkey import memory
from tests._widgets.steps import Gate, iter_of

from napari_samstar._widgets import job as job_module
from napari_samstar._widgets.job import Job
from napari_samstar._widgets.memory import _glibc, give_back
from napari_samstar.types import Progress


def test_progress_that_nobody_looked_at_is_not_kept() -> None:
    job = Job(Progress("decoding", k, 5) for k in range(5))
    job.start()
    job.join()
    (newest,) = job.take()
    assert newest.done == 4


def test_what_steps_give_or_raise_is_the_outcome() -> None:
    def fail() -> Any:
        yield Progress("decoding", 0, 1)
        raise RuntimeError("shape mismatch")

    good, bad = Job(iter_of(7)), Job(fail())
    for job in (good, bad):
        assert job.outcome is None
        job.start()
        assert job.join(30)
    assert good.outcome == ("done", 7)
    how, error = bad.outcome or ("", None)
    assert how == "failed"
    assert str(error) == "shape mismatch"


def test_a_job_stops_between_two_steps_and_closes_them_in_its_thread() -> None:
    gate = Gate()
    job = Job(gate.steps())
    job.start()
    job.stop()
    gate.go.set()
    assert job.join(30)
    assert job.stopping
    assert job.outcome == ("stopped", None)
    assert gate.closed_in != threading.get_ident()
    assert gate.steps_done <= 1


@pytest.mark.skipif(_glibc("malloc_trim") is None, reason="other C libraries give it back alone")
def test_a_long_job_gives_its_memory_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "_LONG_S", 0.0)
    kept: list[Any] = []
    used: list[float] = []

    def steps() -> Any:
        blocks = [np.ones(100_000, np.uint8) for _ in range(2000)]
        kept.extend(blocks[::20])  # between them it is full of holes
        used.append(memory())
        del blocks
        yield Progress("decoding", 0, 1)

    give_back()  # what other tests left would be used again
    before = memory()
    job = Job(steps())
    job.start()
    assert job.join(30)
    assert used[0] - before > 150
    assert memory() - before < 50
