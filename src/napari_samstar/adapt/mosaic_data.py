"""Synthetic images whose material is known at every pixel, a pure function of seed and step."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_samstar.settings import TrainMosaicSettings
from napari_samstar.synth.grains import voronoi
from napari_samstar.synth.layers import crack_path
from napari_samstar.synth.noise import blur, coordinates, fractal, log_uniform, smooth, white
from napari_samstar.synth.shapes import Canvas
from napari_samstar.synth.textures import Texture, draw, mosaic, vary

__all__ = ["MosaicBatch", "make_mosaic_batch"]

_MOST_MATERIALS = 6
_CROPS = 2  # of the four quarters of each scene
_LEAST_CONTRAST = 0.04
Labels = NDArray[np.int32]
Image = NDArray[np.float32]


@dataclass(frozen=True)
class MosaicBatch:
    """B images of side S.

    Parameters
    ----------
    images : (B, S, S) float32
        Each with mean 0 and deviation 1.
    materials : (B, S / 4, S / 4) int64
        Material of each cell.
    """

    images: Tensor
    materials: Tensor


def make_mosaic_batch(step: int, settings: TrainMosaicSettings) -> MosaicBatch:
    """Make the images of one step: quarters of scenes."""
    rng = np.random.default_rng([settings.seed, step, 11])
    side = settings.side
    images, materials = [], []
    for _ in range(settings.scenes):
        image, material = _scene(rng, (2 * side, 2 * side))
        for k in rng.permutation(4)[:_CROPS].tolist():
            y, x = (k // 2) * side, (k % 2) * side
            part, truth = image[y : y + side, x : x + side], material[y : y + side, x : x + side]
            turns, mirror = int(rng.integers(4)), rng.random() < 0.5
            part, truth = np.rot90(part, turns), np.rot90(truth, turns)
            if mirror:
                part, truth = part[:, ::-1], truth[:, ::-1]
            part = (part - part.mean()) / (part.std() + np.float32(1e-6))
            images.append(np.ascontiguousarray(part, np.float32))
            materials.append(np.ascontiguousarray(truth[2::4, 2::4]))
    return MosaicBatch(
        torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(materials)).long()
    )


def _scene(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Image, Labels]:
    """One micrograph and the material of each pixel."""
    count = int(rng.integers(1, _MOST_MATERIALS + 1))
    style = int(rng.integers(4))
    turns = None
    if style == 0:
        segments, material = _layers(rng, shape, count)
    elif style == 1:
        segments, material = _islands(rng, shape, count)
    else:
        segments, material = _cells(rng, shape, count)
        if rng.random() < 0.7:
            turns = rng.uniform(0, 2 * np.pi, material.size)
    palette = _palette(rng, count)
    if rng.random() < 0.25:  # vacuum, or a resin
        dark = max(min(t.tone for t in palette) - float(rng.uniform(0.1, 0.3)), 0.03)
        palette[0] = Texture("amorphous", dark, float(log_uniform(rng, 0.003, 0.03)), 6.0)
    textures = [palette[m] for m in material.tolist()]
    image = mosaic(rng, segments, textures, turns)
    image = _defects(rng, image, segments)
    return _camera(rng, image), material[segments - 1].astype(np.int32)


def _palette(rng: np.random.Generator, count: int) -> list[Texture]:
    """Strangers and look-alikes, of tones near each other or not."""
    period = log_uniform(rng, 6, 24)
    gap = min(log_uniform(rng, 0.015, 0.2), 0.5 / max(count - 1, 1))
    tones = rng.permutation(count) * gap + rng.uniform(0.25, 0.85 - (count - 1) * gap)
    alike = rng.uniform(0, 0.8)
    out: list[Texture] = []
    for tone in tones.tolist():
        if out and rng.random() < alike:
            texture = vary(rng, out[int(rng.integers(len(out)))])
        else:
            texture = draw(rng, (0.75 * period, 1.33 * period), 0.7, 0.3)
        contrast = max(texture.contrast, _LEAST_CONTRAST)
        out.append(replace(texture, tone=tone, contrast=contrast))
    return out


def _materials(rng: np.random.Generator, count: int, segments: int) -> NDArray[np.int64]:
    """Material of each segment, from 0; every one there where there is room."""
    first = np.arange(min(count, segments))
    rest = rng.integers(0, count, max(segments - count, 0))
    return rng.permutation(np.concatenate([first, rest]))


def _layers(
    rng: np.random.Generator, shape: tuple[int, int], count: int
) -> tuple[Labels, NDArray[np.int64]]:
    """Films at any tilt, thin ones among them."""
    number = int(rng.integers(max(count, 2), count + 5))
    yy, xx = coordinates(shape)
    angle = rng.uniform(0, np.pi)
    across = (yy - shape[0] / 2) * np.float32(np.cos(angle)) + (xx - shape[1] / 2) * np.float32(
        np.sin(angle)
    )
    across = across + np.float32(log_uniform(rng, 0.5, 12)) * fractal(
        rng, shape, log_uniform(rng, 25, 120), 2
    )
    low, high = (float(v) for v in np.quantile(across[::8, ::8], (0.03, 0.97)))
    thick = rng.dirichlet(np.full(number, float(rng.choice([1.5, 3.0])))) + 0.04
    cuts = low + np.cumsum(thick / thick.sum())[:-1] * (high - low)
    layer = np.searchsorted(cuts, across).astype(np.int32) + 1
    return _in_use(layer, rng, count)


def _islands(
    rng: np.random.Generator, shape: tuple[int, int], count: int
) -> tuple[Labels, NDArray[np.int64]]:
    """Islands in a matrix."""
    yy, xx = coordinates(shape)
    segments = np.ones(shape, np.int32)
    for k in range(int(rng.integers(3, 16))):
        radius = min(shape) * log_uniform(rng, 0.04, 0.2)
        cy, cx = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        stretch = log_uniform(rng, 0.5, 2.0)
        bend = 1 + np.float32(rng.uniform(0, 0.25)) * smooth(rng, shape, radius)
        away = np.hypot((yy - cy) * np.float32(stretch), (xx - cx) / np.float32(stretch)) / bend
        segments[away < radius] = k + 2
    return _in_use(segments, rng, count)


def _cells(
    rng: np.random.Generator, shape: tuple[int, int], count: int
) -> tuple[Labels, NDArray[np.int64]]:
    """Grains, coarse or fine."""
    spacing = min(shape) * log_uniform(rng, 0.14, 0.6)
    cells, _, _ = voronoi(rng, shape, spacing, rng.uniform(0, 0.15))
    return _in_use(cells, rng, count)


def _in_use(
    segments: Labels, rng: np.random.Generator, count: int
) -> tuple[Labels, NDArray[np.int64]]:
    """Give the segments that are left numbers from 1, and each a material."""
    present, named = np.unique(segments, return_inverse=True)
    numbered = np.asarray(named.reshape(segments.shape) + 1, np.int32)
    return numbered, _materials(rng, count, present.size)


def _defects(rng: np.random.Generator, image: Image, segments: Labels) -> Image:
    """Seams between segments and cracks within: they are of the material that they cut."""
    if rng.random() < 0.7:
        edge = np.zeros(segments.shape, np.float32)
        edge[:-1] += segments[:-1] != segments[1:]
        edge[:, :-1] += segments[:, :-1] != segments[:, 1:]
        strength = np.float32(rng.uniform(-0.05, 0.2))
        image = image - strength * np.clip(blur(np.minimum(edge, 1), 1.2) * 2, 0, 1)
    if rng.random() < 0.5:
        h, w = segments.shape
        canvas = Canvas((h, w))
        for _ in range(int(rng.integers(1, 8))):
            start = float(rng.uniform(0, h)), float(rng.uniform(0, w))
            far, way = log_uniform(rng, 60, 600), rng.uniform(0, 2 * np.pi)
            end = start[0] + far * np.sin(way), start[1] + far * np.cos(way)
            canvas.chains(crack_path(rng, start, end, log_uniform(rng, 0.6, 3)))
        depth = np.float32(rng.uniform(-0.1, 0.3))
        image = image - depth * blur((canvas.labels > 0).astype(np.float32), 0.8)
    return image


def _camera(rng: np.random.Generator, image: Image) -> Image:
    """Point spread, uneven light and contrast, noise, file."""
    image = blur(image, log_uniform(rng, 0.4, 1.5))
    shape = (image.shape[0], image.shape[1])
    if rng.random() < 0.7:
        light = smooth(rng, shape, log_uniform(rng, 150, 500))
        image = image * (1 + np.float32(rng.uniform(0, 0.12)) * light)
    if rng.random() < 0.3:  # a wedge
        yy, xx = coordinates(shape)
        tilt = rng.normal(0, 0.5) * (yy / shape[0] - 0.5) + rng.normal(0, 0.5) * (
            xx / shape[1] - 0.5
        )
        image = image * (1 + np.float32(0.4) * tilt.astype(np.float32))
    level = np.clip(image, 0.02, 1.3) ** np.float32(np.exp(rng.normal(0, 0.2)))
    noise = white(rng, shape)
    if rng.random() < 0.3:
        grain = float(rng.uniform(0.4, 1.0))
        noise = blur(noise, grain) * np.float32(1 + 2.2 * grain)
    image = level + noise * np.float32(log_uniform(rng, 0.01, 0.2)) * np.sqrt(2 * level)
    if rng.random() < 0.2:
        image = 1 - image
    if rng.random() < 0.15:
        levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        _, data = cv2.imencode(".jpg", levels, [1, int(rng.integers(40, 95))])
        image = np.asarray(cv2.imdecode(data, 0), np.float32) / np.float32(255)
    return np.asarray(np.clip(image, 0, 1), np.float32)
