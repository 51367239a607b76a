"""Cross-sections of layers: rough interfaces, pores, cracks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import shapes, stars
from napari_samstar.synth.noise import (
    Field,
    blur,
    coordinates,
    fractal,
    log_uniform,
    oriented,
    smooth,
)
from napari_samstar.synth.placing import centers
from napari_samstar.synth.scene import Draft, connected, windows

__all__ = ["oxide", "stack"]


def interface(rng: np.random.Generator, width: int, level: float, thickness: float) -> Field:
    """Height (W,) of a rough interface around `level`, px."""
    long = smooth(rng, (4, width), (8.0, width * rng.uniform(0.2, 0.6)))[0]
    short = fractal(rng, (4, width), log_uniform(rng, 10, 90), 4, 0.55)[0]
    line = level + thickness * (rng.uniform(0, 0.25) * long + rng.uniform(0, 0.07) * short)
    return np.asarray(line + rng.normal(0, 0.1) * np.linspace(-1, 1, width) * thickness, np.float32)


def crack_path(
    rng: np.random.Generator, start: tuple[float, float], end: tuple[float, float], width: float
) -> NDArray[np.float64]:
    """Nodes (1, P, 3) of a jagged crack."""
    nodes = np.array([start, end], np.float64)
    bend = 0.12 * np.hypot(end[0] - start[0], end[1] - start[1])
    for _ in range(5):  # midpoints pushed aside, by half as much each time
        middle = (nodes[1:] + nodes[:-1]) / 2 + rng.normal(0, bend, (len(nodes) - 1, 2))
        nodes = np.insert(nodes, np.arange(1, len(nodes)), middle, axis=0)
        bend *= 0.5
    radius = width * rng.uniform(0.4, 1.3, (len(nodes), 1))
    return np.hstack([nodes, radius])[None]


def oxide(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Draw a stack of two to six layers in cross-section, with pores, lamellae and cracks."""
    h, w = shape
    count = int(rng.choice([2, 3, 3, 3, 4, 5, 6]))
    cuts = np.sort(rng.random(count - 1)) * 0.9 + 0.05
    cuts = 0.6 * cuts + 0.4 * np.arange(1, count) / count
    thick = h / count
    lines = np.maximum.accumulate(
        np.stack([interface(rng, w, c * h, thick) for c in cuts]) + 3, axis=0
    )
    yy = np.arange(h, dtype=np.float32)[:, None]
    layer = np.ones(shape, np.int32)
    edge = np.full(shape, 1e3, np.float32)  # distance to the nearest interface, roughly
    for line in lines:
        layer += yy > line[None]
        edge = np.minimum(edge, np.abs(yy - line[None]))
    if rng.random() < 0.3:  # bays and islands: push the interfaces by noise
        push = (smooth(rng, shape, thick * 0.2) * np.float32(thick * 0.12)).astype(np.int32)
        rows = np.clip(np.arange(h)[:, None] + push, 0, h - 1)
        layer = np.take_along_axis(layer, rows, 0)
    tone = np.sort(rng.random(count)) if rng.random() < 0.4 else rng.random(count)
    for i in range(1, count):  # neighbors must differ, if little
        gap = log_uniform(rng, 0.06, 0.3)
        if abs(tone[i] - tone[i - 1]) < gap:
            tone[i] = tone[i - 1] + gap * (1 if rng.random() < 0.5 else -1)
    image = np.concatenate([[0.0], tone]).astype(np.float32)[layer]
    canvas = shapes.Canvas(shape)
    side = min(shape)
    pores, cracks = np.zeros(shape, bool), np.zeros(shape, bool)
    n = int(rng.integers(0, 250))
    if n:
        radius = np.clip(
            side * log_uniform(rng, 0.004, 0.02) * np.exp(rng.normal(0, 0.7, n)), 1.5, side / 10
        )
        flat = np.exp(np.abs(rng.normal(0, 0.5, n)))
        table = stars.blobs(rng, radius, flat, 0.2)
        if rng.random() < 0.5:
            lying = rng.normal(0, 0.15, n)
            table = stars.ellipses(radius, flat**2, lying)
        where = centers(rng, n, shape)
        dense = rng.random(count + 1) ** 2
        there = layer[
            where[:, 0].astype(int).clip(0, h - 1), where[:, 1].astype(int).clip(0, w - 1)
        ]
        kept = rng.random(n) < dense[there]
        canvas.stars(where[kept], table[kept])
        pores = canvas.labels > 0
    depth_of_pore = canvas.depth.copy()
    fissures = shapes.Canvas(shape)
    for _ in range(int(rng.integers(0, 9))):
        k = int(rng.integers(0, count))
        upper = lines[k - 1] if k > 0 else np.zeros(w, np.float32)
        lower = lines[k] if k < count - 1 else np.full(w, h, np.float32)
        x = int(rng.integers(0, w))
        wide = log_uniform(rng, 0.6, 2.2)
        if rng.random() < 0.65:
            x2 = int(np.clip(x + rng.normal(0, 0.1 * thick), 0, w - 1))
            ends = (float(upper[x]), float(x)), (float(lower[x2]), float(x2))
        else:
            y = float(rng.uniform(upper[x], max(upper[x] + 1, lower[x])))
            ends = (y, x - w * rng.uniform(0.05, 0.3)), (y + rng.normal(0, 6), x + w * 0.2)
        fissures.chains(crack_path(rng, ends[0], ends[1], wide))
    cracks = fissures.labels > 0
    for i in range(1, count + 1):
        inside = layer == i
        grain = fractal(rng, shape, log_uniform(rng, 2, 40), 3, 0.6)
        image += np.float32(log_uniform(rng, 0.005, 0.06)) * grain * inside
        if rng.random() < 0.25:  # splats: thin lying lamellae
            lam = oriented(rng, shape, 60, rng.uniform(2, 6), rng.normal(0, 0.06)) > 1.7
            image -= np.float32(rng.uniform(0.05, 0.3)) * (lam & inside)
    if rng.random() < 0.4:
        image += np.float32(rng.normal(0, 0.2)) * np.exp(-edge / np.float32(rng.uniform(1, 4)))
    hollow = np.float32(tone.min() - rng.uniform(0.1, 0.5))
    filled = hollow + np.float32(rng.uniform(0, 0.3)) * fractal(rng, shape, 6, 2)
    image = np.where(pores, filled + np.float32(0.3) * np.exp(-depth_of_pore / 1.5), image)
    image = np.where(cracks, hollow, image)
    # a layer goes on behind its cracks and specks; only larger pores are objects
    whole, _ = connected(layer, settings.min_visible, split=True)
    count = int(whole.max())
    labels = whole.copy()
    sizes = np.bincount(canvas.labels.ravel(), minlength=canvas.count + 1)
    real = sizes >= max(settings.min_visible, int(0.0002 * h * w))
    real[0] = False
    objects = real[canvas.labels]
    labels[objects] = canvas.labels[objects] + count
    material = layer.astype(np.uint8)
    material[pores] = layer.max() + 1
    material[cracks] = layer.max() + 2
    full = windows(whole) | windows(np.where(objects, labels, 0).astype(np.int32))
    return Draft(
        blur(image.astype(np.float32), 0.5),
        labels.astype(np.int32),
        material,
        whole,
        full,
        {"layers": len(cuts) + 1},
    )


def stack(rng: np.random.Generator, shape: tuple[int, int], settings: SynthSettings) -> Draft:
    """Thin films in cross-section at any tilt: two to nine, each with its own texture."""
    h, w = shape
    count = int(rng.integers(2, 10))
    angle = rng.normal(0, 0.3) if rng.random() < 0.7 else rng.uniform(0, np.pi)
    yy, xx = coordinates(shape)
    across = np.cos(angle) * (yy - h / 2) - np.sin(angle) * (xx - w / 2)
    rough = log_uniform(rng, 0.3, 8)
    across = across + np.float32(rough) * fractal(rng, shape, log_uniform(rng, 15, 200), 3)
    span = np.quantile(across[::8, ::8], [0.02, 0.98])
    cuts = np.sort(rng.dirichlet(np.full(count, rng.choice([1.0, 4.0]))).cumsum()[:-1])
    cuts = span[0] + cuts * (span[1] - span[0])
    if rng.random() < 0.3:  # a superlattice in the middle
        period = log_uniform(rng, 8, 40)
        start = rng.uniform(span[0], span[0] + 0.5 * (span[1] - span[0]))
        cuts = start + period * np.cumsum(np.tile([0.4, 0.6], 6))[: int(rng.integers(4, 12))]
    layer = (np.searchsorted(np.sort(cuts), across) + 1).astype(np.int32)
    count = len(cuts) + 1
    tone = np.concatenate([[0.0], rng.random(count)]).astype(np.float32)
    if rng.random() < 0.3:  # two materials in turn
        tone[1:] = np.resize(rng.random(2), count) + rng.normal(0, 0.03, count)
    for i in range(2, count + 1):
        gap = log_uniform(rng, 0.08, 0.3)
        if abs(tone[i] - tone[i - 1]) < gap:
            tone[i] = tone[i - 1] + gap * rng.choice([-1.0, 1.0])
    image = blur(tone[layer], log_uniform(rng, 0.4, 2.0))
    textures = [
        fractal(rng, shape, log_uniform(rng, 1.5, 30), 3, 0.7),
        oriented(rng, shape, 40, rng.uniform(2, 10), angle + np.pi / 2),
        np.asarray(np.sin(across * np.float32(2 * np.pi / rng.uniform(3, 8))), np.float32),
        fractal(rng, shape, 1.5, 1),
    ]
    depth = (np.array([log_uniform(rng, 0.005, 0.12) for _ in range(count + 1)])).astype(np.float32)
    which = rng.integers(0, len(textures), count + 1)
    for k, texture in enumerate(textures):
        image += np.where(which == k, depth, 0).astype(np.float32)[layer] * texture
    if rng.random() < 0.3:  # the specimen is a wedge
        image *= 1 + np.float32(rng.uniform(-0.5, 0.5)) * (xx / w - np.float32(0.5))
    return Draft(
        np.asarray(image, np.float32),
        layer,
        np.minimum(layer, 255).astype(np.uint8),
        None,
        None,
        {"layers": count},
    )
