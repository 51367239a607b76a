"""Atomic force microscopy: terraces and islands, with tilt, streaks and line offsets."""

from __future__ import annotations

import cv2
import numpy as np

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes, stars
from napari_samstar.synth.noise import blur, coordinates, fractal, log_uniform, smooth
from napari_samstar.synth.placing import centers, median_radius, radii
from napari_samstar.synth.scene import Draft

__all__ = ["topography"]


def topography(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Draw heights: steps between terraces, or islands on a flat, or both."""
    h, w = shape
    y, x = coordinates(shape)
    side = min(shape)
    height = np.zeros(shape, np.float32)
    labels = np.zeros(shape, np.int32)
    terraces = rng.random() < 0.5
    if terraces:
        angle = rng.uniform(0, 2 * np.pi)
        width = log_uniform(rng, side / 15, side / 2.5)
        slope = (np.cos(angle) * y + np.sin(angle) * x) / np.float32(width)
        field = slope + np.float32(rng.uniform(0.1, 0.7)) * fractal(
            rng, shape, width * rng.uniform(0.6, 2), 3, 0.4
        )
        steps = np.floor(field)
        height += steps.astype(np.float32)
        code = (steps - steps.min() + 1).astype(np.int32)
        labels = code
    islands = not terraces or rng.random() < 0.3
    material = np.ones(shape, np.uint8)
    if islands:
        median = median_radius(rng, shape, settings, 0.1, 0.6)
        n = int(np.clip(log_uniform(rng, 0.05, 0.5) * h * w / (np.pi * median**2), 3, 500))
        radius = radii(rng, n, median, shape, settings, rng.uniform(0.1, 0.5))
        canvas = shapes.Canvas(shape)
        table = stars.blobs(rng, radius, 1 + np.abs(rng.normal(0, 0.2, n)), rng.uniform(0, 0.1))
        canvas.stars(centers(rng, n, shape, median), table, rng.choice([0.0, 0.2]))
        rise = rng.uniform(0.4, 1.2, canvas.count + 1).astype(np.float32)[canvas.labels]
        height += (
            rise
            * np.sqrt(np.maximum(1 - canvas.rho ** np.float32(rng.uniform(2, 20)), 0))
            * (canvas.labels > 0)
        )
        above = canvas.labels > 0
        labels = np.where(above, canvas.labels + int(labels.max()), labels).astype(np.int32)
        material[above] = 2
    height = blur(height, log_uniform(rng, 0.5, 2))
    height += np.float32(log_uniform(rng, 0.01, 0.15)) * fractal(rng, shape, rng.uniform(2, 10), 2)
    lines = rng.normal(0, 1, (h, 1)).astype(np.float32)
    height += np.float32(log_uniform(rng, 0.005, 0.12)) * lines
    if rng.random() < 0.4:  # the tip loses the surface: short streaks along the fast axis
        streak = smooth(rng, shape, (1.0, w * 0.12)) > 2.2
        height += np.float32(rng.normal(0, 0.5)) * streak
    if rng.random() < 0.4:  # residual tilt and bow
        height += np.float32(rng.normal(0, 0.8)) * (y / h) + np.float32(rng.normal(0, 0.8)) * (
            x / w
        )
        height += np.float32(rng.normal(0, 0.5)) * (y / h - np.float32(0.5)) ** 2
    if rng.random() < 0.25:  # the deflection channel: slope, not height
        height = np.asarray(cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3), np.float32)
    return Draft(
        np.asarray(height, np.float32),
        labels,
        material,
        None,
        None,
        {"terraces": terraces, "islands": islands, "instrument": {"noise": 0.3}},
    )
