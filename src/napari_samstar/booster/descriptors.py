"""One vector per mask, in units of how far masks of one material are apart by chance."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from napari_samstar.booster.crops import Crops
from napari_samstar.booster.texture import Space, TextureEncoder, fit_space
from napari_samstar.types import Progress

__all__ = ["Metric", "Vectors", "describe_steps", "fit_metric", "leveled", "mask_means"]

_BATCH = 16  # crops between two steps

_SPLITS = 12  # of each mask into two halves
_SHRINK = 0.05  # of covariances towards a multiple of the identity
_FLOOR = 0.003  # of all variance: differences below are of no interest
_SLIGHT = 0.05  # of what materials usually differ by: less is light, thickness, strain
_PRIOR = 1.0  # crops' worth of belief that all masks vary alike
_TURN_WEIGHT = 0.3  # of what a turned crop changes: no mask is turned at random by itself

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Vectors:
    """Crops as vectors.

    Parameters
    ----------
    space : Space
        How encoders' outputs were joined.
    crops : (N, D) float64
        One row per crop.
    turned : (N, D) float64 or None
        The same crops, each turned by a random angle; None where the angle counts.
    usual : (D, D) float64
        Covariance that vectors of different materials usually have.
    """

    space: Space
    crops: Rows
    turned: Rows | None
    usual: Rows


def describe_steps(
    crops: Crops,
    encoders: Sequence[TextureEncoder],
    dimensions: int,
    rotation: str,
    seed: int,
) -> Generator[Progress, None, Vectors]:
    """Embed crops with every encoder, and once more turned where rotation is to be ignored."""
    again = rotation != "keep"
    turned = _turned(crops.pixels, np.random.default_rng([seed, 1])) if again else None
    views = [crops.pixels] if turned is None else [crops.pixels, turned]
    starts = range(0, len(crops), _BATCH)
    total = len(views) * len(encoders) * len(starts)
    done, found = 0, []
    for pixels in views:
        parts: list[list[NDArray[np.float32]]] = [[] for _ in encoders]
        for encoder, rows in zip(encoders, parts, strict=True):
            for start in starts:
                batch = slice(start, start + _BATCH)
                rows.append(encoder(pixels[batch], crops.boxes[batch]))
                done += 1
                yield Progress("materials", done, total, "looking at textures")
        found.append([np.concatenate(rows) for rows in parts])
    space = fit_space(found[0], dimensions)
    vectors = space.project(found[0])
    if turned is None:
        return Vectors(space, vectors, None, space.spread(encoders))
    for k, encoder in enumerate(encoders):
        if encoder.name == "intensity":  # a turn blurs a little, which says nothing of the material
            found[1][k] = found[0][k]
    return Vectors(space, vectors, space.project(found[1]), space.spread(encoders))


def _turned(pixels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Each crop turned about its center by 15 to 75 degrees; mirrored pixels fill the corners."""
    side = pixels.shape[1]
    middle = ((side - 1) / 2, (side - 1) / 2)
    out = np.empty_like(pixels)
    for k, angle in enumerate(rng.uniform(15, 75, len(pixels)).tolist()):
        out[k] = cv2.warpAffine(
            pixels[k],
            cv2.getRotationMatrix2D(middle, angle, 1.0),
            (side, side),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT,
        )
    return out


def leveled(crops: Crops, shape: tuple[int, int], ridge: float = 1e-3) -> Crops:
    """Even out the light: take from each crop the smooth trend that all masks share.

    The trend of brightness is a parabola in y and x, fitted to the crops' means together with one
    brightness per mask, so that it is learned within masks and not from differences between them.

    Parameters
    ----------
    crops : Crops
        See there.
    shape : tuple of int
        Height and width of the image, px.
    ridge : float
        Holds the parabola flat where masks do not tell.
    """
    if len(crops) == 0:
        return crops
    means = crops.pixels.mean((1, 2), dtype=np.float64)
    y, x = (2 * crops.centers() / np.array(shape) - 1).T
    waves = np.stack([y, x, y * y, x * y, x * x], 1)
    _, owner = np.unique(crops.mask, return_inverse=True)
    inner = waves - mask_means(waves, owner)[owner]
    change = means - mask_means(means[:, None], owner)[owner, 0]
    gram = inner.T @ inner + ridge * len(crops) * np.eye(waves.shape[1])
    trend = waves @ np.linalg.solve(gram, inner.T @ change)
    shift = (trend - trend.mean()).astype(np.float32)
    return Crops(crops.pixels - shift[:, None, None], crops.inside, crops.mask, crops.boxes)


def mask_means(vectors: Rows, owner: NDArray[np.intp]) -> Rows:
    """Mean vector (K, D) of each mask; `owner` counts from 0 without gaps."""
    sums = np.zeros((int(owner.max()) + 1, vectors.shape[1]))
    np.add.at(sums, owner, vectors)
    return sums / np.bincount(owner)[:, None]


@dataclass(frozen=True)
class Metric:
    """Distances between masks, 1 being usual for two masks of the same material.

    Parameters
    ----------
    whiten : (D, D) float64
        Vectors times this have equal spread in all directions between masks of one material.
    crop_share : (D,) float64
        Share of that spread, in each direction, that falls with the number of crops.
    usual : float
        Crops of a mask that the spread was estimated for.
    unrest : (K,) float64
        How much more than usual the crops of each mask vary, in square.
    """

    whiten: Rows
    crop_share: Rows
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

        Were both of one material, their crops would vary alike: by what they do together.
        """
        gaps = (first @ self.whiten)[:, None] - (second @ self.whiten)[None]
        n_first, n_second = np.asarray(n_first, float)[:, None], np.asarray(n_second, float)[None]
        together = n_first + n_second + _PRIOR
        varied = np.full(gaps.shape[:2], _PRIOR)
        for n, unrest, axis in ((n_first, unrest_first, 1), (n_second, unrest_second, 0)):
            varied = varied + n * (1.0 if unrest is None else np.expand_dims(unrest, axis))
        fewer = varied / together * self.usual * (1 / n_first + 1 / n_second) / 2
        spread = (1 - self.crop_share) + self.crop_share * fewer[..., None]
        return np.asarray(np.sqrt((gaps**2 / spread).mean(2) / 2))


def fit_metric(
    vectors: Vectors, owner: NDArray[np.intp], worth: Rows, centers: Rows, seed: int
) -> Metric:
    """Estimate the spread between masks of one material, without knowing the materials.

    It is the spread of crops within masks, over the number of crops, times what halves of one mask
    differ more than that predicts (light and thickness change slowly), plus what turning a crop
    changes, where that is to be ignored.

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
    x = vectors.crops
    n, dims = x.shape
    counts = np.bincount(owner)
    rest = x - mask_means(x, owner)[owner]
    # crops that overlap are nearer to their mean than others
    free = np.maximum(worth - 1, worth / 4)
    each = (worth / counts)[owner]
    within = (rest * each[:, None]).T @ rest / free.sum()
    scale = np.trace(within) / dims
    within = (1 - _SHRINK) * within + (_SHRINK * scale + 1e-9) * np.eye(dims)
    usual = float(1 / np.mean(1 / worth))
    excess = max(_halves(x, owner, worth, centers, np.linalg.inv(within), seed), 1.0)
    noise = within / usual * excess
    total = np.cov(x.T).reshape(dims, dims) if n > 1 else np.eye(dims)
    floor = _FLOOR * np.trace(total) / dims * np.eye(dims) + _SLIGHT**2 * vectors.usual
    turning = np.zeros((dims, dims))
    if vectors.turned is not None:
        change = vectors.turned - x
        change = change - change.mean(0)  # what resampling does to every crop
        turning = _TURN_WEIGHT * change.T @ change / (2 * n)
    share, whiten = linalg.eigh(noise, noise + turning + floor)
    share = np.clip(share, 0.0, 1.0)
    squares = ((rest @ whiten) ** 2).sum(1) * each
    unrest = np.bincount(owner, squares) / free * excess / usual / max(share.sum(), 1e-9)
    return Metric(whiten, share, usual, unrest)


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
