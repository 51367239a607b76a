"""Metal powder in the scanning electron microscope."""

from __future__ import annotations

import numpy as np

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes, stars
from napari_samstar.synth.grains import voronoi
from napari_samstar.synth.noise import fractal, log_uniform
from napari_samstar.synth.particles import substrate, surface
from napari_samstar.synth.placing import centers, median_radius, radii
from napari_samstar.synth.scene import Draft

__all__ = ["powder"]


def powder(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Metal powder in the SEM: crowded shaded spheres, satellites, smaller ones in the gaps."""
    median = median_radius(rng, shape, settings, 0.3, 0.75)
    n = int(np.clip(rng.uniform(0.8, 2.5) * shape[0] * shape[1] / (np.pi * median**2), 5, 700))
    radius = radii(rng, n, median, shape, settings, rng.uniform(0.25, 0.6))
    place = centers(rng, n, shape, margin=median)
    height = radius + rng.normal(0, 0.4 * median, n)  # larger spheres stick out of the layer
    order = np.argsort(height)
    radius, place = radius[order], place[order]
    table = stars.blobs(rng, radius, 1 + np.abs(rng.normal(0, 0.08, n)), 0.015)
    odd = rng.random(n) < rng.uniform(0, 0.12)
    if odd.any():
        table[odd] = stars.blobs(rng, radius[odd], np.full(int(odd.sum()), 1.4), 0.15)
    canvas = shapes.Canvas(shape)
    # nothing may hide a lower sphere altogether: paint from the bottom, refuse deep burials
    canvas.stars(place, table, log_uniform(rng, 0.05, 0.5), 0.0)
    host = np.repeat(np.arange(n), rng.poisson(rng.uniform(0, 0.8), n))
    owner = np.arange(n)
    if host.size:
        owner = np.concatenate([owner, host])
        turn = rng.uniform(0, 2 * np.pi, host.size)
        small = np.clip(radius[host] * rng.uniform(0.08, 0.35, host.size), 2.0, None)
        where = place[host] + (radius[host] * rng.uniform(0.4, 1.1, host.size))[:, None] * np.stack(
            [np.sin(turn), np.cos(turn)], 1
        )
        canvas.stars(where, stars.blobs(rng, small, np.ones(host.size), 0.05), 1.0, 0.0)
    labels = canvas.labels
    on = labels > 0
    tone = rng.uniform(0.3, 0.5) + rng.normal(0, rng.uniform(0.02, 0.1), canvas.count + 1)
    body = tone.astype(np.float32)[labels] + surface(rng, canvas, 2.0, rng.uniform(0.05, 0.3))
    body -= np.float32(rng.uniform(0, 0.25)) * np.exp(-canvas.depth / rng.uniform(0.7, 2))
    grain = fractal(rng, shape, log_uniform(rng, 1.5, max(3, median * 0.3)), 3, 0.7)
    body += np.float32(log_uniform(rng, 0.01, 0.12)) * grain
    if rng.random() < 0.5:  # the cells in which the metal froze
        _, cell, _ = voronoi(
            rng, shape, float(np.clip(median * rng.uniform(0.15, 0.5), 5, 30)), 0.2
        )
        wall = np.exp(-cell / np.float32(rng.uniform(0.7, 1.5)))
        body += np.float32(rng.uniform(-0.12, 0.2)) * wall
    ground = np.float32(rng.uniform(0.0, 0.25)) + np.float32(0.4) * substrate(rng, shape)
    image = np.where(on, body, ground).astype(np.float32)
    params = {"median_radius_px": median, "instrument": {"invert": False}}
    groups = np.concatenate([[0], owner + 1]).astype(np.int32)[labels]
    return Draft(image, labels, on.astype(np.uint8), groups, None, params)
