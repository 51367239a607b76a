"""Bacteria: rods, straight or bent, alone and in colonies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes
from napari_samstar.synth.cells import phase_contrast
from napari_samstar.synth.noise import blur, fractal, log_uniform
from napari_samstar.synth.placing import sampled
from napari_samstar.synth.scene import Draft

__all__ = ["bacteria"]

Array = NDArray[np.float64]


def _unit(rng: np.random.Generator, n: int) -> Array:
    a = rng.uniform(0, 2 * np.pi, n)
    return np.stack([np.sin(a), np.cos(a)], 1)


def _joined(labels: NDArray[np.int32], reach: float) -> NDArray[np.int32]:
    """Share out the seams between bacteria, up to `reach` px from each; no outer edge moves."""
    distance, (y, x) = ndimage.distance_transform_edt(labels == 0, return_indices=True)
    near = distance <= reach
    seams = ndimage.distance_transform_edt(near) > reach  # closed, as by a disc
    return np.where(near & seams, labels[y, x], labels).astype(np.int32)


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
        2 * radius * rng.uniform(0.85, 1.2),
        (length + 2 * radius) * rng.uniform(0.9, 1.1),
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
    if packed and rng.random() < 0.6:  # walls in contact: people draw them half-way to the next
        labels = _joined(labels, radius0 * rng.uniform(0.15, 0.5))
    on = labels > 0
    tone = np.clip(1 + rng.normal(0, rng.uniform(0.05, 0.3), canvas.count + 1), 0.2, 2)
    tone[0] = 0
    flat = np.float32(rng.choice([2, 2, 4, 8]))  # how flat the rods are across
    phase = tone.astype(np.float32)[canvas.labels]
    phase = phase * np.sqrt(np.maximum(1 - canvas.rho**flat, 0))
    phase = phase * (1 + np.float32(log_uniform(rng, 0.02, 0.3)) * fractal(rng, shape, radius0, 2))
    phase = blur(phase, max(0.6, radius0 * 0.15))
    mode = str(rng.choice(["phase", "fluorescence", "bright"], p=[0.65, 0.25, 0.1]))
    if mode == "phase":
        halo = rng.uniform(0.4, 1.6)
        image = phase_contrast(phase, halo, radius0 * rng.uniform(1.2, 4))
        image += np.float32(rng.uniform(0, 0.5)) * phase_contrast(phase, 1.0, radius0 * 8)
        image += np.float32(log_uniform(rng, 0.005, 0.06)) * fractal(rng, shape, 12, 3)
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
