"""Star-shaped outlines: tables of radius against direction.

The directions are equally spaced in the "diamond angle", which costs one division where atan2 would
cost most of the painting.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["DIRECTIONS", "N_DIRECTIONS", "Table", "blobs", "ellipses", "facets", "spiky"]

N_DIRECTIONS = 128
Table = NDArray[np.float32]


def _directions() -> NDArray[np.float64]:
    d = np.arange(N_DIRECTIONS) * (4.0 / N_DIRECTIONS)
    quadrant, f = np.floor(d).astype(int), d % 1.0
    x = np.choose(quadrant, [1 - f, -f, f - 1, f])
    y = np.choose(quadrant, [f, 1 - f, -f, f - 1])
    return np.asarray(np.arctan2(y, x))


#: Angle of each direction from the x axis, rad.
DIRECTIONS = _directions()


def ellipses(
    radius: NDArray[np.float64], aspect: NDArray[np.float64], angle: NDArray[np.float64]
) -> Table:
    """Radius tables (N, K) of ellipses: mean radius px, long over short axis, direction rad."""
    a, b = (radius * np.sqrt(aspect))[:, None], (radius / np.sqrt(aspect))[:, None]
    t = DIRECTIONS[None] - angle[:, None]
    return np.asarray(a * b / np.hypot(b * np.cos(t), a * np.sin(t)), np.float32)


def blobs(
    rng: np.random.Generator,
    radius: NDArray[np.float64],
    aspect: NDArray[np.float64],
    roughness: float,
    modes: int = 5,
) -> Table:
    """Ellipses whose outline waves by `roughness` of the radius, in `modes` Fourier modes."""
    n = radius.size
    angle = rng.uniform(0, np.pi, n)
    wave = np.zeros((n, N_DIRECTIONS))
    for k in range(2, modes + 2):
        amplitude = rng.normal(0, roughness / k**0.7, (n, 1))
        wave += amplitude * np.cos(k * DIRECTIONS[None] + rng.uniform(0, 2 * np.pi, (n, 1)))
    return np.asarray(ellipses(radius, aspect, angle) * np.clip(1 + wave, 0.35, 1.9), np.float32)


def facets(
    rng: np.random.Generator,
    radius: NDArray[np.float64],
    sides: NDArray[np.intp],
    aspect: NDArray[np.float64],
    irregular: float = 0.0,
    sharpness: float = 24.0,
) -> Table:
    """Convex polygons, `sides` each: cubes, plates, truncated crystals. Low `sharpness` rounds."""
    n, most = radius.size, int(sides.max(initial=3))
    k = np.arange(most)[None]
    angle = rng.uniform(0, 2 * np.pi, (n, 1))
    normal = 2 * np.pi * k / sides[:, None] + irregular * rng.normal(0, 0.5, (n, most))
    distance = np.clip(1 + irregular * rng.normal(0, 0.35, (n, most)), 0.5, 1.6)
    distance = np.where(k < sides[:, None], distance, np.inf)
    t = DIRECTIONS[None] - angle
    # stretch directions, so that polygons become longer along their own axis
    stretch = np.sqrt(aspect)[:, None]
    cx, sy = np.cos(t) / stretch, np.sin(t) * stretch
    total = np.zeros((n, N_DIRECTIONS))
    for j in range(most):
        facing = cx * np.cos(normal[:, j : j + 1]) + sy * np.sin(normal[:, j : j + 1])
        total += (np.maximum(facing, 0.0) / distance[:, j : j + 1]) ** sharpness
    reach = np.maximum(total, 1e-12) ** (-1 / sharpness)
    return np.asarray(radius[:, None] * np.minimum(reach, 2.2 * stretch), np.float32)


def spiky(
    rng: np.random.Generator, radius: NDArray[np.float64], aspect: NDArray[np.float64]
) -> Table:
    """Spread cells: a body stretched between two to six tips, concave in between."""
    n = radius.size
    axis = rng.uniform(0, np.pi, n)
    body = ellipses(radius * rng.uniform(0.5, 0.8, n), np.clip(aspect, 1, 3), axis)
    table = body * blobs(rng, np.ones(n), np.ones(n), 0.1, 6).astype(np.float64)
    for j in range(6):
        present = rng.random(n) < (1.0 if j < 2 else 0.35)
        where = np.where(
            j < 2, axis + np.pi * j + rng.normal(0, 0.25, n), rng.uniform(0, 2 * np.pi, n)
        )
        width = np.exp(rng.uniform(np.log(5), np.log(60), n))  # webbed to thread-like
        reach = radius * np.where(j < 2, aspect * rng.uniform(0.3, 1.0, n), rng.uniform(0.2, 1, n))
        reach = reach * np.clip(width / 14, 0.4, 1)  # wide ones short, or they are tongues
        near = np.cos(DIRECTIONS[None] - where[:, None])
        # pointed: the angle, not its square, falls off
        bump = np.exp(-np.sqrt(2 * width[:, None] * np.maximum(1 - near, 0)) * 1.3)
        table += (present * reach)[:, None] * bump
    return np.asarray(table, np.float32)
