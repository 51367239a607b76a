"""Melt pools of additive manufacturing: etched cross-sections of overlapping weld tracks."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes, stars
from napari_samstar.synth.grains import voronoi
from napari_samstar.synth.noise import (
    Field,
    blur,
    coordinates,
    fractal,
    log_uniform,
    oriented,
    smooth,
)
from napari_samstar.synth.placing import centers
from napari_samstar.synth.scene import Draft

__all__ = ["melt_pools"]

Labels = NDArray[np.int32]


class Build(NamedTuple):
    """How a part was built, px: of one track its width and depth, then the steps to the next."""

    width: float
    depth: float
    pitch: float
    rise: float
    top: float  # row of the last layer
    turn: float  # how much longer layers look whose tracks run along the cut
    skew: float  # how much longer one side of a pool is


def bowls(rng: np.random.Generator, width: float, depth: float, skew: float, n: int) -> stars.Table:
    """Outlines (N, K) of melted tracks: a deep bowl below, a flat cap above."""
    right, below = np.cos(stars.DIRECTIONS)[None] > 0, np.sin(stars.DIRECTIONS)[None] > 0
    half = width / 2 * np.clip(1 + rng.normal(0, 0.12, (n, 1)), 0.6, 1.5)
    side = np.where(right, half * (1 + skew), half * (1 - skew))
    deep = depth * np.clip(1 + rng.normal(0, 0.12, (n, 1)), 0.6, 1.5)
    height = np.where(below, deep, deep * rng.uniform(0.08, 0.35))
    power = np.where(below, rng.uniform(1.4, 2.1), rng.uniform(1.4, 2))  # low: slanted
    across = np.abs(np.cos(stars.DIRECTIONS) / side) ** power
    reach = (across + np.abs(np.sin(stars.DIRECTIONS) / height) ** power) ** (-1 / power)
    wave = 1 + 0.02 * np.cos(3 * stars.DIRECTIONS + rng.uniform(0, 6, (n, 1)))
    return np.asarray(reach * wave, np.float32)


def weld(
    rng: np.random.Generator, shape: tuple[int, int], build: Build
) -> tuple[shapes.Canvas, int]:
    """Lay layer on layer, each melted into the ones before; also the first label of the last."""
    h, w = shape
    canvas, first = shapes.Canvas(shape), 1
    onwards = 1 if rng.random() < 0.5 else -1
    missing = 0.2 if rng.random() < 0.3 else 0.0
    for row in range(int((h - build.top) / build.rise) + 2, -1, -1):
        long = float(np.exp(rng.uniform(0, build.turn))) if row > 0 else 1.0
        pitch = build.pitch * long
        n = int(w / pitch) + 3
        x = (np.arange(n) - 1 + rng.random() + rng.normal(0, 0.2, n)) * pitch
        y = build.top + row * build.rise + rng.normal(0, 0.06 * build.depth, n)
        table = bowls(rng, build.width * long, build.depth, build.skew * onwards, n)
        kept = np.flatnonzero(rng.random(n) >= missing)[::onwards]
        first = canvas.count + 1
        canvas.stars(np.stack([y, x], 1)[kept], table[kept])
    return canvas, first


def without_slivers(labels: Labels, least: float) -> Labels:
    """Drop what later tracks left so little of (px) that nobody would outline it."""
    size = np.bincount(labels.ravel())
    return np.where(size[labels] < least, 0, labels).astype(np.int32)


def grain_tones(rng: np.random.Generator, pools: Labels, width: float) -> Field:
    """Columns that grew through the layers, some of which change where a pool begins."""
    spacing = width * log_uniform(rng, 0.06, 0.35)
    tall, uneven = log_uniform(rng, 1.2, 7), float(rng.choice([0.0, 0.7]))
    columns, depth, _ = voronoi(rng, pools.shape, spacing, 0.3, 0.1, tall, uneven)
    n = int(columns.max()) + 1
    restart = rng.random(n) < rng.uniform(0, 0.6)
    of_pool = (columns * 31 + pools * 17) % n
    tone = rng.normal(0, rng.uniform(0.02, 0.1), n).astype(np.float32)
    tones = tone[np.where(restart[columns - 1], of_pool, columns - 1)]
    drawn = np.float32(rng.uniform(0, 0.15)) * (smooth(rng, pools.shape, spacing) > 0)
    return np.asarray(tones - drawn * np.exp(-depth), np.float32)


def dendrites(rng: np.random.Generator, shape: tuple[int, int], width: float) -> Field:
    """Fine parallel arms, seen in patches."""
    out = np.zeros(shape, np.float32)
    for angle in rng.normal(np.pi / 2, 0.5, 2):
        seen = np.clip(smooth(rng, shape, width * 0.4), 0, 1)
        arms = oriented(rng, shape, width * rng.uniform(0.1, 0.3), rng.uniform(1.5, 3), angle)
        out += np.float32(rng.uniform(0, 0.07)) * seen * arms
    return out


def fusion_lines(rng: np.random.Generator, canvas: shapes.Canvas, width: float) -> Field:
    """Etched rims of the pools: dark, broken, with a soft shade inside; none towards the air."""
    thick = np.float32(max(0.8, width * log_uniform(rng, 0.005, 0.02)))
    broken = np.clip(1 + np.float32(0.5) * smooth(rng, canvas.labels.shape, width * 0.3), 0.1, 2)
    line = np.exp(-canvas.depth / thick) * np.float32(rng.uniform(0.15, 0.5))
    shade = np.exp(-canvas.depth / (6 * thick)) * np.float32(rng.uniform(-0.06, 0.12))
    downwards = np.clip(4 * canvas.v + np.float32(0.8), 0.2, 1)
    return np.asarray((line * broken + shade) * downwards * (canvas.labels > 0), np.float32)


def defects(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Darkness of pores and etch pits, and of scratches of the polish."""
    pits = shapes.Canvas(shape)
    n = int(log_uniform(rng, 1, 150))
    size = min(shape) * 0.002 * np.exp(rng.normal(0.2, 0.6, n))
    pits.stars(centers(rng, n, shape), stars.blobs(rng, size, np.full(n, 1.3), 0.2))
    dark = np.float32(rng.uniform(0.15, 0.6)) * (pits.labels > 0)
    y, x = coordinates(shape)
    for _ in range(int(rng.integers(0, 4))):
        a, at = rng.uniform(0, np.pi), centers(rng, 1, shape)[0].astype(np.float32)
        across = np.float32(np.sin(a)) * (x - at[1]) - np.float32(np.cos(a)) * (y - at[0])
        reach = np.float32(rng.uniform(0.03, 0.25) * min(shape))
        near = np.exp(-(((x - at[1]) / reach) ** 2)) * np.exp(-(((y - at[0]) / reach) ** 2))
        dark += np.float32(rng.uniform(0.05, 0.25)) * near * (np.abs(across) < 0.8)
    return blur(np.asarray(dark, np.float32), 0.6)


def stains(rng: np.random.Generator, shape: tuple[int, int], build: Build) -> Field:
    """Crumbs and etchant that stick to the surface."""
    y, _ = coordinates(shape)
    near = np.exp(-(((y - build.top) / np.float32(0.4 * build.depth)) ** 2))
    rough = fractal(rng, shape, 0.1 * build.width, 3, 0.7) + smooth(rng, shape, 0.4 * build.width)
    return np.asarray(blur(near * np.clip(rough - 1, 0, 1), 0.7), np.float32)


def draw_build(rng: np.random.Generator, shape: tuple[int, int], in_view: bool) -> Build:
    """Sizes of tracks; the last layer lies `in_view` or, of a deep section, perhaps above."""
    width = shape[1] * log_uniform(rng, 0.14 if in_view else 0.2, 0.45)
    depth = width * rng.uniform(0.2, 0.6)
    return Build(
        width,
        depth,
        width * rng.uniform(0.35, 0.75),
        depth * rng.uniform(0.4, 0.9),
        shape[0] * (rng.uniform(0.08, 0.35) if in_view else rng.uniform(-0.3, 0.3)),
        float(rng.choice([0.0, 1.3])),
        rng.uniform(0, 0.6),
    )


def melt_pools(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Etched cross-section of overlapping weld tracks, the last layer on top, under a mount.

    In most the last layer alone is the truth: below it grains have grown through the pools, whose
    rims are faint there or gone.
    """
    only_last = bool(rng.random() < 0.65)
    build = draw_build(rng, shape, only_last)
    canvas, first = weld(rng, shape, build)
    pools = canvas.labels
    solid = pools > 0
    last = pools >= first
    rims = fusion_lines(rng, canvas, build.width)
    image = np.float32(0.65) + grain_tones(rng, pools, build.width)
    image += rng.normal(0, rng.uniform(0.01, 0.06), canvas.count + 1).astype(np.float32)[pools]
    image -= np.where(last, 1, np.float32(rng.uniform(0, 0.5))) * rims if only_last else rims
    image += np.float32(rng.uniform(-0.1, 0.1)) * canvas.v * (last if only_last else 1)
    if only_last:  # heat of the layers above leaves bands
        bands = smooth(rng, shape, (log_uniform(rng, 2, 12), 1.5 * build.width))
        image -= np.float32(rng.uniform(0, 0.08)) * np.maximum(bands, 0) * ~last
    image += dendrites(rng, shape, build.width)
    image += np.float32(log_uniform(rng, 0.01, 0.05)) * fractal(rng, shape, 8, 3, 0.7)
    image -= defects(rng, shape)
    y, _ = coordinates(shape)
    if rng.random() < 0.4:
        image -= np.float32(rng.uniform(0.1, 0.4)) * stains(rng, shape, build)
    sunk = 0.08 * build.rise * (1 + 0.4 * smooth(rng, (1, shape[1]), 0.4 * build.width))
    metal = solid | (y > build.top + sunk)
    mount = np.float32(rng.uniform(0, 0.15)) + np.float32(0.02) * fractal(rng, shape, 20, 3)
    image = np.where(metal, image, mount)
    truth = np.where(last, pools, 0) if only_last else pools
    return Draft(
        image.astype(np.float32),
        without_slivers(truth.astype(np.int32), 0.06 * build.width * build.depth),
        metal.astype(np.uint8),
        None,
        None,
        {"width_px": build.width, "instrument": {"invert": False, "noise": 0.25}},
    )
