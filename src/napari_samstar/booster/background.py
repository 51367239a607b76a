"""Vacuum and empty background: dark, even, without a lattice."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from napari_samstar.booster.crops import Crops
from napari_samstar.booster.period import round_window
from napari_samstar.runs import MaskRuns

__all__ = ["find_background"]

_DARK = 0.25  # of the way from the darkest mask to the brightest
_EVEN = 0.8  # of the usual spread of intensity in the other masks
_SMOOTH = 0.25  # of their usual structure
_NOISE = 0.55  # of the same, where structure is lost in noise
_LOST = 0.2  # of a mask's own spread: its structure is lost in noise
_DARKER = 0.2  # of that spread: vacuum is darker by this than all that is not dark
_CLEARLY = 0.7  # of that spread: and by this, where structure is lost in noise
_BLACK = 1.5  # of that spread: so dark that what the noise leaves of its structure does not count
_WHITE = 1 / (2 * np.sqrt(np.pi) * 2.0)  # what the average leaves of white noise
_ALIKE = 0.3  # of masks' usual spread: vacuum differs less
_AS_EVEN = 1.25  # times the spread of a mask that is vacuum: one that touches it is as even
_ALONG = 0.4  # of the image's shorter side: what touches its border for less is cut off by it
_AROUND = 0.5  # of the same, for what lies in a corner: its sides together
_AVERAGE = 2.0  # px, width of that average
_PEAK = 3.0  # of a mask's mean spectrum over its ring's mean


def find_background(crops: Crops, runs: MaskRuns) -> NDArray[np.bool_]:
    """Say which masks show nothing: low mean, low variance, no peak in the Fourier transform.

    Vacuum is wide and runs along the border of the image; dark particles and pores are neither.

    Parameters
    ----------
    crops : Crops
        Of all masks.
    runs : MaskRuns
        The masks K.

    Returns
    -------
    (K,) bool
        Never all of those that have crops: something must be there to be compared with.
    """
    out = np.zeros(len(runs), np.bool_)
    masks, areas = np.unique(crops.mask), runs.areas()
    # scraps, dark as they may be, are no measure of what is dark
    large = areas[masks] >= min(crops.side**2, int(areas.max(initial=0)))
    if large.sum() < 2:
        return out
    means = np.array([float(np.median(crops.pixels[crops.mask == k].mean((1, 2)))) for k in masks])
    spreads = np.array([_spread(crops.pixels[crops.mask == k], 0.0) for k in masks])
    present, mean, spread = masks[large], means[large], spreads[large]
    smooth = np.array([_spread(crops.pixels[crops.mask == k], _AVERAGE) for k in present])
    structure = np.sqrt(np.maximum(smooth**2 - (_WHITE * spread) ** 2, 0))
    dark = mean <= mean.min() + _DARK * (mean.max() - mean.min())
    if dark.all():
        return out
    usual = np.median(structure[~dark])
    darker = (mean[~dark].min() - mean) / np.maximum(spread, 1e-6)
    lost = structure <= _LOST * spread
    even = (spread <= _EVEN * np.median(spread[~dark])) | lost
    noise = np.where(darker >= _BLACK, 1.0, _NOISE)
    noisy = lost & (darker >= _CLEARLY) & (structure <= noise * usual)
    even &= (structure <= _SMOOTH * usual) | noisy
    for i in np.flatnonzero(dark & even & (darker >= _DARKER)).tolist():
        out[present[i]] = not _has_peak(crops.pixels[crops.mask == present[i]])
    wide = _wide(runs, out, crops.side)
    sure = (out & wide)[present]
    if not sure.any():
        return out & wide
    # once there is vacuum, other masks that look like it are vacuum, too
    alike = np.zeros(len(runs), np.bool_)
    alike[masks] = means <= mean[sure].max() + _ALIKE * np.median(spread)
    out &= wide | alike
    # and those beside it, whose light may be too uneven to start from, or what it borders on shows
    quiet = alike.copy()
    quiet[masks] &= spreads <= _AS_EVEN * spread[sure].max()
    more = out.copy()
    while (joined := quiet & ~more & _touching(runs, more)).any():
        more |= joined
    return out if more[masks].all() else more


def _touching(runs: MaskRuns, some: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which masks share a border with one of `some`, (K,)."""
    owner = runs.paint(np.arange(len(runs)))
    ground = np.append(False, some)[owner].astype(np.uint8)
    around = cv2.dilate(ground, np.ones((3, 3), np.uint8)) > 0
    out = np.zeros(len(runs) + 1, np.bool_)
    out[np.unique(owner[around])] = True
    return np.asarray(out[1:])


def _wide(runs: MaskRuns, empty: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Which of these masks run along the border, and are larger than a crop and 1 % of it all.

    Vacuum may lie in several masks side by side: what counts is how wide they are together.
    """
    height, width = runs.shape
    owner = runs.paint(np.flatnonzero(empty))
    _, piece = cv2.connectedComponents((owner > 0).astype(np.uint8), connectivity=8)
    sizes = np.bincount(piece.ravel())
    edges = (piece[0], piece[-1], piece[:, 0], piece[:, -1])
    along = np.array([np.bincount(edge, minlength=sizes.size) for edge in edges])
    large = sizes >= max(side**2, height * width / 100)
    shorter = min(height, width)
    good = large & ((along.max(0) >= _ALONG * shorter) | (along.sum(0) >= _AROUND * shorter))
    good[0] = False
    return np.isin(np.arange(1, len(runs) + 1), owner[good[piece]])


def _spread(pixels: NDArray[np.float32], width: float) -> float:
    """Median standard deviation of crops (N, S, S) after a Gaussian of `width` px."""
    if width:
        pixels = ndimage.gaussian_filter(pixels, (0, width, width))
    return float(np.median(pixels.std((1, 2))))


def _has_peak(pixels: NDArray[np.float32]) -> bool:
    """Whether the mean power spectrum of crops (N, S, S) has a peak."""
    side = pixels.shape[1]
    flat = pixels - pixels.mean((1, 2), keepdims=True)
    power = (np.abs(fft.rfft2(flat * round_window(side))) ** 2).mean(0)
    radius = np.hypot(fft.fftfreq(side)[:, None], fft.rfftfreq(side)[None])
    ring = np.rint(radius * side).astype(np.intp)
    mean = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    band = (radius >= 3.0 / side) & (radius <= 1 / 3)
    limit = _PEAK + 9.0 / np.sqrt(len(pixels))  # few crops leave more noise in their mean
    return bool((power[band] > limit * mean[ring[band]]).any())
