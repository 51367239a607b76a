"""Layered films, phases and grains of a known number of materials: truth for the booster."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth.grains import voronoi
from napari_samstar.synth.noise import blur, coordinates, fractal, log_uniform, smooth, white
from napari_samstar.synth.scene import Draft, Scene, finish
from napari_samstar.synth.textures import Texture, draw, mosaic, vary

__all__ = ["LEVELS", "Level", "films"]


@dataclass(frozen=True)
class Level:
    """How hard it is to tell the materials of an image apart.

    Parameters
    ----------
    tone_gap : tuple of float
        Range of the least difference of two materials' mean intensities, full scale 1.
    alike : float
        Chance that a material is a variant of another one's texture, with the same periods.
    noise : tuple of float
        Range of the shot noise's deviation at middle intensity, full scale 1.
    shade : tuple of float
        Range of the uneven illumination, share of the intensity.
    """

    tone_gap: tuple[float, float]
    alike: float
    noise: tuple[float, float]
    shade: tuple[float, float]


#: Easy, medium, hard.
LEVELS: dict[int, Level] = {
    1: Level((0.12, 0.2), 0.1, (0.01, 0.06), (0.0, 0.04)),
    2: Level((0.05, 0.12), 0.4, (0.03, 0.1), (0.01, 0.06)),
    3: Level((0.02, 0.06), 0.7, (0.06, 0.14), (0.02, 0.08)),
}

_STYLES = ("layers", "phases", "grains")
_LEAST_GRAIN = 200  # px that one grain of each compound has at least


def films(
    level: int = 1,
    materials: int | None = None,
    shape: tuple[int, int] = (768, 768),
    seed: int = 0,
    style: str | None = None,
) -> Scene:
    """Make a micrograph of one to five materials, each in one or more separate segments.

    Parameters
    ----------
    level : int
        1 easy, 2 medium, 3 hard; see `LEVELS`.
    materials : int or None
        How many there are besides vacuum; None draws 1 to 5.
    shape : tuple of int
        Height and width, px.
    seed : int
        Equal seeds give equal scenes.
    style : str or None
        "layers": films on a substrate, some repeated, some cut by antiphase boundaries, at times
        with vacuum above; "phases": islands in a matrix; "grains": a polycrystal of several
        compounds, each grain turned its own way. None draws one.

    Returns
    -------
    Scene
        ``labels`` has an instance per segment, vacuum included; ``materials`` is 1 to M, 0 for
        vacuum.
        ``params["vacuum"]`` is the label of the vacuum, or 0.

    Raises
    ------
    ValueError
        If level or style is not known.
    """
    if level not in LEVELS or style not in (None, *_STYLES):
        raise ValueError(
            f"There is no level {level} or style '{style}'; known are levels {sorted(LEVELS)} and "
            f"styles {', '.join(_STYLES)}."
        )
    rng = np.random.default_rng([seed, level, 7])
    count = materials or int(rng.integers(1, 6))
    style = style or str(rng.choice(_STYLES, p=[0.5, 0.25, 0.25]))
    hard = LEVELS[level]
    turned = np.zeros(0)
    if style == "layers":
        segments, material = _layers(rng, shape, count)
    elif style == "phases":
        segments, material = _phases(rng, shape, count)
    else:
        segments, material = _grains(rng, shape, count)
        turned = rng.uniform(0, 2 * np.pi, material.size)
    vacuum = int(material[-1] == 0) * material.size
    palette = _palette(rng, count, hard)
    dark = min(t.tone for t in palette) - float(rng.uniform(0.15, 0.3))
    nothing = Texture("amorphous", max(dark, 0.03), 0.003, 6.0)
    textures = [palette[m - 1] if m else nothing for m in material.tolist()]
    image = mosaic(rng, segments, textures, turned if turned.size else None)
    image = _seams(rng, image, segments, style)
    image = _camera(rng, image, hard)
    draft = Draft(image, segments, np.concatenate([[0], material]).astype(np.uint8)[segments])
    params = {"level": level, "style": style, "count": count, "textures": palette, "seed": seed}
    scene = finish(draft, image, "films", SynthSettings().min_visible, True)
    if vacuum:
        mine = np.bincount(scene.labels[segments == vacuum])
        vacuum = int(mine.argmax())
    return replace(scene, params={**scene.params, **params, "vacuum": vacuum})


def _palette(rng: np.random.Generator, count: int, hard: Level) -> list[Texture]:
    """Textures of the materials: alike as the level wants, but never the same."""
    period = log_uniform(rng, 8, 20)
    gap = min(rng.uniform(*hard.tone_gap), 0.5 / max(count - 1, 1))
    tones = rng.permutation(count) * gap + rng.uniform(0.3, 0.8 - (count - 1) * gap)
    out: list[Texture] = []
    while len(out) < count:
        if out and rng.random() < hard.alike:
            texture = vary(rng, out[int(rng.integers(len(out)))])
        else:
            texture = draw(rng, (0.75 * period, 1.33 * period), 0.75, 0.5)
        if any(_same(texture, other) for other in out):
            continue
        contrast = float(np.clip(texture.contrast, 0.06, 0.16))
        out.append(replace(texture, tone=float(tones[len(out)]), contrast=contrast))
    return out


def _same(a: Texture, b: Texture) -> bool:
    """Whether nobody could tell the two patterns apart."""
    if a.kind != b.kind:
        return False
    if a.kind == "crystal":
        return a.cell == b.cell
    return abs(float(np.log(a.scale / b.scale))) < 0.5


def _layers(
    rng: np.random.Generator, shape: tuple[int, int], count: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Segments (H, W) from 1 and the material of each; the last may be vacuum."""
    h, w = shape
    yy, xx = coordinates(shape)
    number = int(rng.integers(max(count, 2), count + 4)) if count > 1 else int(rng.integers(1, 4))
    order = _sequence(rng, count, number)
    angle = rng.normal(0, 0.12)
    across = yy * np.cos(angle) + xx * np.sin(angle)
    across = across + np.float32(log_uniform(rng, 0.5, 6)) * fractal(rng, shape, 50, 2)
    thick = rng.dirichlet(np.full(number, 2.5)) + 0.05
    vacuum = rng.random() < 0.35
    top = rng.uniform(0.1, 0.25) * h if vacuum else 0.0
    cuts = top + np.cumsum(thick / thick.sum())[:-1] * (h - top)
    layer = np.searchsorted(cuts, across).astype(np.int32)
    segments, material, new = np.zeros(shape, np.int32), [], 1
    along = xx * np.cos(angle) - yy * np.sin(angle)
    for k in range(number):
        inside = layer == k
        pieces = [inside]
        if rng.random() < (0.3 if count > 1 else 0.6):  # an antiphase boundary
            line = w * rng.uniform(0.3, 0.7) + 4 * fractal(rng, shape, 30, 2)
            pieces = [inside & (along < line - 1.5), inside & (along > line + 1.5)]
        for piece in pieces:
            segments[piece] = new
            material.append(order[k] + 1)
            new += 1
    if vacuum:
        segments[across < top] = new
        material.append(0)
    return segments, np.array(material)


def _sequence(rng: np.random.Generator, count: int, number: int) -> NDArray[np.int64]:
    """Materials (number,) in order, every one there, no two neighbors alike if that can be."""
    while True:
        order = np.concatenate([np.arange(count), rng.integers(0, count, number - count)])
        rng.shuffle(order)
        if count == 1 or (np.diff(order) != 0).all():
            return order


def _phases(
    rng: np.random.Generator, shape: tuple[int, int], count: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Islands of the other materials in a matrix of the first; a single one is cut in pieces."""
    h, w = shape
    if count == 1:
        cells, _, _ = voronoi(rng, shape, min(h, w) * rng.uniform(0.5, 0.9), 0.05)
        pieces = np.unique(cells, return_inverse=True)[1].reshape(shape).astype(np.int32) + 1
        return np.asarray(pieces, np.int32), np.ones(int(pieces.max()), np.int64)
    yy, xx = coordinates(shape)
    segments = np.ones(shape, np.int32)
    material = [1]
    kinds = [*range(2, count + 1), *rng.integers(2, count + 1, int(rng.integers(0, 5))).tolist()]
    for kind in kinds:
        radius = min(shape) * log_uniform(rng, 0.06, 0.2)
        for _ in range(100):
            cy, cx = rng.uniform(0, h), rng.uniform(0, w)
            stretch = log_uniform(rng, 0.6, 1.6)
            bend = 1 + 0.12 * smooth(rng, shape, radius)
            away = np.hypot((yy - cy) * stretch, (xx - cx) / stretch) / bend
            if (segments[away < radius + 5] == 1).all():
                material.append(kind)
                segments[away < radius] = len(material)
                break
            radius *= 0.97
    return segments, np.array(material)


def _grains(
    rng: np.random.Generator, shape: tuple[int, int], count: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Grains of a polycrystal of `count` compounds."""
    for _ in range(50):
        cells, _, _ = voronoi(rng, shape, min(shape) * rng.uniform(0.25, 0.5), 0.05)
        present, sizes = np.unique(cells, return_counts=True)
        segments = (np.searchsorted(present, cells) + 1).astype(np.int32)
        material = np.arange(1, present.size + 1)  # so many compounds find no place
        if present.size < count:
            continue
        material = np.concatenate(
            [np.arange(1, count + 1), rng.integers(1, count + 1, present.size - count)]
        )
        rng.shuffle(material)
        # a grain at the frame may be a few pixels, which are dropped
        if np.unique(material[sizes >= _LEAST_GRAIN]).size == count:
            break
    return segments, material


def _seams(
    rng: np.random.Generator, image: NDArray[np.float32], segments: NDArray[np.int32], style: str
) -> NDArray[np.float32]:
    """Boundaries show: darker between grains and along antiphase boundaries, soft elsewhere."""
    edge = np.zeros(segments.shape, np.float32)
    edge[:-1] += segments[:-1] != segments[1:]
    edge[:, :-1] += segments[:, :-1] != segments[:, 1:]
    strength = rng.uniform(0.05, 0.2) if style != "phases" else rng.uniform(0, 0.1)
    return image - np.float32(strength) * np.clip(blur(np.minimum(edge, 1), 1.2) * 2, 0, 1)


def _camera(
    rng: np.random.Generator, image: NDArray[np.float32], hard: Level
) -> NDArray[np.float32]:
    """Point spread, shading, shot noise; 8 bits."""
    image = blur(image, log_uniform(rng, 0.5, 1.2))
    image = image * (1 + np.float32(rng.uniform(*hard.shade)) * smooth(rng, image.shape, 400))
    level = np.clip(image, 0.02, 1.2)
    image = level + np.float32(rng.uniform(*hard.noise)) * np.sqrt(2 * level) * white(
        rng, image.shape
    )
    return np.asarray(np.rint(np.clip(image, 0, 1) * 255) / 255, np.float32)
