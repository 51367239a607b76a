"""What a material looks like from close by: a crystal, a glass, laths or grains, as one value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from napari_samstar.synth.lattices import LATTICES, Cell, _columns, crystal
from napari_samstar.synth.noise import Field, fractal, log_uniform, oriented

__all__ = ["Texture", "draw", "mosaic", "paint", "random_cell", "vary"]

#: Fractional places where symmetry likes to put columns.
_SPECIAL = (0.0, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4)


@dataclass(frozen=True)
class Texture:
    """One material's pattern.

    Parameters
    ----------
    kind : str
        Columns of a crystal, fractal noise of a glass, laths, or grains of two tones.
    tone, contrast : float
        Mean and standard deviation of the ideal image.
    scale : float
        First lattice vector, width of a lath or of a grain, px.
    angle : float
        Orientation, radians.
    cell : Cell or None
        See `lattices.LATTICES`; of crystals.
    sharp : float
        Width (sigma) of a column over the distance of the nearest two.
    """

    kind: Literal["crystal", "amorphous", "laths", "granular"]
    tone: float = 0.5
    contrast: float = 0.1
    scale: float = 12.0
    angle: float = 0.0
    cell: Cell | None = None
    sharp: float = 0.22


def paint(
    rng: np.random.Generator,
    shape: tuple[int, int],
    texture: Texture,
    turn: float = 0.0,
    zoom: float = 1.0,
) -> Field:
    """Ideal image (H, W) of one material, turned by `turn` radians and magnified by `zoom`."""
    scale, angle = texture.scale * zoom, texture.angle + turn
    if texture.kind == "crystal" and texture.cell is not None:
        field = _crystal(rng, shape, texture.cell, scale, angle, texture.sharp)
    elif texture.kind == "laths":
        field = oriented(rng, shape, 6 * scale, scale, angle)
    elif texture.kind == "granular":
        field = np.tanh(4 * fractal(rng, shape, scale, 2, 0.4)).astype(np.float32)
    else:
        field = fractal(rng, shape, scale, 3, 0.6)
    deviation = max(float(field.std()), 1e-6)
    pattern = (field - field.mean()) * np.float32(texture.contrast / deviation)
    return np.asarray(pattern + np.float32(texture.tone), np.float32)


def _crystal(
    rng: np.random.Generator,
    shape: tuple[int, int],
    cell: Cell,
    spacing: float,
    angle: float,
    sharp: float,
) -> Field:
    field = np.zeros(shape, np.float32)
    origin = rng.random(2) * spacing
    places, peaks, gap = crystal(shape, cell, spacing, angle, origin)
    places += rng.normal(0, 0.015 * gap, places.shape)
    peaks *= np.clip(1 + rng.normal(0, 0.06, peaks.size), 0, 2)
    everywhere = np.ones(shape, np.int32)
    labels, closeness = np.zeros(shape, np.int32), np.zeros(shape, np.float32)
    sigma = max(sharp * gap, 0.1 * spacing, 0.7)  # no probe shows points
    _columns(field, labels, closeness, everywhere, 1, places, peaks, sigma, 0.0, 1)
    return field


def random_cell(rng: np.random.Generator) -> Cell:
    """Draw a cell of one of the five plane lattices with one to four columns."""
    vectors: tuple[float, float, float, float] = [
        (1.0, 0.0, 0.0, 1.0),
        (1.0, 0.0, 0.0, float(rng.uniform(0.6, 1.7))),
        (1.0, 0.0, -0.5, 0.8660),
        (1.0, 0.0, 0.0, float(rng.uniform(0.6, 1.7))),
        (1.0, 0.0, float(rng.uniform(0.1, 0.4)), float(rng.uniform(0.8, 1.4))),
    ][family := int(rng.integers(5))]
    columns = [(0.0, 0.0, 1.0)]
    if family == 3:
        columns.append((0.5, 0.5, 1.0))
    for _ in range(int(rng.choice(4, p=[0.2, 0.4, 0.25, 0.15]))):
        columns = _with_column(rng, vectors, columns)
    return vectors, tuple(columns)


def _with_column(
    rng: np.random.Generator,
    vectors: tuple[float, float, float, float],
    columns: list[tuple[float, float, float]],
) -> list[tuple[float, float, float]]:
    """One more column, if there is room for it."""
    place = rng.choice(_SPECIAL, 2) if rng.random() < 0.6 else rng.random(2)
    difference = np.array([c[:2] for c in columns]) - place
    difference -= np.round(difference)
    apart = np.hypot(*(difference @ np.array(vectors).reshape(2, 2)).T)
    if apart.min() < 0.22:
        return columns
    return [*columns, (float(place[0]), float(place[1]), float(rng.uniform(0.1, 1.0)))]


def draw(
    rng: np.random.Generator,
    scale: tuple[float, float] = (6.0, 24.0),
    crystals: float = 0.7,
    named: float = 0.0,
) -> Texture:
    """Draw a material.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    scale : tuple of float
        Range of lattice constants, px; other textures are finer.
    crystals : float
        Share of crystals.
    named : float
        Share of the crystals that take a cell of `LATTICES`; the others take a random one.
    """
    tone, angle = float(rng.uniform(0.25, 0.75)), float(rng.uniform(0, np.pi))
    contrast, size = log_uniform(rng, 0.05, 0.25), log_uniform(rng, *scale)
    if rng.random() < crystals:
        names = list(LATTICES)
        known = rng.random() < named
        cell = LATTICES[names[int(rng.integers(len(names)))]] if known else random_cell(rng)
        sharp = float(rng.uniform(0.16, 0.3))
        return Texture("crystal", tone, contrast, size, angle, cell, sharp)
    if rng.random() < 0.5:
        return Texture("amorphous", tone, contrast * 0.5, log_uniform(rng, 1.2, 8), angle)
    if rng.random() < 0.5:
        return Texture("laths", tone, contrast * 0.7, log_uniform(rng, 2, 8), angle)
    return Texture("granular", tone, contrast, log_uniform(rng, 3, 15), angle)


def vary(rng: np.random.Generator, texture: Texture) -> Texture:
    """Draw a material that looks like `texture` but is another one."""
    if texture.kind != "crystal" or texture.cell is None:
        factor = float(rng.choice([0.45, 2.2]))
        return replace(texture, scale=float(np.clip(texture.scale * factor, 1.2, 30)))
    vectors, columns = texture.cell
    listed = [(c[0], c[1], c[2]) for c in columns]
    way = int(rng.integers(3))
    if way == 0 and len(listed) > 1:  # another element on one site
        k = int(rng.integers(1, len(listed)))
        y, x, peak = listed[k]
        other = peak * 0.4 if peak > 0.5 else min(1.0, peak + 0.45)
        listed[k] = (y, x, other)
    elif way == 1:  # a site more
        for _ in range(8):
            if len(listed) > len(columns):
                break
            listed = _with_column(rng, vectors, listed)
    if way == 2 or listed == [(c[0], c[1], c[2]) for c in columns]:  # another axial ratio
        ratio = float(rng.choice([0.75, 1.35]))
        vectors = (vectors[0], vectors[1], vectors[2], vectors[3] * ratio)
    return replace(texture, cell=(vectors, tuple(listed)))


def mosaic(
    rng: np.random.Generator,
    where: NDArray[np.int32],
    textures: list[Texture],
    turns: NDArray[np.float64] | None = None,
) -> Field:
    """Paint region i of `where` (from 1) with ``textures[i - 1]``, turned by ``turns[i - 1]``."""
    image = np.zeros(where.shape, np.float32)
    h, w = where.shape
    for i, texture in enumerate(textures, start=1):
        rows, columns = np.flatnonzero((where == i).any(1)), np.flatnonzero((where == i).any(0))
        if rows.size == 0:
            continue
        y0, y1 = int(rows[0]), int(rows[-1]) + 1
        x0, x1 = int(columns[0]), int(columns[-1]) + 1
        inside = where[y0:y1, x0:x1] == i
        frame = (max(y1 - y0, min(h, 64)), max(x1 - x0, min(w, 64)))  # small frames vary too much
        turn = 0.0 if turns is None else float(turns[i - 1])
        painted = paint(rng, frame, texture, turn)[: y1 - y0, : x1 - x0]
        image[y0:y1, x0:x1][inside] = painted[inside]
    return image
