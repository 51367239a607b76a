"""From intensities to the 8 bits that the network and the classical regions see.

The steps follow the fields of `PreprocessSettings`, in their order. All work on blocks of rows or
on one float32 copy, so that a 10,000 x 10,000 image needs its own size once more and no stack of
temporary arrays. Nothing is random.
"""

from __future__ import annotations

from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_samstar.io.array import blocks
from napari_samstar.settings import PreprocessSettings
from napari_samstar.types import Micrograph

__all__ = ["to_gray", "to_rgb"]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
_SAMPLE = 1 << 22  # pixels that percentiles are taken of
_GOLDEN = 0.6180339887498949
# hot: above all neighbors by more than this share of the range of the median-filtered image ...
_HOT_SHARE = 0.5
# ... and so rare that it cannot be the signal, as single electrons are in a counting detector
_HOT_RARE = 1000
_HOT_FEW = 4

_Float = NDArray[np.float32]


def to_rgb(micrograph: Micrograph, settings: PreprocessSettings | None = None) -> NDArray[np.uint8]:
    """Return exactly what the network is given.

    Parameters
    ----------
    micrograph : Micrograph
        Gray or RGB. The contrast of RGB is common to its channels, so that colors stay.
    settings : PreprocessSettings, optional
        The defaults where None.

    Returns
    -------
    (H, W, 3) uint8
        Three equal channels where the micrograph is gray. An image of one value is black.
    """
    settings = settings or PreprocessSettings()
    data = micrograph.data
    if data.ndim == 2:
        return np.asarray(cv2.cvtColor(_processed(data, settings), cv2.COLOR_GRAY2RGB), np.uint8)
    return _processed(data, settings)


def to_gray(
    micrograph: Micrograph, settings: PreprocessSettings | None = None
) -> NDArray[np.uint8]:
    """One channel after the same steps, for measures and regions of a single channel.

    Parameters
    ----------
    micrograph : Micrograph
        Gray or RGB; of RGB the luma (ITU-R BT.601).
    settings : PreprocessSettings, optional
        The defaults where None.

    Returns
    -------
    (H, W) uint8
    """
    data = micrograph.data
    if data.ndim == 3:
        gray = np.empty(data.shape[:2], np.float32)
        for rows in blocks(*micrograph.shape):
            np.matmul(data[rows], _LUMA, out=gray[rows])
        data = gray
    return _processed(data, settings or PreprocessSettings())


def _processed(data: _Float, settings: PreprocessSettings) -> NDArray[np.uint8]:
    if settings.hot_pixels:
        data = _each_channel(data, _without_hot_pixels)
    if settings.level_lines != "off":
        data = _each_channel(data, lambda image: _leveled(image, settings.level_lines))
    if settings.flatten_sigma > 0:
        data = _each_channel(data, lambda image: _flattened(image, settings.flatten_sigma))
    if settings.denoise == "median":
        data = _each_channel(data, lambda image: np.asarray(cv2.medianBlur(image, 3), np.float32))
    elif settings.denoise == "gaussian":
        data = _each_channel(data, lambda image: _blurred(image, 1.0))
    return _eight_bits(data, settings)


def _each_channel(data: _Float, step: Any) -> _Float:
    if data.ndim == 2:
        return np.asarray(step(data), np.float32)
    return np.stack([step(np.ascontiguousarray(data[..., c])) for c in range(3)], axis=-1)


def _without_hot_pixels(image: _Float) -> _Float:
    """Replace single pixels that stand far above all of their 8 neighbors by the local median.

    "Far" is measured against the range of the median-filtered image, which no single pixel can
    widen: a dead pixel of 65535 in a 12-bit image does not hide itself.
    """
    height, width = image.shape
    parts = [_with_margin(rows, height) for rows in blocks(height, width)]
    low, high = np.inf, -np.inf
    for _, wide, inner in parts:
        median = cv2.medianBlur(image[wide], 3)[inner]
        low, high = min(low, float(median.min())), max(high, float(median.max()))
    step = _HOT_SHARE * (high - low)
    ys, xs, values = [], [], []
    for rows, wide, inner in parts:
        part = image[wide]
        # where a lone pixel has no neighbors, the least number there is stands for them
        with np.errstate(over="ignore"):
            excess = (part - _brightest_neighbor(part))[inner]
        y, x = np.nonzero(excess > step)
        if y.size:
            ys.append(y + rows.start)
            xs.append(x)
            values.append(cv2.medianBlur(part, 3)[inner][y, x])
    count = sum(y.size for y in ys)
    if not 0 < count <= max(_HOT_FEW, image.size // _HOT_RARE):
        return image
    image = image.copy()
    image[np.concatenate(ys), np.concatenate(xs)] = np.concatenate(values)
    return image


def _with_margin(rows: slice, height: int) -> tuple[slice, slice, slice]:
    """Rows, the rows with one more on either side, and where the former lie in the latter."""
    top, bottom = max(0, rows.start - 1), min(height, rows.stop + 1)
    return rows, slice(top, bottom), slice(rows.start - top, rows.stop - top)


def _brightest_neighbor(image: _Float) -> _Float:
    around = np.ones((3, 3), np.uint8)
    around[1, 1] = 0
    return np.asarray(cv2.dilate(image, around), np.float32)


def _leveled(image: _Float, kind: Literal["off", "median", "linear"]) -> _Float:
    """Subtract each line's median, or the straight line fitted to it by least squares."""
    image = image.copy()
    height, width = image.shape
    x = np.arange(width, dtype=np.float64) - (width - 1) / 2
    spread = float(x @ x)
    for rows in blocks(height, width):
        part = image[rows]
        if kind == "median":
            part -= np.median(part, axis=1, keepdims=True)
        else:
            slope = part @ x / spread if spread else np.zeros(len(part))
            part -= part.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
            part -= np.outer(slope, x).astype(np.float32)
    return image


def _flattened(image: _Float, sigma: float) -> _Float:
    """Subtract the image blurred so widely that only the background is left."""
    # blurred at a size at which sigma is at most 8 px: the same to the eye, not minutes
    factor = max(1, int(sigma / 8))
    height, width = image.shape
    if factor == 1:
        return image - _blurred(image, sigma)
    size = (-(-width // factor), -(-height // factor))
    small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
    background = cv2.resize(_blurred(small, sigma / factor), (width, height))
    return np.subtract(image, background, out=np.asarray(background, np.float32))


def _blurred(image: _Float, sigma: float) -> _Float:
    return np.asarray(
        cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32
    )


def _eight_bits(data: _Float, settings: PreprocessSettings) -> NDArray[np.uint8]:
    low, high = _contrast(data, settings.low_percentile, settings.high_percentile)
    # a range that no float32 can hold
    if float(high) - float(low) > float(np.finfo(np.float32).max):
        data, low, high = data / np.float32(2), low / np.float32(2), high / np.float32(2)
    out = np.empty(data.shape, np.uint8)
    for rows in blocks(int(data.shape[0]), int(data.shape[1])):
        with np.errstate(over="ignore"):  # what overflows is far beyond white
            part: _Float = data[rows] - low
            if high > low:
                part /= high - low
        np.clip(part, 0, 1, out=part)
        if settings.gamma != 1.0:
            np.power(part, np.float32(settings.gamma), out=part)
        if settings.invert:
            np.subtract(np.float32(1), part, out=part)
        part *= np.float32(255)
        np.rint(part, out=part)
        out[rows] = part
    return out


def _contrast(data: _Float, low: float, high: float) -> tuple[np.float32, np.float32]:
    """Values shown black and white; the extremes where the percentiles meet, as on sparse dots."""
    values = data.reshape(-1)
    if values.size > _SAMPLE:
        # multiples of the golden ratio: even over the image, in step with none of its periods
        step = int(values.size * _GOLDEN) | 1
        values = values[(np.arange(_SAMPLE, dtype=np.int64) * step) % values.size]
    first, last = np.percentile(values, (low, high), method="nearest")
    if last > first:
        return first, last
    return data.min(), data.max()
