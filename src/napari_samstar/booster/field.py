"""Texture on a grid over an image, in units of chance, and where it changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, ndimage, stats

from napari_samstar.booster.crops import Crops

__all__ = ["Field", "texture_field", "upsampled"]

_SHRINK = 0.05  # of covariances towards a multiple of the identity
_FLOOR = 0.07  # of what materials usually differ by: less is light, thickness, strain
_KEPT = 0.4  # of neighbors, those most alike: the others may lie across a border
_ROUNDS = 4
_TELLING = 2.0  # times the spread of neighbors: directions that vary less tell nothing
_MOST_DIRECTIONS = 12

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class Field:
    """Texture at the sites of a grid.

    Parameters
    ----------
    values : (R, C, D) float64
        Texture, in units in which crops of one material side by side differ by 2 in square, in
        every direction; where no crop is, those of the nearest.
    rows, columns : (R,) and (C,) float64
        Centers of the sites, px.
    lag : int
        Sites from one crop to the next one that shares no pixel with it.
    """

    values: Rows
    rows: Rows
    columns: Rows
    lag: int

    def change(self) -> Rows:
        """How much texture changes across each site, (R, C); 1 is chance."""
        half = max(self.lag // 2, 1)
        squares = np.zeros(self.values.shape[:2])
        for axis in (0, 1):
            n = self.values.shape[axis]
            after = np.take(self.values, np.minimum(np.arange(n) + half, n - 1), axis)
            before = np.take(self.values, np.maximum(np.arange(n) - half, 0), axis)
            squares += ((after - before) ** 2).sum(2)
        return np.asarray(np.sqrt(squares / (4 * self.values.shape[2])))


def texture_field(grid: Crops, vectors: Rows) -> Field:
    """Arrange crops' vectors on their grid, and keep the directions that tell textures apart.

    Crops side by side are mostly of one material. How much they differ is chance; directions in
    which distant crops differ more than those are what materials differ in (Fisher's criterion,
    without labels).

    Parameters
    ----------
    grid : Crops
        N crops, see `grid_crops`.
    vectors : (N, D) float64
        What encoders made of them, in units of what materials usually differ by.
    """
    centers = grid.centers()
    rows, i = np.unique(centers[:, 0], return_inverse=True)
    columns, j = np.unique(centers[:, 1], return_inverse=True)
    sites = np.full((rows.size, columns.size, vectors.shape[1]), np.nan)
    sites[i, j] = vectors
    step = float(np.median(np.concatenate([np.diff(rows), np.diff(columns), [grid.side]])))
    lag = max(1, int(np.ceil(grid.side / step)))
    dims = vectors.shape[1]
    chance = _chance(sites, lag) + _FLOOR**2 * np.eye(dims)
    total = np.cov(vectors.T).reshape(dims, dims) if len(vectors) > 1 else np.eye(dims)
    strength, directions = linalg.eigh(total, chance)
    order = np.argsort(-strength)
    telling = max(1, int((strength > _TELLING).sum()))
    chosen = directions[:, order[: min(telling, _MOST_DIRECTIONS)]]
    nearest = ndimage.distance_transform_edt(
        np.isnan(sites[..., 0]), return_distances=False, return_indices=True
    )
    return Field((sites @ chosen)[tuple(nearest)], rows, columns, lag)


def _chance(sites: Rows, lag: int) -> Rows:
    """Covariance (D, D) of crops of one material, from those side by side that are most alike."""
    dims = sites.shape[2]
    pairs = [sites[lag:] - sites[:-lag], sites[:, lag:] - sites[:, :-lag]]
    gaps = np.concatenate([pair.reshape(-1, dims) for pair in pairs])
    gaps = gaps[np.isfinite(gaps).all(1)]
    if len(gaps) < 2 * dims:  # too small an image: all is one texture
        flat = sites.reshape(-1, dims)
        flat = flat[np.isfinite(flat).all(1)]
        return (
            np.atleast_2d(np.cov(flat.T)) + 1e-9 * np.eye(dims) if len(flat) > 1 else np.eye(dims)
        )
    usual = np.maximum(np.median(np.abs(gaps), axis=0), 1e-9)
    squares = ((gaps / usual) ** 2).sum(1)
    spread = np.eye(dims)
    for _ in range(_ROUNDS):
        near = gaps[squares <= np.quantile(squares, _KEPT)]
        spread = near.T @ near / len(near)
        mean = np.trace(spread) / dims
        spread = (1 - _SHRINK) * spread + (_SHRINK * mean + 1e-12) * np.eye(dims)
        squares = np.einsum("nd,nd->n", gaps @ np.linalg.inv(spread), gaps)
    # those kept are less apart than all pairs of one material are
    low = float(np.quantile(squares, _KEPT / 2) / stats.chi2.ppf(_KEPT / 2 / 0.6, dims))
    return spread * max(low, 1e-12) / 2


def upsampled(field: Field, change: Rows, shape: tuple[int, int], scale: int) -> Rows:
    """Values of sites at every `scale`-th pixel of an image, by interpolation."""
    height, width = shape
    y = np.interp(np.arange(scale / 2, height, scale), field.rows, np.arange(field.rows.size))
    x = np.interp(np.arange(scale / 2, width, scale), field.columns, np.arange(field.columns.size))
    return np.asarray(
        ndimage.map_coordinates(change, np.meshgrid(y, x, indexing="ij"), order=1, mode="nearest")
    )
