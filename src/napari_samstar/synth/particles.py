"""Particles: in transmission (TEM), and on a substrate (SEM)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes, stars
from napari_samstar.synth.noise import (
    Field,
    blur,
    coordinates,
    fractal,
    log_uniform,
    oriented,
    smooth,
)
from napari_samstar.synth.placing import (
    centers,
    count_for,
    median_radius,
    radii,
    sampled,
)
from napari_samstar.synth.scene import Draft

__all__ = ["carbon_film", "particles_sem", "particles_tem", "substrate", "surface"]

Array = NDArray[np.float64]


def outlines(
    rng: np.random.Generator, radius: Array, form: str | None = None
) -> tuple[stars.Table, str]:
    """Radius tables of one family of outlines, and its name."""
    n = radius.size
    form = form or str(
        rng.choice(
            ["disc", "ellipse", "blob", "facet", "cube", "rod", "lumpy", "mixed"],
            p=[0.18, 0.12, 0.18, 0.18, 0.1, 0.1, 0.08, 0.06],
        )
    )
    one = np.ones(n)
    if form == "disc":
        table = stars.ellipses(radius, 1 + np.abs(rng.normal(0, 0.06, n)), rng.random(n) * np.pi)
    elif form == "ellipse":
        table = stars.ellipses(radius, np.exp(np.abs(rng.normal(0, 0.5, n))), rng.random(n) * np.pi)
    elif form == "blob":
        aspect = np.exp(np.abs(rng.normal(0, 0.25, n)))
        table = stars.blobs(rng, radius, aspect, log_uniform(rng, 0.03, 0.25))
    elif form == "lumpy":  # burrs, pollen, nodules
        table = stars.blobs(rng, radius, 1 + rng.random(n) * 0.3, rng.uniform(0.1, 0.35), 14)
    elif form == "facet":
        sides = rng.integers(3, 9, n)
        aspect = np.exp(np.abs(rng.normal(0, 0.2, n)))
        table = stars.facets(
            rng, radius, sides, aspect, rng.uniform(0, 0.5), log_uniform(rng, 8, 80)
        )
    elif form == "cube":
        aspect = np.exp(np.abs(rng.normal(0, 0.08, n)))
        table = stars.facets(rng, radius * 0.9, np.full(n, 4), aspect, 0.0, log_uniform(rng, 5, 60))
    elif form == "rod":
        ratio = np.clip(log_uniform(rng, 1.8, 7) * np.exp(rng.normal(0, 0.15, n)), 1.2, 9)
        table = stars.facets(rng, radius * 0.9, np.full(n, 4), ratio, 0.0, log_uniform(rng, 4, 30))
    else:
        table = stars.blobs(rng, radius, one, 0.08)
        for part in (0, 1):
            pick = rng.random(n) < 0.4
            other, _ = outlines(rng, radius[pick], ("facet", "ellipse")[part])
            table[pick] = other
    return table, form


def aggregates(
    rng: np.random.Generator, n: int, radius: Array, shape: tuple[int, int], overlap: float
) -> tuple[Array, NDArray[np.int32]]:
    """Places of particles that stick together, and the aggregate of each (1..).

    Each joins a random earlier particle of its aggregate at a random direction; `overlap` is the
    share of the two radii by which they sink into each other (sintered necks).
    """
    share = max(2, int(rng.integers(3, 40)))
    group = (np.arange(n) // share + 1).astype(np.int32)
    place = centers(rng, n, shape)
    turn = rng.uniform(0, 2 * np.pi, n)
    pick = rng.random(n)
    for i in range(n):
        first = (i // share) * share
        if i == first:
            continue
        j = first + int(pick[i] * (i - first))
        distance = (radius[i] + radius[j]) * (1 - overlap)
        place[i] = place[j] + distance * np.array([np.sin(turn[i]), np.cos(turn[i])])
    return place, group


def carbon_film(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Bright support film: fine grain, thickness changes, sometimes a hole or dirt."""
    film = np.full(shape, 1.0, np.float32)
    film += np.float32(log_uniform(rng, 0.005, 0.08)) * fractal(
        rng, shape, log_uniform(rng, 1.5, 6), 2
    )
    film += np.float32(log_uniform(rng, 0.01, 0.15)) * smooth(
        rng, shape, min(shape) * rng.uniform(0.15, 0.8)
    )
    if rng.random() < 0.3:  # soft dirt that is no particle
        dirt = fractal(rng, shape, min(shape) * log_uniform(rng, 0.03, 0.2), 3)
        film -= np.float32(rng.uniform(0.05, 0.3)) * np.maximum(dirt - 1.0, 0)
    if rng.random() < 0.25:  # edge of a hole or of lacey carbon
        field = smooth(rng, shape, min(shape) * rng.uniform(0.3, 0.9))
        hole = field > rng.uniform(0.3, 1.5)
        film += np.float32(rng.uniform(0.08, 0.4)) * blur(hole.astype(np.float32), 1.2)
    return film


def lattice_fringes(
    rng: np.random.Generator, labels: NDArray[np.int32], count: int, period: float
) -> Field:
    """Fringes of one random direction in each object."""
    y, x = coordinates((labels.shape[0], labels.shape[1]))
    angle = rng.uniform(0, np.pi, count + 1)
    k = 2 * np.pi / period
    ky, kx = (k * f(angle).astype(np.float32) for f in (np.sin, np.cos))
    return np.asarray(np.sin(ky[labels] * y + kx[labels] * x) * (labels > 0), np.float32)


def particles_tem(
    rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings
) -> Draft:
    """Particles on a carbon film in transmission: they overlap and their absorptions add."""
    median = median_radius(rng, shape, settings, 0.1, 1.0)
    n = count_for(rng, shape, median, settings, 0.7)
    radius = radii(rng, n, median, shape, settings)
    table, form = outlines(rng, radius)
    group = np.zeros(n, np.int32)
    canvas = shapes.Canvas(shape)
    layout = str(rng.choice(["scatter", "aggregate", "apart"], p=[0.35, 0.25, 0.4]))
    if layout == "aggregate":
        place, group = aggregates(rng, n, radius, shape, rng.uniform(-0.02, 0.35))
        painted = canvas.stars(place, table)
    elif layout == "apart":
        n_try = min(4 * n, 3000)
        pick = rng.integers(0, n, n_try)
        radius, table, group = radius[pick], table[pick], group[pick]
        place = sampled(rng, n_try, shape, median)
        painted = canvas.stars(place, table, rng.choice([0.0, 0.15]), rng.uniform(0, 4))
    else:
        place = sampled(rng, n, shape, median)
        painted = canvas.stars(place, table)
    labels, count = canvas.labels, canvas.count
    # diffraction contrast: most alike, some much darker, some nearly vanish
    strength = log_uniform(rng, 0.25, 2.5) * np.exp(
        rng.normal(0, log_uniform(rng, 0.02, 0.7), count)
    )
    strength[rng.random(count) < rng.uniform(0, 0.3)] *= rng.uniform(0.3, 2.5)
    thickness = np.zeros(shape, np.float32)
    power = float(rng.choice([2.0, 2.0, 4.0, 16.0, 60.0]))
    shapes.pile_up(thickness, place, table, strength * painted, power)
    rho = canvas.rho
    style = rng.random()
    if style < 0.2:  # a shell around a denser core
        core = rng.uniform(0.35, 0.85)
        thickness *= 1 + np.float32(rng.uniform(0.5, 2)) * (rho < core)
    elif style < 0.3:  # hollow
        thickness *= np.float32(0.4) + np.float32(0.9) * (rho > rng.uniform(0.5, 0.9))
    if rng.random() < 0.5:  # bend contours and rough insides
        inside = fractal(rng, shape, max(2.0, median * log_uniform(rng, 0.1, 1)), 3)
        thickness *= np.clip(1 + np.float32(log_uniform(rng, 0.05, 0.6)) * inside, 0.05, 3)
    if rng.random() < 0.2 and median > 8:
        fringes = lattice_fringes(rng, labels, count, rng.uniform(3, 7))
        thickness *= 1 + np.float32(rng.uniform(0.1, 0.5)) * fringes
    if rng.random() < 0.5:  # Fresnel fringes: out of focus, edges ring
        width = log_uniform(rng, 0.7, 3)
        solid = (thickness > 0).astype(np.float32)
        ring = blur(solid, width) - blur(solid, 2 * width)
        thickness += np.float32(rng.normal(0, 0.5)) * ring
    image = carbon_film(rng, shape) * np.exp(-thickness)
    if rng.random() < 0.15:  # dark field: bright particles on black
        image = (1 - np.exp(-thickness)) + np.float32(0.1) * carbon_film(rng, shape)
    full = {
        i + 1: shapes.star_window(place[i, 0], place[i, 1], table[i], shape)
        for i in np.flatnonzero(painted).tolist()
    }
    groups = np.concatenate([[0], group]).astype(np.int32)[labels]
    return Draft(
        np.asarray(image, np.float32),
        labels,
        (labels > 0).astype(np.uint8),
        groups,
        full,
        {"form": form, "layout": layout, "median_radius_px": median},
    )


def substrate(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Draw what particles lie on in the SEM: plain, grainy, or rough."""
    field = np.zeros(shape, np.float32)
    field += np.float32(log_uniform(rng, 0.005, 0.1)) * fractal(
        rng, shape, log_uniform(rng, 2, 60), 4, 0.6
    )
    field += np.float32(log_uniform(rng, 0.01, 0.1)) * smooth(rng, shape, min(shape) * 0.5)
    if rng.random() < 0.2:  # scratches
        lines = oriented(rng, shape, 300, rng.uniform(1, 4), rng.uniform(0, np.pi))
        field += np.float32(rng.uniform(0.02, 0.1)) * np.maximum(lines - 1.5, 0)
    return field


def surface(rng: np.random.Generator, canvas: shapes.Canvas, power: float, edge: float) -> Field:
    """Secondary-electron brightness of solid bodies: bright rims, and light from one side."""
    rho = canvas.rho
    rise = 1 / np.sqrt(np.maximum(1 - rho**power, 0.04)) - 1  # 1 / cos of the tilt, less one
    a = rng.uniform(0, 2 * np.pi)
    side = np.float32(np.cos(a)) * canvas.u + np.float32(np.sin(a)) * canvas.v
    lit = np.float32(rng.uniform(0, 0.3)) * side * rho ** np.float32(power / 2)
    return np.asarray(np.float32(edge) * np.minimum(rise, 3.0) + lit, np.float32)


def particles_sem(
    rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings
) -> Draft:
    """Opaque particles on a substrate, with edge brightness and shadows."""
    median = median_radius(rng, shape, settings, 0.15, 1.0)
    n = count_for(rng, shape, median, settings, 1.2)
    radius = radii(rng, n, median, shape, settings)
    table, form = outlines(rng, radius)
    canvas = shapes.Canvas(shape)
    group = np.zeros(n, np.int32)
    layout = str(rng.choice(["heap", "aggregate", "apart"], p=[0.4, 0.25, 0.35]))
    if layout == "aggregate":
        place, group = aggregates(rng, n, radius, shape, rng.uniform(0, 0.4))
    else:
        place = sampled(rng, n, shape, median)
    canvas.stars(place, table, *((0.1, rng.uniform(0, 3)) if layout == "apart" else (1.0, 0.0)))
    labels = canvas.labels
    on = labels > 0
    tone = rng.uniform(0.25, 0.8) + rng.normal(0, log_uniform(rng, 0.01, 0.15), canvas.count + 1)
    power = float(rng.choice([2.0, 3.0, 6.0, 20.0]))
    body = tone.astype(np.float32)[labels] + surface(rng, canvas, power, rng.uniform(0, 0.25))
    if rng.random() < 0.6:
        grain = fractal(rng, shape, max(1.5, median * log_uniform(rng, 0.08, 0.8)), 4, 0.65)
        body += np.float32(log_uniform(rng, 0.02, 0.2)) * grain
    if rng.random() < 0.15:  # dendrites and fibers that point outwards
        turn = np.arctan2(canvas.v, canvas.u)
        rays = np.sin(
            turn * np.float32(rng.integers(12, 60)) + 3 * fractal(rng, shape, median * 0.5, 2)
        )
        body += np.float32(rng.uniform(0.03, 0.15)) * rays * canvas.rho
    if rng.random() < 0.35:  # each facet or crystal has its own tone
        sector = np.floor((np.arctan2(canvas.v, canvas.u) / np.pi + 1) * rng.uniform(1.5, 3.5))
        which = (labels * 7 + sector.astype(np.int32)) % 61
        body += rng.normal(0, rng.uniform(0.02, 0.15), 61).astype(np.float32)[which]
    if rng.random() < 0.5:  # outlines between touching bodies
        body -= np.float32(rng.uniform(0.05, 0.35)) * np.exp(-canvas.depth / rng.uniform(0.8, 2.5))
    level = rng.uniform(0.05, 0.6)
    if abs(level - float(tone.mean())) < 0.1 and rng.random() < 0.8:
        level = float(tone.mean()) - rng.uniform(0.1, 0.4)
    ground = np.float32(level) + substrate(rng, shape)
    # fewer electrons escape from beside a body
    shadow = blur(on.astype(np.float32), float(np.clip(median * 0.4, 2, 25)))
    ground = ground - np.float32(rng.uniform(-0.05, 0.3)) * shadow
    image = np.where(on, body, ground).astype(np.float32)
    groups = np.concatenate([[0], np.resize(group, canvas.count)]).astype(np.int32)[labels]
    return Draft(
        image,
        labels,
        on.astype(np.uint8),
        groups,
        None,
        {"form": form, "layout": layout, "median_radius_px": median},
    )
