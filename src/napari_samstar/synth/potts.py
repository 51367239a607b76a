"""Polycrystals as they grow: the Potts model, whose grains have sizes, sides and angles of its own.

Anderson, Srolovitz, Grest and Sahni, Acta Metall. 32, 783 (1984). It is run on a coarse grid, and
the outlines are smoothed on the way to the frame.
"""

from __future__ import annotations

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth.noise import Field, blur, fractal, log_uniform, smooth
from napari_samstar.synth.scene import Draft

__all__ = ["potts", "potts_grains"]


@njit(cache=True, nogil=True)
def _anneal(rng: np.random.Generator, spins: NDArray[np.int32], sweeps: int, heat: float) -> None:
    """Let sites take over from neighbors where that shortens borders; edges are periodic."""
    h, w = spins.shape
    around = np.empty(8, np.int32)
    for _ in range(sweeps * h * w):
        y, x = int(h * rng.random()), int(w * rng.random())
        mine = spins[y, x]
        k = 0
        others = 0
        for j in range(-1, 2):
            for i in range(-1, 2):
                if j != 0 or i != 0:
                    around[k] = spins[(y + j) % h, (x + i) % w]
                    others += around[k] != mine
                    k += 1
        if others == 0:
            continue
        new = around[int(8 * rng.random())]
        if new == mine:
            continue
        unlike = 0
        for k in range(8):
            unlike += around[k] != new
        if unlike <= others or rng.random() < np.exp((others - unlike) / heat):
            spins[y, x] = new


@njit(cache=True, nogil=True)
def _vote(
    spins: NDArray[np.int32], wy: NDArray[np.float32], wx: NDArray[np.float32], scale: float
) -> NDArray[np.int32]:
    """Grain of each pixel of the frame: the one with the most weight among 4 x 4 sites."""
    h, w = wy.shape
    gh, gw = spins.shape
    plain = np.ones((gh, gw), np.bool_)
    for y in range(1, gh - 2):
        for x in range(1, gw - 2):
            for j in range(-1, 3):
                for i in range(-1, 3):
                    plain[y, x] &= spins[y + j, x + i] == spins[y, x]
    out = np.empty((h, w), np.int32)
    names = np.empty(16, np.int32)
    weights = np.empty(16, np.float64)
    near_y, near_x = np.empty(4, np.float64), np.empty(4, np.float64)
    for y in range(h):
        for x in range(w):
            # the grid reaches beyond the frame by two sites on each side
            py, px = (y + wy[y, x]) / scale + 2, (x + wx[y, x]) / scale + 2
            fy, fx = min(max(int(py), 1), gh - 3), min(max(int(px), 1), gw - 3)
            if plain[fy, fx]:
                out[y, x] = spins[fy, fx]
                continue
            for k in range(4):
                near_y[k] = np.exp(-((py - fy + 1 - k) ** 2) / 1.1)
                near_x[k] = np.exp(-((px - fx + 1 - k) ** 2) / 1.1)
            n = 0
            for j in range(-1, 3):
                for i in range(-1, 3):
                    name = spins[fy + j, fx + i]
                    weight = near_y[j + 1] * near_x[i + 1]
                    k = 0
                    while k < n and names[k] != name:
                        k += 1
                    if k == n:
                        names[k] = name
                        weights[k] = 0.0
                        n += 1
                    weights[k] += weight
            best = 0
            for k in range(1, n):
                if weights[k] > weights[best]:
                    best = k
            out[y, x] = names[best]
    return out


def potts(
    rng: np.random.Generator, shape: tuple[int, int], spacing: float, sweeps: int = 16
) -> NDArray[np.int32]:
    """Grains of a polycrystal after some normal growth.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of chance.
    shape : tuple of int
        Frame, px.
    spacing : float
        About the mean diameter of a grain, px.
    sweeps : int
        Tries to change each site of the coarse grid.

    Returns
    -------
    (H, W) int32
        Grain of each pixel, from 1.
    """
    # normal growth: about so many sites across after so many sweeps
    across = 1.1 * float(np.sqrt(sweeps))
    scale = spacing / across
    gh, gw = (int(side / scale) + 6 for side in shape)
    spins = rng.permutation(gh * gw).reshape(gh, gw).astype(np.int32) + 1
    _anneal(rng, spins, sweeps, 0.4)
    inside = np.unique(spins, return_inverse=True)[1]
    spins = np.asarray(inside.reshape(spins.shape) + 1, np.int32)
    wy, wx = (np.float32(0.35 * scale) * smooth(rng, shape, 1.5 * scale) for _ in range(2))
    return np.asarray(_vote(spins, wy, wx, scale), np.int32)


def potts_grains(
    rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings
) -> Draft:
    """Draw a polycrystal of the Potts model, seen by grooves, orientation contrast, or both."""
    side = min(shape)
    spacing = log_uniform(rng, max(14, side / 24), side / 4)
    labels = potts(rng, shape, spacing)
    seen = str(rng.choice(["groove", "contrast", "both"], p=[0.35, 0.35, 0.3]))
    spread = log_uniform(rng, 0.05, 0.3) * (0.2 if seen == "groove" else 1)
    tone = rng.normal(0, spread, int(labels.max()) + 1).astype(np.float32)
    image: Field = tone[labels]
    edge = np.zeros(shape, np.uint8)
    edge[1:] |= labels[1:] != labels[:-1]
    edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
    depth = np.asarray(cv2.distanceTransform(1 - edge, cv2.DIST_L2, 3), np.float32)
    width = float(np.clip(spacing * log_uniform(rng, 0.02, 0.08), 0.8, 5))
    if seen != "contrast":
        groove = np.asarray(np.exp(-((depth / np.float32(width)) ** 2) / 2), np.float32)
        sign = -1.0 if rng.random() < 0.75 else 1.0
        image = image + np.float32(sign * rng.uniform(0.2, 0.7)) * groove
    if rng.random() < 0.3:  # domed grains
        image = image + np.float32(rng.uniform(0.02, 0.25)) * np.minimum(depth / (0.4 * spacing), 1)
    image = blur(np.asarray(image, np.float32), 0.6)
    grain = fractal(rng, shape, log_uniform(rng, 1.5, spacing), 3, 0.7)
    image = image + np.float32(log_uniform(rng, 0.01, 0.08)) * grain
    image = image + np.float32(log_uniform(rng, 0.01, 0.1)) * smooth(rng, shape, side * 0.5)
    return Draft(
        np.asarray(image, np.float32),
        labels,
        np.ones(shape, np.uint8),
        None,
        None,
        {"spacing_px": spacing, "seen_by": seen},
    )
