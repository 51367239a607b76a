"""Crops as vectors: what every encoder makes of them, side by side."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_samstar.booster.crops import Crops
from napari_samstar.booster.texture import Space, TextureEncoder, fit_space
from napari_samstar.types import Progress

__all__ = ["Vectors", "View", "describe_steps", "mask_means"]

_BATCH = 16  # crops between two steps
_SLIGHT = 0.05  # of what materials usually differ by: less is light, thickness, strain

Rows = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """What one encoder sees.

    Parameters
    ----------
    space : Space
        How its output was reduced.
    columns : slice
        Which columns of the vectors are its own.
    slight : (D_i, D_i) float64
        Covariance of differences that say nothing of the material.
    """

    space: Space
    columns: slice
    slight: Rows


@dataclass(frozen=True)
class Vectors:
    """Crops as vectors.

    Parameters
    ----------
    views : tuple of View
        One per encoder.
    crops : (N, D) float64
        One row per crop, the encoders' columns side by side.
    turned : (N, D) float64 or None
        The same crops, each turned by a random angle; None where the angle counts.
    """

    views: tuple[View, ...]
    crops: Rows
    turned: Rows | None

    def project(self, parts: Sequence[NDArray[np.float32]]) -> Rows:
        """Vectors (N, D) of other crops, from what each encoder makes of them, (N, D_i) each."""
        return _projected(self.views, parts)


def describe_steps(
    crops: Crops,
    encoders: Sequence[TextureEncoder],
    dimensions: int,
    rotation: str,
    seed: int,
    doubt: Rows | None = None,
) -> Generator[Progress, None, Vectors]:
    """Embed crops with every encoder, and once more turned where rotation is to be ignored.

    `doubt` (2,) is the variance that uneven light leaves in brightness and contrast.
    """
    again = rotation != "keep"
    turned = _turned(crops.pixels, np.random.default_rng([seed, 1])) if again else None
    both = [crops.pixels] if turned is None else [crops.pixels, turned]
    starts = range(0, len(crops), _BATCH)
    total = len(both) * len(encoders) * len(starts)
    done, found = 0, []
    for pixels in both:
        parts: list[list[NDArray[np.float32]]] = [[] for _ in encoders]
        for encoder, rows in zip(encoders, parts, strict=True):
            for start in starts:
                batch = slice(start, start + _BATCH)
                rows.append(encoder(pixels[batch], crops.boxes[batch]))
                done += 1
                yield Progress("materials", done, total, "looking at textures")
        found.append([np.concatenate(rows) for rows in parts])
    known = [encoder.name == "intensity" for encoder in encoders]
    views, start = [], 0
    for encoder, part, bright in zip(encoders, found[0], known, strict=True):
        space = fit_space([part], dimensions)
        slight = _SLIGHT**2 * space.spread([encoder])
        if bright and doubt is not None:
            slight = slight + space.covariance(doubt)
        views.append(View(space, slice(start, start + space.components.shape[1]), slight))
        start += space.components.shape[1]
    crops_seen = _projected(views, found[0])
    if turned is None:
        return Vectors(tuple(views), crops_seen, None)
    # a turn blurs a little, which says nothing of the material
    again_seen = [a if bright else b for a, b, bright in zip(*found, known, strict=True)]
    return Vectors(tuple(views), crops_seen, _projected(views, again_seen))


def _projected(views: Sequence[View], parts: Sequence[NDArray[np.float32]]) -> Rows:
    rows = [view.space.project([part]) for view, part in zip(views, parts, strict=True)]
    return np.concatenate(rows, 1)


def _turned(pixels: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """Each crop turned about its center by 15 to 75 degrees; mirrored pixels fill the corners."""
    side = pixels.shape[1]
    middle = ((side - 1) / 2, (side - 1) / 2)
    out = np.empty_like(pixels)
    for k, angle in enumerate(rng.uniform(15, 75, len(pixels)).tolist()):
        out[k] = cv2.warpAffine(
            pixels[k],
            cv2.getRotationMatrix2D(middle, angle, 1.0),
            (side, side),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REFLECT,
        )
    return out


def mask_means(vectors: Rows, owner: NDArray[np.intp]) -> Rows:
    """Mean vector (K, D) of each mask; `owner` counts from 0 without gaps."""
    sums = np.zeros((int(owner.max()) + 1, vectors.shape[1]))
    np.add.at(sums, owner, vectors)
    return sums / np.bincount(owner)[:, None]
