"""The strongest lattice of an image, from its Fourier transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

__all__ = ["lattice_period", "round_window", "spectrum_peaks"]

_SHORTEST = 3.0  # px: shorter periods are noise and interpolation
_SIGNIFICANT = 12.0  # peak over its ring's mean; the largest of 1,000 of pure noise is about 8


def spectrum_peaks(
    patches: NDArray[np.float32], longest: float | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Find the strongest peak of each patch's power spectrum above its ring of equal frequency.

    Parameters
    ----------
    patches : (N, S, S) float32
        Square patches.
    longest : float, optional
        Longest period looked for, px; S / 3 by default.

    Returns
    -------
    period : (N,) float64
        Of the peak, px.
    prominence : (N,) float64
        Power of the peak over the mean power of its ring.
    power : (N,) float64
        Share of the patch's variance in the peak, three by three bins, and its mirror image.
    """
    n, side = patches.shape[0], patches.shape[1]
    flat = patches - patches.mean((1, 2), keepdims=True)
    power = np.abs(fft.rfft2(flat * round_window(side))) ** 2
    fy, fx = fft.fftfreq(side)[:, None], fft.rfftfreq(side)[None]
    radius = np.hypot(fy, fx)
    ring = np.rint(radius * side).astype(np.intp)
    counts = np.bincount(ring.ravel())
    low = 1.0 / (longest or side / 3)
    band = (radius >= low) & (radius <= 1.0 / _SHORTEST)
    total = np.maximum(power.sum((1, 2)), 1e-20)
    out = np.zeros((3, n))
    for k in range(n):
        mean = np.bincount(ring.ravel(), power[k].ravel()) / counts
        excess = np.where(band, power[k] / np.maximum(mean[ring], 1e-20), 0.0)
        best = np.unravel_index(int(np.argmax(np.where(excess > 4.0, power[k], 0.0))), ring.shape)
        y, x = int(best[0]), int(best[1])
        rows = np.arange(y - 1, y + 2) % side
        columns = np.arange(max(x - 1, 0), min(x + 2, ring.shape[1]))
        out[0, k] = 1.0 / max(radius[y, x], 1.0 / side)
        out[1, k] = excess[y, x]
        out[2, k] = power[k][np.ix_(rows, columns)].sum() / total[k]
    return out[0], out[1], out[2]


def round_window(side: int) -> NDArray[np.float32]:
    """Hann window (S, S) of the distance from the center: no direction is preferred."""
    y = (np.arange(side) + 0.5) / side - 0.5
    distance = np.minimum(np.hypot(y[:, None], y[None]), 0.5)
    return np.asarray(np.cos(np.pi * distance) ** 2, np.float32)


def lattice_period(image: NDArray[np.generic]) -> float | None:
    """Period of the strongest lattice in an image, px, or None where there is none.

    Patches of up to 256 px are looked at one by one, for a lattice may fill one layer only; the
    result is the median of the significant periods, weighted by power.
    """
    h, w = image.shape
    side = min(256, h, w)
    if side < 16:
        return None
    starts = [
        np.unique(np.linspace(0, n - side, max(1, 2 * n // side - 1)).astype(int)) for n in (h, w)
    ]
    gray = np.asarray(image, np.float32)
    patches = np.stack([gray[y : y + side, x : x + side] for y in starts[0] for x in starts[1]])
    period, prominence, power = spectrum_peaks(patches, min(side / 4, 64.0))
    real = prominence > _SIGNIFICANT
    if not real.any():
        return None
    order = np.argsort(period[real])
    weight = np.cumsum(power[real][order])
    return float(period[real][order][np.searchsorted(weight, weight[-1] / 2)])
