"""The Pareto front and how one point is chosen on it; importances never enter the search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.types import SamStarError

__all__ = ["Candidate", "Front", "non_dominated"]

# rewards that differ less than this over the whole front are not stretched to the full range:
# nobody prefers a candidate for the last hundredth of one reward
_LEAST_RANGE = 0.05
_AUGMENTATION = (
    0.5  # share of the sum in the achievement function: losses in several objectives add
)


@dataclass(frozen=True)
class Candidate:
    """One setting of the genes and how good it proved.

    Parameters
    ----------
    index : int
        Place in the order of evaluation, from 0.
    genes : mapping
        Name to value.
    rewards : tuple of float
        One for each objective, 0 to 1, more is better.
    generation : int
        From 0.
    error : str
        Why it could not be evaluated; then all rewards are 0.
    """

    index: int
    genes: Mapping[str, Any]
    rewards: tuple[float, ...]
    generation: int = 0
    error: str = ""


def non_dominated(rewards: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Rows that no other row equals or beats in everything; of equal rows, the first.

    Parameters
    ----------
    rewards : (N, M) float
        More is better.

    Returns
    -------
    (N,) bool
        Rows on the Pareto front.
    """
    rewards = np.asarray(rewards, np.float64)
    on_front = np.zeros(len(rewards), bool)
    # whatever beats a row comes before it: its sum is larger, or equal but for rounding, and then
    # its columns are
    columns = [-rewards[:, m] for m in range(rewards.shape[1])]
    left = np.lexsort([*columns[::-1], -rewards.sum(axis=1)])
    while left.size:
        best = left[0]
        on_front[best] = True
        left = left[(rewards[left] > rewards[best]).any(axis=1)]
    return on_front


@dataclass(frozen=True)
class Front:
    """What a search found.

    Parameters
    ----------
    objectives : tuple of str
        Names of the rewards.
    evaluated : tuple of Candidate
        All candidates, in the order of evaluation.
    history : tuple of (int, float)
        After each generation: candidates evaluated, and hypervolume (see `hypervolume`).
    default : Candidate or None
        The candidate with the default parameters.
    finished : str
        Why the search ended, in a plain sentence; empty while it goes on or where it was canceled.
    journal : Path or None
        Where the candidates are recorded.
    """

    objectives: tuple[str, ...]
    evaluated: tuple[Candidate, ...] = field(repr=False)
    history: tuple[tuple[int, float], ...] = field(default=(), repr=False)
    default: Candidate | None = None
    finished: str = ""
    journal: Path | None = None

    def __len__(self) -> int:
        return len(self.candidates)

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """Candidates that no other beats in everything, in the order of evaluation."""
        if not self.evaluated:
            return ()
        mask = non_dominated(np.array([c.rewards for c in self.evaluated], np.float64))
        return tuple(c for c, on_front in zip(self.evaluated, mask, strict=True) if on_front)

    @cached_property
    def rewards(self) -> NDArray[np.float64]:
        """Rewards of `candidates`, (N, M)."""
        shape = (len(self.candidates), len(self.objectives))
        return np.array([c.rewards for c in self.candidates], np.float64).reshape(shape)

    @cached_property
    def _lost(self) -> NDArray[np.float64]:
        """Distance to the best of each objective, (N, M), as a share of its range on the front."""
        best, worst = self.rewards.max(axis=0), self.rewards.min(axis=0)
        return np.asarray((best - self.rewards) / np.maximum(best - worst, _LEAST_RANGE))

    def preferred(
        self, importances: Mapping[str, float] | Sequence[float] | None = None
    ) -> Candidate:
        """Choose the candidate that gives up least of what matters; nothing is evaluated.

        Minimizes the augmented achievement function max_m(w_m d_m) + 0.5 sum_m(w_m d_m), where
        d_m is what a candidate lacks in objective m to the best on the front, as a share of the
        objective's range on the front, and w_m its importance.

        Parameters
        ----------
        importances : mapping or sequence of float, optional
            Importance of each objective, 0 or more; 0 ignores it. In a mapping, objectives left
            out count 1. All alike by default.

        Returns
        -------
        Candidate
            On the front. Of equals, the one with the best mean reward, then the first.

        Raises
        ------
        SamStarError
            If the front is empty, an importance negative, or a name unknown.

        References
        ----------
        A. P. Wierzbicki, "The use of reference objectives in multiobjective optimization",
        Springer LNEMS 177, 468-486 (1980).
        """
        self._must_hold_candidates()
        return self._least(self._given_up(importances))

    def ranked(
        self, importances: Mapping[str, float] | Sequence[float] | None = None
    ) -> tuple[Candidate, ...]:
        """All candidates on the front by what they give up, as in `preferred`, the least first."""
        self._must_hold_candidates()
        order = np.argsort(self._given_up(importances), kind="stable")
        best = self.preferred(importances)
        others = (self.candidates[i] for i in order)
        return (best, *(c for c in others if c.index != best.index))

    @property
    def knee(self) -> Candidate:
        """The candidate where the front bulges most: to gain a little elsewhere costs much.

        It is farthest from the plane through the corners of the normalized front, where one
        objective is at its best and the others at their worst (Das, "On characterizing the
        'knee' of the Pareto curve", Struct. Optim. 18, 107-115 (1999)), which is to say that it
        loses least in sum. With up to two candidates, the one with the best mean reward.
        """
        self._must_hold_candidates()
        if len(self.candidates) <= 2:
            return self._least(-self.rewards.mean(axis=1))
        return self._least(self._lost.sum(axis=1))

    @property
    def best_per_objective(self) -> dict[str, Candidate]:
        """For each objective the candidate that is best in it; of equals, the best in mean."""
        if not self.candidates:
            return {}
        columns = enumerate(self.objectives)
        return {name: self._least(-self.rewards[:, m]) for m, name in columns}

    def _given_up(
        self, importances: Mapping[str, float] | Sequence[float] | None
    ) -> NDArray[np.float64]:
        """Augmented achievement function of each candidate, (N,)."""
        lost = self._lost * self._weights(importances)
        return np.asarray(lost.max(axis=1) + _AUGMENTATION * lost.sum(axis=1))

    def _weights(
        self, importances: Mapping[str, float] | Sequence[float] | None
    ) -> NDArray[np.float64]:
        if importances is None:
            return np.ones(len(self.objectives))
        if isinstance(importances, Mapping):
            unknown = [name for name in importances if name not in self.objectives]
            if unknown:
                known = ", ".join(self.objectives)
                raise SamStarError(f"There is no objective {unknown[0]}: this search had {known}.")
            importances = [importances.get(name, 1.0) for name in self.objectives]
        weights = np.asarray(importances, np.float64)
        if weights.shape != (len(self.objectives),):
            raise SamStarError(
                f"{weights.size} importances were given for {len(self.objectives)} objectives: "
                "give one for each."
            )
        if not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise SamStarError(f"Importances must be 0 or more, not {weights.min():g}.")
        # when nothing matters, everything matters alike
        return weights if weights.any() else np.ones(len(weights))

    def _least(self, cost: NDArray[np.float64]) -> Candidate:
        # rounding must not decide between equals
        equal = np.flatnonzero(cost <= cost.min() + 1e-12)
        return self.candidates[int(equal[np.argmax(self.rewards[equal].mean(axis=1))])]

    def _must_hold_candidates(self) -> None:
        if not self.candidates:
            raise SamStarError("The search has no candidate yet: let it run a little longer.")
