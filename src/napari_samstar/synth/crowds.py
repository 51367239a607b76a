"""Crowds: soft bodies that press against each other instead of lying one over the other."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from napari_samstar.synth import stars
from napari_samstar.synth.noise import Field
from napari_samstar.synth.placing import centers
from napari_samstar.synth.shapes import outline_at

__all__ = ["nested", "outlines", "press", "pushed_apart", "ring"]

Array = NDArray[np.float64]
Shape = tuple[int, int]


@njit(cache=True, nogil=True)
def _press(
    labels: NDArray[np.int32],
    nearest: NDArray[np.float32],
    second: NDArray[np.float32],
    centers: NDArray[np.float64],
    tables: NDArray[np.float32],
) -> None:
    h, w = labels.shape
    for i in range(centers.shape[0]):
        cy, cx, table = centers[i, 0], centers[i, 1], tables[i]
        far = float(table.max()) + 1
        for y in range(max(0, int(cy - far)), min(h, int(cy + far) + 2)):
            for x in range(max(0, int(cx - far)), min(w, int(cx + far) + 2)):
                dx, dy = x - cx, y - cy
                r = np.sqrt(dx * dx + dy * dy)
                if r >= far:
                    continue
                rho = r / outline_at(table, dx, dy)
                if rho < nearest[y, x]:
                    second[y, x] = nearest[y, x]
                    nearest[y, x] = rho
                    labels[y, x] = i + 1
                elif rho < second[y, x]:
                    second[y, x] = rho


def press(shape: Shape, place: Array, table: stars.Table) -> tuple[NDArray[np.int32], Field]:
    """Paint stars that share what they would both cover.

    Returns
    -------
    labels : (H, W) int32
        Row of the table, from 1; 0 outside.
    rho : (H, W) float32
        0 in the center of a body, 1 at its outline and where it meets another.
    """
    labels = np.zeros(shape, np.int32)
    nearest, second = np.ones(shape, np.float32), np.ones(shape, np.float32)
    _press(labels, nearest, second, np.ascontiguousarray(place, np.float64), table)
    return labels, np.asarray(nearest / np.maximum(second, np.float32(1e-3)), np.float32)


def pushed_apart(place: Array, radius: Array, touch: float, rounds: int = 8) -> Array:
    """Move discs until few are closer than `touch` times the sum of their radii."""
    place = place.copy()
    for _ in range(rounds if len(place) > 1 else 0):
        pairs = cKDTree(place).query_pairs(
            2 * touch * float(np.quantile(radius, 0.9)), output_type="ndarray"
        )
        a, b = pairs[:, 0], pairs[:, 1]
        away = place[a] - place[b]
        distance = np.hypot(away[:, 0], away[:, 1]) + 1e-6
        lack = np.maximum(touch * (radius[a] + radius[b]) - distance, 0)
        step = away * (0.4 * lack / distance)[:, None]
        for axis in (0, 1):
            place[:, axis] += np.bincount(a, step[:, axis], len(place))
            place[:, axis] -= np.bincount(b, step[:, axis], len(place))
    return place


def nested(rng: np.random.Generator, radius: Array, shape: Shape, cover: float) -> Array:
    """Places all over the frame, or in one ragged patch if they are too few to cover that much."""
    n = len(radius)
    reach = np.sqrt(float((radius**2).sum()) / cover)
    if reach > 0.5 * min(shape):
        return centers(rng, n, shape, margin=float(np.median(radius)))
    t = rng.uniform(0, 2 * np.pi, n)
    ragged = 1 + 0.3 * np.cos(2 * t + rng.uniform(0, 6)) + 0.15 * np.cos(5 * t + rng.uniform(0, 6))
    r = reach * ragged * np.sqrt(rng.random(n))
    origin = (0.5 + rng.uniform(-0.3, 0.3, 2)) * np.array(shape)
    return np.asarray(origin + np.stack([np.sin(t), np.cos(t)], 1) * r[:, None])


def ring(rng: np.random.Generator, width: Array, shape: Shape) -> tuple[Array, Array, Array]:
    """Side by side along an ellipse, `width` px each, until it is full: glands, embryos.

    Returns the places (N, 2), the direction across the ellipse at each, and its center.
    """
    a, b = min(shape) * rng.uniform(0.2, 0.8), min(shape) * rng.uniform(0.12, 0.6)
    turn, t = rng.uniform(0, np.pi), np.linspace(0, 2 * np.pi, 1000)
    origin = (0.5 + rng.uniform(-0.5, 0.5, 2) * rng.random()) * np.array(shape)
    steps = np.hypot(a * np.diff(np.cos(t)), b * np.diff(np.sin(t)))
    along = np.concatenate([[0], np.cumsum(steps)])
    at = np.cumsum(width) - width[:1]
    t = np.interp(at[at < along[-1]], along, t) + rng.uniform(0, 2 * np.pi)
    c, s = np.cos(turn), np.sin(turn)
    wave = 1 + rng.uniform(0, 0.12) * np.cos(3 * t + rng.uniform(0, 6))
    y, x = b * np.sin(t) * wave, a * np.cos(t) * wave
    across = np.arctan2(a * np.sin(t), b * np.cos(t)) + turn
    return origin + np.stack([x * s + y * c, x * c - y * s], 1), across, origin


def outlines(
    rng: np.random.Generator, radius: Array, aspect: Array, angle: Array, lobed: float
) -> stars.Table:
    """Ellipses with a soft outline, of which a share is `lobed`: beans, clovers and dents."""
    one = np.ones(len(radius))
    soft = stars.blobs(rng, one, one, float(rng.uniform(0.01, 0.08)), 4)
    dented = stars.blobs(rng, one, one, 0.22, 3)
    wave = np.where(rng.random((len(radius), 1)) < lobed, dented, soft)
    return np.asarray(stars.ellipses(radius, aspect, angle) * wave, np.float32)
