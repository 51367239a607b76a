"""Spread cells in phase contrast and in differential interference contrast."""

from __future__ import annotations

import numpy as np

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes, stars
from napari_samstar.synth.noise import Field, blur, coordinates, fractal, log_uniform, smooth
from napari_samstar.synth.placing import centers, radii, sampled
from napari_samstar.synth.scene import Draft

__all__ = ["cells", "phase_contrast"]


def phase_contrast(phase: Field, halo: float, width: float) -> Field:
    """Zernike phase contrast: dark by phase, and the bright halo of its low frequencies lost."""
    return np.asarray(-phase + np.float32(halo) * blur(phase, width), np.float32)


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
    size = log_uniform(rng, side / 45, side / 9)
    n = int(np.clip(rng.uniform(0.06, 0.8) * shape[0] * shape[1] / (4 * size**2), 3, 250))
    radius = radii(rng, n, size, shape, settings, 0.3)
    table = stars.spiky(rng, radius, np.exp(np.abs(rng.normal(0.4, 0.5, n))))
    round_ones = rng.random(n) < rng.uniform(0, 0.3)
    if round_ones.any():
        k = int(round_ones.sum())
        table[round_ones] = stars.blobs(rng, radius[round_ones] * 0.7, np.ones(k), 0.05)
    canvas = shapes.Canvas(shape)
    canvas.stars(sampled(rng, n, shape, 2 * size), table, rng.uniform(0, 0.15), 0.0, over=False)
    labels = canvas.labels
    on = labels > 0
    rounded = np.concatenate([[False], round_ones])[labels]
    tall = np.where(rounded, rng.uniform(1.5, 4), 1.0).astype(np.float32)
    body = (1 - np.exp(-canvas.depth / np.float32(max(1.5, size * 0.15)))) * on
    coarse = max(2.0, size * rng.uniform(0.1, 0.3))
    granules = np.maximum(fractal(rng, shape, coarse, 2, 0.8) - rng.uniform(0.8, 1.8), 0)
    phase = np.float32(rng.uniform(0.05, 0.5)) * tall * body
    phase += np.float32(rng.uniform(0.05, 0.25)) * fractal(rng, shape, coarse * 2, 3, 0.7) * body
    phase += np.float32(rng.uniform(0.2, 1.2)) * tall * body * granules
    nucleus = np.exp(-((canvas.rho / np.float32(0.35)) ** 2)) * on
    phase += np.float32(rng.uniform(-0.3, 0.5)) * nucleus
    ruffle = np.clip(1 + np.float32(0.6) * smooth(rng, shape, max(2.0, size * 0.2)), 0, 2)
    edge = np.exp(-canvas.depth / np.float32(rng.uniform(0.8, 2.5))) * on
    phase += np.float32(rng.uniform(0.2, 1.0)) * ruffle * edge
    phase = blur(np.asarray(phase, np.float32), rng.uniform(0.5, 1.0))
    width = max(2.0, size * rng.uniform(0.15, 0.5))
    image = phase_contrast(phase, rng.uniform(0.8, 1.8), width)
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
            centers(rng, m, shape), stars.blobs(rng, rng.uniform(0.8, 2.5, m), np.ones(m), 0.1)
        )
        dot = blur((specks.labels > 0).astype(np.float32), 0.7)
        image = image + np.float32(rng.normal(0, 0.4)) * (dot - blur(dot, 2.5))
    image = image + np.float32(log_uniform(rng, 0.005, 0.06)) * fractal(rng, shape, 10, 3)
    return Draft(
        np.asarray(image, np.float32),
        labels,
        on.astype(np.uint8),
        None,
        None,
        {"size_px": size, "instrument": {"scan": False, "invert": False, "noise": 0.4}},
    )
