"""From an ideal scene to a recorded image: optics, scan, dose, detector, file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth.noise import Field, blur, coordinates, log_uniform, white
from napari_samstar.synth.scene import Draft

__all__ = ["drift", "record"]


def shade(rng: np.random.Generator, image: Field, strength: float) -> Field:
    """Uneven illumination: a tilt and a wide hump."""
    h, w = image.shape
    y, x = coordinates(image.shape)
    a = rng.uniform(0, 2 * np.pi)
    tilt = np.cos(a) * (x / w - 0.5) + np.sin(a) * (y / h - 0.5)
    cy, cx = rng.random(2)
    hump = -((x / w - cx) ** 2 + (y / h - cy) ** 2)
    field = rng.normal() * tilt + rng.normal() * hump
    return np.asarray(image * (1 + np.float32(strength) * field.astype(np.float32)), np.float32)


def contaminate(rng: np.random.Generator, image: Field) -> Field:
    """Add the darker (or brighter) rectangle that an earlier, closer scan left behind."""
    h, w = image.shape
    mask = np.zeros((h, w), np.float32)
    y0, x0 = int(rng.random() * h), int(rng.random() * w)
    hh, ww = int(h * rng.uniform(0.2, 0.7)), int(w * rng.uniform(0.2, 0.7))
    mask[max(0, y0 - hh // 2) : y0 + hh // 2, max(0, x0 - ww // 2) : x0 + ww // 2] = 1
    strength = rng.uniform(-0.12, 0.05)
    return np.asarray(image + np.float32(strength) * blur(mask, float(rng.uniform(0.8, 5))))


def charge(rng: np.random.Generator, image: Field) -> Field:
    """Charging: streaks along the fast scan direction that follow bright pixels."""
    h, w = image.shape
    step = 4
    bright = np.maximum(image[:, ::step] - np.float32(np.quantile(image[::8, ::8], 0.85)), 0)
    tail = _decay(np.ascontiguousarray(bright), float(np.exp(-step / (w * rng.uniform(0.05, 0.5)))))
    tail = np.asarray(cv2.resize(tail, (w, h), interpolation=cv2.INTER_LINEAR), np.float32)
    lines = rng.normal(0, 1, (h, 1)).astype(np.float32) * np.float32(rng.uniform(0, 0.02))
    return np.asarray(image - np.float32(rng.uniform(0.02, 0.15)) * tail + lines, np.float32)


@njit(cache=True, nogil=True)
def _decay(rows: NDArray[np.float32], keep: float) -> NDArray[np.float32]:
    out = np.empty_like(rows)
    for y in range(rows.shape[0]):
        last = np.float32(0.0)
        for x in range(rows.shape[1]):
            last = np.float32(keep) * last + rows[y, x]
            out[y, x] = last
    return out


@njit(cache=True, nogil=True)
def _jitter(image: NDArray[np.float32], shift: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shift every line by less than a pixel, linear interpolation."""
    h, w = image.shape
    out = np.empty_like(image)
    for y in range(h):
        s = shift[y]
        k = -1 if s < 0 else 1
        f = np.float32(abs(s))
        for x in range(w):
            j = min(w - 1, max(0, x + k))
            out[y, x] = image[y, x] * (np.float32(1) - f) + image[y, j] * f
    return out


def drift(rng: np.random.Generator, draft: Draft, width: int) -> Draft:
    """Slow drift of the specimen during the scan: lines slide, and the truth with them.

    By whole pixels, so that the truth stays exact. The draft is wider than the scan of `width` px,
    so that something comes in from the side. Whole hidden masks cannot drift.
    """
    h, w = draft.labels.shape
    t = np.linspace(-1, 1, h)
    path = rng.normal(0, 0.05) * t + rng.normal(0, 0.03) * t**2 + rng.normal(0, 0.02) * t**3
    shift = np.clip(np.rint((w - width) / 2 + width * path), 0, w - width).astype(np.int64)
    columns = np.arange(width)[None] + shift[:, None]

    def slide(field: NDArray[Any]) -> NDArray[Any]:
        return np.take_along_axis(field, columns, 1)

    groups = None if draft.groups is None else slide(draft.groups)
    return replace(
        draft,
        image=slide(draft.image),
        labels=slide(draft.labels),
        materials=slide(draft.materials),
        groups=groups,
        full=None,
    )


def optics(rng: np.random.Generator, image: Field, sigma: float) -> Field:
    """Point spread: a Gaussian of `sigma` px, sometimes astigmatic."""
    if rng.random() < 0.25:
        ratio = rng.uniform(1.0, 2.0)
        pair = (sigma * ratio, sigma / ratio)
        return blur(image, pair if rng.random() < 0.5 else pair[::-1])
    return blur(image, sigma)


def dose_noise(rng: np.random.Generator, image: Field, dose: float, correlated: float) -> Field:
    """Shot noise of `dose` quanta at full scale; `correlated` px of detector blur on the noise."""
    level = np.clip(image, 0.02, None)
    if dose < 15:
        counts = rng.poisson(level * dose).astype(np.float32) / np.float32(dose)
        return np.asarray(counts + (image - level), np.float32)
    noise = white(rng, (image.shape[0], image.shape[1]))
    if correlated > 0.3:
        noise = blur(noise, correlated) * np.float32(1 + 2.2 * correlated)
    return np.asarray(image + noise * np.sqrt(level / np.float32(dose)), np.float32)


def to_file(rng: np.random.Generator, image: Field, settings: SynthSettings) -> Field:
    """Gray levels, and the blocks that JPEG leaves."""
    image = np.clip(image, 0, 1)
    if rng.random() < settings.jpeg and settings.bits in (None, 8):  # JPEG knows no more
        quality = int(rng.integers(30, 95))
        _, data = cv2.imencode(".jpg", np.rint(image * 255).astype(np.uint8), [1, quality])
        return np.asarray(cv2.imdecode(data, 0), np.float32) / np.float32(255)
    levels = float(rng.choice([255, 255, 255, 4095, 65535]))
    if settings.bits is not None:
        levels = 2.0**settings.bits - 1
    return np.asarray(np.rint(image * levels) / levels, np.float32)


def record(
    rng: np.random.Generator,
    image: Field,
    settings: SynthSettings,
    params: dict[str, object],
) -> tuple[Field, dict[str, object]]:
    """Take the micrograph of an ideal image (H, W) with values of about 0 to 1.

    `params` may ask for a quiet instrument: ``noise`` scales the noise, ``invert`` forbids
    (False) inversion, ``scan`` forbids (False) scan artefacts, ``range`` gives (low, high).

    Returns
    -------
    image : (H, W) float32
        In [0, 1].
    drawn : dict
        What was drawn.
    """
    scan = bool(params.get("scan", True))
    drawn: dict[str, object] = {}
    low, high = (float(q) for q in np.quantile(image[::5, ::5], [0.005, 0.995]))
    image = (image - np.float32(low)) / np.float32(max(high - low, 1e-3))
    sigma = log_uniform(rng, 0.35, settings.max_blur) if settings.max_blur > 0.35 else 0.0
    image = optics(rng, image, sigma)
    image = np.asarray(image * np.float32(0.9) + np.float32(0.05), np.float32)
    if rng.random() < settings.uneven:
        image = shade(rng, image, rng.uniform(0.05, 0.5))
    if scan and rng.random() < settings.contamination:
        image = contaminate(rng, image)
    if scan and rng.random() < settings.charging:
        image = charge(rng, image)
    if scan and rng.random() < settings.scan_errors:
        h = image.shape[0]
        shift = rng.normal(0, rng.uniform(0.05, 0.35), h)
        image = _jitter(image, np.clip(shift, -0.9, 0.9).astype(np.float32))
        lines = rng.normal(0, rng.uniform(0, 0.03), (h, 1)).astype(np.float32)
        image = image + lines
    invert = params.get("invert", True) and rng.random() < settings.inversion
    if invert:
        image = np.float32(1) - image
    gamma = float(np.exp(rng.normal(0, 0.25)))
    image = np.clip(image, 0, 1.15) ** np.float32(gamma)
    # contrast before noise: at the low end the noise competes with the objects
    contrast = log_uniform(rng, settings.min_contrast, 1.0) if rng.random() < 0.5 else 1.0
    offset = rng.uniform(0, 1 - contrast)
    image = np.asarray(image * np.float32(contrast) + np.float32(offset), np.float32)
    noise = settings.noise * float(str(params.get("noise", 1.0)))
    dose = log_uniform(rng, 20, 20_000)
    if noise > 0:
        # a low-contrast image of a low dose would be noise alone
        dose = max(dose / noise**2, float(rng.choice([10.0, 40.0, 200.0])) / contrast**2)
        correlated = rng.uniform(0.3, 1.2) if rng.random() < 0.35 else 0.0
        image = dose_noise(rng, image, dose, correlated)
        read = rng.uniform(0, 0.015) * noise * contrast
        if read > 0.004:
            image = image + np.float32(read) * white(rng, (image.shape[0], image.shape[1]))
    if rng.random() < 0.6:  # most people stretch contrast before they save
        a, b = (float(q) for q in np.quantile(image[::5, ::5], [0.003, 0.997]))
        image = (image - np.float32(a)) / np.float32(max(b - a, 1e-3))
    drawn |= {
        "blur_px": round(sigma, 3),
        "dose": round(dose, 1),
        "contrast": round(contrast, 3),
        "gamma": round(gamma, 3),
        "inverted": bool(invert),
    }
    return to_file(rng, image, settings), drawn
