"""Bacteria: rods, cocci, crescents, chains, filaments, alone and pressed in colonies."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth.colonies import paint
from napari_samstar.synth.habits import DENSE, HABITS, layout, pieces
from napari_samstar.synth.noise import Field, blur, fractal, log_uniform
from napari_samstar.synth.scene import Draft

__all__ = ["bacteria"]


def phase_image(rng: np.random.Generator, phase: Field, radius: float, pressed: float) -> Field:
    """Phase contrast: dark bodies and a bright halo.

    The halos of all neighbors add up: inner cells of a colony are pale, the walls and corners
    between them bright, and a glow goes round the whole.
    """
    shape = phase.shape[0], phase.shape[1]
    wide = radius * log_uniform(rng, 1.2, 4.0)
    image = np.float32(rng.uniform(0.3, 0.8) + 0.55 * pressed) * blur(phase, wide) - phase
    image += np.float32(rng.uniform(0, 0.35)) * blur(phase, radius * rng.uniform(0.4, 0.9))
    image += np.float32(rng.uniform(0, 0.25)) * blur(phase, radius * 8)
    image += np.float32(log_uniform(rng, 0.005, 0.06)) * fractal(rng, shape, 12, 3)
    if rng.random() < 0.3:  # light that goes up and down over the field
        image += np.float32(rng.uniform(0.02, 0.2)) * fractal(rng, shape, min(shape) / 3, 2)
    return image


def fluorescence_image(
    rng: np.random.Generator, body: Field, depth: Field, on: NDArray[np.bool_], radius: float
) -> Field:
    """Cytoplasm, membrane or both, and the light that is out of focus."""
    membrane: Field = np.exp(-((depth / np.float32(max(0.8, 0.2 * radius))) ** 2)) * on
    share = np.float32(rng.choice([0.0, 0.0, 0.0, rng.uniform(0.2, 0.8), 1.0]))
    image: Field = (1 - share) * body + share * blur(membrane, 0.8)
    image += np.float32(rng.uniform(0.05, 0.5)) * blur(image, radius * rng.uniform(1.5, 4))
    return image


def bright_field_image(rng: np.random.Generator, body: Field, radius: float) -> Field:
    """Out of focus a little: outlines dark and bright, bodies as gray as the background."""
    shape = body.shape[0], body.shape[1]
    image = np.float32(0.5) * (blur(body, 0.8) - blur(body, radius * rng.uniform(0.5, 1.1)))
    return image + np.float32(log_uniform(rng, 0.005, 0.05)) * fractal(rng, shape, 20, 3)


def bodies(
    rng: np.random.Generator,
    owner: NDArray[np.int32],
    depth: Field,
    other: Field,
    size: Field,
    pressed: float,
) -> Field:
    """How much of a cell the light goes through (H, W), with walls from faint to clear."""
    shape = owner.shape[0], owner.shape[1]
    radius = float(size.max())
    tone = np.clip(1 + rng.normal(0, log_uniform(rng, 0.02, 0.3), int(owner.max()) + 1), 0.2, 2)
    flat = np.float32(rng.choice([2, 2, 3, 5]))  # how flat they are across
    flattened = np.float32(1 + 0.35 * pressed * rng.random())
    rho = np.clip((1 - depth / size) / flattened, 0, 1)
    body = np.sqrt(1 - rho**flat) * (depth > 0) * tone.astype(np.float32)[owner]
    width = np.float32(max(1.0, radius * rng.uniform(0.1, 0.35)))
    wall = np.exp(-(((depth - other) / (2 * width)) ** 2))
    body = body * (1 - np.float32(rng.uniform(0, 0.7)) * wall)
    grainy = log_uniform(rng, 0.01, rng.choice([0.05, 0.3]))
    return np.asarray(body * (1 + np.float32(grainy) * fractal(rng, shape, radius, 2)), np.float32)


def bacteria(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Bacteria of many habits, most of them pressed; phase contrast, fluorescence, bright field.

    A colony is no group: who clicks a cell wants the cell.
    """
    habit = str(rng.choice(list(HABITS), p=list(HABITS.values())))
    radius, axes, of, middle = layout(rng, habit, shape)
    # the harder they press, the flatter their walls, and the more of the light is scattered inside
    pressed = float(rng.random() ** 0.6) if habit in DENSE else 0.0
    segments, ids = pieces(rng, axes, of, radius, 0.97 + 0.23 * pressed, middle)
    owner, depth, other, size = paint(shape, segments, ids, radius)
    # people draw walls half-way between cells, and leave out the corners where three meet
    seam = np.minimum(depth, other) > -radius * rng.uniform(0.08, 0.4)
    on = (depth > radius * rng.uniform(-0.1, 0.05)) | seam
    labels = np.where(on, owner, 0).astype(np.int32)
    soft = max(0.6, radius * rng.uniform(0.14, 0.44))
    body = blur(bodies(rng, owner, depth, other, size, pressed), soft)
    mode = str(rng.choice(["phase", "fluorescence", "bright"], p=[0.7, 0.21, 0.09]))
    if mode == "phase":
        image = phase_image(rng, body, radius, pressed)
    elif mode == "fluorescence":
        image = fluorescence_image(rng, body, depth, depth > 0, radius)
    else:
        image = bright_field_image(rng, body, radius)
    instrument = {"scan": False, "noise": rng.choice([0.3, 1.0])}
    return Draft(
        np.asarray(image, np.float32),
        labels,
        on.astype(np.uint8),
        params={"radius_px": radius, "mode": mode, "habit": habit, "instrument": instrument},
    )
