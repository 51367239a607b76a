"""Crops of synthetic materials, grouped by image, a pure function of seed and step."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_samstar.settings import TrainTextureSettings
from napari_samstar.synth.noise import blur, log_uniform, smooth, white
from napari_samstar.synth.textures import Texture, draw, paint, vary

__all__ = ["TextureBatch", "make_texture_batch"]


@dataclass(frozen=True)
class TextureBatch:
    """B crops of side S.

    Parameters
    ----------
    crops : (B, S, S) float32
        As recorded, about 0 to 1.
    image, material : (B,) int64
        Which synthetic image a crop is from, and which material; materials count through the batch.
    """

    crops: Tensor
    image: Tensor
    material: Tensor


def make_texture_batch(step: int, settings: TrainTextureSettings) -> TextureBatch:
    """Make the crops of one step.

    Materials of one image share the instrument (point spread, noise, shading), so that only the
    texture tells them apart; crops of one material are turned at random and magnified by 0.7 to 1.4
    each.
    """
    rng = np.random.default_rng([settings.seed, step])
    side = int(rng.integers(settings.smallest_side // 4, settings.largest_side // 4 + 1)) * 4
    crops: list[NDArray[np.float32]] = []
    images: list[int] = []
    materials: list[int] = []
    for image in range(settings.images):
        camera = _Camera(rng)
        for k, texture in enumerate(_palette(rng, settings.materials)):
            crops += [_record(rng, texture, side, camera) for _ in range(settings.crops)]
            images += [image] * settings.crops
            materials += [image * settings.materials + k] * settings.crops
    return TextureBatch(
        torch.from_numpy(np.stack(crops)), torch.tensor(images), torch.tensor(materials)
    )


def _palette(rng: np.random.Generator, count: int) -> list[Texture]:
    """Materials of one image: strangers and look-alikes."""
    period = log_uniform(rng, 6, 24)
    out: list[Texture] = []
    for k in range(count):
        if k % 2 and rng.random() < 0.7:
            out.append(vary(rng, out[-1]))
        else:
            out.append(draw(rng, (0.8 * period, 1.25 * period)))
    return out


class _Camera:
    """What all crops of one image share."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.blur = log_uniform(rng, 0.3, 1.5)
        self.noise = log_uniform(rng, 0.01, 0.25)
        self.grain = float(rng.uniform(0.4, 1.0)) if rng.random() < 0.35 else 0.0
        self.shade = float(rng.uniform(0, 0.15))
        self.gamma = float(np.exp(rng.normal(0, 0.25)))
        self.invert = bool(rng.random() < 0.2)
        self.jpeg = int(rng.integers(40, 95)) if rng.random() < 0.25 else 0


def _record(
    rng: np.random.Generator, texture: Texture, side: int, camera: _Camera
) -> NDArray[np.float32]:
    """One crop, turned, mirrored, magnified; its contrast varies as over a wedge."""
    turn, zoom = float(rng.uniform(0, 2 * np.pi)), log_uniform(rng, 0.7, 1.4)
    image = paint(rng, (side, side), texture, turn, zoom)
    if rng.random() < 0.5:
        image = image[:, ::-1]
    image = np.float32(texture.tone) + (image - np.float32(texture.tone)) * np.float32(
        log_uniform(rng, 0.75, 1.33)
    )
    image = blur(np.ascontiguousarray(image), camera.blur)
    image = image * (1 + np.float32(camera.shade) * smooth(rng, (side, side), 0.7 * side))
    image = np.clip(image, 0.0, 1.5) ** np.float32(camera.gamma)
    noise = white(rng, (side, side))
    if camera.grain:
        noise = blur(noise, camera.grain) * np.float32(1 + 2.2 * camera.grain)
    image = image + noise * np.float32(camera.noise) * np.sqrt(image + np.float32(0.05))
    if camera.invert:
        image = 1 - image
    if camera.jpeg:
        levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        _, data = cv2.imencode(".jpg", levels, [1, camera.jpeg])
        image = np.asarray(cv2.imdecode(data, 0), np.float32) / np.float32(255)
    return np.ascontiguousarray(image, np.float32)
