"""Polycrystals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth.noise import Field, fractal, log_uniform, smooth
from napari_samstar.synth.scene import Draft

__all__ = ["grains", "voronoi"]


@njit(cache=True, nogil=True)
def _nearest(
    seeds: NDArray[np.float64],
    grid: NDArray[np.int32],
    size: float,
    wy: Any,
    wx: Any,
    stretch: float,
    reach: int,
    labels: NDArray[np.int32],
    depth: NDArray[np.float32],
) -> None:
    """Nearest seed of each warped pixel (1-based) and the distance to its cell's border, px."""
    h, w = labels.shape
    gh, gw, per = grid.shape
    for y in range(h):
        for x in range(w):
            py = (y + wy[y, x]) * stretch
            px = float(x + wx[y, x])
            cy = min(gh - 3, max(2, int(py / size) + 2))
            cx = min(gw - 3, max(2, int(px / size) + 2))
            d1, d2, best, second = 1e18, 1e18, 0, 0
            for j in range(cy - reach, cy + reach + 1):
                for i in range(cx - reach, cx + reach + 1):
                    for k in range(per):
                        s = grid[j, i, k]
                        if s < 0:
                            break
                        dy, dx = py - seeds[s, 0], px - seeds[s, 1]
                        d = dy * dy + dx * dx - seeds[s, 2]
                        if d < d1:
                            d2, second = d1, best
                            d1, best = d, s
                        elif d < d2:
                            d2, second = d, s
            labels[y, x] = best + 1
            ey, ex = seeds[best, 0] - seeds[second, 0], seeds[best, 1] - seeds[second, 1]
            depth[y, x] = (d2 - d1) / (2 * np.sqrt(ey * ey + ex * ex) + 1e-6)


def voronoi(
    rng: np.random.Generator,
    shape: tuple[int, int],
    spacing: float,
    warp: float = 0.1,
    regular: float = 0.3,
    elongation: float = 1.0,
    uneven: float = 0.0,
) -> tuple[NDArray[np.int32], Field, NDArray[np.float64]]:
    """Cells of jittered seeds (a Laguerre tessellation), with bent borders.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    shape : tuple of int
        Frame, px.
    spacing : float
        Mean distance of seeds, px.
    warp : float
        How far borders bend, in spacings.
    regular : float
        0 is random seeds, 1 a square lattice.
    elongation : float
        Height of cells over their width.
    uneven : float
        Spread of cell sizes: share of seeds that vanish, and strength of the weights.

    Returns
    -------
    labels : (H, W) int32
        Cell of each pixel, from 1.
    depth : (H, W) float32
        Distance to the cell's border, px.
    seeds : (N, 3) float64
        y, x (in the stretched frame) and weight.
    """
    h, w = shape
    stretch = 1 / elongation
    gh, gw = int(h * stretch / spacing) + 6, int(w / spacing) + 6
    jj, ii = np.mgrid[0:gh, 0:gw]
    jitter = (1 - regular) * (rng.random((gh, gw, 2)) - 0.5)
    place = (np.stack([jj, ii], -1) - 2 + 0.5 + jitter) * spacing
    weight = uneven * spacing**2 * rng.normal(0, 0.35, (gh, gw))
    seeds = np.concatenate([place, weight[..., None]], -1).reshape(-1, 3)
    keep = rng.random((gh, gw)) >= 0.45 * uneven
    grid = np.where(keep, np.arange(gh * gw).reshape(gh, gw), -1).astype(np.int32)[..., None]
    labels, depth = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    if warp > 0:
        scale = spacing * rng.uniform(0.4, 1.2)
        wy, wx = (np.float32(warp * spacing * 0.7) * smooth(rng, shape, scale) for _ in range(2))
    else:
        wy = wx = np.zeros(shape, np.float32)
    _nearest(
        np.ascontiguousarray(seeds),
        np.ascontiguousarray(grid),
        float(spacing),
        wy,
        wx,
        float(stretch),
        2 if uneven > 0 else 1,  # seeds that vanish leave wider gaps
        labels,
        depth,
    )
    return labels, depth, seeds


def grains(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Draw a polycrystal, seen by grooves, by orientation contrast, or by both."""
    side = min(shape)
    spacing = log_uniform(rng, max(8, side / 45), side / 3.5)
    labels, depth, seeds = voronoi(
        rng,
        shape,
        spacing,
        warp=log_uniform(rng, 0.02, 0.25),
        regular=rng.uniform(0, 0.5),
        elongation=log_uniform(rng, 0.6, 2.5),
        uneven=rng.uniform(0, 1),
    )
    seen = str(rng.choice(["groove", "contrast", "both"], p=[0.4, 0.3, 0.3]))
    spread = log_uniform(rng, 0.03, 0.3) * (0.2 if seen == "groove" else 1)
    tone = rng.normal(0, spread, len(seeds) + 1).astype(np.float32)
    image: Field = tone[labels]
    width = float(np.clip(spacing * log_uniform(rng, 0.015, 0.12), 0.8, 8))
    groove = np.asarray(np.exp(-((depth / np.float32(width)) ** 2) / 2), np.float32)
    sign = -1.0 if rng.random() < 0.75 else 1.0
    if seen != "contrast":
        image = image + np.float32(sign * rng.uniform(0.15, 0.7)) * groove
    if rng.random() < 0.4:  # domed grains
        image = image + np.float32(rng.uniform(0.02, 0.3)) * np.minimum(depth / (0.4 * spacing), 1)
    if rng.random() < 0.3:  # tilted facets: a gradient in each grain
        gy, gx = rng.normal(0, spread / spacing, (2, len(seeds) + 1)).astype(np.float32)
        yy = np.arange(shape[0], dtype=np.float32)[:, None]
        xx = np.arange(shape[1], dtype=np.float32)[None]
        image = image + gy[labels] * (yy - seeds[:, 0].astype(np.float32)[labels - 1])
        image = image + gx[labels] * (xx - seeds[:, 1].astype(np.float32)[labels - 1])
    if rng.random() < 0.25:  # twins
        y = np.arange(shape[0], dtype=np.float32)[:, None]
        x = np.arange(shape[1], dtype=np.float32)[None]
        a = rng.uniform(0, np.pi, len(seeds) + 1)
        period = spacing * rng.uniform(0.3, 0.8)
        phase = np.sin(a).astype(np.float32)[labels] * y + np.cos(a).astype(np.float32)[labels] * x
        twin = (np.sin(phase * np.float32(2 * np.pi / period)) > 0.8) & (labels % 4 == 0)
        image = image + np.float32(rng.uniform(0.03, 0.12)) * twin
    image = image + np.float32(log_uniform(rng, 0.01, 0.1)) * fractal(
        rng, shape, log_uniform(rng, 1.5, spacing), 3, 0.7
    )
    image = image + np.float32(log_uniform(rng, 0.01, 0.1)) * smooth(rng, shape, side * 0.5)
    material = np.ones(shape, np.uint8)
    if seen != "contrast" and width > 1.2 and rng.random() < 0.6:
        border = depth < width * rng.uniform(0.3, 0.9)
        labels = np.where(border, 0, labels).astype(np.int32)
        material[border] = 0
    return Draft(
        np.asarray(image, np.float32),
        labels,
        material,
        None,
        None,
        {"spacing_px": spacing, "seen_by": seen},
    )
