"""Regions of even texture: bounded where texture changes, joined where it does not."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_samstar.booster.field import Field, upsampled

__all__ = ["sharpened", "tiles", "without_slivers"]

_DEPTH = 0.3  # of a basin of change, chance being 1: shallower ones are no region
_SLOW = 0.1  # of the spread of single crops: what light and thickness change over a region
_SCRAP = 3.0  # crops that fit: what is smaller joins its neighbor
_LENIENT = 2.5  # unless it differs by this many times more
_SCALE = 4  # px between points where borders are looked for first
_SAMPLES = 1500  # pixels of a region that say what it looks like
_FINEST = 1.0  # px, of the filters
_NEARBY = 0.02  # of a region, blurred: pixels that see less of it are not its own
_SHRINK = 0.05  # of the covariance of pixels towards its diagonal

Labels = NDArray[np.int32]
Rows = NDArray[np.float64]


def tiles(field: Field, free: NDArray[np.bool_], side: int, alike: float) -> Labels:
    """Part an image where its texture changes most.

    Parameters
    ----------
    field : Field
        Texture on a grid.
    free : (H, W) bool
        Where regions may lie.
    side : int
        Of the crops, px.
    alike : float
        Neighboring regions nearer than this, in units of chance, are one.

    Returns
    -------
    (H, W) int32
        Regions from 1, 0 where not free.
    """
    from skimage import morphology, segmentation

    h_minima: Any = morphology.h_minima
    watershed: Any = segmentation.watershed
    shape = (int(free.shape[0]), int(free.shape[1]))
    change = field.change()
    relief = ndimage.gaussian_filter(upsampled(field, change, shape, _SCALE), side / _SCALE / 10)
    markers, _ = ndimage.label(h_minima(relief, _DEPTH), np.ones((3, 3)))
    if not markers.any():  # all even: nothing is deeper than the rest
        markers[0, 0] = 1
    basins = watershed(relief, markers)
    joined = _joined(basins, field, change, side, alike)
    rows, columns = (
        np.minimum(np.arange(n) // _SCALE, m - 1) for n, m in zip(shape, basins.shape, strict=True)
    )
    return np.where(free, joined[np.ix_(rows, columns)], 0).astype(np.int32)


def _joined(basins: Labels, field: Field, change: Rows, side: int, alike: float) -> Labels:
    """Join neighboring basins, the most alike first, until none are nearer than `alike`."""
    count = int(basins.max())
    at = (
        np.clip((c / _SCALE).astype(int), 0, n - 1)
        for c, n in zip((field.rows, field.columns), basins.shape, strict=True)
    )
    mine = basins[np.ix_(*at)].ravel() - 1
    values = field.values.reshape(-1, field.values.shape[2])
    weight = 1 / (0.1 + np.minimum(change.ravel(), 10) ** 2)  # what lies across a border is of both
    mass = np.bincount(mine, weight, count)
    means = np.zeros((count, values.shape[1]))
    np.add.at(means, mine, weight[:, None] * values)
    means /= np.maximum(mass, 1e-12)[:, None]
    # single crops of some textures differ more than usual
    squares = np.bincount(mine, weight * ((values - means[mine]) ** 2).mean(1), count)
    # crops that would fit
    worth = np.bincount(basins.ravel() - 1, minlength=count) * (_SCALE / side) ** 2
    near = _neighbors(basins) & (mass > 0)[:, None] & (mass > 0)[None]
    name = np.arange(count)
    while near.any():
        i, j = np.nonzero(np.triu(near))
        fewer = (1 / np.maximum(worth[i], 0.25) + 1 / np.maximum(worth[j], 0.25)) / 2
        spread = np.maximum((squares[i] + squares[j]) / (mass[i] + mass[j]), 1.0)
        gap = ((means[i] - means[j]) ** 2).mean(1) / (2 * spread * (_SLOW + fewer))
        gap[np.minimum(worth[i], worth[j]) < _SCRAP] /= _LENIENT**2
        k = int(gap.argmin())
        if gap[k] > alike**2:
            break
        a, b = int(i[k]), int(j[k])
        means[a] = (mass[a] * means[a] + mass[b] * means[b]) / (mass[a] + mass[b])
        for total in (mass, worth, squares):
            total[a] += total[b]
        near[a] |= near[b]
        near[:, a] |= near[:, b]
        near[a, a] = False
        near[b] = False
        near[:, b] = False
        name[name == b] = a
    new = np.unique(name[basins - 1], return_inverse=True)[1]
    return np.asarray(new.reshape(basins.shape) + 1, np.int32)


def _neighbors(basins: Labels) -> NDArray[np.bool_]:
    """Which basins, from 1, touch which, (K, K)."""
    count = int(basins.max())
    near = np.zeros((count, count), np.bool_)
    for a, b in ((basins[1:], basins[:-1]), (basins[:, 1:], basins[:, :-1])):
        differ = a != b
        near[a[differ] - 1, b[differ] - 1] = True
    return near | near.T


def sharpened(gray: NDArray[np.float32], labels: Labels, side: int) -> Labels:
    """Draw regions' borders anew, by what single pixels' surroundings look like.

    Brightness and the energies of band passes around each pixel say which of the regions nearby it
    is of (linear discriminant analysis on the regions' middles).

    Parameters
    ----------
    gray : (H, W) float32
        Intensities.
    labels : (H, W) int32
        Regions from 1, 0 where none may be.
    side : int
        Of the crops that they were found with, px.
    """
    count = int(labels.max())
    if count < 2:
        return labels
    looks, centers = _told_apart(_surroundings(gray, side), labels, side)
    best = np.full(labels.shape, -np.inf, np.float32)
    out = labels.copy()
    for k, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        y, x = (slice(max(s.start - side, 0), s.stop + side) for s in box)
        nearby = cv2.GaussianBlur((labels[y, x] == k).astype(np.float32), (0, 0), side / 4)
        away = ((looks[:, y, x] - centers[k - 1][:, None, None]) ** 2).sum(0)
        value = np.log(np.maximum(nearby, 1e-6)) - away / 2
        wins = (nearby > _NEARBY) & (value > best[y, x])
        best[y, x][wins] = value[wins]
        out[y, x][wins] = k
    out[labels == 0] = 0
    return out


def _told_apart(
    looks: NDArray[np.float32], labels: Labels, side: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Turn (F, H, W) so that pixels of one region spread by 1; with the regions' centers (K, F)."""
    count, dims = int(labels.max()), len(looks)
    rng = np.random.default_rng(0)
    means, within, total = np.zeros((count, dims)), np.zeros((dims, dims)), 0
    for k, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        mine = np.pad(labels[box] == k, 1, mode="edge")  # the image's border is none of the region
        depth = ndimage.distance_transform_edt(mine)[1:-1, 1:-1]
        inner = np.argwhere(depth >= min(side / 3, 0.7 * depth.max()))
        inner = inner[rng.choice(len(inner), min(_SAMPLES, len(inner)), replace=False)]
        rows = looks[:, box[0], box[1]][:, inner[:, 0], inner[:, 1]].T.astype(np.float64)
        means[k - 1] = rows.mean(0)
        within += (rows - means[k - 1]).T @ (rows - means[k - 1])
        total += len(rows)
    within /= max(total - count, 1)
    within += _SHRINK * np.diag(np.diag(within)) + 1e-9 * np.eye(dims)
    axes = np.linalg.cholesky(np.linalg.inv(within))
    turned = np.tensordot(axes.T.astype(np.float32), looks, 1)
    return turned, (means @ axes).astype(np.float32)


def _surroundings(gray: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Brightness around each pixel, and the log energy of band passes there, (F, H, W)."""
    near = max(side / 8, 2.0)
    parts: list[NDArray[Any]] = [cv2.GaussianBlur(gray, (0, 0), near)]
    finer, width = gray, _FINEST
    while width < side / 4:
        coarser = np.asarray(cv2.GaussianBlur(gray, (0, 0), width), np.float32)
        energy = cv2.GaussianBlur((finer - coarser) ** 2, (0, 0), near)
        parts.append(np.log(energy + np.float32(1e-3)))
        finer, width = coarser, 2 * width
    return np.stack(parts).astype(np.float32)


def without_slivers(labels: Labels, least: float) -> Labels:
    """Give regions of which nothing is `least` px wide to the nearest others."""
    keep = np.zeros(int(labels.max()) + 1, np.bool_)
    for k, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            mine = np.pad((labels[box] == k).astype(np.uint8), 1)
            keep[k] = 2 * float(cv2.distanceTransform(mine, cv2.DIST_C, 3).max()) - 1 >= least
    if not keep.any():
        return labels
    nearest = ndimage.distance_transform_edt(
        ~keep[labels], return_distances=False, return_indices=True
    )
    out = labels[tuple(nearest)]
    out[labels == 0] = 0
    return np.asarray(out, np.int32)
