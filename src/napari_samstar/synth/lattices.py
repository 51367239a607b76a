"""Atomic columns in scanning transmission: films, grains and particles of several lattices."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes, stars
from napari_samstar.synth.grains import voronoi
from napari_samstar.synth.noise import blur, coordinates, fractal, log_uniform, smooth
from napari_samstar.synth.scene import Draft

__all__ = ["LATTICES", "lattice"]

#: Projected cells: two vectors (y, x) in units of the first's length, then columns at fractional
#: (y, x) with their brightness relative to the heaviest, about the atomic number to the power 1.7
#: (Pennycook, Ultramicroscopy 30, 58, 1989).
LATTICES: dict[str, tuple[tuple[float, float, float, float], tuple[tuple[float, ...], ...]]] = {
    "square p4mm, rock salt [001]": ((1, 0, 0, 1), ((0, 0, 1.0), (0.5, 0.5, 0.9))),
    "square p4mm, perovskite [001]": (
        (1, 0, 0, 1),
        ((0, 0, 1.0), (0.5, 0.5, 0.6), (0.5, 0, 0.08), (0, 0.5, 0.08)),
    ),
    "centered c2mm, fcc [110]": ((1, 0, 0, 0.707), ((0, 0, 1.0), (0.5, 0.5, 1.0))),
    "rectangular p2mg, diamond [110]": (
        (1, 0, 0, 0.707),
        ((0, 0, 1.0), (0.25, 0, 1.0), (0.5, 0.5, 1.0), (0.75, 0.5, 1.0)),
    ),
    "hexagonal p6mm, fcc [111]": ((1, 0, -0.5, 0.866), ((0, 0, 1.0),)),
    "honeycomb p3m1, MoS2 [001]": (
        (1, 0, -0.5, 0.866),
        ((1 / 3, 2 / 3, 1.0), (2 / 3, 1 / 3, 0.45)),
    ),
    "rectangular p2mm, bcc [110]": ((1, 0, 0, 1.414), ((0, 0, 1.0), (0.5, 0.5, 1.0))),
    "oblique p2": ((1, 0, 0.25, 1.2), ((0, 0, 1.0), (0.4, 0.55, 0.5))),
}


@njit(cache=True, nogil=True)
def _columns(
    image: NDArray[np.float32],
    labels: NDArray[np.int32],
    closeness: NDArray[np.float32],
    region: NDArray[np.int32],
    mine: int,
    places: NDArray[np.float64],
    peaks: NDArray[np.float64],
    sigma: float,
    radius: float,
    first: int,
) -> None:
    """Add Gaussian columns whose centers lie in region `mine`; label discs, nearest column wins."""
    h, w = image.shape
    reach = 3.2 * sigma
    for i in range(peaks.size):
        cy, cx = places[i, 0], places[i, 1]
        ry, rx = int(np.floor(cy + 0.5)), int(np.floor(cx + 0.5))
        if not (0 <= ry < h and 0 <= rx < w) or region[ry, rx] != mine:
            continue
        for y in range(max(0, int(cy - reach)), min(h, int(cy + reach) + 2)):
            for x in range(max(0, int(cx - reach)), min(w, int(cx + reach) + 2)):
                d = (y - cy) ** 2 + (x - cx) ** 2
                image[y, x] += np.float32(peaks[i] * np.exp(-d / (2 * sigma * sigma)))
                if d < radius * radius and d < closeness[y, x]:
                    closeness[y, x] = np.float32(d)
                    labels[y, x] = first + i


#: A projected cell, as in `LATTICES`: two vectors, and columns with their brightness.
Cell = tuple[tuple[float, float, float, float], tuple[tuple[float, ...], ...]]


def crystal(
    shape: tuple[int, int], cell: str | Cell, spacing: float, angle: float, origin: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Columns of an endless crystal inside the frame: places (N, 2), brightness (N,), nearest px.

    `cell` may be a name of `LATTICES`; `spacing` is its first vector's length, px.
    """
    (ay, ax, by, bx), basis = LATTICES[cell] if isinstance(cell, str) else cell
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, s], [-s, c]])
    a, b = spacing * turn @ np.array([ay, ax]), spacing * turn @ np.array([by, bx])
    inverse = np.linalg.inv(np.stack([a, b], 1))
    corners = np.array([[0, 0], [0, shape[1]], [shape[0], 0], shape], np.float64) - origin
    ends = (inverse @ corners.T).T
    low, high = np.floor(ends.min(0)).astype(int) - 1, np.ceil(ends.max(0)).astype(int) + 2
    i, j = np.mgrid[low[0] : high[0], low[1] : high[1]].reshape(2, -1)
    places, peaks, fractions = [], [], np.array([atom[:2] for atom in basis])
    for (fy, fx), peak in zip(fractions, [atom[2] for atom in basis], strict=True):
        places.append(origin + (i + fy)[:, None] * a + (j + fx)[:, None] * b)
        peaks.append(np.full(i.size, peak))
    strong = fractions[[atom[2] > 0.2 for atom in basis]]
    shifts = np.mgrid[-1:2, -1:2].reshape(2, -1).T
    gaps = (strong[:, None, None] - strong[None, :, None] + shifts).reshape(-1, 2)
    lengths = np.hypot(*(gaps[:, :1] * a + gaps[:, 1:] * b).T)
    return np.concatenate(places), np.concatenate(peaks), float(lengths[lengths > 1e-6].min())


def regions(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[NDArray[np.int32], str]:
    """Crystals side by side: films, grains or particles; 0 is amorphous or vacuum."""
    h, w = shape
    yy, xx = coordinates(shape)
    style = str(rng.choice(["single", "films", "grains", "particles"], p=[0.15, 0.4, 0.2, 0.25]))
    if style == "films":
        count = int(rng.integers(2, 5))
        angle = rng.normal(0, 0.2)
        across = yy * np.cos(angle) - xx * np.sin(angle)
        across = across + np.float32(log_uniform(rng, 0.5, 8)) * fractal(rng, shape, 60, 2)
        cuts = np.sort(rng.uniform(0.15, 0.85, count - 1)) * h
        layer = (np.searchsorted(cuts, across) + 1).astype(np.int32)
        if rng.random() < 0.3:
            layer[layer == 1] = 0
        return layer, style
    if style == "grains":
        cells, _, _ = voronoi(rng, shape, min(h, w) * rng.uniform(0.25, 0.6), 0.05)
        return cells, style
    if style == "particles":
        count = int(rng.integers(1, 7))
        canvas = shapes.Canvas(shape)
        radius = min(h, w) * rng.uniform(0.08, 0.3, count)
        table = stars.facets(
            rng, radius, rng.integers(5, 9, count), np.ones(count), 0.2, rng.uniform(8, 40)
        )
        canvas.stars(rng.random((count, 2)) * shape, table, 0.2)
        return canvas.labels, style
    return np.ones(shape, np.int32), style


def lattice(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Annular dark field of crystals on zone axis; columns are objects where they are resolved."""
    where, style = regions(rng, shape)
    spacing = log_uniform(rng, 7, 48)
    names = list(LATTICES)
    image = np.zeros(shape, np.float32)
    labels = np.zeros(shape, np.int32)
    closeness = np.full(shape, np.inf, np.float32)
    first, nearest = 1, spacing
    sharp = rng.uniform(0.16, 0.3)
    used = []
    alike = names[int(rng.integers(len(names)))] if rng.random() < 0.5 else None
    turn = rng.uniform(0, np.pi)
    for mine in np.unique(where[where > 0]).tolist():
        name = alike or names[int(rng.integers(len(names)))]
        used.append(name)
        own = spacing * (1 if style == "grains" else rng.uniform(0.85, 1.2))
        angle = turn if style == "films" and rng.random() < 0.7 else rng.uniform(0, np.pi)
        places, peaks, gap = crystal(shape, name, own, angle, rng.random(2) * spacing)
        nearest = min(nearest, gap)
        places += rng.normal(0, 0.015 * gap, places.shape)
        peaks = peaks * rng.uniform(0.5, 1.0) * np.clip(1 + rng.normal(0, 0.08, peaks.size), 0, 2)
        peaks[rng.random(peaks.size) < 0.01] *= 0.3  # vacancies
        _columns(
            image, labels, closeness, where, mine, places, peaks, sharp * gap, 0.42 * gap, first
        )
        first += peaks.size
    solid = (where > 0).astype(np.float32)
    image += np.float32(rng.uniform(0.05, 0.5)) * blur(solid, 2.0)
    image *= 1 + np.float32(rng.uniform(0.02, 0.2)) * smooth(rng, shape, min(shape) * 0.3)
    image += np.float32(log_uniform(rng, 0.01, 0.12)) * fractal(rng, shape, 3, 2) * (1 - solid)
    resolved = nearest >= 8.0 and rng.random() < 0.8
    if not resolved:
        labels = where
    return Draft(
        image,
        labels.astype(np.int32),
        np.minimum(where, 255).astype(np.uint8),
        where,
        None,
        {"style": style, "lattices": used, "nearest_px": nearest, "columns": resolved},
    )
