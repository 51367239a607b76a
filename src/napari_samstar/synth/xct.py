"""Slices of X-ray tomograms: pores, inclusions and packed grains, with the method's artefacts."""

from __future__ import annotations

import numpy as np

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes, stars
from napari_samstar.synth.noise import Field, blur, coordinates, fractal, log_uniform
from napari_samstar.synth.placing import centers, median_radius, radii
from napari_samstar.synth.scene import Draft

__all__ = ["tomogram"]


def rings(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Ring artefact: each bad detector pixel draws a circle around the axis; about -3 to 3."""
    y, x = coordinates(shape)
    cy, cx = (np.array(shape) / 2 + rng.normal(0, 3, 2)).astype(np.float32)
    r = np.sqrt((y - cy) ** 2 + (x - cx) ** 2)
    profile = rng.normal(0, 1, int(np.hypot(*shape)) + 2)
    profile *= rng.random(profile.size) < rng.uniform(0.05, 0.5)
    profile = blur(profile.astype(np.float32)[None], (0.0, 0.8))[0]
    return np.asarray(profile[r.astype(np.int32)], np.float32)


def streaks(rng: np.random.Generator, shape: tuple[int, int], dense: Field) -> Field:
    """Dark streaks along lines through the densest places."""
    y, x = coordinates(shape)
    out = np.zeros(shape, np.float32)
    peak = np.unravel_index(int(np.argmax(dense)), shape)
    for _ in range(int(rng.integers(1, 6))):
        a = rng.uniform(0, np.pi)
        offset = np.cos(a) * (y - np.float32(peak[0])) - np.sin(a) * (x - np.float32(peak[1]))
        out -= np.exp(-((offset / np.float32(rng.uniform(1.5, 6))) ** 2))
    return out


def tomogram(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Draw a reconstructed slice: a round (or filled) field, cupping, rings, streaks."""
    side = min(shape)
    y, x = coordinates(shape)
    r = np.sqrt((y - shape[0] / 2) ** 2 + (x - shape[1] / 2) ** 2) / np.float32(side / 2)
    whole = rng.random() < 0.4
    body = np.ones(shape, bool) if whole else r < rng.uniform(0.75, 0.98)
    median = median_radius(rng, shape, settings, 0.05, 0.7)
    packed = rng.random() < 0.35
    cover = rng.uniform(0.6, 1.5) if packed else log_uniform(rng, 0.02, 0.3)
    n = int(np.clip(cover * shape[0] * shape[1] / (np.pi * median**2), 3, 600))
    radius = np.sort(radii(rng, n, median, shape, settings, rng.uniform(0.2, 0.7)))[::-1]
    table = stars.blobs(
        rng, radius, np.exp(np.abs(rng.normal(0, 0.3, n))), log_uniform(rng, 0.02, 0.2)
    )
    canvas = shapes.Canvas(shape)
    place = centers(rng, n, shape, 0.0 if packed else median)
    canvas.stars(place, table, 0.12 if packed else 0.05, 0.0, over=False)
    labels = np.where(body, canvas.labels, 0).astype(np.int32)
    on = labels > 0
    pore = rng.random(canvas.count + 1) < rng.choice([0.0, 0.5, 1.0])
    tone = np.where(pore, rng.uniform(-0.5, -0.2), rng.uniform(0.15, 0.6))
    tone = tone + rng.normal(0, 0.04, canvas.count + 1)
    if packed:  # grains in air, or in a binder
        pore[:] = False
        tone = rng.uniform(0.15, 0.6) + rng.normal(0, rng.uniform(0.01, 0.1), canvas.count + 1)
    tone[0] = 0.0
    image = np.where(body, np.float32(0.5), np.float32(0.1)) + tone.astype(np.float32)[labels]
    if rng.random() < 0.4:
        image += np.float32(rng.uniform(0.02, 0.1)) * fractal(rng, shape, 15, 3) * body
    image = blur(image.astype(np.float32), rng.uniform(0.6, 1.6))
    if rng.random() < 0.5:  # phase contrast: edges overshoot
        image += np.float32(rng.uniform(0.2, 1.2)) * (image - blur(image, 2.0))
    image += np.float32(rng.uniform(0, 0.25)) * (r * r) * body  # beam hardening: cupping
    if rng.random() < 0.6:
        image += np.float32(log_uniform(rng, 0.01, 0.12)) * rings(rng, shape)
    if rng.random() < 0.3:
        image += np.float32(rng.uniform(0.02, 0.12)) * streaks(rng, shape, image)
    material = np.where(body, 1, 0).astype(np.uint8)
    material[on] = np.where(pore[labels[on]], 2, 3)
    params = {"median_radius_px": median, "packed": packed, "instrument": {"scan": False}}
    return Draft(np.asarray(image, np.float32), labels, material, None, None, params)
