"""Texture without weights: spectrum, angles, autocorrelation, local patterns, a filter bank."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import fft, ndimage

from napari_samstar.booster.period import round_window, spectrum_peaks

__all__ = ["IntensityEncoder", "PhysicsEncoder"]

_RINGS = 14
_HARMONICS = (2, 4, 6, 8, 12)
_RADII = (1, 2, 4)  # px, of the local binary patterns
_WIDTHS = (0.0, 1.0, 2.0, 4.0)  # px, of the filter bank
_TINY = 1e-12
#: What materials usually differ by (standard deviation between 80 of `synth.textures`).
_USUAL_PROFILE, _USUAL_PEAKS, _USUAL_WAVES, _USUAL_PATTERNS = 1.4, 0.35, 0.2, 0.06
_USUAL_PERIOD = (0.4, 0.25, 0.3, 0.3, 0.12)
_USUAL_BAND = (0.4, 0.6, 0.3)
_USUAL_INTENSITY = (36.0, 0.36)  # gray levels, and the logarithm of their spread


class PhysicsEncoder:
    """Texture encoder of classical features, for want of weights or beside them.

    - the power spectrum's radial profile (log), its peaks, and how it varies with the angle;
    - period and height of the autocorrelation's highest side maximum;
    - local binary patterns (Ojala, Pietikäinen and Mäenpää, IEEE TPAMI 24, 971, 2002), rotation
      invariant and uniform, at three radii;
    - spread, skewness and kurtosis of band passes: bright columns on dark ground or the reverse.

    Brightness and contrast of each crop are divided out; `IntensityEncoder` looks at them.

    Parameters
    ----------
    rotation : str
        "ignore": patterns that differ by a turn are equal; "keep": the direction of the strongest
        peaks counts too.
    """

    name = "physics"

    def __init__(self, rotation: str = "ignore") -> None:
        self._keep = rotation == "keep"

    @property
    def usual(self) -> NDArray[np.float64]:
        """What materials usually differ by in each column, (D,)."""
        waves = len(_HARMONICS) + (6 if self._keep else 0)
        groups = (
            [_USUAL_PROFILE] * _RINGS + [_USUAL_PEAKS] * _RINGS + [_USUAL_WAVES] * waves,
            _USUAL_PERIOD,
            [_USUAL_PATTERNS] * (10 * len(_RADII)),
            _USUAL_BAND * len(_WIDTHS),
        )
        return np.concatenate([np.asarray(group, np.float64) for group in groups])

    def __call__(
        self, crops: NDArray[np.generic], boxes: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Describe crops (N, S, S) by rows (N, D)."""
        pixels = np.ascontiguousarray(crops, np.float32)
        if len(pixels) == 0:
            return np.zeros((0, self(np.zeros((1, *pixels.shape[1:]))).shape[1]), np.float32)
        flat = pixels - pixels.mean((1, 2), keepdims=True)
        flat /= np.maximum(flat.std((1, 2), keepdims=True), np.float32(1e-6))
        parts = [
            _spectrum(flat, self._keep),
            _autocorrelation(flat),
            _local_patterns(flat),
            _filter_bank(flat),
        ]
        return np.concatenate(parts, 1).astype(np.float32)


class IntensityEncoder:
    """Mean and (log) standard deviation of each crop: in HAADF they speak of atomic number."""

    name = "intensity"
    usual = np.array(_USUAL_INTENSITY)

    def __call__(
        self, crops: NDArray[np.generic], boxes: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Describe crops (N, S, S) by rows (N, 2)."""
        pixels = np.asarray(crops, np.float32)
        spread = np.log(pixels.std((1, 2)) + np.float32(1e-6))
        return np.stack([pixels.mean((1, 2)), spread], 1).astype(np.float32)


def _spectrum(flat: NDArray[np.float32], keep: bool) -> NDArray[np.float64]:
    """Radial profile, peaks over it, and Fourier components of the power over the angle."""
    side = flat.shape[1]
    # the whole plane: half of it would count the waves along y twice
    power = np.abs(fft.fft2(flat * round_window(side))) ** 2
    fy, fx = fft.fftfreq(side)[:, None], fft.fftfreq(side)[None]
    radius, angle = np.hypot(fy, fx).ravel(), np.arctan2(fy, fx).ravel()
    rows = power.reshape(len(power), side * side).astype(np.float64)
    rows /= rows.sum(1, keepdims=True) + _TINY
    edges = np.geomspace(1.5 / 60, 0.5, _RINGS + 1)
    ring = np.digitize(radius, edges) - 1
    profile, peaks = [], []
    for k in range(_RINGS):
        inside = ring == k
        if not inside.any():  # crops smaller than 60 px do not resolve the longest waves
            inside = np.abs(radius - edges[k]) == np.abs(radius - edges[k]).min()
        mean = rows[:, inside].mean(1)
        profile.append(np.log(mean + 1e-9))
        peaks.append(np.log(rows[:, inside].max(1) / (mean + _TINY) + 1.0))
    band = (radius >= 3.0 / side) & (radius <= 1 / 3)
    strong = np.maximum(rows[:, band] - 4 * np.median(rows[:, band], axis=1, keepdims=True), 0)
    strong /= strong.sum(1, keepdims=True) + _TINY
    waves = [strong @ np.exp(1j * m * angle[band]) for m in _HARMONICS]
    columns = [*profile, *peaks, *(np.abs(wave) for wave in waves)]
    if keep:
        columns += [part for wave in waves[:3] for part in (2 * wave.real, 2 * wave.imag)]
    return np.stack(columns, 1)


def _autocorrelation(flat: NDArray[np.float32]) -> NDArray[np.float64]:
    """Period and height of the highest maximum off the center; the spectrum's strongest peak."""
    side = flat.shape[1]
    power = np.abs(fft.rfft2(flat)) ** 2
    correlation = fft.irfft2(power, s=(side, side))
    correlation /= correlation[:, :1, :1] + _TINY
    half = side // 2
    quadrant = fft.fftshift(correlation, axes=1)[:, :, :half]
    y, x = np.mgrid[-(side // 2) : side - side // 2, :half]
    lag = np.hypot(y, x)
    local = ndimage.maximum_filter(quadrant, (0, 3, 3)) == quadrant
    allowed = local & (lag >= 3.0) & (lag <= half)
    values = np.where(allowed, quadrant, -1.0).reshape(len(flat), -1)
    best = values.argmax(1)
    period, prominence, share = spectrum_peaks(flat)
    return np.stack(
        [
            np.log(np.maximum(lag.ravel()[best], 1.0)),
            values[np.arange(len(flat)), best],
            np.log(period),
            np.log(prominence + 1.0),
            share,
        ],
        1,
    )


def _local_patterns(flat: NDArray[np.float32]) -> NDArray[np.float64]:
    """Square roots of histograms, 10 bins for each radius."""
    smooth = ndimage.gaussian_filter(flat, (0, 0.7, 0.7))
    return np.concatenate([np.sqrt(_patterns(smooth, float(r))) for r in _RADII], 1)


@njit(cache=True, nogil=True)
def _patterns(crops: NDArray[np.float32], radius: float) -> NDArray[np.float64]:
    """Histogram (N, 10) of uniform patterns by number of brighter neighbors; 9 is the rest."""
    n, side = crops.shape[0], crops.shape[1]
    out = np.zeros((n, 10))
    margin = int(np.ceil(radius))
    dy, dx = np.empty(8), np.empty(8)
    for k in range(8):
        dy[k], dx[k] = radius * np.sin(k * np.pi / 4), radius * np.cos(k * np.pi / 4)
    bits = np.empty(8, np.int64)
    for i in range(n):
        for y in range(margin, side - margin - 1):
            for x in range(margin, side - margin - 1):
                here = crops[i, y, x]
                total = 0
                for k in range(8):
                    py, px = y + dy[k], x + dx[k]
                    iy, ix = int(np.floor(py)), int(np.floor(px))
                    ay, ax = py - iy, px - ix
                    value = (1 - ay) * (
                        (1 - ax) * crops[i, iy, ix] + ax * crops[i, iy, ix + 1]
                    ) + ay * ((1 - ax) * crops[i, iy + 1, ix] + ax * crops[i, iy + 1, ix + 1])
                    bits[k] = 1 if value > here else 0
                    total += bits[k]
                changes = 0
                for k in range(8):
                    changes += abs(bits[k] - bits[(k + 1) % 8])
                out[i, total if changes <= 2 else 9] += 1.0
        out[i] /= max(out[i].sum(), 1.0)
    return out


def _filter_bank(flat: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log spread, skewness and kurtosis of differences of Gaussians."""
    blurred = [
        flat if s == 0 else ndimage.gaussian_filter(flat, (0, s, s), mode="reflect")
        for s in _WIDTHS
    ]
    columns = []
    for fine, coarse in zip(blurred, [*blurred[1:], np.zeros_like(flat)], strict=True):
        band = (fine - coarse).reshape(len(flat), -1).astype(np.float64)
        band -= band.mean(1, keepdims=True)
        spread = band.std(1) + 1e-6
        unit = band / spread[:, None]
        columns += [np.log(spread), (unit**3).mean(1), np.log((unit**4).mean(1) + 0.1)]
    return np.stack(columns, 1)
