"""Nuclei: fluorescent, stained in tissue, or dark in pale cells."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import crowds, shapes, stars
from napari_samstar.synth.noise import (
    Field,
    blur,
    coordinates,
    fractal,
    log_uniform,
    oriented,
    smooth,
)
from napari_samstar.synth.placing import centers, median_radius, radii, sampled
from napari_samstar.synth.scene import Draft

__all__ = ["nuclei"]

Array = NDArray[np.float64]

#: Share of each look.
_MODES = {"fluorescence": 0.45, "section": 0.13, "stained": 0.31, "bright": 0.11}


class _Bodies(NamedTuple):
    """Nuclei where they are painted, and those of another depth that nobody would count."""

    place: Array
    table: stars.Table
    labels: NDArray[np.int32]
    rho: Field  # 0 in the center of one, 1 at its outline or contact
    ghosts: Array
    median: float


def arranged(
    rng: np.random.Generator, mode: str, shape: tuple[int, int], settings: SynthSettings
) -> _Bodies:
    """Scattered singly, crowded until they touch, or side by side in rings."""
    how = "scattered"
    if mode != "bright":
        how = str(rng.choice(["scattered", "crowded", "rings"], p=[0.4, 0.38, 0.22]))
    low, high = {"crowded": (0.2, 0.65), "rings": (0.2, 0.55)}.get(how, (0.15, 0.68))
    median = median_radius(rng, shape, settings, low, 0.5 if mode == "bright" else high)
    cover = rng.uniform(0.4, 1.1) if how == "crowded" else rng.uniform(0.03, 0.4)
    if mode == "bright":
        cover = rng.uniform(0.005, 0.08)
    most = settings.max_objects
    n = int(np.clip(cover * shape[0] * shape[1] / (np.pi * median**2), min(2, most), most))
    radius = radii(rng, n, median, shape, settings, rng.uniform(0.05, 0.35))
    small = rng.random(n) < rng.choice([0.0, 0.04])  # micronuclei and debris
    radius = np.where(small, np.maximum(radius * 0.35, settings.min_diameter / 2), radius)
    aspect = np.exp(np.abs(rng.normal(0.1, rng.uniform(0.15, 0.45), n)))
    aspect *= np.where(rng.random(n) < rng.choice([0.0, 0.25], p=[0.7, 0.3]), 2.2, 1)  # spindles
    # fibers and flow align nuclei; else each lies as it likes
    angle = rng.uniform(0, np.pi) + rng.choice([0.25, 3.0], p=[0.3, 0.7]) * rng.normal(0, 1, n)
    ghosts = centers(rng, n // 3 + 1, shape)
    if how == "crowded":
        place = crowds.nested(rng, radius, shape, cover)
        place = crowds.pushed_apart(place, radius, rng.uniform(0.7, 1.0))
    else:
        place = sampled(rng, n, shape, 1.5 * median)
        place = crowds.pushed_apart(place, radius, rng.uniform(0.5, 0.95), 4)
    if how == "rings":
        ghosts, used = _in_rings(rng, shape, place, radius, aspect, angle)
        # nothing but an embryo, or glands and what is between them
        kept = used + int(rng.choice([0.0, rng.random()]) * (n - used))
        place, radius, aspect, angle = place[:kept], radius[:kept], aspect[:kept], angle[:kept]
    table = crowds.outlines(rng, radius, aspect, angle, float(rng.choice([0.0, 0.15, 0.5])))
    labels, rho = crowds.press(shape, place, table)
    return _Bodies(place, table, labels, rho, ghosts, median)


def _in_rings(
    rng: np.random.Generator,
    shape: tuple[int, int],
    place: Array,
    radius: Array,
    aspect: Array,
    angle: Array,
) -> tuple[Array, int]:
    """Stand the first nuclei upright in rings; places of layers further in, and how many stand."""
    used, within = 0, [place[:0]]
    upright = rng.uniform(1.3, 3.2)
    tight, ragged = rng.uniform(0.75, 1.1), rng.uniform(0.05, 0.5)
    for _ in range(int(rng.choice([1, 1, 2, 4, 7]))):
        slim = upright * np.exp(rng.normal(0, 0.15, len(radius) - used))
        width = 2 * tight * radius[used:] / np.sqrt(slim)
        at, across, origin = crowds.ring(rng, width, shape)
        here = slice(used, used + len(at))
        across_and_in = np.stack([np.sin(across), np.cos(across)], 1)
        deep = ragged * radius[here] * rng.normal(0, 1, len(at))
        place[here] = at + across_and_in * deep[:, None]
        aspect[here] = slim[: len(at)]
        angle[here] = across + rng.normal(0, 0.12, len(at))
        within += [origin + (at - origin) * rng.uniform(0.5, 0.92) for _ in range(2)]
        used += len(at)
    return np.concatenate(within), used


def unfocused(rng: np.random.Generator, bodies: _Bodies) -> Field:
    """Shadows or glows of what lies above and below, 0 to about 1."""
    shape = bodies.labels.shape[0], bodies.labels.shape[1]
    k = len(bodies.ghosts)
    which = rng.integers(0, len(bodies.table), k)
    ghost = np.zeros(shape, np.float32)
    shapes.pile_up(ghost, bodies.ghosts, bodies.table[which], rng.uniform(0.3, 1, k), 2.0)
    return blur(np.minimum(ghost, np.float32(1)), bodies.median * rng.uniform(0.35, 0.9))


def matter(rng: np.random.Generator, bodies: _Bodies) -> Field:
    """How much of the dye each pixel of a nucleus holds: clumps, nucleoli, a rim, bright ones."""
    labels, rho, median = bodies.labels, bodies.rho, bodies.median
    shape = labels.shape[0], labels.shape[1]
    n = len(bodies.table)
    tone = np.exp(rng.normal(0, rng.uniform(0.05, 0.6), n + 1))
    tone *= np.where(rng.random(n + 1) < 0.04, 1.8, 1)  # dividing or dying, condensed
    tone = np.maximum(tone, 0.2).astype(np.float32)
    chromatin = fractal(rng, shape, max(2.0, median * rng.uniform(0.15, 0.7)), 3, 0.7)
    body = 1 + np.float32(rng.uniform(0.03, 0.3)) * chromatin
    if rng.random() < 0.4:
        spots = smooth(rng, shape, max(2.0, 0.4 * median))
        body += np.float32(rng.uniform(-0.5, 0.6)) * np.clip(2 * spots - 2, 0, 1)
    if rng.random() < 0.35:  # hollow
        body *= 1 - np.float32(rng.uniform(0.1, 0.55)) * (1 - rho**3)
    body *= np.sqrt(np.maximum(1 - rho ** np.float32(rng.uniform(2, 14)), 0.02))
    return np.asarray(np.maximum(tone[labels] * body, 0) * (labels > 0), np.float32)


def fluorescent(rng: np.random.Generator, bodies: _Bodies, body: Field) -> Field:
    """Glowing bodies on black, their flare, sometimes cytoplasm and neighbors out of focus."""
    median, shape = bodies.median, (body.shape[0], body.shape[1])
    image = blur(body, max(0.5, median * rng.uniform(0.02, 0.15)))
    image += np.float32(rng.uniform(0, 0.35)) * blur(body, median * log_uniform(rng, 0.3, 3))
    if rng.random() < 0.5:
        image += np.float32(rng.uniform(0.05, 0.35)) * unfocused(rng, bodies)
    if rng.random() < 0.3:  # cytoplasm
        image += np.float32(0.1) * np.maximum(fractal(rng, shape, median * 3, 3), 0)
    if rng.random() < 0.15:  # exposed for the dim ones
        image = np.minimum(image, np.float32(rng.uniform(0.7, 1.4)))
    return image


def section(rng: np.random.Generator, bodies: _Bodies, body: Field) -> Field:
    """Thick fluorescent tissue: nuclei more or less in focus, seen through the glow of others."""
    median, shape = bodies.median, (body.shape[0], body.shape[1])
    soft = (rng.random(len(bodies.table) + 1) < rng.uniform(0, 0.6))[bodies.labels]
    sharp = max(0.6, median * rng.uniform(0.03, 0.12))
    image = blur(np.where(soft, 0, body), sharp) + blur(np.where(soft, body, 0), 2 * sharp)
    image += np.float32(rng.uniform(0.2, 0.6)) * unfocused(rng, bodies)
    image += np.float32(rng.uniform(0.1, 0.6)) * blur(body, median * rng.uniform(1.5, 5))
    glow = np.maximum(fractal(rng, shape, median * rng.uniform(3, 10), 4, 0.6) + 0.5, 0)
    return image + np.float32(rng.uniform(0, 0.3)) * blur(glow, 1.0)


def stroma(rng: np.random.Generator, bodies: _Bodies) -> Field:
    """Light through a stained section without its nuclei: cytoplasm, fibers, walls and lumens."""
    median = bodies.median
    shape = bodies.labels.shape[0], bodies.labels.shape[1]
    near = blur((bodies.labels > 0).astype(np.float32), median * rng.uniform(0.8, 2.5))
    wide = fractal(rng, shape, median * rng.uniform(4, 12), 3, 0.5)
    steep = np.float32(rng.uniform(0.5, 2))
    tissue = np.clip(0.5 + rng.uniform(-0.5, 1) + steep * wide + near, 0, 1)  # 0 in a lumen
    dye = 0.6 + np.float32(rng.uniform(0, 0.25)) * fractal(rng, shape, median, 4, 0.7)
    if rng.random() < 0.5:
        y, x = coordinates(shape)
        turn, spacing = rng.uniform(0, np.pi), median * rng.uniform(0.15, 0.5)
        phase = (x * np.float32(np.cos(turn)) + y * np.float32(np.sin(turn))) / np.float32(spacing)
        phase += np.float32(rng.uniform(2, 5)) * fractal(rng, shape, 5 * median, 4, 0.6)
        dye += np.float32(rng.uniform(0.05, 0.2)) * np.sin(phase) * smooth(rng, shape, 3 * median)
    if rng.random() < 0.5:  # walls of cells, thin and winding
        line = fractal(rng, shape, 2.5 * median, 2, 0.5)
        dye += np.float32(rng.uniform(0.1, 0.4)) * np.exp(-((line / np.float32(0.12)) ** 2))
    return np.asarray(0.95 - np.float32(rng.uniform(0.03, 0.45)) * dye * tissue, np.float32)


def stained(rng: np.random.Generator, bodies: _Bodies, body: Field) -> Field:
    """Tissue in transmitted light: dark nuclei of a section, some of them only as smudges."""
    density = np.float32(rng.uniform(0.25, 1.3)) * np.minimum(body, np.float32(1.8))
    # what of a nucleus lies below the plane of focus
    density += np.float32(rng.uniform(0, 0.4)) * blur(
        density, bodies.median * rng.uniform(0.2, 0.7)
    )
    rim = np.exp(-(((1 - bodies.rho) * np.float32(bodies.median) / 1.5) ** 2)) * (bodies.labels > 0)
    density += np.float32(rng.choice([0.0, 0.3]) * rng.random()) * rim
    if rng.random() < 0.5:
        density += np.float32(rng.uniform(0.1, 0.6)) * unfocused(rng, bodies)
    light = stroma(rng, bodies) * np.exp(-density)
    return blur(np.asarray(light, np.float32), log_uniform(rng, 0.5, 0.5 + 0.08 * bodies.median))


def pale_cells(
    rng: np.random.Generator, shape: tuple[int, int], place: Array, radius: Array
) -> tuple[Field, NDArray[np.int32]]:
    """Bright field: transparent cells, folded, one over the other; light left, and cell of a px."""
    n = len(place)
    size = radius * rng.uniform(3, 7, n)
    if rng.random() < 0.5:  # flakes with corners
        sides = rng.integers(4, 8, n)
        table = stars.facets(rng, size, sides, np.exp(rng.random(n) * 0.5), 0.4, 40.0)
        table *= stars.blobs(rng, np.ones(n), np.ones(n), 0.06, 12)
    else:
        table = stars.blobs(rng, size, np.exp(rng.random(n) * 0.5), 0.12, 8)
    big = shapes.Canvas(shape)
    big.stars(place, table)
    absorbed = np.zeros(shape, np.float32)
    shapes.pile_up(absorbed, place, table, rng.uniform(0.05, 0.35, n), 40.0)
    inside = absorbed > 0
    folds = np.maximum(oriented(rng, shape, 40, 2, rng.uniform(0, np.pi)) - 1.5, 0)
    absorbed += np.float32(0.06) * np.minimum(folds, 1) * inside
    absorbed += np.float32(rng.uniform(0, 0.2)) * np.exp(-big.depth) * inside
    texture = fractal(rng, shape, float(np.median(radius)) * rng.uniform(0.5, 3), 4, 0.65)
    absorbed += np.float32(log_uniform(rng, 0.01, 0.12)) * texture * inside
    return np.asarray(np.exp(-absorbed), np.float32), big.labels


def nuclei(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Nuclei: glowing on black or in thick sections, stained in tissue, dark in pale cells."""
    mode = str(rng.choice(list(_MODES), p=list(_MODES.values())))
    bodies = arranged(rng, mode, shape, settings)
    body = matter(rng, bodies)
    groups: NDArray[np.int32] | None = None
    if mode == "fluorescence":
        image = fluorescent(rng, bodies, body)
    elif mode == "section":
        image = section(rng, bodies, body)
    elif mode == "stained":
        image = stained(rng, bodies, body)
    else:
        radius = bodies.table.mean(1).astype(np.float64)
        light, groups = pale_cells(rng, shape, bodies.place, radius)
        image = blur(light * np.exp(-np.float32(rng.uniform(0.5, 1.5)) * body), 0.6)
    return Draft(
        np.asarray(image, np.float32),
        bodies.labels,
        (bodies.labels > 0).astype(np.uint8),
        groups,
        None,
        {
            "median_radius_px": bodies.median,
            "mode": mode,
            "instrument": {"scan": False, "invert": False},
        },
    )
