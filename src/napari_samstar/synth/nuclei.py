"""Nuclei: fluorescent, stained in tissue, or dark in pale cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes, stars
from napari_samstar.synth.noise import Field, blur, fractal, log_uniform, oriented
from napari_samstar.synth.placing import centers, median_radius, radii, sampled
from napari_samstar.synth.scene import Draft

__all__ = ["nuclei"]

Array = NDArray[np.float64]


def upright_rim(
    rng: np.random.Generator, n: int, shape: tuple[int, int], radius: Array
) -> tuple[Array, stars.Table]:
    """Places along an ellipse and outlines that stand across it, as in embryos."""
    a, b = min(shape) * rng.uniform(0.25, 0.48), min(shape) * rng.uniform(0.15, 0.48)
    t = np.sort(rng.uniform(0, 2 * np.pi, n))
    turn = rng.uniform(0, np.pi)
    y, x = b * np.sin(t), a * np.cos(t)
    c, s = np.cos(turn), np.sin(turn)
    place = np.stack([x * s + y * c, x * c - y * s], 1) + np.array(shape) / 2
    across = np.arctan2(a * np.sin(t), b * np.cos(t)) + turn
    small = np.maximum(radius * min(1.0, (a + b) * 2.5 / float(radius.sum())), 2.5)
    return place, stars.ellipses(small, np.full(n, rng.uniform(1.5, 3)), across)


def pale_cells(
    rng: np.random.Generator, shape: tuple[int, int], place: Array, radius: Array
) -> tuple[Field, NDArray[np.int32]]:
    """Bright field: transparent cells, folded, one over the other; light left, and cell of a px."""
    n = len(place)
    table = stars.blobs(rng, radius * rng.uniform(3, 7, n), np.exp(rng.random(n) * 0.5), 0.12, 8)
    big = shapes.Canvas(shape)
    big.stars(place, table)
    absorbed = np.zeros(shape, np.float32)
    shapes.pile_up(absorbed, place, table, rng.uniform(0.05, 0.35, n), 40.0)
    inside = absorbed > 0
    folds = np.maximum(oriented(rng, shape, 40, 2, rng.uniform(0, np.pi)) - 1.5, 0)
    absorbed += np.float32(0.06) * np.minimum(folds, 1) * inside
    absorbed += np.float32(rng.uniform(0, 0.2)) * np.exp(-big.depth) * inside
    return np.asarray(np.exp(-absorbed), np.float32), big.labels


def fluorescent(
    rng: np.random.Generator,
    canvas: shapes.Canvas,
    body: Field,
    table: stars.Table,
    median: float,
) -> Field:
    """Glowing bodies, their own blur, and others far out of focus that are not counted."""
    shape = canvas.labels.shape[0], canvas.labels.shape[1]
    body = body * np.sqrt(np.maximum(1 - canvas.rho ** np.float32(rng.uniform(2, 12)), 0.02))
    image = blur(body, max(0.5, median * rng.uniform(0.02, 0.15)))
    image += np.float32(rng.uniform(0, 0.3)) * blur(body, median * rng.uniform(1, 3))
    if rng.random() < 0.4:
        ghost = shapes.Canvas(shape)
        k = max(1, len(table) // 4)
        ghost.stars(centers(rng, k, shape), table[:k])
        far = blur((ghost.labels > 0).astype(np.float32), median * 0.6)
        image += np.float32(rng.uniform(0.05, 0.4)) * far
    if rng.random() < 0.3:  # cytoplasm
        image += np.float32(0.08) * np.maximum(fractal(rng, shape, median * 3, 3), 0)
    return image


def nuclei(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Nuclei: fluorescent on black, stained in tissue, or dark in pale cells (bright field)."""
    mode = str(rng.choice(["fluorescence", "stained", "bright"], p=[0.55, 0.3, 0.15]))
    median = median_radius(rng, shape, settings, 0.15, 0.5 if mode == "bright" else 0.75)
    cover = rng.uniform(0.005, 0.08) if mode == "bright" else rng.uniform(0.03, 0.5)
    n = int(np.clip(cover * shape[0] * shape[1] / (np.pi * median**2), 2, 350))
    radius = radii(rng, n, median, shape, settings, rng.uniform(0.08, 0.35))
    aspect = np.exp(np.abs(rng.normal(0.1, 0.3, n)))
    table = stars.blobs(rng, radius, aspect, log_uniform(rng, 0.01, 0.08), 4)
    place = sampled(rng, n, shape, 1.5 * median)
    if mode == "fluorescence" and rng.random() < 0.1:
        place, table = upright_rim(rng, n, shape, radius)
    canvas = shapes.Canvas(shape)
    canvas.stars(place, table, rng.choice([0.0, 0.1, 0.35]), 0.0)
    labels = canvas.labels
    on = labels > 0
    tone = np.exp(rng.normal(0, rng.uniform(0.05, 0.7), canvas.count + 1)).astype(np.float32)
    chromatin = fractal(rng, shape, max(2.0, median * rng.uniform(0.2, 0.7)), 3, 0.7)
    body = tone[labels] * (1 + np.float32(rng.uniform(0.03, 0.35)) * chromatin) * on
    groups: NDArray[np.int32] | None = None
    if mode == "fluorescence":
        image = fluorescent(rng, canvas, body, table, median)
    else:
        texture = fractal(rng, shape, median * rng.uniform(0.5, 3), 4, 0.65)
        light = np.full(shape, 0.85, np.float32)
        if mode == "bright":
            light, groups = pale_cells(rng, shape, place, radius)
        grain = np.float32(log_uniform(rng, 0.01, 0.15)) * (1 if groups is None else groups > 0)
        light = light * (1 + grain * texture)
        edge = np.float32(rng.uniform(0, 0.15)) * np.exp(-canvas.depth / np.float32(2)) * on
        image = light - np.float32(rng.uniform(0.25, 0.7)) * np.clip(body, 0, 1.4) - edge
        image = blur(np.asarray(image, np.float32), 0.6)
    return Draft(
        np.asarray(image, np.float32),
        labels,
        on.astype(np.uint8),
        groups,
        None,
        {"median_radius_px": median, "mode": mode, "instrument": {"scan": False, "invert": False}},
    )
