"""One search: candidates asked for, evaluated, recorded, and told, one event each."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.search.hypervolume import Archive
from napari_samstar.search.journal import Journal, open_journal
from napari_samstar.search.pareto import Candidate, Front
from napari_samstar.search.samplers import Batches, sampler
from napari_samstar.search.space import Space, distinct
from napari_samstar.settings import SearchSettings
from napari_samstar.types import SamStarError

__all__ = ["CandidateEvent", "Evaluate", "GenerationEvent", "Study", "study_steps"]

Evaluate = Callable[[Mapping[str, Any]], Sequence[float] | NDArray[Any]]

_ROUNDING = 1e-6  # rewards this little outside 0 to 1 are rounding errors of a float32
_MOST_REPETITIONS = 10_000  # asked in a row without anything new: there is nothing new


@dataclass(frozen=True)
class CandidateEvent:
    """One candidate was evaluated.

    Parameters
    ----------
    candidate : Candidate
        Genes and rewards.
    is_on_front : bool
        Whether nothing so far beats it.
    front_size, evaluated, budget : int
        Candidates on the front, in all, and at most.
    hypervolume : float
        After the last full generation.
    elapsed_s, eta_s : float
        Seconds spent in this search so far, pauses not counted, and expected for the rest.
    replayed : bool
        Taken from the journal, not evaluated again.
    front : callable
        The front as it stood after this candidate.
    """

    candidate: Candidate
    is_on_front: bool
    front_size: int
    evaluated: int
    budget: int
    hypervolume: float
    elapsed_s: float
    eta_s: float
    replayed: bool = False
    front: Callable[[], Front] = field(default=lambda: Front((), ()), repr=False, compare=False)


@dataclass(frozen=True)
class GenerationEvent:
    """One generation is complete.

    Parameters
    ----------
    generation : int
        From 0.
    front_size, evaluated, budget : int
        As in `CandidateEvent`.
    hypervolume : float
        Of the front, see `hypervolume`.
    elapsed_s, eta_s : float
        As in `CandidateEvent`.
    finished : str
        Why the search ends here, in a plain sentence; empty where it goes on.
    front : callable
        The front as it stands.
    """

    generation: int
    front_size: int
    evaluated: int
    budget: int
    hypervolume: float
    elapsed_s: float
    eta_s: float
    finished: str = ""
    front: Callable[[], Front] = field(default=lambda: Front((), ()), repr=False, compare=False)


Event = CandidateEvent | GenerationEvent


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
        left, exactly as if it had not been interrupted.
    context : str
        Whatever else the rewards depend on, e.g. a hash of image, model and prior; a journal with
        another context is refused.
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
        self.space = space
        self.settings = settings or SearchSettings()
        self.objectives = tuple(objectives)
        if not self.objectives:
            raise SamStarError("A search needs at least one reward: enable one.")
        self.seeds = distinct(space, [space.defaults, *seeds])
        self.journal = None if journal is None else Path(journal)
        self.context = context
        self.candidates: list[Candidate] = []
        self.history: list[tuple[int, float]] = []
        self.finished = ""
        self._archive = Archive(len(self.objectives))
        self._known: dict[Hashable, Candidate] = {}
        self._log: Journal | None = None
        self._replayed, self._replayed_s = 0, 0.0
        self._watch = _Watch(clock)

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

    def steps(self, evaluate: Evaluate) -> Generator[Event, None, Front]:
        """Search; to pause, ask for no next event; to cancel, close the generator.

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
            If the journal belongs to another search or another process writes to it, or if a
            reward is no number from 0 to 1.
        """
        if self.candidates:
            raise RuntimeError("A study runs once; make another, with the same journal to go on.")
        self._watch.resume()
        with contextlib.ExitStack() as stack:
            if self.journal is not None:
                self._log = stack.enter_context(open_journal(self.journal, self._identity()))
                stack.callback(setattr, self, "_log", None)
            yield from self._search(evaluate)
        return self.front()

    def _search(self, evaluate: Evaluate) -> Generator[Event, None, None]:
        batches = sampler(self.space, self.seeds, self.settings, len(self.objectives))
        batch = next(batches, None)
        repetitions = 0
        while batch is not None and not self.finished:
            rewards = []
            for genes in batch:
                candidate = self._known.get(self.space.key(genes))
                if candidate is not None:
                    repetitions += 1
                elif len(self.candidates) == self.settings.budget:
                    break
                else:
                    repetitions = 0
                    candidate = self._recorded(genes) or self._evaluated(genes, evaluate)
                    yield from self._paused(self._candidate_event(candidate))
                rewards.append(candidate.rewards)
            self.history.append((len(self.candidates), self._archive.hypervolume()))
            self.finished = self._reason_to_stop(repetitions)
            if self._log is not None:
                self._log.sync()
            yield from self._paused(self._generation_event())
            if not self.finished:
                batch = _send(batches, np.array(rewards, np.float64))
        self.finished = self.finished or "Nothing new is left to try."

    def _paused(self, event: Event) -> Generator[Event, None, None]:
        self._watch.pause()
        yield event
        self._watch.resume()

    def _recorded(self, genes: Mapping[str, Any]) -> Candidate | None:
        """Next candidate of the journal, if it holds more."""
        index = len(self.candidates)
        if self._log is None or index >= len(self._log.recorded):
            return None
        recorded = self._log.recorded[index]
        key = self.space.key(genes)
        if self.space.key(self.space.complete(recorded.genes)) != key:
            raise SamStarError(
                f"Candidate {index} in {self.journal} is not the one that this search tries: it "
                "was recorded with other versions of the software; give another file name."
            )
        self._replayed, self._replayed_s = index + 1, self._watch.seconds
        return self._keep(key, replace(recorded, genes=dict(genes)))

    def _evaluated(self, genes: Mapping[str, Any], evaluate: Evaluate) -> Candidate:
        error = ""
        try:
            rewards = evaluate(genes)
        except SamStarError as err:
            rewards, error = np.zeros(len(self.objectives)), str(err)
        candidate = Candidate(
            index=len(self.candidates),
            genes=dict(genes),
            rewards=self._checked(rewards),
            generation=len(self.history),
            error=error,
        )
        if self._log is not None:
            self._log.append(candidate)
        return self._keep(self.space.key(genes), candidate)

    def _keep(self, key: Hashable, candidate: Candidate) -> Candidate:
        self.candidates.append(candidate)
        self._known[key] = candidate
        return candidate

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

    def _reason_to_stop(self, repetitions: int) -> str:
        settings, done = self.settings, len(self.candidates)
        if done >= settings.budget:
            return f"All {done} candidates were tried."
        if repetitions > _MOST_REPETITIONS:
            return "Nothing new is left to try."
        volumes = [volume for _, volume in self.history[-settings.patience - 1 :]]
        may_stop = 0 < settings.patience < len(volumes) and done >= settings.budget / 2
        if may_stop and volumes[-1] - volumes[0] <= settings.tolerance * volumes[0]:
            return f"The last {settings.patience} generations found hardly anything better."
        return ""

    def _candidate_event(self, candidate: Candidate) -> CandidateEvent:
        is_on_front = self._archive.add(np.array(candidate.rewards))
        return CandidateEvent(
            candidate=candidate,
            is_on_front=is_on_front,
            replayed=len(self.candidates) == self._replayed,
            **self._state(),
        )

    def _generation_event(self) -> GenerationEvent:
        return GenerationEvent(
            generation=len(self.history) - 1, finished=self.finished, **self._state()
        )

    def _state(self) -> dict[str, Any]:
        evaluated, elapsed = len(self.candidates), self._watch.seconds
        fresh = evaluated - self._replayed
        each = (elapsed - self._replayed_s) / fresh if fresh else 0.0
        return {
            "front_size": len(self._archive),
            "evaluated": evaluated,
            "budget": self.settings.budget,
            "hypervolume": self.history[-1][1] if self.history else 0.0,
            "elapsed_s": elapsed,
            "eta_s": each * (self.settings.budget - evaluated),
            "front": lambda: self.front(evaluated),
        }


class _Watch:
    """Seconds that the search itself took; what its caller does between events is not counted."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._total = 0.0
        self._since: float | None = None

    def resume(self) -> None:
        self._since = self._clock()

    def pause(self) -> None:
        self._total, self._since = self.seconds, None

    @property
    def seconds(self) -> float:
        return self._total + (0.0 if self._since is None else self._clock() - self._since)


def _send(batches: Batches, rewards: NDArray[np.float64]) -> list[dict[str, Any]] | None:
    try:
        return batches.send(rewards)
    except StopIteration:
        return None
