"""Uneven light: what changes slowly over the image, whatever the material."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.spatial import distance
from threadpoolctl import threadpool_limits

from napari_samstar.booster.crops import Crops

__all__ = ["Trend", "leveled", "leveled_alike", "shared_trend"]

_LENGTHS = (0.3, 0.6, 1.2)  # over which light changes, of the image's longer side
_STRENGTHS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)  # of its variance over that of a crop
_ROUNDS = 2  # how restless each mask is depends on the trend
_PRIOR = 3.0  # crops' worth of belief that all masks are as restless
_MOST = 300  # crops that the trend is learned from
_LEAST_WORTH = 0.25  # of all of a mask, in crops
_FEWEST = 4  # of one mask: fewer tell nothing of what changes within it

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Trend:
    """A smooth trend that masks share.

    Parameters
    ----------
    values : (N,) float64
        At each crop; their mean is 0.
    doubt : float
        Variance that is left in the trend's mean over a mask, against all others.
    """

    values: Rows
    doubt: float


def leveled(crops: Crops, shape: tuple[int, int], areas: NDArray[np.int64]) -> tuple[Crops, Rows]:
    """Even out the light: take from each crop the smooth trend that all masks share.

    Light changes brightness and contrast. The trend of each, `shared_trend`, is taken from the
    crops' pixels.

    Parameters
    ----------
    crops : Crops
        See there.
    shape : tuple of int
        Height and width of the image, px.
    areas : (K,) int64
        Of all masks, px: crops that overlap say the same.

    Returns
    -------
    leveled : Crops
        The same crops in even light.
    doubt : (2,) float64
        Variance that the trends leave in a mask's brightness and in the logarithm of its
        contrast; the columns of `IntensityEncoder`.
    """
    if len(crops) == 0:
        return crops, np.zeros(2)
    masks, owner = np.unique(crops.mask, return_inverse=True)
    counts = np.bincount(owner)
    each = (np.clip(areas[masks] / crops.side**2, _LEAST_WORTH, counts) / counts)[owner]
    places = crops.centers() / max(shape)
    means = crops.pixels.mean((1, 2), dtype=np.float64)
    contrast = np.log(crops.pixels.std((1, 2), dtype=np.float64) + 1e-6)
    # matrices so small do not repay the threads of BLAS, which wait for each other by spinning:
    # beside other work that takes a hundred times as long, and holds up the window
    with threadpool_limits(limits=1, user_api="blas"):
        light = shared_trend(means, places, owner, each)
        strength = shared_trend(contrast, places, owner, each)
    flat = crops.pixels - means[:, None, None]
    pixels = flat * np.exp(-strength.values)[:, None, None] + (means - light.values)[:, None, None]
    even = Crops(pixels.astype(np.float32), crops.inside, crops.mask, crops.boxes)
    return even, np.array([light.doubt, strength.doubt])


def leveled_alike(crops: Crops, given: Crops, even: Crops) -> Crops:
    """Level further crops as the nearest of those that were `given` to `leveled`, and are `even`.

    Parameters
    ----------
    crops : Crops
        P crops.
    given, even : Crops
        N crops, before and after; N at least 1.
    """
    nearest = distance.cdist(crops.centers(), given.centers()).argmin(1)
    before, after = (part.pixels[nearest].astype(np.float64) for part in (given, even))
    gain = (after.std((1, 2)) + 1e-6) / (before.std((1, 2)) + 1e-6)
    shift = after.mean((1, 2)) - before.mean((1, 2))
    means = crops.pixels.mean((1, 2), dtype=np.float64)
    flat = crops.pixels - means[:, None, None]
    pixels = flat * gain[:, None, None] + (means + shift)[:, None, None]
    return Crops(pixels.astype(np.float32), crops.inside, crops.mask, crops.boxes)


def shared_trend(values: Rows, places: Rows, owner: NDArray[np.intp], worth: Rows) -> Trend:
    """Part values of crops into one level per mask and a smooth trend that all masks share.

    The trend is a Gaussian process whose length and strength make the values likeliest; as the
    masks' levels are free, it is learned within masks and not from differences between them
    (universal kriging). Masks may be restless to different degrees.

    Parameters
    ----------
    values : (N,) float64
        Of crops.
    places : (N, 2) float64
        Their centers, the image's longer side being 1.
    owner : (N,) int
        Mask of each, from 0 without gaps.
    worth : (N,) float64
        How many crops each is worth.

    Returns
    -------
    Trend
        Zero where masks do not tell.
    """
    nothing = Trend(np.zeros(len(values)), 0.0)
    used = _telling(owner)
    _, mine = np.unique(owner[used], return_inverse=True)
    y, each = values[used], worth[used]
    count = int(mine.max()) + 1 if used.size else 0
    if used.size <= count or float(np.ptp(y)) < 1e-9:
        return nothing
    member = np.eye(count)[mine]
    crops = member.sum(0)
    squares = ((places[:, None] - places[used][None]) ** 2).sum(2)  # (N, used)
    rest = y - (member.T @ y / crops)[mine]
    for _ in range(_ROUNDS):
        noise = _restlessness(rest, mine, each)[mine] / each
        unit = float(np.median(noise))
        if unit <= 0:
            return nothing
        best: tuple[float, float, float] = (-np.inf, 1.0, 0.0)
        for length in _LENGTHS:
            shape = unit * np.exp(-squares[used] / (2 * length**2))
            for strength in _STRENGTHS:
                likelihood = _Fit(y, member, noise, strength * shape).likelihood
                best = max(best, (likelihood, length, strength))
        along = best[2] * unit * np.exp(-squares / (2 * best[1] ** 2))
        fit = _Fit(y, member, noise, along[used])
        trend = along @ fit.pull
        rest = y - trend[used]
        rest -= (member.T @ rest / crops)[mine]
    over = member.T / crops[:, None]
    return Trend(trend - trend.mean(), fit.doubt(over - over.mean(0)))


class _Fit:
    """Generalized least squares of masks' levels, with a trend of this covariance (N, N)."""

    def __init__(self, y: Rows, member: Rows, noise: Rows, trend: Rows) -> None:
        n, count = member.shape
        self._trend = trend
        self._root = np.linalg.cholesky(np.diag(noise) + trend)
        self._levels = linalg.solve_triangular(self._root, member, lower=True)
        right = linalg.solve_triangular(self._root, y, lower=True)
        self._gram = self._levels.T @ self._levels
        left = right - self._levels @ np.linalg.solve(self._gram, self._levels.T @ right)
        self._scale = float(left @ left / (n - count))
        self.pull = linalg.solve_triangular(self._root, left, lower=True, trans="T")
        self.likelihood = float(
            -(n - count) / 2 * np.log(max(self._scale, 1e-300))
            - np.log(np.diag(self._root)).sum()
            - np.linalg.slogdet(self._gram)[1] / 2
        )

    def doubt(self, means: Rows) -> float:
        """Mean posterior variance of these means (K, N) of the trend."""
        half = linalg.solve_triangular(self._root, self._trend, lower=True)
        cross = self._levels.T @ half
        left = self._trend - half.T @ half + cross.T @ np.linalg.solve(self._gram, cross)
        return float(self._scale * np.einsum("kn,nm,km->k", means, left, means).mean())


def _telling(owner: NDArray[np.intp]) -> NDArray[np.intp]:
    """Crops to learn from: not too many, of each mask as many, but enough."""
    counts = np.bincount(owner)
    most = max(_MOST // max(int((counts > 0).sum()), 1), _FEWEST)
    order = np.lexsort((np.arange(len(owner)), -counts[owner]))  # of the largest masks first
    first = np.unique(owner[order], return_index=True)[1]
    rank = np.arange(len(order)) - first[owner[order]]
    return np.sort(order[rank < most][:_MOST])


def _restlessness(rest: Rows, owner: NDArray[np.intp], worth: Rows) -> Rows:
    """Variance (K,) of single crops within each mask, leaning on that of all."""
    total = np.bincount(owner, worth)
    squares = np.bincount(owner, worth * rest**2)
    free = np.maximum(total - 1, total / 2)
    return np.asarray((squares + _PRIOR * squares.sum() / free.sum()) / (free + _PRIOR))
