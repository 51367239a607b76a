"""Living things: bacteria, spread cells in phase contrast, nuclei."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes
from napari_samstar.synth.noise import Field, blur, coordinates, fractal, log_uniform
from napari_samstar.synth.placing import centers, median_radius, radii, sampled
from napari_samstar.synth.scene import Draft

__all__ = ["bacteria", "cells", "nuclei"]

Array = NDArray[np.float64]


def rods(
    rng: np.random.Generator, place: Array, angle: Array, radius: Array, length: Array, bend: Array
) -> Array:
    """Nodes (N, 5, 3) of rods that bend by `bend` rad from end to end."""
    t = np.linspace(-0.5, 0.5, 5)
    turn = angle[:, None] + bend[:, None] * t[None]
    step = length[:, None] * 0.25
    dy, dx = np.sin(turn) * step, np.cos(turn) * step
    y, x = np.cumsum(dy, 1) - dy, np.cumsum(dx, 1) - dx
    y, x = y - y.mean(1, keepdims=True), x - x.mean(1, keepdims=True)
    r = np.repeat(radius[:, None], 5, 1)
    return np.stack([place[:, :1] + y, place[:, 1:] + x, r], -1)


def colony(
    rng: np.random.Generator, n: int, shape: tuple[int, int], radius: float, length: float
) -> tuple[Array, Array]:
    """Places and directions of rods that grew side by side, in a few bent domains."""
    across, along = (
        2 * radius * rng.uniform(0.95, 1.25),
        (length + 2 * radius) * rng.uniform(0.97, 1.1),
    )
    reach = np.sqrt(n * across * along / np.pi)
    domains = int(rng.integers(1, 8))
    middle = np.array(shape) * rng.uniform(0.15, 0.85, 2)
    core = middle + 0.8 * reach * np.sqrt(rng.random((domains, 1))) * _unit(rng, domains)
    turn = rng.uniform(0, np.pi, domains)
    k = int(2 * reach / across) + 2
    m = int(2 * reach / along) + 2
    grid_a, grid_l = np.mgrid[0:k, 0:m].reshape(2, -1).astype(np.float64)
    grid_l = grid_l + (grid_a % 2) * 0.5 + rng.normal(0, 0.12, grid_l.size)
    grid_a, grid_l = (grid_a - k / 2) * across, (grid_l - m / 2) * along
    outline = 1 + 0.25 * np.cos(3 * np.linspace(0, 2 * np.pi, 64) + rng.uniform(0, 6))
    spots, angles = [], []
    curl = rng.normal(0, 0.5, domains) / reach
    for i in range(domains):
        t = turn[i] + curl[i] * grid_l
        y = middle[0] + grid_l * np.sin(t) + grid_a * np.cos(t)
        x = middle[1] + grid_l * np.cos(t) - grid_a * np.sin(t)
        spot = np.stack([y, x], 1)
        near = np.argmin(((spot[:, None] - core[None]) ** 2).sum(2), 1) == i
        around = np.arctan2(y - middle[0], x - middle[1])
        rim = reach * outline[((around + np.pi) / (2 * np.pi) * 63).astype(int)]
        near &= np.hypot(y - middle[0], x - middle[1]) < rim
        spots.append(spot[near])
        angles.append(t[near] + curl[i] * grid_l[near])
    place, angle = np.concatenate(spots), np.concatenate(angles)
    place += rng.normal(0, 0.12 * radius, place.shape)
    return place, angle + rng.normal(0, 0.05, angle.size)


def phase_contrast(phase: Field, halo: float, width: float) -> Field:
    """Zernike phase contrast: dark by phase, and the bright halo of its low frequencies lost."""
    return np.asarray(-phase + np.float32(halo) * blur(phase, width), np.float32)


def bacteria(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Rods, straight or bent, alone and in packed colonies; phase contrast or fluorescence."""
    side = min(shape)
    radius0 = log_uniform(rng, 2.5, max(4.0, side / 28))
    n = int(rng.integers(15, 500))
    ratio = rng.uniform(2.5, 9)
    radius = radius0 * np.clip(1 + rng.normal(0, 0.08, n), 0.7, 1.4)
    length = radius0 * ratio * np.exp(rng.normal(0, 0.3, n))
    packed = rng.random() < 0.6
    if packed:
        spot, angle = colony(rng, n, shape, radius0, radius0 * ratio)
        n = len(spot)
        radius, length = np.resize(radius, n), np.resize(length, n)
    else:
        spot = sampled(rng, n, shape, radius0 * 4)
        angle = rng.uniform(0, np.pi, n)
    bend = rng.normal(0, rng.choice([0.05, 0.3, 0.9]), spot.shape[0])
    nodes = rods(rng, spot, angle, radius, length, bend)
    canvas = shapes.Canvas(shape)
    canvas.chains(nodes, 0.3 if packed else 0.05, 0.0 if packed else rng.uniform(0, 1.2), False)
    labels = canvas.labels
    on = labels > 0
    tone = np.clip(1 + rng.normal(0, rng.uniform(0.05, 0.3), canvas.count + 1), 0.2, 2)
    tone[0] = 0
    phase = tone.astype(np.float32)[labels] * np.sqrt(np.maximum(1 - canvas.rho**2, 0))
    phase = phase * (1 + np.float32(rng.uniform(0, 0.3)) * fractal(rng, shape, radius0, 2))
    phase = blur(phase, max(0.6, radius0 * 0.15))
    mode = str(rng.choice(["phase", "fluorescence", "bright"], p=[0.65, 0.25, 0.1]))
    if mode == "phase":
        halo = rng.uniform(0.4, 1.6)
        image = phase_contrast(phase, halo, radius0 * rng.uniform(1.2, 4))
        image += np.float32(rng.uniform(0, 0.5)) * phase_contrast(phase, 1.0, radius0 * 8)
        image += np.float32(log_uniform(rng, 0.01, 0.08)) * fractal(rng, shape, 12, 3)
    elif mode == "fluorescence":
        image = phase if rng.random() < 0.6 else phase + np.exp(-canvas.depth / 1.5) * on
        image = image + np.float32(0.3) * blur(image, radius0 * 3)
    else:
        image = np.float32(0.5) * (blur(phase, 0.8) - blur(phase, radius0 * 0.9))
        image += np.float32(0.04) * fractal(rng, shape, 20, 3)
    groups = (on & packed).astype(np.int32)
    return Draft(
        np.asarray(image, np.float32),
        labels,
        on.astype(np.uint8),
        groups,
        None,
        {"radius_px": radius0, "mode": mode, "instrument": {"scan": False}},
    )


def _unit(rng: np.random.Generator, n: int) -> Array:
    a = rng.uniform(0, 2 * np.pi, n)
    return np.stack([np.sin(a), np.cos(a)], 1)


def airy_ring(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Rings of dust far from focus: structure that is no object."""
    y, x = coordinates(shape)
    cy, cx = rng.random(2) * np.array(shape)
    r = np.sqrt((y - np.float32(cy)) ** 2 + (x - np.float32(cx)) ** 2)
    size = min(shape) * log_uniform(rng, 0.02, 0.12)
    wave = np.cos(r / np.float32(size) * np.float32(2 * np.pi * 1.5))
    return np.asarray(wave * np.exp(-((r / np.float32(size)) ** 2) / 2), np.float32)


def cells(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Spread cells in phase contrast: thin, granular, haloed, of hardly any mean contrast."""
    side = min(shape)
    size = log_uniform(rng, side / 50, side / 10)
    n = int(np.clip(rng.uniform(0.03, 0.45) * shape[0] * shape[1] / (4 * size**2), 3, 200))
    radius = radii(rng, n, size, shape, settings, 0.3)
    table = shapes.spiky(rng, radius, np.exp(np.abs(rng.normal(0.4, 0.5, n))))
    round_ones = rng.random(n) < rng.uniform(0, 0.3)
    if round_ones.any():
        k = int(round_ones.sum())
        table[round_ones] = shapes.blobs(rng, radius[round_ones] * 0.7, np.ones(k), 0.05)
    canvas = shapes.Canvas(shape)
    canvas.stars(sampled(rng, n, shape, 2 * size), table, rng.uniform(0, 0.15), 0.0, over=False)
    labels = canvas.labels
    on = labels > 0
    rounded = np.concatenate([[False], round_ones])[labels]
    tall = np.where(rounded, rng.uniform(1.5, 4), 1.0).astype(np.float32)
    body = (1 - np.exp(-canvas.depth / np.float32(max(1.5, size * 0.15)))) * on
    grain = fractal(rng, shape, max(2.0, size * rng.uniform(0.1, 0.3)), 3, 0.8)
    phase = tall * body * (np.float32(rng.uniform(0.2, 0.7)) + np.float32(0.6) * np.abs(grain))
    nucleus = np.exp(-((canvas.rho / np.float32(0.35)) ** 2)) * on
    phase += np.float32(rng.uniform(-0.3, 0.5)) * nucleus
    phase += np.float32(rng.uniform(0.1, 0.8)) * np.exp(-canvas.depth / np.float32(1.5)) * on
    phase = blur(phase.astype(np.float32), 0.8)
    image = phase_contrast(phase, rng.uniform(0.8, 1.8), max(2.0, size * rng.uniform(0.15, 0.5)))
    image += np.float32(rng.uniform(0, 0.6)) * phase_contrast(phase, 1.0, 2 * size)
    if rng.random() < 0.3:  # differential interference contrast instead
        gy, gx = np.gradient(blur(phase, 1.0))
        a = rng.uniform(0, 2 * np.pi)
        image = (np.cos(a) * gx + np.sin(a) * gy).astype(np.float32) * 3
    image = np.where(rounded, np.abs(image) * np.float32(1.5), image)
    for _ in range(int(rng.integers(0, 4))):
        image = image + np.float32(rng.uniform(0.03, 0.25)) * airy_ring(rng, shape)
    specks = shapes.Canvas(shape)
    m = int(rng.integers(0, 150))
    if m:
        specks.stars(
            centers(rng, m, shape), shapes.blobs(rng, rng.uniform(0.8, 2.5, m), np.ones(m), 0.1)
        )
        dot = blur((specks.labels > 0).astype(np.float32), 0.7)
        image = image + np.float32(rng.normal(0, 0.4)) * (dot - blur(dot, 2.5))
    image = image + np.float32(log_uniform(rng, 0.01, 0.12)) * fractal(rng, shape, 10, 3)
    return Draft(
        np.asarray(image, np.float32),
        labels,
        on.astype(np.uint8),
        None,
        None,
        {"size_px": size, "instrument": {"scan": False, "invert": False}},
    )


def nuclei(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Nuclei: fluorescent on black, stained in tissue, or dark in pale cells (bright field)."""
    median = median_radius(rng, shape, settings, 0.15, 0.75)
    n = int(np.clip(rng.uniform(0.03, 0.5) * shape[0] * shape[1] / (np.pi * median**2), 2, 350))
    radius = radii(rng, n, median, shape, settings, rng.uniform(0.08, 0.35))
    aspect = np.exp(np.abs(rng.normal(0.1, 0.3, n)))
    table = shapes.blobs(rng, radius, aspect, log_uniform(rng, 0.01, 0.08), 4)
    canvas = shapes.Canvas(shape)
    place = sampled(rng, n, shape, 1.5 * median)
    canvas.stars(place, table, rng.choice([0.0, 0.1, 0.35]), 0.0)
    labels = canvas.labels
    on = labels > 0
    mode = str(rng.choice(["fluorescence", "stained", "bright"], p=[0.55, 0.3, 0.15]))
    tone = np.exp(rng.normal(0, rng.uniform(0.05, 0.7), canvas.count + 1)).astype(np.float32)
    chromatin = fractal(rng, shape, max(2.0, median * rng.uniform(0.2, 0.7)), 3, 0.7)
    body = tone[labels] * (1 + np.float32(rng.uniform(0.03, 0.35)) * chromatin) * on
    if mode == "fluorescence":
        body = body * np.sqrt(np.maximum(1 - canvas.rho ** np.float32(rng.uniform(2, 12)), 0.02))
        image = blur(body, max(0.5, median * rng.uniform(0.02, 0.15)))
        image += np.float32(rng.uniform(0, 0.3)) * blur(body, median * rng.uniform(1, 3))
        if rng.random() < 0.4:  # others far out of focus
            ghost = shapes.Canvas(shape)
            k = max(1, n // 4)
            ghost.stars(centers(rng, k, shape), np.resize(table, (k, table.shape[1])))
            image += np.float32(rng.uniform(0.05, 0.4)) * blur(
                (ghost.labels > 0).astype(np.float32), median * 0.6
            )
        if rng.random() < 0.3:  # cytoplasm
            image += np.float32(0.08) * np.maximum(fractal(rng, shape, median * 3, 3), 0)
    else:
        tissue = fractal(rng, shape, median * rng.uniform(0.5, 3), 4, 0.65)
        ground = np.float32(0.85) + np.float32(rng.uniform(0.02, 0.12)) * tissue
        if mode == "bright":
            big = shapes.Canvas(shape)
            cell = shapes.blobs(rng, radius * rng.uniform(3, 6), aspect, 0.12)
            big.stars(place, cell)
            pale = np.zeros(shape, np.float32)
            shapes.pile_up(pale, place, cell, rng.uniform(0.1, 0.4, n), 20.0)
            ground = np.exp(-pale) * (1 + np.float32(0.06) * tissue * (pale > 0))
        depth = rng.uniform(0.25, 0.7)
        rim = np.float32(rng.uniform(0, 0.15)) * np.exp(-canvas.depth / 2) * on
        image = ground - np.float32(depth) * np.clip(body, 0, 1.4) - rim
        image = blur(np.asarray(image, np.float32), 0.6)
    return Draft(
        np.asarray(image, np.float32),
        labels,
        on.astype(np.uint8),
        None,
        None,
        {"median_radius_px": median, "mode": mode, "instrument": {"scan": False, "invert": False}},
    )
