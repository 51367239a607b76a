"""Second phases in polished metal: precipitates, gamma prime, carbides."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes, stars
from napari_samstar.synth.grains import voronoi
from napari_samstar.synth.noise import Field, blur, fractal, log_uniform, oriented, smooth
from napari_samstar.synth.placing import centers, median_radius, radii, sampled
from napari_samstar.synth.scene import Draft

__all__ = ["carbides", "gamma_prime", "precipitates"]


def relief(mask: NDArray[np.bool_], width: float, angle: float) -> Field:
    """Light from `angle` (rad) on steps at the outline, `width` px wide; about -1 to 1."""
    soft = blur(mask.astype(np.float32), width)
    gy, gx = np.gradient(soft)
    return np.asarray((np.cos(angle) * gx + np.sin(angle) * gy) * (2.5 * width), np.float32)


def matrix(rng: np.random.Generator, shape: tuple[int, int], strength: float) -> Field:
    """Polished metal: wide gray changes, fine grain, faint lines of the scan or of polishing."""
    field = np.float32(strength) * fractal(rng, shape, log_uniform(rng, 20, 250), 3, 0.5)
    field += np.float32(strength * rng.uniform(0, 1)) * fractal(
        rng, shape, log_uniform(rng, 1.5, 8), 2
    )
    if rng.random() < 0.3:
        lines = oriented(rng, shape, 400, rng.uniform(1, 3), rng.choice([0.0, rng.random() * 3]))
        field += np.float32(strength * rng.uniform(0.2, 1.2)) * lines
    return np.asarray(field, np.float32)


def precipitates(
    rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings
) -> Draft:
    """Round precipitates, dark or bright, often shallow pits lit from one side, low contrast."""
    median = median_radius(rng, shape, settings, 0.0, 0.6)
    n = int(
        np.clip(log_uniform(rng, 0.02, 0.4) * shape[0] * shape[1] / (np.pi * median**2), 3, 600)
    )
    radius = radii(rng, n, median, shape, settings, rng.uniform(0.08, 0.5))
    roughness = log_uniform(rng, 0.01, 0.15)
    table = stars.blobs(rng, radius, np.exp(np.abs(rng.normal(0, 0.15, n))), roughness)
    canvas = shapes.Canvas(shape)
    place = centers(rng, n, shape, median)
    canvas.stars(place, table, rng.choice([0.0, 0.1, 0.3]), rng.uniform(0, 3))
    on = canvas.labels > 0
    contrast = log_uniform(rng, 0.03, 1.0)
    sign = -1.0 if rng.random() < 0.75 else 1.0
    tone = sign * contrast * np.clip(1 + rng.normal(0, 0.25, canvas.count + 1), 0.2, 2)
    tone[0] = 0
    fill = tone.astype(np.float32)[canvas.labels]
    if rng.random() < 0.5:  # bowls: deepest in the middle
        fill = fill * (1 - canvas.rho ** np.float32(rng.uniform(2, 8)) * np.float32(0.7))
    image = blur(fill, rng.uniform(0.3, 1.5))
    if rng.random() < 0.65:
        shine = rng.uniform(0.2, 1.5) * contrast
        width = float(np.clip(median * rng.uniform(0.1, 0.35), 0.8, 6))
        image += np.float32(shine) * relief(on, width, rng.uniform(0, 2 * np.pi))
    if rng.random() < 0.5:  # rim
        width = float(np.clip(median * 0.15, 0.8, 4))
        ring = np.maximum(blur(on.astype(np.float32), width) - on, 0)
        image += np.float32(-sign * rng.uniform(0.2, 1.5) * contrast) * ring
    image += matrix(rng, shape, contrast * log_uniform(rng, 0.03, 0.25))
    if rng.random() < 0.3:  # faint shapes below the surface: not counted
        below = shapes.Canvas(shape)
        m = max(2, n // 3)
        below.stars(centers(rng, m, shape), stars.blobs(rng, np.resize(radius, m), np.ones(m), 0.1))
        ghost = blur((below.labels > 0).astype(np.float32), max(2.0, median * 0.4))
        image += np.float32(sign * 0.2 * contrast) * ghost
    if rng.random() < 0.2:  # stains
        stain = np.maximum(smooth(rng, shape, min(shape) * 0.3) - 1, 0)
        image += np.float32(contrast * rng.uniform(0.2, 0.6)) * stain
    return Draft(
        image,
        canvas.labels,
        on.astype(np.uint8),
        None,
        None,
        {"median_radius_px": median, "contrast": contrast},
    )


def gamma_prime(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Dense rounded cells with bright channels, lobed and merged, and fine ones between them."""
    side = min(shape)
    spacing = log_uniform(rng, max(16, side / 25), side / 4)
    channel = max(1.8, spacing * rng.uniform(0.05, 0.17))
    cubic = rng.random() < 0.35
    cells, depth, _ = voronoi(
        rng,
        shape,
        spacing,
        warp=rng.uniform(0.0, 0.06) if cubic else rng.uniform(0.05, 0.2),
        regular=0.75 if cubic else rng.uniform(0.1, 0.4),
        uneven=rng.uniform(0, 0.4) if cubic else rng.uniform(0.2, 0.8),
    )
    # neighbors that grew together, with a notch where they meet
    number = int(cells.max())
    merge = np.arange(number + 1)
    left, right = cells[:, :-1], cells[:, 1:]
    differ = left != right
    codes = np.unique(left[differ].astype(np.int64) * (number + 1) + right[differ])
    pairs = np.stack([codes // (number + 1), codes % (number + 1)], 1)
    chosen = pairs[rng.random(len(pairs)) < rng.uniform(0, 0.1)]
    for a, b in chosen.tolist():
        merge[b] = merge[a]
    owner = merge[cells]
    wide = blur(depth, 1.0) - np.float32(channel) * (
        1 + np.float32(rng.uniform(0.1, 0.4)) * smooth(rng, shape, spacing * 0.6)
    )
    solid = wide > 0
    same = np.zeros(shape, bool)
    for axis in (0, 1):
        step = max(2, int(channel))
        rolled = np.roll(cells, step, axis)
        joined = (rolled != cells) & (np.roll(owner, step, axis) == owner)
        same |= joined | np.roll(joined, -step, axis)
    soft = blur((solid | same).astype(np.float32), max(1.0, channel * rng.uniform(0.4, 0.9)))
    solid = soft > 0.5
    # what is joined to the eye is one object, whatever cells it grew from
    number, pieces = cv2.connectedComponents(solid.astype(np.uint8), connectivity=4)
    canvas = shapes.Canvas(shape)
    canvas.labels[...] = pieces
    canvas.count = number
    if rng.random() < 0.75:
        n = int(rng.integers(30, 600))
        small = np.clip(spacing * rng.uniform(0.02, 0.06), 2.2, 12)
        radius = small * np.exp(rng.normal(0, 0.25, n))
        table = stars.blobs(rng, radius, 1 + np.abs(rng.normal(0, 0.15, n)), 0.05)
        canvas.stars(sampled(rng, n, shape, spacing), table, 0.0, rng.uniform(1, 3))
    labels = canvas.labels
    fine = (labels > number).astype(np.float32)
    big = solid.astype(np.float32)
    sign = -1.0 if rng.random() < 0.8 else 1.0
    edge = max(0.7, spacing * rng.uniform(0.01, 0.04))
    faint = np.float32(rng.uniform(0.3, 0.9))
    image = np.float32(sign) * (blur(big, edge) + faint * blur(fine, 0.8))
    width = max(1.0, channel * rng.uniform(0.2, 0.5))
    rim = blur(big, width) * (1 - blur(big, width))
    image += np.float32(rng.uniform(-0.3, 2.2) * -sign) * rim
    image += matrix(rng, shape, log_uniform(rng, 0.03, 0.25))
    material = np.where(labels == 0, 0, np.where(labels > number, 2, 1)).astype(np.uint8)
    return Draft(image, labels, material, None, None, {"spacing_px": spacing})


def carbides(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Spheroidite: bright carbides of two sizes on etched, lath-like ferrite."""
    side = min(shape)
    coarse = log_uniform(rng, max(4, side / 60), side / 18)
    n = int(rng.integers(8, 70))
    radius = radii(rng, n, coarse, shape, settings, rng.uniform(0.3, 0.6))
    aspect = np.exp(np.abs(rng.normal(0, 0.45, n)))
    table = stars.facets(rng, radius, rng.integers(4, 8, n), aspect, 0.35, log_uniform(rng, 4, 14))
    canvas = shapes.Canvas(shape)
    canvas.stars(sampled(rng, n, shape, side / 4), table, 0.25, 0.0)
    fine = np.clip(coarse * rng.uniform(0.15, 0.4), 2.2, None)
    m = int(rng.integers(50, 500))
    aspect = np.exp(np.abs(rng.normal(0, 0.4, m)))
    table = stars.blobs(rng, fine * np.exp(rng.normal(0, 0.35, m)), aspect, 0.1)
    canvas.stars(centers(rng, m, shape), table, 0.0, 0.8)
    if rng.random() < 0.5:  # packets of parallel rods, left over from pearlite
        for _ in range(int(rng.integers(1, 5))):
            k = int(rng.integers(4, 25))
            angle = rng.uniform(0, np.pi)
            middle = centers(rng, 1, shape)[0]
            spot = middle + rng.normal(0, side / 12, (k, 2))
            half = fine * rng.uniform(1.5, 5, k)[:, None] * np.array([np.sin(angle), np.cos(angle)])
            thick = np.full((k, 1), max(1.4, fine * 0.5))
            nodes = np.stack([np.hstack([spot - half, thick]), np.hstack([spot + half, thick])], 1)
            canvas.chains(nodes, 0.0, 1.0)
    labels = canvas.labels
    on = labels > 0
    angle = rng.uniform(0, np.pi)
    laths = oriented(rng, shape, coarse * 2.5, coarse * 0.6, angle)
    second = oriented(rng, shape, coarse * 1.5, coarse * 0.4, angle + rng.uniform(0.5, 2))
    region = smooth(rng, shape, side / 3) > 0
    ground = np.float32(log_uniform(rng, 0.03, 0.22)) * np.where(region, laths, second)
    ground += np.float32(log_uniform(rng, 0.02, 0.12)) * fractal(rng, shape, 5, 2, 0.8)
    tone = rng.uniform(0.35, 0.8) + rng.normal(0, 0.08, canvas.count + 1)
    body = tone.astype(np.float32)[labels] + np.float32(rng.uniform(0, 0.35)) * np.exp(
        -canvas.depth / np.float32(rng.uniform(1, 3))
    )
    body += np.float32(0.05) * fractal(rng, shape, 20, 2)
    dip = blur(on.astype(np.float32), rng.uniform(1.5, 4))
    image = np.where(on, body, ground - np.float32(rng.uniform(0, 0.35)) * dip)
    material = np.where(on, 1, 0).astype(np.uint8)
    params = {"coarse_px": coarse, "instrument": {"invert": rng.random() < 0.5}}
    return Draft(image.astype(np.float32), labels, material, None, None, params)
