"""Bacteria: rods, straight or bent, alone and in colonies."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes
from napari_samstar.synth.cells import phase_contrast
from napari_samstar.synth.noise import Field, blur, fractal, log_uniform
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
    to_edge = cv2.distanceTransform(near.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    seams = to_edge > reach  # closed, as by a disc
    return np.where(near & seams, labels[y, x], labels).astype(np.int32)


def _walls(labels: NDArray[np.int32], width: float) -> Field:
    """How far a pixel is from the next outline (H, W): 0 on it, 1 some `width` px inside."""
    raised = labels.astype(np.float32)
    disc = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    edge = cv2.morphologyEx(raised, cv2.MORPH_GRADIENT, disc) > 0
    inner = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(1 - np.exp(-((inner / np.float32(width)) ** 2)), np.float32)


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
) -> tuple[Array, Array, Array]:
    """Places, directions and bends of rods that grew side by side, in a few bent domains."""
    across, along = (
        2 * radius * rng.uniform(0.8, 1.15),
        (length + 2 * radius) * rng.uniform(0.85, 1.05),
    )
    reach = np.sqrt(n * across * along / np.pi)
    domains = int(rng.integers(1, max(2, min(12, n // 4))))
    middle = np.array(shape) * rng.uniform(0.1, 0.9, 2)
    core = middle + 0.8 * reach * np.sqrt(rng.random((domains, 1))) * _unit(rng, domains)
    turn = rng.uniform(0, np.pi, domains)
    k = int(2 * reach / across) + 2
    m = int(2 * reach / along) + 2
    grid_a, grid_l = np.mgrid[0:k, 0:m].reshape(2, -1).astype(np.float64)
    # neighbors in step, as after a division, to out of step, as after many
    grid_l = grid_l + (grid_a % 2) * 0.5 + rng.normal(0, rng.uniform(0.05, 0.35), grid_l.size)
    grid_a, grid_l = (grid_a - k / 2) * across, (grid_l - m / 2) * along
    outline = 1 + 0.25 * np.cos(3 * np.linspace(0, 2 * np.pi, 64) + rng.uniform(0, 6))
    spots, angles, bends = [], [], []
    curl = rng.normal(0, rng.choice([0.15, 0.5, 1.0]), domains) / reach
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
        bends.append(np.full(int(near.sum()), 2 * curl[i] * length))
    place, angle, bend = (np.concatenate(part) for part in (spots, angles, bends))
    place += rng.normal(0, 0.12 * radius, place.shape)
    return place, angle + rng.normal(0, 0.05, angle.size), np.clip(bend, -1.5, 1.5)


def colonies(
    rng: np.random.Generator, n: int, shape: tuple[int, int], radius: float, length: float
) -> tuple[Array, Array, Array]:
    """Return `n` rods or so in one to many colonies, small ones of a few divisions, and loose."""
    count = min(int(rng.choice([1, 1, 1, 2, 3, 8, 20])), max(1, n // 4))
    parts = [colony(rng, max(2, n // count), shape, radius, length) for _ in range(count)]
    loose = int(rng.integers(0, 12))
    spot = rng.random((loose, 2)) * np.array(shape)
    parts.append((spot, rng.uniform(0, np.pi, loose), rng.normal(0, 0.4, loose)))
    place, angle, bend = (np.concatenate(column) for column in zip(*parts, strict=True))
    return place, angle, bend


def phase_image(
    rng: np.random.Generator, phase: Field, body: Field, radius: float, packed: bool
) -> Field:
    """Phase contrast of rods: dark bodies, halos, and the light that colonies gather inside.

    `phase` (H, W) is what the rods retard, `body` (H, W) where they are, 0 to 1.
    """
    shape = phase.shape[0], phase.shape[1]
    image = phase_contrast(
        phase, rng.uniform(0.4, 1.2 if packed else 1.6), radius * rng.uniform(1.2, 4)
    )
    image += np.float32(rng.uniform(0, 0.5)) * phase_contrast(phase, 1.0, radius * 8)
    if packed:
        # the halos of all neighbors add up: inner rods are pale, the light between them is bright
        glow = np.float32(rng.uniform(0, 0.7)) * blur(body, radius * rng.uniform(2, 5))
        image += glow * (1 - np.float32(rng.uniform(0.7, 1.0)) * body)
    image += np.float32(log_uniform(rng, 0.005, 0.06)) * fractal(rng, shape, 12, 3)
    if rng.random() < 0.3:  # light that goes up and down over the field
        image += np.float32(rng.uniform(0.02, 0.2)) * fractal(rng, shape, min(shape) / 3, 2)
    return image


def bacteria(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Rods, straight or bent, alone and in packed colonies; phase contrast or fluorescence."""
    side = min(shape)
    radius0 = log_uniform(rng, 2.5, max(4.0, side / 28))
    ratio = log_uniform(rng, 2.0, 14 if rng.random() < 0.3 else 8)  # filaments are rarer
    packed = rng.random() < 0.7
    most = 1.2 * shape[0] * shape[1] / (4 * radius0**2 * (ratio + 2))  # more would fill the frame
    n = int(rng.integers(10, int(np.clip(most, 20, 350))))
    if packed:
        spot, angle, bend = colonies(rng, n, shape, radius0, radius0 * ratio)
    else:
        spot = sampled(rng, n, shape, radius0 * 4)
        angle, bend = rng.uniform(0, np.pi, n), np.zeros(n)
    n = len(spot)
    radius = radius0 * np.clip(1 + rng.normal(0, 0.08, n), 0.7, 1.4)
    length = radius0 * ratio * np.exp(rng.normal(0, rng.choice([0.1, 0.3]), n))
    bend = bend + rng.normal(0, rng.choice([0.05, 0.15 if packed else 0.3, 0.9]), n)
    canvas = shapes.Canvas(shape)
    canvas.chains(
        rods(rng, spot, angle, radius, length, bend),
        rng.choice([0.3, 0.45]) if packed else 0.05,
        0.0 if packed else rng.uniform(0, 1.2),
        False,
    )
    labels = canvas.labels
    if packed and rng.random() < 0.8:  # walls in contact: people draw them half-way to the next
        labels = _joined(labels, radius0 * rng.uniform(0.15, 0.6))
    on = labels > 0
    tone = np.clip(1 + rng.normal(0, rng.uniform(0.02, 0.3), canvas.count + 1), 0.2, 2)
    tone[0] = 0
    flat = np.float32(rng.choice([2, 2, 4, 8]))  # how flat the rods are across
    phase = tone.astype(np.float32)[canvas.labels]
    phase = phase * np.sqrt(np.maximum(1 - canvas.rho**flat, 0))
    if packed:  # where one slips under the next, a wall is seen all the same
        wall = _walls(canvas.labels, max(1.2, radius0 * rng.uniform(0.15, 0.6)))
        phase = phase * (1 - np.float32(rng.uniform(0.3, 1.0)) * (1 - wall))
    grainy = log_uniform(rng, 0.01, rng.choice([0.05, 0.3]))
    phase = phase * (1 + np.float32(grainy) * fractal(rng, shape, radius0, 2))
    soft = max(0.6, radius0 * rng.uniform(0.1, 0.3))
    phase = blur(phase, soft)
    mode = str(rng.choice(["phase", "fluorescence", "bright"], p=[0.75, 0.17, 0.08]))
    if mode == "phase":
        body = blur((canvas.labels > 0).astype(np.float32), soft)
        image = phase_image(rng, phase, body, radius0, packed)
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
