"""What a search tells while it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from napari_samstar.search.pareto import Candidate, Front

__all__ = ["CandidateEvent", "GenerationEvent", "SettingEvent"]


def _nothing() -> Front:
    return Front((), ())


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
    front: Callable[[], Front] = field(default=_nothing, repr=False, compare=False)


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
    front: Callable[[], Front] = field(default=_nothing, repr=False, compare=False)


@dataclass(frozen=True)
class SettingEvent:
    """A slow setting is about to be paid for, or proved impossible.

    Parameters
    ----------
    genes : mapping
        The slow genes.
    cost_s : float
        Seconds that it is estimated to take before its first candidate.
    number, planned : int
        Which of the slow settings this is, from 1, and how many there will be.
    eta_s : float
        Seconds expected for the whole rest of the search, this setting included.
    error : str
        Why it had to be left out.
    """

    genes: Mapping[str, Any]
    cost_s: float
    number: int
    planned: int
    eta_s: float
    error: str = ""
