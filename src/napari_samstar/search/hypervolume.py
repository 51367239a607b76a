"""Hypervolume: how much of the space of rewards a front commands."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Archive", "hypervolume", "most_needed", "shares"]

_REFERENCE = 1.1  # of the losses 1 - reward, so that the extremes of the front count too
_EXACT_UP_TO = 5  # objectives; six take half a second for 500 points, each more ten times that
_SAMPLES = 16_384  # standard error of the estimate under 0.4 % of the box
_FEW = 4096  # points that do to compare candidates


def hypervolume(rewards: NDArray[np.float64]) -> float:
    """Volume that a set of candidates dominates, from the losses 1 - reward up to 1.1.

    Exact up to five objectives; estimated from fixed points for more, always the same ones, so
    that values compare.

    Parameters
    ----------
    rewards : (N, M) float
        0 to 1, more is better.

    Returns
    -------
    float
        Up to 1.1^M; 0 for no candidates.
    """
    rewards = np.asarray(rewards, np.float64)
    archive = Archive(rewards.shape[1])
    for row in rewards:
        archive.add(row)
    return archive.hypervolume()


def shares(rewards: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give each candidate its share of the volume that all dominate.

    A part that k of them dominate counts 1 / k^2 for each, so that what one commands alone counts
    most (after HypE: Bader and Zitzler, Evol. Comput. 19, 45-76 (2011), where it is what they would
    lose on average). Estimated from fixed points.

    Parameters
    ----------
    rewards : (N, M) float
        0 to 1, more is better.

    Returns
    -------
    (N,) float
        Number of points.
    """
    dominated = _dominated(rewards)
    found: NDArray[np.float64] = _shares(dominated, dominated.sum(axis=1))
    return found


def most_needed(rewards: NDArray[np.float64], number: int) -> NDArray[np.intp]:
    """Which candidates stay where the one of the least `shares` goes, one after another.

    Parameters
    ----------
    rewards : (N, M) float
        0 to 1, more is better.
    number : int
        How many stay.

    Returns
    -------
    (number,) int
        Indices, ascending.
    """
    stay: NDArray[np.bool_] = _thinned(_dominated(rewards), number)
    return np.flatnonzero(stay)


def _dominated(rewards: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which of the fixed points (P) each candidate (N) dominates, (P, N)."""
    points = 1 - _REFERENCE * np.random.default_rng(0).random((_FEW, rewards.shape[1]))
    out = np.ones((_FEW, len(rewards)), np.bool_)
    for column, reward in zip(points.T, rewards.T, strict=True):
        out &= column[:, None] <= reward
    return out


class Archive:
    """The rewards of the front so far, kept up candidate by candidate.

    Parameters
    ----------
    n_objectives : int
        Length of a vector of rewards.
    """

    def __init__(self, n_objectives: int) -> None:
        self.rewards = np.zeros((0, n_objectives))
        self._free: NDArray[np.float64] | None = None
        if n_objectives > _EXACT_UP_TO:
            points = np.random.default_rng(0).random((n_objectives, _SAMPLES))
            self._free = 1 - _REFERENCE * points  # points that nothing dominates yet, as rewards
        self._new: list[NDArray[np.float64]] = []  # that no point was compared with yet

    def __len__(self) -> int:
        return len(self.rewards)

    def add(self, rewards: NDArray[np.float64]) -> bool:
        """Take in one vector (M,); whether it is on the front."""
        if (self.rewards >= rewards).all(axis=1).any():
            return False
        beaten = (self.rewards <= rewards).all(axis=1)
        self.rewards = np.vstack([self.rewards[~beaten], rewards])
        self._new.append(rewards)
        return True

    def hypervolume(self) -> float:
        """Volume dominated so far, see `hypervolume`."""
        n_objectives = self.rewards.shape[1]
        if not len(self.rewards):
            return 0.0
        if self._free is not None:
            if self._new:
                self._free = self._free[:, ~_below_any(self._free, np.array(self._new))]
                self._new.clear()
            return float(_REFERENCE**n_objectives * (1 - self._free.shape[1] / _SAMPLES))
        from pymoo.indicators.hv import HV

        return float(HV(ref_point=np.full(n_objectives, _REFERENCE))(1 - self.rewards))


@njit(cache=True, nogil=True)
def _below_any(points: Any, rewards: Any) -> Any:
    """Which of `points` (M, P) are at most one of `rewards` (N, M) in each coordinate, (P,)."""
    below = np.zeros(points.shape[1], np.bool_)
    for p in range(points.shape[1]):
        for n in range(rewards.shape[0]):
            m = 0
            while m < points.shape[0] and points[m, p] <= rewards[n, m]:
                m += 1
            if m == points.shape[0]:
                below[p] = True
                break
    return below


@njit(cache=True, nogil=True)
def _shares(dominated: Any, counts: Any) -> Any:
    out = np.zeros(dominated.shape[1])
    for p in range(dominated.shape[0]):
        for n in range(dominated.shape[1]):
            if dominated[p, n]:
                out[n] += 1.0 / counts[p] ** 2
    return out


@njit(cache=True, nogil=True)
def _thinned(dominated: Any, number: int) -> Any:
    stay = np.ones(dominated.shape[1], np.bool_)
    counts = dominated.sum(axis=1)
    share = _shares(dominated, counts)
    for _ in range(stay.size - number):
        least = -1
        for n in range(stay.size):
            if stay[n] and (least < 0 or share[n] < share[least]):
                least = n
        stay[least] = False
        for p in range(counts.size):
            if dominated[p, least]:
                before, counts[p] = counts[p], counts[p] - 1
                if counts[p]:
                    more = 1.0 / counts[p] ** 2 - 1.0 / before**2
                    for n in range(stay.size):
                        if dominated[p, n]:
                            share[n] += more
    return stay
