"""Selections drawn by hand, with the measurements that `select` gives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_samstar.proposals.measured import MeasuredRows
from napari_samstar.proposals.table import from_masks
from napari_samstar.runs import MaskRuns
from napari_samstar.types import Micrograph, Selection

Mask = NDArray[np.bool_]


def disc(shape: tuple[int, int], y: float, x: float, radius: float) -> Mask:
    rows, columns = np.indices(shape)
    return np.asarray(np.hypot(rows - y, columns - x) <= radius)


def rod(shape: tuple[int, int], y: float, x: float, long: float, wide: float, angle: float) -> Mask:
    """An ellipse; `angle` in degrees, counter-clockwise from horizontal as one sees it."""
    rows, columns = np.indices(shape)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    along, across = (columns - x) * c - (rows - y) * s, (columns - x) * s + (rows - y) * c
    return np.asarray((along / long) ** 2 + (across / wide) ** 2 <= 1)


def lattice(
    shape: tuple[int, int] = (200, 240), pitch: int = 40, radius: float = 10, start: int = 30
) -> list[Mask]:
    """Discs on a square lattice, none of them at the frame, nor centered on a pixel."""
    return [
        disc(shape, y + 0.3, x + 0.4, radius)
        for y in range(start, shape[0] - start + 1, pitch)
        for x in range(start, shape[1] - start + 1, pitch)
    ]


def paint(
    masks: Sequence[Mask], shape: tuple[int, int], inside: int = 180, outside: int = 70
) -> NDArray[np.uint8]:
    """Gray image in which the masks stand out, with a little noise."""
    gray = np.full(shape, outside, np.float64)
    for mask in masks:
        gray[mask] = inside
    noise = np.random.default_rng(5).normal(0, 4, shape)
    return np.clip(gray + noise, 0, 255).astype(np.uint8)


def micrograph(gray: NDArray[np.uint8], pixel: float | None = None, unit: str = "px") -> Micrograph:
    size = None if pixel is None else (pixel, pixel)
    return Micrograph(gray.astype(np.float32), size, unit)


def selected(
    masks: Sequence[Mask],
    gray: NDArray[np.uint8],
    predicted_iou: NDArray[np.float32] | None = None,
    stability: NDArray[np.float32] | None = None,
) -> Selection:
    """Select all `masks` of the image `gray`, in their order."""
    shape = (int(gray.shape[0]), int(gray.shape[1]))
    n = len(masks)
    steady = np.ones(n, np.float32) if stability is None else stability
    table = from_masks(MaskRuns.from_dense(masks, shape), gray, "regions", steady)
    rows = np.arange(n)
    return Selection(
        runs=table.runs,
        boxes=table.boxes,
        predicted_iou=table.predicted_iou if predicted_iou is None else predicted_iou,
        stability_scores=steady,
        points=table.points,
        source=table.source,
        crops=table.crop_boxes[table.crop],
        rows=rows,
        score=steady,
        measured=MeasuredRows(table, rows, table.runs),
    )
