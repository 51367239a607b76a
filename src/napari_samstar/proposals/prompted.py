"""Prompts from classical regions: their boxes and centers, small ones in a zoomed crop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_samstar.proposals.decode import Prompts
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import PromptSettings

__all__ = ["CropPrompts", "crop_for", "inner_points", "plan_prompts"]

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class CropPrompts:
    """Prompts that one crop's embedding serves.

    Parameters
    ----------
    crop_box : tuple of int
        x0, y0, x1, y1, last row and column excluded, px.
    boxes, points : Prompts
        The same objects asked for by box, and by a point inside; in the crop's pixels.
    """

    crop_box: Box
    boxes: Prompts
    points: Prompts


def plan_prompts(
    runs: MaskRuns,
    shape: tuple[int, int],
    view: int,
    settings: PromptSettings,
) -> list[CropPrompts]:
    """Choose for each region the widest crop in which it is large enough for the network.

    Object size at the network's input decides SAM's quality; an object smaller than
    `settings.zoom_below` there is asked for in a crop of a half, a quarter, ... of the image.

    Parameters
    ----------
    runs : MaskRuns
        The regions to prompt with, most wanted first.
    shape : tuple of int
        (H, W) of the image, px.
    view : int
        Side of the network's input, px.
    settings : PromptSettings
        How many prompts and zoomed crops at most.

    Returns
    -------
    list of CropPrompts
        The whole image first, where it serves any.
    """
    count = min(len(runs), settings.max_prompts)
    if count == 0:
        return []
    runs = runs.take(np.arange(count))
    boxes = runs.boxes()
    points = inner_points(runs, boxes)
    groups: dict[Box, list[int]] = {}
    for i in range(count):
        groups.setdefault(crop_for(boxes[i], shape, view, settings.zoom_below), []).append(i)
    whole: Box = (0, 0, shape[1], shape[0])
    zoomed = sorted((c for c in groups if c != whole), key=lambda c: (-len(groups[c]), c))
    for crop in zoomed[settings.max_crops :]:  # too few objects for an encoding of their own
        groups.setdefault(whole, []).extend(groups.pop(crop))
    order = sorted(groups, key=lambda c: (c != whole, c))
    return [_prompts(crop, np.array(sorted(groups[crop])), boxes, points) for crop in order]


def crop_for(box: NDArray[np.int32], shape: tuple[int, int], view: int, zoom_below: float) -> Box:
    """Widest crop in which an object is at least `zoom_below` px large at the network's input.

    Parameters
    ----------
    box : (4,) int
        The object's x0, y0, x1, y1, last row and column included, px.
    shape : tuple of int
        (H, W) of the image, px.
    view : int
        Side of the network's input, px.
    zoom_below : float
        px.

    Returns
    -------
    tuple of int
        x0, y0, x1, y1, last row and column excluded, px.
    """
    side = float(max(box[2] - box[0], box[3] - box[1]) + 1)
    return _crop_around(box, shape, _zoom_level(side, max(shape), view, zoom_below))


def _zoom_level(side: float, image_side: int, view: int, zoom_below: float) -> int:
    """Halvings of the crop until an object of `side` px is large enough at the input, at most 4."""
    level = 0
    while level < 4 and side * view / image_side * 2**level < zoom_below:
        if image_side / 2 ** (level + 1) < 64:
            break
        level += 1
    return level


def _crop_around(box: NDArray[np.int32], shape: tuple[int, int], level: int) -> Box:
    """Crop of the half-overlapping grid of `level` whose middle is nearest to the box."""
    if level == 0:
        return (0, 0, shape[1], shape[0])
    size = -(-max(shape) // 2**level)
    spans = []
    for low, high, side in ((box[0], box[2], shape[1]), (box[1], box[3], shape[0])):
        if side <= size:
            spans.append((0, side))
            continue
        steps = -(-(side - size) * 2 // size)  # crops overlap by half
        stride = (side - size) / steps
        center = (float(low) + float(high)) / 2 - size / 2
        start = round(min(max(round(center / stride), 0), steps) * stride)
        spans.append((start, start + size))
    return (spans[0][0], spans[1][0], spans[0][1], spans[1][1])


def _prompts(
    crop: Box,
    chosen: NDArray[np.int64],
    boxes: NDArray[np.int32],
    points: NDArray[np.float64],
) -> CropPrompts:
    origin = np.array([crop[0], crop[1]], np.float64)
    size = np.array([crop[2] - crop[0], crop[3] - crop[1]], np.float64)
    inside = (points[chosen] - origin)[:, None, :]
    corners = (boxes[chosen] + np.array([0, 0, 1, 1])).astype(np.float64)
    corners = np.clip(corners - np.tile(origin, 2), 0, np.tile(size, 2))
    one = np.ones((len(chosen), 1), np.int64)
    return CropPrompts(crop, Prompts(inside, one, corners), Prompts(inside, one))


def inner_points(runs: MaskRuns, boxes: NDArray[np.int32]) -> NDArray[np.float64]:
    """One point (x, y) well inside each mask: the farthest from its outline.

    The center of mass of a ring or a crescent lies outside it; this never does.
    """
    from scipy.ndimage import distance_transform_cdt

    points = np.empty((len(runs), 2), np.float64)
    for i in range(len(runs)):
        window = np.pad(runs.window(i, tuple(boxes[i])), 1)
        depth = distance_transform_cdt(window, metric="chessboard")
        rows, columns = np.nonzero(depth == depth.max())
        middle = len(rows) // 2
        points[i] = columns[middle] - 1 + boxes[i, 0], rows[middle] - 1 + boxes[i, 1]
    return points
