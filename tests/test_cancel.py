"""A search stopped at fifty moments: what is left behind, and what was found."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import numpy as np
import pytest

import napari_samstar as ss
from napari_samstar import synth
from napari_samstar.pipeline import SelectionFront, optimize_steps
from napari_samstar.search.journal import read_journal

BUDGET = 90
SEARCH = ss.SearchSettings(budget=BUDGET, population=8, patience=0, seed=2)
CANCELS = 50


@pytest.fixture(scope="module")
def table() -> tuple[ss.Micrograph, ss.Proposals]:
    """A small image and its regions."""
    scene = synth.generate("particles_tem", (96, 96), seed=4)
    micrograph = ss.Micrograph((scene.image * 255).astype(np.float32))
    return micrograph, ss.propose(micrograph)


class Job(threading.Thread):
    """Drives a search as a window does: the flag is looked at between two steps."""

    def __init__(self, steps, stop_after: int) -> None:
        super().__init__()
        self.steps = steps
        self.stop_after = stop_after
        self.stop = threading.Event()
        self.front: SelectionFront | None = None

    def run(self) -> None:
        for count, event in enumerate(self.steps):
            self.front = event.front()
            if count == self.stop_after:
                self.stop.set()
            if self.stop.is_set():
                self.steps.close()
                return


def test_fifty_cancels_leave_the_front_and_nothing_else(table: tuple, tmp_path: Path) -> None:
    micrograph, proposals = table
    whole = ss.optimize(proposals, micrograph, search=SEARCH)
    chance = random.Random(7)
    before = threading.active_count()
    canceled = 0
    for turn in range(CANCELS):
        path = tmp_path / f"{turn % 5}.jsonl"  # most go on where another was canceled
        steps = optimize_steps(proposals, micrograph, search=SEARCH, journal=path)
        job = Job(steps, chance.randrange(BUDGET))
        job.start()
        job.join()
        canceled += job.stop.is_set()
        front = job.front
        assert front is not None
        # what was found so far can be used at once
        done = len(front.evaluated)
        assert front.evaluated == whole.evaluated[:done]
        assert len(front.selection(front.preferred())) >= 0
        # and nothing stays behind but a journal that is whole
        assert threading.active_count() == before
        assert list(tmp_path.glob("*.lock")) == []
        recorded = read_journal(path)[1]
        assert path.read_bytes().endswith(b"\n")
        assert [c.rewards for c in recorded] == [
            c.rewards for c in whole.evaluated[: len(recorded)]
        ]
        assert len(recorded) >= done
    assert canceled == CANCELS
    for path in tmp_path.glob("*.jsonl"):
        rest = ss.optimize(proposals, micrograph, search=SEARCH, journal=path)
        assert rest.evaluated == whole.evaluated
        assert rest.history == whole.history
