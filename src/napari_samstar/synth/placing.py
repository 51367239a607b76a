"""How large objects are, how many, and where."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth.noise import log_uniform

__all__ = ["centers", "clustered", "count_for", "radii", "sampled"]

Shape = tuple[int, int]
Array = NDArray[np.float64]


def median_radius(
    rng: np.random.Generator,
    shape: Shape,
    settings: SynthSettings,
    low: float = 0.0,
    high: float = 1.0,
) -> float:
    """Median radius of an image's objects, px: log-uniform over the allowed decades.

    `low` and `high` narrow it to a part of the (logarithmic) range.
    """
    smallest = settings.min_diameter / 2
    largest = max(smallest * 1.01, settings.max_diameter_fraction * min(shape) / 2)
    span = np.log(largest / smallest)
    return log_uniform(rng, smallest * np.exp(low * span), smallest * np.exp(high * span))


def radii(
    rng: np.random.Generator,
    n: int,
    median: float,
    shape: Shape,
    settings: SynthSettings,
    spread: float | None = None,
) -> Array:
    """Log-normal radii, px; `spread` is the deviation of the logarithm, random if not given."""
    sigma = log_uniform(rng, 0.03, 0.6) if spread is None else spread
    values = median * np.exp(sigma * rng.standard_normal(n))
    largest = settings.max_diameter_fraction * min(shape) / 2
    return np.clip(values, settings.min_diameter / 2, max(largest, settings.min_diameter / 2))


def count_for(
    rng: np.random.Generator,
    shape: Shape,
    median: float,
    settings: SynthSettings,
    most: float = 0.6,
    least: float = 0.02,
) -> int:
    """How many objects of this radius cover between `least` and `most` of the frame."""
    coverage = log_uniform(rng, least, most)
    n = coverage * shape[0] * shape[1] / (np.pi * median**2)
    return int(np.clip(rng.poisson(min(n, 1e4)), 1, settings.max_objects))


def centers(rng: np.random.Generator, n: int, shape: Shape, margin: float = 0.0) -> Array:
    """Uniform places (N, 2), y and x; up to `margin` px outside the frame."""
    span = np.array(shape, np.float64) + 2 * margin
    return np.asarray(rng.random((n, 2)) * span - margin)


def clustered(rng: np.random.Generator, n: int, shape: Shape, radius: float) -> Array:
    """Places in a few clumps, as dried drops and colonies leave them."""
    clumps = max(1, int(rng.integers(1, 7)))
    origin = centers(rng, clumps, shape)
    width = radius * np.sqrt(max(1.0, n / clumps)) * rng.uniform(0.5, 1.6, clumps)
    which = rng.integers(0, clumps, n)
    return np.asarray(origin[which] + rng.standard_normal((n, 2)) * width[which, None])


def sampled(rng: np.random.Generator, n: int, shape: Shape, radius: float) -> Array:
    """Uniform or clustered places, by chance."""
    if rng.random() < 0.3:
        return clustered(rng, n, shape, radius)
    # few objects should be seen; of many, some may be cut
    return centers(rng, n, shape, margin=0.3 * radius if n > 6 else -0.1 * min(shape))
