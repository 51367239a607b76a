"""Habits of bacteria: where cells lie, how they bend, and how they hang together.

Lengths are in radii of a cell, but for the frame's, px.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_samstar.synth.colonies import grow, push_apart
from napari_samstar.synth.noise import log_uniform
from napari_samstar.synth.placing import sampled

__all__ = ["DENSE", "HABITS", "layout", "pieces"]

Array = NDArray[np.float64]
Shape = tuple[int, int]

#: Chances of what is shown.
HABITS = {
    "colony": 0.46,
    "crescents": 0.1,
    "cocci": 0.1,
    "loose": 0.14,
    "chains": 0.07,
    "filaments": 0.08,
    "branching": 0.05,
}
DENSE = ("colony", "crescents", "cocci")


def colony(rng: np.random.Generator, n: int, newborn: float, bend: float, turn: float) -> Array:
    """Cells (n, 5) that grew, in radii, out of one or a few founders; see `colonies.grow`."""
    founders = min(n, int(rng.choice([1, 1, 2, 3, 5, 20])))
    reach = np.sqrt(n * (2.5 * newborn + 4) / np.pi)
    cells = np.zeros((n, 5))
    if founders > 1:
        spread = rng.uniform(0.3, 0.9) * (1.0 if founders < 10 else 1.6)
        cells[:founders, :2] = rng.normal(0, spread * reach, (founders, 2))
    cells[:founders, 2] = rng.uniform(0, np.pi, founders)
    cells[:founders, 3] = newborn
    cells[:founders, 4] = bend
    longest = 2 + 2 * newborn * np.exp(rng.normal(0, rng.uniform(0.05, 0.3), n))
    turns = rng.normal(0, turn, n)
    grow(cells, founders, longest, turns, rng.uniform(0.025, 0.05), int(rng.integers(5, 11)))
    cells[:, 4] *= rng.choice([-1, 1]) * np.exp(rng.normal(0, 0.3, n))
    return cells


def loose(rng: np.random.Generator, n: int, span: Array, newborn: float, bend: float) -> Array:
    """Cells (n, 5) strewn over a frame of `span` radii, a few of them in contact."""
    shape = (int(span[0]) + 1, int(span[1]) + 1)
    cells = np.zeros((n, 5))
    cells[:, :2] = sampled(rng, n, shape, 4.0) - np.array(shape) / 2
    cells[:, 2] = rng.uniform(0, 2 * np.pi, n)
    cells[:, 3] = newborn * rng.uniform(1, 2.2, n)
    cells[:, 4] = rng.normal(0, 0.1, n) + bend * np.exp(rng.normal(0, 0.3, n))
    push_apart(cells, n, 20)
    return cells


def arcs(cells: Array) -> Array:
    """Axes (N, 5, 2) of cells, in radii."""
    t = np.linspace(-0.5, 0.5, 5)
    turn = cells[:, 2, None] + cells[:, 4, None] * t
    step = cells[:, 3, None] / 4
    path = np.cumsum(np.stack([np.sin(turn) * step, np.cos(turn) * step], -1), 1)
    return np.asarray(path - path.mean(1, keepdims=True) + cells[:, None, :2])


def paths(rng: np.random.Generator, n: int, span: Array, length: float, curl: float) -> Array:
    """Wandering lines (n, P, 2) with a point per radius or so, all over a frame."""
    steps = int(np.clip(length, 4, 80))
    swing = np.cumsum(rng.normal(0, curl, (n, steps)), 1)
    turn = rng.uniform(0, 2 * np.pi, (n, 1)) + rng.normal(0, 2 * curl, (n, 1)) + 0.5 * swing
    step = length / steps
    path = np.cumsum(np.stack([np.sin(turn), np.cos(turn)], -1) * step, 1)
    middle = (rng.random((n, 1, 2)) - 0.5) * span
    return np.asarray(path - path.mean(1, keepdims=True) + middle)


def cut(path: Array, cell: float) -> list[Array]:
    """Cells of a chain: pieces of a line, some `cell` radii of axis each, and 2 from cap to cap."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    starts = np.arange(1.0, along[-1] - cell, cell + 2)
    at = starts[:, None] + np.linspace(0, cell, 3)
    y, x = np.interp(at, along, path[:, 0]), np.interp(at, along, path[:, 1])
    return list(np.stack([y, x], -1))


def bent(rng: np.random.Generator, axes: list[Array], strain: float) -> list[Array]:
    """Bend a colony as a whole, so that neighbors stay side by side."""
    size = max(8.0, float(np.ptp(np.concatenate(axes), 0).max()))
    k = 2 * np.pi / size * rng.uniform(0.6, 2.0, 2)
    phase = rng.uniform(0, 2 * np.pi, 2)
    return [p + strain / k * np.sin(k * p[:, ::-1] + phase) for p in axes]


def branches(rng: np.random.Generator, axes: list[Array]) -> tuple[list[Array], list[int]]:
    """Side arms of most cells, and which cell each is of."""
    arms, of = [], []
    for i, p in enumerate(axes):
        for _ in range(int(rng.integers(0, 4))):
            k = int(rng.integers(0, len(p) - 1))
            along = p[k + 1] - p[k]
            turn = np.arctan2(along[0], along[1]) + rng.choice([-1, 1]) * rng.uniform(0.6, 1.6)
            tip = p[k] + rng.uniform(2, 7) * np.array([np.sin(turn), np.cos(turn)])
            arms.append(np.linspace(p[k], tip, 3))
            of.append(i)
    return arms, of


def apart(axes: list[Array], of: list[int]) -> list[int]:
    """Which of the axes, in radii, cross none of another cell that is kept: no cell lies in two."""
    kept: list[int] = []
    points = np.zeros((0, 2))
    owner = np.zeros(0, int)
    for i, p in enumerate(axes):
        steps = int(np.hypot(*np.diff(p, axis=0).T).sum()) + 2
        at = np.linspace(0, len(p) - 1, steps)
        q = np.stack([np.interp(at, np.arange(len(p)), p[:, k]) for k in (0, 1)], -1)
        others = points[owner != of[i]]
        near = np.abs(others - q.mean(0)).max(1) < np.ptp(q, 0).max() + 2
        gaps = ((others[near, None] - q) ** 2).sum(2)
        if gaps.size == 0 or gaps.min() > 1.7**2:
            kept.append(i)
            points, owner = np.concatenate([points, q]), np.append(owner, [of[i]] * steps)
    return kept


def pieces(
    rng: np.random.Generator,
    axes: list[Array],
    of: list[int],
    radius: float,
    swell: float,
    middle: Array,
) -> tuple[Array, NDArray[np.int32]]:
    """Segments and their cells, px, for `colonies.paint`; those about to divide have a waist."""
    spread = rng.uniform(0.01, 0.08)
    waists = rng.random() < 0.5
    short = np.median([np.hypot(*(p[-1] - p[0])) for p in axes]) < 1.6
    rows, ids = [], []
    for p, i in zip(axes, of, strict=True):
        r = np.full(len(p), swell * radius * np.clip(1 + rng.normal(0, spread), 0.8, 1.3))
        if waists and len(p) == 5:
            r[2] *= rng.choice([1, 1, rng.uniform(0.7, 1)])
        if short and len(p) == 5:  # two cocci about to part
            r[2] *= 1 - 0.35 * min(1.0, np.hypot(*(p[-1] - p[0])) / 2)
        nodes = np.column_stack([p * radius + middle, r])
        rows.append(np.hstack([nodes[:-1], nodes[1:]]))
        ids += [i + 1] * (len(p) - 1)
    return np.concatenate(rows), np.array(ids, np.int32)


def layout(
    rng: np.random.Generator, habit: str, shape: Shape
) -> tuple[float, list[Array], list[int], Array]:
    """Radius, px; axes in radii; the cell each is of; and where the middle of all is, px."""
    n = int(log_uniform(rng, 50, 300))
    newborn = {"cocci": rng.uniform(0, 0.6), "crescents": rng.uniform(2, 5)}.get(
        habit, log_uniform(rng, 1.2, 9 if rng.random() < 0.25 else 4)
    )
    bend = rng.uniform(0.5, 1.8) if habit == "crescents" else 0.0
    dense = habit in DENSE
    cover = log_uniform(rng, 0.18, 1.4) if dense else log_uniform(rng, 0.04, 0.4)
    if habit in ("filaments", "chains"):
        newborn = log_uniform(rng, 12, 60)
        n = int(rng.integers(4, 40))
    elif not dense:
        n = int(log_uniform(rng, 10, 150))
    area = float(shape[0] * shape[1])
    # grown cells are of one and a half newborn lengths in the mean, and leave gaps
    radius = float(np.sqrt(cover * area / (n * (3 * newborn + 4.5))))
    radius = float(np.clip(radius, 2.3, max(4.0, min(shape) / 16)))
    span = np.array(shape) / radius
    middle = np.array(shape) / 2
    if dense:
        turn = rng.uniform(0.6, 1.6) if habit == "cocci" else rng.uniform(0.02, 0.3)
        axes = list(arcs(colony(rng, n, newborn, bend, turn)))
        if rng.random() < 0.4:
            axes = bent(rng, axes, rng.uniform(0.1, 0.45))
        middle = middle + rng.uniform(-0.25, 0.25, 2) * np.array(shape)
    elif habit in ("filaments", "chains"):
        lines = paths(rng, n, span, newborn, rng.uniform(0.02, 0.25))
        cell = rng.uniform(0, 1) if rng.random() < 0.5 else rng.uniform(1, 5)
        axes = [c for line in lines for c in cut(line, cell)] if habit == "chains" else list(lines)
    else:
        bend = rng.choice([0.0, 0.0, rng.uniform(0.3, 1.5)])
        axes = list(arcs(loose(rng, n, span, newborn, bend)))
    of = list(range(len(axes)))
    if habit == "branching":
        arms, owners = branches(rng, axes)
        axes, of = axes + arms, of + owners
    if not dense:
        kept = apart(axes, of)
        axes, of = [axes[i] for i in kept], [of[i] for i in kept]
    return radius, axes, of, middle
