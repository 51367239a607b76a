"""Spread cells in phase contrast and in differential interference contrast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes, stars
from napari_samstar.synth.noise import Field, blur, coordinates, fractal, log_uniform, smooth
from napari_samstar.synth.placing import centers, clustered, radii, sampled
from napari_samstar.synth.scene import Draft

__all__ = ["cells", "phase_contrast"]

Array = NDArray[np.float64]


def phase_contrast(phase: Field, halo: float, width: float) -> Field:
    """Zernike phase contrast: dark by phase, and the bright halo of its low frequencies lost."""
    return np.asarray(-phase + np.float32(halo) * blur(phase, width), np.float32)


def airy_ring(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Rings of dust far from focus: structure that is no object."""
    y, x = coordinates(shape)
    cy, cx = rng.random(2) * np.array(shape)
    r = np.sqrt((y - np.float32(cy)) ** 2 + (x - np.float32(cx)) ** 2)
    size = min(shape) * log_uniform(rng, 0.006, 0.12)
    wave = np.cos(r / np.float32(size) * np.float32(2 * np.pi * 1.5))
    return np.asarray(wave * np.exp(-((r / np.float32(size)) ** 2) / 2), np.float32)


def webbed(rng: np.random.Generator, radius: float, aspect: float) -> stars.Table:
    """Outline (K,) of a cell held at three to eight feet, straight or hollow in between."""
    n = int(rng.integers(3, 9))
    angle = 2 * np.pi * (np.arange(n) + rng.uniform(-0.2, 0.2, n)) / n
    foot = radius * rng.uniform(0.7, 1.15, n) * np.where(rng.random(n) < 0.12, 1.6, 1.0)
    x, y = foot * np.cos(angle) * np.sqrt(aspect), foot * np.sin(angle) / np.sqrt(aspect)
    around = (np.arctan2(y, x) + rng.uniform(0, 2 * np.pi)) % (2 * np.pi)
    order = np.argsort(around)
    around, foot = around[order], np.hypot(x, y)[order]
    theta = stars.DIRECTIONS % (2 * np.pi)
    right = np.searchsorted(around, theta) % n
    gap = (around[right] - around[right - 1]) % (2 * np.pi)
    past = (theta - around[right - 1]) % (2 * np.pi)
    straight = np.sin(gap) / (np.sin(gap - past) / foot[right - 1] + np.sin(past) / foot[right])
    t = past / gap
    hollow = rng.uniform(-0.05, 2.9 / (n + 1), n)[right] * 4 * t * (1 - t)
    fringe = rng.normal(0, 1, theta.size) * rng.uniform(0, 0.05)
    body = 0.35 * radius
    table = np.maximum(straight * (1 - hollow), body) * (1 + fringe)
    table = (np.roll(table, 1) + 2 * table + np.roll(table, -1)) / 4  # feet are blunt
    return np.asarray(np.clip(table, body, 3 * radius), np.float32)


def organelles(
    rng: np.random.Generator, shape: tuple[int, int], places: Array, radius: Array
) -> Field:
    """Nucleoli at each cell's center, and vesicles about it: dots, dark where positive."""
    counts = np.array([int(rng.integers(1, 4)), int(rng.integers(0, 14))])
    cell = np.repeat(np.arange(len(places)), counts.sum())
    nucleolus = np.arange(cell.size) % counts.sum() < counts[0]
    spread = np.where(nucleolus, 0.1, 0.27) * radius[cell]
    where = places[cell] + rng.standard_normal((cell.size, 2)) * spread[:, None]
    size = radius[cell] * np.where(nucleolus, rng.uniform(0.05, 0.11), rng.uniform(0.02, 0.06))
    dots = shapes.Canvas(shape)
    size = np.maximum(size * rng.uniform(0.7, 1.4, cell.size), 0.7)
    dots.stars(where, stars.ellipses(size, np.full(cell.size, 1.2), rng.uniform(0, 3, cell.size)))
    bright = ~nucleolus & (rng.random(cell.size) < 0.25)
    strength = np.where(bright, -1.0, 1.0) * rng.uniform(0.4, 1.0, cell.size)
    return np.concatenate([[0], strength]).astype(np.float32)[dots.labels]


def debris(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Crumbs on the dish, ragged and small: phase that is no cell."""
    scale = min(shape) * log_uniform(rng, 0.006, 0.015)
    ragged = fractal(rng, shape, scale, 2, 0.8)
    few = smooth(rng, shape, 2.5 * scale)
    crumbs = (ragged + np.float32(0.8) * few > rng.uniform(2.7, 4.2)).astype(np.float32)
    return np.asarray(crumbs * np.float32(rng.uniform(0.1, 0.7)), np.float32)


def ghosts(rng: np.random.Generator, shape: tuple[int, int], size: float) -> Field:
    """Cells that float above the focus: blurred outlines, which nobody would trace."""
    n = int(rng.integers(1, 5))
    canvas = shapes.Canvas(shape)
    table = np.stack([webbed(rng, size, rng.uniform(1, 4)) for _ in range(n)])
    canvas.stars(centers(rng, n, shape), table)
    body = blur((canvas.labels > 0).astype(np.float32), max(1.5, 0.08 * size))
    return np.asarray(body * (1 - body) + 0.3 * (body - blur(body, 0.3 * size)), np.float32)


def thickness(
    rng: np.random.Generator, canvas: shapes.Canvas, height: Array, round_ones: NDArray[np.bool_]
) -> Field:
    """Phase of the cells alone: thin lamella, a hump about the nucleus, ruffled edge, dark feet."""
    shape = canvas.labels.shape
    tall = np.concatenate([[0], height]).astype(np.float32)[canvas.labels]
    size = float(np.sqrt((canvas.labels > 0).sum() / max(1, len(height)))) + 1
    # people outline cells along the halo, a little outside
    depth = np.maximum(canvas.depth - np.float32(size * rng.uniform(0.01, 0.08)), 0)
    on = (depth > 0).astype(np.float32)
    rise = 1 - np.exp(-depth / np.float32(max(1.0, size * rng.uniform(0.02, 0.08))))
    hump = np.exp(-((canvas.rho / np.float32(rng.uniform(0.35, 0.6))) ** 2))
    phase = tall * rise * (np.float32(rng.uniform(0.4, 0.8)) + np.float32(0.7) * tall * hump)
    coarse = max(2.0, size * rng.uniform(0.06, 0.15))
    phase += np.float32(rng.uniform(0.05, 0.25)) * tall * rise * fractal(rng, shape, coarse, 3, 0.8)
    ruffle = np.clip(1 + np.float32(0.6) * smooth(rng, shape, max(2.0, size * 0.2)), 0, 2)
    edge = np.exp(-depth / np.float32(max(0.8, size * 0.03))) * on
    phase += np.float32(rng.uniform(0.1, 0.5)) * tall * ruffle * edge
    slim = np.clip(np.float32(1.1) - blur(on, 0.15 * size) * 2, 0, 1) * canvas.rho**4
    phase += np.float32(rng.uniform(0.2, 1.2)) * slim * on
    core = np.concatenate([[False], round_ones])[canvas.labels]
    return np.asarray(np.where(core, tall * (1 - canvas.rho**4), phase), np.float32)


def cells(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Spread cells in phase contrast: flat gray ones, dark slim ones, shining round ones."""
    side = min(shape)
    size = log_uniform(rng, side / 50, side / 10)
    n = int(np.clip(rng.uniform(0.08, 0.9) * shape[0] * shape[1] / (4 * size**2), 4, 160))
    height = np.sort(np.exp(rng.normal(-0.2, rng.uniform(0.2, 0.5), n)))  # tall ones lie on top
    radius = radii(rng, n, size, shape, settings, 0.22) * np.clip(height, 0.3, 2) ** -0.3
    round_ones = rng.random(n) < np.linspace(0, 2, n) ** 3 * rng.uniform(0, 0.08)
    aspect = np.exp(np.abs(rng.normal(0.4, 0.7, n)))
    table = np.stack([webbed(rng, r, a) for r, a in zip(radius, aspect, strict=True)])
    if round_ones.any():
        k = int(round_ones.sum())
        radius[round_ones] = size * rng.uniform(0.3, 0.5, k)
        height[round_ones] = rng.uniform(1.2, 2.5, k)
        table[round_ones] = stars.blobs(rng, radius[round_ones], np.full(k, 1.1), 0.05)
    if rng.random() < 0.5:
        places = clustered(rng, n, shape, 1.3 * size)
    else:
        places = sampled(rng, n, shape, 2 * size)
    canvas = shapes.Canvas(shape)
    painted = canvas.stars(places, table, rng.uniform(0.02, 0.2))
    labels = canvas.labels
    phase = thickness(rng, canvas, height, round_ones)
    flat = painted & ~round_ones
    if flat.any():
        dots = organelles(rng, shape, places[flat], radius[flat]) * (labels > 0)
        phase += np.float32(rng.uniform(0.3, 1.3)) * dots
    if rng.random() < 0.7:
        phase += debris(rng, shape) * (labels == 0)
    phase = blur(phase, float(np.clip(size * 0.025, 0.5, 1.5)))
    width = max(1.5, size * log_uniform(rng, 0.1, 0.3))
    image = phase_contrast(phase, rng.uniform(0.9, 1.3), width)
    image += np.float32(rng.uniform(-0.1, 0.2)) * phase_contrast(phase, 1.0, 1.5 * size)
    if rng.random() < 0.12:  # differential interference contrast instead
        gy, gx = np.gradient(blur(phase, 1.0))
        a = rng.uniform(0, 2 * np.pi)
        image = (np.cos(a) * gx + np.sin(a) * gy).astype(np.float32) * 3
    if round_ones.any():  # a sphere is a lens: its rim shines
        rim = np.exp(-(((canvas.rho - np.float32(0.8)) / np.float32(0.25)) ** 2))
        lens = np.concatenate([[0], 1.2 * round_ones * rng.uniform(0.5, 1.2, n)])
        image += blur(lens.astype(np.float32)[labels] * rim, 0.7)
    for _ in range(int(rng.integers(0, 6))):
        image = image + np.float32(rng.uniform(0.02, 0.12)) * airy_ring(rng, shape)
    if rng.random() < 0.3:
        image = image + np.float32(rng.uniform(0.3, 0.8)) * ghosts(rng, shape, size)
    image = image + np.float32(log_uniform(rng, 0.004, 0.018)) * fractal(rng, shape, 10, 3)
    return Draft(
        np.asarray(np.clip(image, -0.9, 1.2), np.float32),
        labels,
        (labels > 0).astype(np.uint8),
        None,
        None,
        {"size_px": size, "instrument": {"scan": False, "invert": False, "noise": 0.15}},
    )
