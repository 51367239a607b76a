"""Cells and organelles in electron microscopy of sections: membranes, mitochondria, vesicles."""

from __future__ import annotations

import numpy as np

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes, stars
from napari_samstar.synth.grains import voronoi
from napari_samstar.synth.noise import blur, fractal, log_uniform, smooth
from napari_samstar.synth.placing import centers
from napari_samstar.synth.scene import Draft, connected, windows

__all__ = ["tissue"]


def tissue(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Stained section: neurites bounded by dark membranes, with dark striped mitochondria."""
    side = min(shape)
    spacing = log_uniform(rng, side / 14, side / 3)
    cells, depth, _ = voronoi(
        rng, shape, spacing, rng.uniform(0.15, 0.35), 0.0, log_uniform(rng, 0.6, 1.7), 1.0
    )
    thick = np.float32(np.clip(spacing * rng.uniform(0.015, 0.05), 1.0, 4.0))
    cells, _ = connected(cells, 1, split=True)
    membrane = np.exp(-((depth / thick) ** 2))
    tone = rng.normal(0, rng.uniform(0.01, 0.08), int(cells.max()) + 2).astype(np.float32)
    image = np.float32(0.75) + tone[cells]
    image += np.float32(rng.uniform(0.02, 0.08)) * fractal(rng, shape, rng.uniform(4, 10), 3, 0.8)
    image -= (
        np.float32(rng.uniform(0.25, 0.6))
        * membrane
        * (1 + np.float32(0.3) * smooth(rng, shape, spacing * 0.3))
    )
    canvas = shapes.Canvas(shape)
    n = int(rng.integers(0, 30))
    inside = np.zeros(shape, np.int32)
    if n:
        size = np.clip(spacing * rng.uniform(0.1, 0.25), 4, None) * np.exp(rng.normal(0, 0.25, n))
        table = stars.blobs(rng, size, np.exp(np.abs(rng.normal(0.3, 0.4, n))), 0.08)
        place = centers(rng, n, shape)
        at = place.astype(int).clip(0, np.array(shape) - 1)
        fits = depth[at[:, 0], at[:, 1]] > size
        canvas.stars(place[fits], table[fits], 0.0, 1.0)
        home = np.concatenate([[0], cells[at[fits][:, 0], at[fits][:, 1]]])
        # a mitochondrion ends at its cell's membrane
        inside = np.where(home[canvas.labels] == cells, canvas.labels, 0).astype(np.int32)
        stripes = np.sin(
            canvas.u * np.float32(rng.uniform(8, 16)) + 2 * smooth(rng, shape, spacing * 0.2)
        )
        body = np.float32(0.45) + np.float32(0.12) * stripes
        body -= np.float32(0.25) * np.exp(-canvas.depth / np.float32(1.2))
        image = np.where(inside > 0, body, image)
    vesicles = shapes.Canvas(shape)
    m = int(rng.integers(0, 200))
    if m:
        small = np.clip(spacing * rng.uniform(0.02, 0.05), 1.5, 5)
        vesicles.stars(
            centers(rng, m, shape), stars.blobs(rng, np.full(m, small), np.ones(m), 0.05), 0.0, 1.0
        )
        dots = (vesicles.labels > 0) & (inside == 0)
        ring = np.exp(-vesicles.depth / np.float32(0.8)) * dots
        image = image - np.float32(rng.uniform(0.1, 0.4)) * ring
    gap = depth < thick * np.float32(0.5)
    labels = np.where(gap, 0, cells).astype(np.int32)
    top = int(labels.max())
    labels = np.where(inside > 0, inside + top, labels).astype(np.int32)
    whole = np.where(gap & (inside == 0), 0, cells).astype(
        np.int32
    )  # a cell goes on behind its organelles
    full = windows(whole) | windows(np.where(inside > 0, inside + top, 0).astype(np.int32))
    material = np.where(labels > top, 2, np.where(labels > 0, 1, 0)).astype(np.uint8)
    params = {"spacing_px": spacing, "instrument": {"invert": False}}
    image = blur(np.asarray(image, np.float32), 0.6)
    return Draft(image, labels, material, np.where(gap, 0, cells).astype(np.int32), full, params)
