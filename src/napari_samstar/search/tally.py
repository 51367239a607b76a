"""What a search has found so far, and how long the rest will take."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from napari_samstar.search.events import CandidateEvent, GenerationEvent
from napari_samstar.search.hypervolume import Archive
from napari_samstar.search.pareto import Candidate, Front

__all__ = ["Tally"]

E = TypeVar("E")


class Tally:
    """Candidates as they come in, the events they make, and the time they take.

    Parameters
    ----------
    objectives : sequence of str
        Names of the rewards.
    budget : int
        Most candidates.
    journal : Path or None
        For the front to name.
    clock : callable
        Seconds.
    """

    def __init__(
        self,
        objectives: Sequence[str],
        budget: int,
        journal: Path | None,
        clock: Callable[[], float],
    ) -> None:
        self.objectives = tuple(objectives)
        self.budget = budget
        self.journal = journal
        self.candidates: list[Candidate] = []
        self.history: list[tuple[int, float]] = []
        self.finished = ""
        self.unpaid_s = 0.0  # estimated for slow settings still to come
        self._archive = Archive(len(self.objectives))
        self._clock = clock
        self._began = clock()
        self._paused_s = 0.0
        self._aside_s = 0.0  # spent on other things than evaluating
        self._replayed = 0

    def front(self, evaluated: int | None = None) -> Front:
        """Front of all candidates so far, or of the first `evaluated` ones."""
        candidates = tuple(self.candidates[:evaluated])
        return Front(
            objectives=self.objectives,
            evaluated=candidates,
            history=tuple(h for h in self.history if h[0] <= len(candidates)),
            default=candidates[0] if candidates else None,
            finished=self.finished if len(candidates) == len(self.candidates) else "",
            journal=self.journal,
        )

    def add(self, candidate: Candidate, *, replayed: bool = False) -> CandidateEvent:
        """Take in a candidate."""
        self.candidates.append(candidate)
        self._replayed += replayed
        if self._replayed == len(self.candidates):
            self._aside_s = self.elapsed_s  # nothing but the journal so far
        is_on_front = self._archive.add(np.array(candidate.rewards))
        return CandidateEvent(
            candidate=candidate, is_on_front=is_on_front, replayed=replayed, **self._state()
        )

    def end_generation(self, reason_to_stop: Callable[[], str] = lambda: "") -> GenerationEvent:
        """Close a generation; `reason_to_stop` is asked once its hypervolume is known."""
        self.history.append((len(self.candidates), self.hypervolume()))
        self.finished = reason_to_stop()
        generation = len(self.history) - 1
        return GenerationEvent(generation=generation, finished=self.finished, **self._state())

    def hypervolume(self) -> float:
        """Hypervolume of the front so far."""
        return self._archive.hypervolume()

    def paused(self, event: E) -> Generator[E, None, None]:
        """Yield `event`; what is done with it takes none of the search's time."""
        left = self._clock()
        yield event
        self._paused_s += self._clock() - left

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Do what says nothing of how long a candidate takes."""
        began, paused = self._clock(), self._paused_s
        yield
        self._aside_s += self._clock() - began - (self._paused_s - paused)

    @property
    def elapsed_s(self) -> float:
        """Seconds of work so far."""
        return self._clock() - self._began - self._paused_s

    @property
    def eta_s(self) -> float:
        """Seconds of work still to come, by the mean so far and what slow settings cost."""
        fresh = len(self.candidates) - self._replayed
        each = (self.elapsed_s - self._aside_s) / fresh if fresh else 0.0
        return each * (self.budget - len(self.candidates)) + self.unpaid_s

    def _state(self) -> dict[str, Any]:
        evaluated = len(self.candidates)
        return {
            "front_size": len(self._archive),
            "evaluated": evaluated,
            "budget": self.budget,
            "hypervolume": self.history[-1][1] if self.history else 0.0,
            "elapsed_s": self.elapsed_s,
            "eta_s": self.eta_s,
            "front": lambda: self.front(evaluated),
        }
