"""Random fields: smooth noise at chosen scales, the raw material of every texture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["blur", "coordinates", "fractal", "log_uniform", "oriented", "smooth", "white"]

Field = NDArray[np.float32]
Shape = tuple[int, int]


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """One number between `low` and `high`, every decade as likely as the next; `low` if above."""
    return float(np.exp(rng.uniform(np.log(low), np.log(max(low, high)))))


def white(rng: np.random.Generator, shape: Shape) -> Field:
    """Gaussian noise of unit variance, independent from pixel to pixel."""
    return rng.standard_normal(shape, dtype=np.float32)


def blur(field: Field, sigma: float | tuple[float, float]) -> Field:
    """Gaussian blur by `sigma` px, or by (y, x) px; wide ones on a coarser grid."""
    sy, sx = (sigma, sigma) if isinstance(sigma, float | int) else sigma
    if max(sy, sx) < 0.05:
        return field
    step = int(min(sy, sx) // 4)
    if step > 1:
        h, w = field.shape
        small = cv2.resize(
            field, (max(1, w // step), max(1, h // step)), interpolation=cv2.INTER_AREA
        )
        small = cv2.GaussianBlur(
            small, (0, 0), sigmaX=sx / step, sigmaY=sy / step, borderType=cv2.BORDER_REFLECT
        )
        return np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray(
        cv2.GaussianBlur(
            field,
            (0, 0),
            sigmaX=max(sx, 0.01),
            sigmaY=max(sy, 0.01),
            borderType=cv2.BORDER_REFLECT,
        ),
        np.float32,
    )


def smooth(rng: np.random.Generator, shape: Shape, scale: float | tuple[float, float]) -> Field:
    """Smooth noise of about unit variance whose features are `scale` px (or (y, x) px) wide."""
    sy, sx = (scale, scale) if isinstance(scale, float | int) else scale
    h, w = shape
    if max(sy, sx) <= 1.0:
        return white(rng, shape)
    step = int(min(sy, sx) // 6)
    if step > 1:  # wide features need few samples
        small = smooth(rng, (h // step + 2, w // step + 2), (sy / step, sx / step))
        size = (small.shape[1] * step, small.shape[0] * step)
        wide = cv2.resize(small, size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(np.ascontiguousarray(wide[:h, :w]), np.float32)
    rows, columns = int(h / max(sy, 1.0)) + 4, int(w / max(sx, 1.0)) + 4
    grid = rng.standard_normal((rows, columns), dtype=np.float32)
    # cubic upsampling of a random grid, cut at a random place so that the grid does not show
    matrix = np.array(
        [
            [1 / max(sx, 1.0), 0.0, 1.0 + rng.random()],
            [0.0, 1 / max(sy, 1.0), 1.0 + rng.random()],
        ],
        np.float32,
    )
    return np.asarray(
        1.3
        * cv2.warpAffine(
            grid,
            matrix,
            (w, h),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        ),
        np.float32,
    )


def fractal(
    rng: np.random.Generator, shape: Shape, scale: float, octaves: int = 3, persistence: float = 0.5
) -> Field:
    """Sum of smooth noises, each at half the scale and `persistence` of the strength."""
    out = np.zeros(shape, np.float32)
    strength, power = 1.0, 0.0
    for _ in range(octaves):
        out += np.float32(strength) * smooth(rng, shape, scale)
        power += strength * strength
        strength *= persistence
        scale /= 2
        if scale < 1:
            break
    return np.asarray(out / np.float32(np.sqrt(power)), np.float32)


def oriented(
    rng: np.random.Generator, shape: Shape, along: float, across: float, angle: float
) -> Field:
    """Noise drawn out along `angle` (radians, from the x axis): laths, scratches, columns."""
    h, w = shape
    grid = rng.standard_normal(
        (int(1.5 * max(h, w) / max(across, 1)) + 6, int(1.5 * max(h, w) / max(along, 1)) + 6),
        dtype=np.float32,
    )
    c, s = np.cos(angle), np.sin(angle)
    a, b = 1 / max(along, 1.0), 1 / max(across, 1.0)
    cx, cy = w / 2, h / 2
    gx, gy = grid.shape[1] / 2, grid.shape[0] / 2
    matrix = np.array(
        [
            [a * c, a * s, gx - a * (c * cx + s * cy)],
            [-b * s, b * c, gy - b * (-s * cx + c * cy)],
        ],
        np.float32,
    )
    return np.asarray(
        1.3
        * cv2.warpAffine(
            grid,
            matrix,
            (w, h),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        ),
        np.float32,
    )


def coordinates(shape: Shape) -> tuple[Field, Field]:
    """Row and column of every pixel as broadcastable float32 columns and rows."""
    return (
        np.arange(shape[0], dtype=np.float32)[:, None],
        np.arange(shape[1], dtype=np.float32)[None, :],
    )
