"""Crystals as polyhedra, and tangles of wires."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes
from napari_samstar.synth.noise import blur, fractal, log_uniform
from napari_samstar.synth.particles import carbon_film, substrate
from napari_samstar.synth.placing import centers, median_radius, radii
from napari_samstar.synth.scene import Draft

__all__ = ["crystals", "wires"]

Array = NDArray[np.float64]

#: Families of face normals; distances from the center are drawn for each family.
_FAMILIES: dict[str, list[tuple[float, float, float]]] = {
    "cube": [(1, 0, 0), (0, 1, 0), (0, 0, 1)],
    "octahedron": [(1, 1, 1), (1, 1, -1), (1, -1, 1), (-1, 1, 1)],
    "dodecahedron": [(1, 1, 0), (1, -1, 0), (1, 0, 1), (1, 0, -1), (0, 1, 1), (0, 1, -1)],
    "prism": [(1, 0, 0), (0.5, 0.866, 0), (-0.5, 0.866, 0)],
}


@njit(cache=True, nogil=True)
def _paint_solid(
    labels: NDArray[np.int32],
    facet: NDArray[np.int32],
    ridge: NDArray[np.float32],
    height: NDArray[np.float32],
    cy: float,
    cx: float,
    planes: NDArray[np.float64],
    reach: float,
    label: int,
) -> None:
    """Paint the top of the convex body n . (x, y, z) <= d, planes (K, 4) as nx, ny, nz, d."""
    h, w = labels.shape
    for y in range(max(0, int(cy - reach)), min(h, int(cy + reach) + 2)):
        for x in range(max(0, int(cx - reach)), min(w, int(cx + reach) + 2)):
            top, second, bottom, which = 1e9, 1e9, -1e9, -1
            outside = False
            for k in range(planes.shape[0]):
                rest = planes[k, 3] - planes[k, 0] * (x - cx) - planes[k, 1] * (y - cy)
                nz = planes[k, 2]
                if nz > 1e-6:
                    z = rest / nz
                    if z < top:
                        second, top, which = top, z, k
                    elif z < second:
                        second = z
                elif nz < -1e-6:
                    bottom = max(bottom, rest / nz)
                elif rest < 0:
                    outside = True
            if not outside and top > bottom:
                labels[y, x] = label
                facet[y, x] = which
                ridge[y, x] = np.float32(min(second - top, 2 * (top - bottom)))
                height[y, x] = np.float32(top)


def rotation(rng: np.random.Generator) -> Array:
    """Draw a rotation matrix, all equally likely (Shoemake's quaternion)."""
    a, b, c = rng.random(3)
    q = np.array(
        [
            np.sqrt(1 - a) * np.sin(2 * np.pi * b),
            np.sqrt(1 - a) * np.cos(2 * np.pi * b),
            np.sqrt(a) * np.sin(2 * np.pi * c),
            np.sqrt(a) * np.cos(2 * np.pi * c),
        ]
    )
    x, y, z, w = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def crystals(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Few to many polyhedra in the SEM, as papers show them: facets, ridges, steps."""
    median = median_radius(rng, shape, settings, 0.4, 1.0)
    n = int(np.clip(rng.uniform(0.1, 0.9) * shape[0] * shape[1] / (np.pi * median**2), 1, 60))
    radius = radii(rng, n, median, shape, settings, rng.uniform(0.03, 0.4))
    place = centers(rng, n, shape)
    family = str(rng.choice(list(_FAMILIES)))
    second = str(rng.choice(list(_FAMILIES)))
    truncated = rng.random() < 0.5
    labels, facet = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    ridge, height = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    aim = rng.uniform(0, 2 * np.pi)
    light = np.array([np.cos(aim) * 0.7, np.sin(aim) * 0.7, 0.7])
    tones = []
    caps = [(0.0, 0.0, 1.0)] if family == "prism" else []
    for i in range(n):
        faces = [*_FAMILIES[family], *caps]
        far = [1.0] * len(_FAMILIES[family]) + [rng.uniform(0.3, 2.5)] * len(caps)
        if truncated:
            faces = faces + _FAMILIES[second]
            far += [rng.uniform(0.95, 1.25)] * len(_FAMILIES[second])
        normals = np.array(faces, np.float64)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        normals = np.concatenate([normals, -normals]) @ rotation(rng).T
        distance = np.tile(far, 2) * radius[i] * 0.75 * rng.uniform(0.93, 1.07, 2 * len(far))
        planes = np.hstack([normals, distance[:, None]])
        _paint_solid(
            labels,
            facet,
            ridge,
            height,
            float(place[i, 0]),
            float(place[i, 1]),
            planes,
            float(radius[i] * 2.2),
            i + 1,
        )
        tones.append(np.resize(0.4 + 0.35 * normals @ light + rng.normal(0, 0.04), 40))
    on = labels > 0
    body = np.array(tones, np.float32)[labels - 1, np.minimum(facet, 39)]
    width = np.float32(rng.uniform(1, 4))
    body += np.float32(rng.uniform(0, 0.35)) * np.exp(-ridge / width)
    grain = fractal(rng, shape, max(2.0, median * log_uniform(rng, 0.05, 0.5)), 4, 0.7)
    body += np.float32(log_uniform(rng, 0.01, 0.12)) * grain
    if rng.random() < 0.3:  # growth steps along the facets
        body += np.float32(0.04) * np.sin(height / np.float32(rng.uniform(1, 4)))
    ground = np.float32(rng.uniform(0.05, 0.4)) + substrate(rng, shape)
    shadow = blur(on.astype(np.float32), float(np.clip(median * 0.3, 2, 20)))
    image = np.where(on, body, ground - np.float32(rng.uniform(0, 0.25)) * shadow)
    return Draft(
        blur(image.astype(np.float32), 0.4),
        labels,
        on.astype(np.uint8),
        None,
        None,
        {"family": family, "median_radius_px": median},
    )


def wires(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Rods, wires and fibers that cross: in transmission, or one over the other in the SEM."""
    side = min(shape)
    thick = log_uniform(rng, 2.0, side / 20)
    length = thick * log_uniform(rng, 4, 60)
    n = int(np.clip(rng.uniform(0.1, 0.8) * shape[0] * shape[1] / (2 * thick * length), 2, 250))
    radius = thick * np.clip(1 + rng.normal(0, rng.uniform(0.03, 0.3), n), 0.5, 2)
    bend = rng.normal(0, rng.choice([0.02, 0.4, 1.5]), n)
    common, spread = rng.uniform(0, np.pi), rng.choice([0.15, 3.0])
    t = np.linspace(-0.5, 0.5, 7)
    turn = (common + rng.normal(0, spread, n))[:, None] + bend[:, None] * t
    step = (length * np.exp(rng.normal(0, 0.3, n)))[:, None] / 6
    y, x = np.cumsum(np.sin(turn) * step, 1), np.cumsum(np.cos(turn) * step, 1)
    place = centers(rng, n, shape)
    y, x = place[:, :1] + y - y.mean(1, keepdims=True), place[:, 1:] + x - x.mean(1, keepdims=True)
    nodes = np.stack([y, x, np.repeat(radius[:, None], 7, 1)], -1)
    canvas = shapes.Canvas(shape)
    transmission = rng.random() < 0.5
    apart = rng.random() < 0.4
    painted = canvas.chains(nodes, 0.0 if apart else 1.0, rng.uniform(0.5, 4) if apart else 0.0)
    full = {i + 1: shapes.chain_window(nodes[i], shape) for i in np.flatnonzero(painted).tolist()}
    labels = canvas.labels
    on = labels > 0
    round_ = np.sqrt(np.maximum(1 - canvas.rho**2, 0.02))
    tone = rng.uniform(0.5, 1.0, canvas.count + 1) ** rng.uniform(0.5, 2.5)
    if transmission:
        thickness = np.zeros(shape, np.float32)
        for i, (y0, x0, window) in full.items():
            part = thickness[y0 : y0 + window.shape[0], x0 : x0 + window.shape[1]]
            part += np.float32(tone[i]) * window
        profile = np.where(on, round_ if rng.random() < 0.6 else np.float32(1), 1)
        absorbed = thickness * profile * np.float32(log_uniform(rng, 0.2, 2))
        if rng.random() < 0.3:  # tubes: dark walls
            absorbed *= np.float32(0.3) + (canvas.rho > rng.uniform(0.5, 0.8))
        image = carbon_film(rng, shape) * np.exp(-blur(absorbed, 0.5))
    else:
        a = rng.uniform(0, 2 * np.pi)
        lit = np.float32(np.cos(a)) * canvas.u + np.float32(np.sin(a)) * canvas.v
        body = np.float32(0.3) + np.float32(0.4) * tone.astype(np.float32)[labels]
        body += np.float32(rng.uniform(0, 0.25)) * lit + np.float32(rng.uniform(0, 0.3)) * (
            1 / round_ - 1
        ).clip(0, 2)
        below = np.float32(rng.uniform(0, 0.35)) + substrate(rng, shape)
        image = np.where(on, body - np.float32(0.2) * np.exp(-canvas.depth), below)
    return Draft(
        np.asarray(image, np.float32),
        labels,
        on.astype(np.uint8),
        None,
        full,
        {"radius_px": thick, "length_px": length, "transmission": transmission},
    )
