"""How far masks are apart, in units of how far masks of one material are apart by chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from napari_samstar.booster.descriptors import Vectors, mask_means

__all__ = ["Metric", "fit_metric"]

_SPLITS = 12  # of each mask into two halves
_SHRINK = 0.05  # of covariances towards a multiple of the identity
_FLOOR = 0.003  # of all variance: differences below are of no interest
_PRIOR = 1.0  # crops' worth of belief that all masks vary alike
_RARELY = 0.95  # of masks of one material are nearer than what counts as chance
_TURN_WEIGHT = 0.3  # of what a turned crop changes: no mask is turned at random by itself

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class _Gauge:
    """Distances as one encoder sees them; 1 is usual for two masks of the same material.

    Parameters
    ----------
    columns : slice
        Which columns of the vectors are its own.
    whiten : (D, D) float64
        Vectors times this have equal spread in all directions between masks of one material.
    crop_share : (D,) float64
        Share of that spread, in each direction, that falls with the number of crops.
    chance : float
        The mean over few directions is more often large by chance than that over many: how much.
    """

    columns: slice
    whiten: Rows
    crop_share: Rows
    chance: float


@dataclass(frozen=True)
class Metric:
    """Distances between masks, 1 being usual for two masks of the same material.

    Encoders are looked at one by one, and the mean of what they see counts: a difference in
    brightness alone would be lost among the many directions of a pattern, and yet says less than
    one that the pattern shows as well, for light and thickness change within a material.

    Parameters
    ----------
    gauges : tuple
        One per encoder.
    usual : float
        Crops of a mask that the spread was estimated for.
    unrest : (K, G) float64
        How much more than usual the crops of each mask vary to each encoder, in square.
    """

    gauges: tuple[_Gauge, ...]
    usual: float
    unrest: Rows

    def distances(
        self,
        first: Rows,
        second: Rows,
        n_first: NDArray[Any],
        n_second: NDArray[Any],
        unrest_first: Rows | None = None,
        unrest_second: Rows | None = None,
    ) -> Rows:
        """Null distances (P, Q) between mean vectors (P, D) and (Q, D) of so many crops each.

        Were both of one material, their crops would vary alike: by what they do together, where
        their `unrest`, (P, G) and (Q, G), is given.
        """
        n_first, n_second = np.asarray(n_first, float)[:, None], np.asarray(n_second, float)[None]
        free_first, free_second = _free(n_first), _free(n_second)
        free = free_first + free_second + _PRIOR
        total = np.zeros((len(first), len(second)))
        for k, gauge in enumerate(self.gauges):
            ours, theirs = (v[:, gauge.columns] @ gauge.whiten for v in (first, second))
            one = 1.0 if unrest_first is None else unrest_first[:, None, k]
            two = 1.0 if unrest_second is None else unrest_second[None, :, k]
            varied = (_PRIOR + free_first * one + free_second * two) / free
            fewer = varied * self.usual * (1 / n_first + 1 / n_second) / 2 * gauge.chance
            spread = (1 - gauge.crop_share) + gauge.crop_share * fewer[..., None]
            gaps = ours[:, None] - theirs[None]
            total += np.sqrt((gaps**2 / spread).mean(2) / 2)
        return np.asarray(total / len(self.gauges))

    def joined(self, means: Rows, worth: Rows) -> Rows:
        """Tree (K - 1, 4) of masks, as SciPy writes it: always the two nearest groups are one.

        Of a group counts the mean of all its crops, which is better known than those of its
        members: fragments of a restless texture differ from each other more than from the whole.

        Parameters
        ----------
        means : (K, D) float64
            Mean vectors of the masks of `unrest`.
        worth : (K,) float64
            How many crops those of each mask are worth.
        """
        count = len(means)
        means, worth, unrest = means.copy(), np.array(worth, float), self.unrest.copy()
        away = self.distances(means, means, worth, worth, unrest, unrest)
        np.fill_diagonal(away, np.inf)
        name, size = np.arange(count), np.ones(count)
        links, height = np.zeros((count - 1, 4)), 0.0
        for step in range(count - 1):
            i, j = sorted(np.unravel_index(int(away.argmin()), away.shape))
            height = max(height, float(away[i, j]))  # a join may bring groups nearer
            links[step] = [*sorted((name[i], name[j])), height, size[i] + size[j]]
            free = _free(worth[[i, j]])
            unrest[i] = free @ unrest[[i, j]] / free.sum()
            means[i] = worth[[i, j]] @ means[[i, j]] / worth[[i, j]].sum()
            worth[i] += worth[j]
            name[i], size[i] = count + step, size[i] + size[j]
            now = self.distances(means[[i]], means, worth[[i]], worth, unrest[[i]], unrest)[0]
            gone = np.isinf(away[i]) | (np.arange(count) == j)
            away[i] = away[:, i] = np.where(gone, np.inf, now)
            away[i, i] = away[j] = np.inf
            away[:, j] = np.inf
        return links

    def whitened(self, vectors: Rows) -> Rows:
        """Vectors (N, D) whose encoders' parts vary alike by chance."""
        parts = [
            vectors[:, gauge.columns] @ gauge.whiten / np.sqrt(gauge.crop_share.size)
            for gauge in self.gauges
        ]
        return np.concatenate(parts, 1)


def fit_metric(
    vectors: Vectors, owner: NDArray[np.intp], worth: Rows, centers: Rows, seed: int
) -> Metric:
    """Estimate the spread between masks of one material, without knowing the materials.

    For each encoder, it is the spread of crops within masks, over the number of crops, times what
    halves of one mask differ more than that predicts (light and thickness change slowly), plus what
    turning a crop changes, where that is to be ignored.

    Parameters
    ----------
    vectors : Vectors
        N crops.
    owner : (N,) int
        Mask of each crop, from 0 without gaps.
    worth : (K,) float64
        How many crops those of each mask are worth: where they overlap they say the same.
    centers : (N, 2) float64
        Where crops are, px.
    seed : int
        For the directions along which masks are halved.
    """
    usual = float(1 / np.mean(1 / worth))
    gauges, unrest = [], []
    tails = [_tail(view.columns) for view in vectors.views]
    for view, tail in zip(vectors.views, tails, strict=True):
        x = vectors.crops[:, view.columns]
        turned = None if vectors.turned is None else vectors.turned[:, view.columns]
        parts = _spreads(x, turned, view.slight, owner, worth, centers, seed)
        gauge, varied = _gauge(view.columns, x, *parts, tail / min(tails), owner, worth, usual)
        gauges.append(gauge)
        unrest.append(varied)
    return Metric(tuple(gauges), usual, np.stack(unrest, 1))


def _spreads(
    x: Rows,
    turned: Rows | None,
    slight: Rows,
    owner: NDArray[np.intp],
    worth: Rows,
    centers: Rows,
    seed: int,
) -> tuple[Rows, float, Rows]:
    """Covariance of single crops, what of it halves show beyond, and covariance of whole masks."""
    n, dims = x.shape
    rest = x - mask_means(x, owner)[owner]
    each = (worth / np.bincount(owner))[owner]
    within = (rest * each[:, None]).T @ rest / _free(worth).sum()
    scale = np.trace(within) / dims
    within = (1 - _SHRINK) * within + (_SHRINK * scale + 1e-9) * np.eye(dims)
    excess = max(_halves(x, owner, worth, centers, np.linalg.inv(within), seed), 1.0)
    total = np.cov(x.T).reshape(dims, dims) if n > 1 else np.eye(dims)
    steady = _FLOOR * np.trace(total) / dims * np.eye(dims) + slight
    if turned is not None:
        change = turned - x
        change = change - change.mean(0)  # what resampling does to every crop
        steady = steady + _TURN_WEIGHT * change.T @ change / (2 * n)
    return within * excess, excess, steady


def _gauge(
    columns: slice,
    x: Rows,
    single: Rows,
    excess: float,
    steady: Rows,
    chance: float,
    owner: NDArray[np.intp],
    worth: Rows,
    usual: float,
) -> tuple[_Gauge, Rows]:
    noise = single / usual
    share, whiten = linalg.eigh(noise, noise + steady)
    share = np.clip(share, 0.0, 1.0)
    rest = x - mask_means(x, owner)[owner]
    each = (worth / np.bincount(owner))[owner]
    squares = np.bincount(owner, ((rest @ whiten) ** 2).sum(1) * each)
    unrest = squares / _free(worth) * excess / usual / max(share.sum(), 1e-9)
    return _Gauge(columns, whiten, share, chance), unrest


def _tail(columns: slice) -> float:
    """Bound that the mean square of so many normal numbers rarely passes."""
    count = columns.stop - columns.start
    return float(stats.chi2.ppf(_RARELY, count) / count)


def _free(worth: Rows) -> Rows:
    """Degrees of freedom: crops that overlap are nearer to their mean than others."""
    return np.maximum(worth - 1, worth / 4)


def _halves(
    x: Rows, owner: NDArray[np.intp], worth: Rows, centers: Rows, inverse: Rows, seed: int
) -> float:
    """Mean squared distance of the halves of masks, over what independent crops would give."""
    rng = np.random.default_rng([seed, 2])
    found = []
    for k in range(int(owner.max()) + 1):
        mine = np.flatnonzero(owner == k)
        if mine.size < 6:
            continue
        for angle in rng.uniform(0, np.pi, _SPLITS):
            along = centers[mine] @ np.array([np.cos(angle), np.sin(angle)])
            upper = along > np.median(along)
            sizes = int(upper.sum()), int((~upper).sum())
            if min(sizes) < 2:
                continue
            gap = x[mine[upper]].mean(0) - x[mine[~upper]].mean(0)
            usual = x.shape[1] * (1 / sizes[0] + 1 / sizes[1]) * mine.size / worth[k]
            found.append(gap @ inverse @ gap / usual)
    return float(np.mean(found)) if found else 2.0
