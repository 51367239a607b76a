"""One search: candidates asked for, evaluated, recorded, and told, one event each."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.search.events import CandidateEvent, GenerationEvent
from napari_samstar.search.journal import Journal, open_journal
from napari_samstar.search.pareto import Candidate, Front
from napari_samstar.search.samplers import Batches, sampler
from napari_samstar.search.space import Space, distinct
from napari_samstar.search.tally import Tally
from napari_samstar.settings import SearchSettings
from napari_samstar.types import SamStarError

__all__ = ["CandidateEvent", "Evaluate", "GenerationEvent", "Study", "study_steps"]

#: Genes to rewards, (M,), each 0 to 1.
Evaluate = Callable[[Mapping[str, Any]], Sequence[float] | NDArray[Any]]
Event = CandidateEvent | GenerationEvent

_ROUNDING = 1e-6  # rewards this little outside 0 to 1 are rounding errors of a float32
_MOST_REPETITIONS = 10_000  # asked in a row without anything new: there is nothing new


def study_steps(
    space: Space,
    evaluate: Evaluate,
    settings: SearchSettings | None = None,
    *,
    objectives: Sequence[str],
    seeds: Sequence[Mapping[str, Any]] = (),
    journal: str | Path | None = None,
    context: str = "",
) -> Generator[Event, None, Front]:
    """Search `space` for the best rewards, one candidate a step; see `Study`."""
    study = Study(
        space, settings, objectives=objectives, seeds=seeds, journal=journal, context=context
    )
    return study.steps(evaluate)


class Study:
    """One search over a space, with what it has found so far.

    Parameters
    ----------
    space : Space
        What may vary.
    settings : SearchSettings, optional
        Method, budget, seed, when to stop.
    objectives : sequence of str
        Names of the rewards, in the order in which `evaluate` gives them.
    seeds : sequence of mapping
        Settings worth trying, complete or in part; evaluated first, right after the defaults.
    journal : path, optional
        Where to record every candidate. If the file is there, the search goes on where it was
        left, exactly as if it had not been interrupted; a larger budget makes it longer.
    context : str
        Whatever else the rewards depend on, e.g. a hash of image, model and prior; a journal with
        another context is refused.
    clock : callable
        Seconds; for tests.
    """

    def __init__(
        self,
        space: Space,
        settings: SearchSettings | None = None,
        *,
        objectives: Sequence[str],
        seeds: Sequence[Mapping[str, Any]] = (),
        journal: str | Path | None = None,
        context: str = "",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not objectives:
            raise SamStarError("A search needs at least one reward: enable one.")
        self.space = space
        self.settings = settings or SearchSettings()
        self.objectives = tuple(objectives)
        self.seeds = distinct(space, [space.defaults, *seeds])
        self.journal = None if journal is None else Path(journal)
        self.context = context
        self.tally = Tally(self.objectives, self.settings.budget, self.journal, clock)
        self._clock = clock
        self._known: dict[Hashable, Candidate] = {}

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All candidates so far, in the order of evaluation."""
        return tuple(self.tally.candidates)

    def front(self) -> Front:
        """Return what was found so far, also after the search was canceled."""
        return self.tally.front()

    def steps(self, evaluate: Evaluate) -> Generator[Event, None, Front]:
        """Search, once; to pause, ask for no next event; to cancel, close the generator.

        Parameters
        ----------
        evaluate : callable
            Genes to rewards, (M,), each 0 to 1. Where it raises `SamStarError`, the candidate gets
            the worst rewards and the reason is recorded.

        Yields
        ------
        CandidateEvent or GenerationEvent
            After each candidate and each generation.

        Returns
        -------
        Front
            What was found.

        Raises
        ------
        SamStarError
            If the journal belongs to another search or another process writes to it, if a reward
            is no number from 0 to 1, or if no candidate of the first generation could be evaluated.
        """
        if self.tally.candidates:
            raise RuntimeError("A study runs once; make another, with the same journal to go on.")
        self.tally = Tally(self.objectives, self.settings.budget, self.journal, self._clock)
        with contextlib.ExitStack() as stack:
            journal = None
            if self.journal is not None:
                journal = stack.enter_context(open_journal(self.journal, self._identity()))
            yield from self._search(evaluate, journal)
        return self.front()

    def _search(self, evaluate: Evaluate, journal: Journal | None) -> Generator[Event, None, None]:
        tally = self.tally
        batches = sampler(self.space, self.seeds, self.settings, len(self.objectives))
        batch = next(batches, None)
        repetitions = 0
        while batch is not None and not tally.finished:
            rewards = []
            for genes in batch:
                key = self.space.key(genes)
                if key in self._known:
                    repetitions += 1
                elif len(tally.candidates) == self.settings.budget:
                    break
                else:
                    repetitions = 0
                    event = self._candidate(genes, evaluate, journal)
                    self._known[key] = event.candidate
                    yield from tally.paused(event)
                rewards.append(self._known[key].rewards)
            if all(candidate.error for candidate in tally.candidates):
                reason = tally.candidates[0].error
                raise SamStarError(f"No candidate of this search could be evaluated: {reason}")
            exhausted = repetitions > _MOST_REPETITIONS
            ended = tally.end_generation(partial(self._reason_to_stop, exhausted))
            yield from tally.paused(ended)
            if not tally.finished:
                batch = _send(batches, np.array(rewards, np.float64))
        tally.finished = tally.finished or _EXHAUSTED

    def _candidate(
        self, genes: Mapping[str, Any], evaluate: Evaluate, journal: Journal | None
    ) -> CandidateEvent:
        """Evaluate, or find in the journal."""
        index = len(self.tally.candidates)
        if journal is not None and index < len(journal.recorded):
            recorded = journal.recorded[index]
            if self.space.complete(recorded.genes) != genes:
                raise SamStarError(
                    f"Candidate {index} in {journal.path} is not the one that this search tries: "
                    "it was recorded with other versions of the software; give another file name."
                )
            return self.tally.add(replace(recorded, genes=genes), replayed=True)
        error = ""
        try:
            rewards = evaluate(genes)
        except SamStarError as err:
            rewards, error = np.zeros(len(self.objectives)), str(err)
        candidate = Candidate(
            index=index,
            genes=genes,
            rewards=self._checked(rewards),
            generation=len(self.tally.history),
            error=error,
        )
        if journal is not None:
            journal.append(candidate)
        return self.tally.add(candidate)

    def _checked(self, rewards: Sequence[float] | NDArray[Any]) -> tuple[float, ...]:
        """Refuse what would poison every comparison after it."""
        values = np.asarray(rewards, np.float64)
        if values.shape != (len(self.objectives),):
            raise ValueError(f"{len(self.objectives)} rewards are expected, not {values.shape}.")
        for name, value in zip(self.objectives, values, strict=True):
            if not -_ROUNDING <= value <= 1 + _ROUNDING:
                raise SamStarError(
                    f"The reward {name} gave {value:g}, but rewards are numbers from 0 to 1: mend "
                    "or disable it."
                )
        return tuple(np.clip(values, 0.0, 1.0).tolist())

    def _reason_to_stop(self, exhausted: bool) -> str:
        settings, done = self.settings, len(self.tally.candidates)
        if done >= settings.budget:
            return f"All {done} candidates were tried."
        if exhausted:
            return _EXHAUSTED
        volumes = [volume for _, volume in self.tally.history[-settings.patience - 1 :]]
        # a search may seem stuck early and yet find its way, so half the budget is always spent
        may_stop = 0 < settings.patience < len(volumes) and done >= settings.budget / 2
        if may_stop and volumes[-1] - volumes[0] <= settings.tolerance * volumes[0]:
            return f"The last {settings.patience} generations found hardly anything better."
        return ""

    def _identity(self) -> dict[str, Any]:
        """Say what makes this search the same as another; a larger budget only goes on with it."""
        settings = self.settings.model_dump(mode="json")
        named = ["method", "seed", "population"]
        named += ["budget", "grid"] if self.settings.method == "grid" else []
        return {
            **{name: settings[name] for name in named},
            "objectives": self.objectives,
            "seeds": self.seeds,
            "parameters": {"names": self.space.names, "content": self.space.content},
            "context": self.context,
        }


_EXHAUSTED = "Nothing new is left to try."


def _send(batches: Batches, rewards: NDArray[np.float64]) -> list[dict[str, Any]] | None:
    try:
        return batches.send(rewards)
    except StopIteration:
        return None
