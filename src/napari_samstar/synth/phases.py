"""Two phases that interpenetrate: spinodal alloys, blends, sponges."""

from __future__ import annotations

import cv2
import numpy as np

from napari_samstar.settings import SynthSettings
from napari_samstar.synth.noise import blur, fractal, log_uniform, smooth, white
from napari_samstar.synth.scene import Draft

__all__ = ["spinodal"]


def spinodal(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Decomposed mixture: a band of wavelengths of noise, cut at a level.

    After Cahn (J. Chem. Phys. 42, 93, 1965): early decomposition is a sum of random waves of one
    length. The objects are the connected pieces of the minority phase.
    """
    h, w = shape
    wavelength = log_uniform(rng, 16, min(shape) / 4)
    step = max(1, int(wavelength / 10))
    coarse = h // step + 2, w // step + 2
    sigma = wavelength / step / 6
    noise = white(rng, coarse)
    stretch = log_uniform(rng, 1, 2.5) if rng.random() < 0.3 else 1.0
    wave = blur(noise, (sigma / stretch, sigma * stretch)) - blur(
        noise, (1.6 * sigma / stretch, 1.6 * sigma * stretch)
    )
    size = coarse[1] * step, coarse[0] * step
    field = np.asarray(cv2.resize(wave, size, interpolation=cv2.INTER_CUBIC), np.float32)[:h, :w]
    field = np.asarray(field / field.std(), np.float32)
    level = rng.uniform(0.35, 1.3)
    minority = field > level
    _, labels = cv2.connectedComponents(minority.astype(np.uint8), connectivity=4)
    sharp = rng.uniform(2, 25)
    image = np.float32(0.5) + np.float32(0.5) * np.tanh(sharp / 2 * (field - np.float32(level)))
    image += np.float32(rng.uniform(0, 0.2)) * field
    rim = np.exp(-((field - np.float32(level)) ** 2) * np.float32(20))
    image += np.float32(rng.normal(0, 0.25)) * rim
    if rng.random() < 0.5:
        image = -image
    image += np.float32(log_uniform(rng, 0.02, 0.25)) * fractal(
        rng, shape, log_uniform(rng, 1.5, 12), 2
    )
    image += np.float32(0.1) * smooth(rng, shape, min(shape) * 0.5)
    return Draft(
        np.asarray(image, np.float32),
        labels.astype(np.int32),
        minority.astype(np.uint8) + np.uint8(1),
        None,
        None,
        {"wavelength_px": wavelength, "level": level},
    )
