"""Families of region trees, and the regions of each that have the sharpest outlines.

Bright and dark components of all thresholds, the same after local contrast normalization,
watershed hierarchies of the gradient at three scales, of the gray levels in both polarities, and of
distance maps inside thresholded masks, which split what touches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_samstar.proposals.component_tree import max_tree, select_nodes, subtree_layout
from napari_samstar.proposals.emit import emit_nodes
from napari_samstar.proposals.partition_tree import BY_BORDER, BY_DEPTH, BY_MEAN, merge_tree
from napari_samstar.proposals.watershed import watershed
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import RegionSettings

__all__ = ["Found", "families", "strongest"]

_WINDOWS = (31, 101)  # of the local thresholds, px
_BRANCH_RATIO = 1.25  # nested regions nearer in area than this compete
_PER_OCTAVE = 400  # most regions of one family in one octave of area


@dataclass(frozen=True)
class Found:
    """Regions before they are ranked against each other; see `regions.Regions`."""

    runs: MaskRuns
    quality: NDArray[np.float32]
    kind: NDArray[np.uint8]
    persistence: NDArray[np.float32]

    def take(self, rows: NDArray[Any]) -> Found:
        """Chosen rows, in the order given."""
        return Found(
            self.runs.take(rows), self.quality[rows], self.kind[rows], self.persistence[rows]
        )


def families(
    gray: NDArray[np.uint8], settings: RegionSettings, max_area: int
) -> list[Callable[[], list[Found]]]:
    """Jobs that find the regions of one family each, for a block (H, W) uint8."""
    f = gray.astype(np.float32)
    everywhere = np.ones(gray.shape, np.bool_)
    smooth = _smooth(f, 1.0)
    edge = _edge(smooth)
    limits = (settings.min_area, max_area, settings.duplicate_iou)
    tree = partial(_of_components, limits=limits)
    basins = partial(_of_basins, limits=limits)
    jobs: list[Callable[[], list[Found]]] = []
    for sign in (1, -1):
        jobs.append(partial(tree, sign * _smooth(f, 0.7), edge, 0))
        jobs.append(partial(tree, sign * _local_contrast(smooth, 25), edge, 1))
    for sigma, mode in ((1.0, BY_BORDER), (2.0, BY_DEPTH), (4.0, BY_MEAN)):
        wide = _smooth(f, sigma)
        relief = _edge(wide)
        jobs.append(partial(basins, relief, everywhere, relief, wide, mode, 2))
    for sign in (1, -1):
        wide = _smooth(f, 1.5)
        jobs.append(partial(basins, sign * wide, everywhere, _edge(wide), wide, BY_DEPTH, 3))
    masks = [smooth > t for t in _three_class_thresholds(gray)]
    masks += [smooth > _mean(smooth, w) for w in _WINDOWS]
    for bright in masks:
        for mask in (bright, ~bright):
            jobs.append(partial(_of_split, mask, edge, smooth, basins))
    return jobs


def _smooth(f: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(f, (0, 0), sigma))


def _mean(f: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    return np.asarray(cv2.blur(f, (window, window)))


def _edge(f: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gradient magnitude, gray levels per px (Sobel)."""
    gx = cv2.Sobel(f, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    gy = cv2.Sobel(f, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    return np.asarray(cv2.magnitude(gx, gy))


def _local_contrast(f: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    """Deviation from the local mean in local standard deviations, -2.5 to 2.5."""
    mean = _mean(f, window)
    spread = np.sqrt(np.maximum(_mean(f * f, window) - mean * mean, 0))
    # 8 gray levels keep flat, noisy background from being blown up
    return np.asarray(np.clip((f - mean) / (spread + 8), -2.5, 2.5), np.float32)


def _three_class_thresholds(gray: NDArray[np.uint8]) -> list[float]:
    """Otsu's thresholds for three classes (Liao et al., J. Inf. Sci. Eng. 17, 713, 2001)."""
    p = np.bincount(gray.ravel(), minlength=256).astype(np.float64)
    p /= p.sum()
    weight = np.concatenate([[0.0], np.cumsum(p)])
    moment = np.concatenate([[0.0], np.cumsum(p * np.arange(256))])

    def between(a: Any, b: Any) -> Any:
        w = weight[b] - weight[a]
        return (moment[b] - moment[a]) ** 2 / np.maximum(w, 1e-12)

    i, j = np.triu_indices(256, 1)
    total = between(0, i) + between(i, j) + between(j, 256)
    best = int(total.argmax())
    return [float(i[best]) - 0.5, float(j[best]) - 0.5]


def _quality(strength: Any, area: Any, outline: Any) -> NDArray[np.float32]:
    """Mean gradient along the outline times compactness (1 for a disc)."""
    length = outline * (np.pi / 4)  # sides of pixels overestimate lengths by 4 / pi on average
    compact = np.minimum(1.0, 4 * np.pi * area / np.maximum(length, 1.0) ** 2)
    return np.asarray(strength * compact, np.float32)


def strongest(
    rows: NDArray[Any], area: NDArray[Any], quality: NDArray[np.float32], most: int
) -> NDArray[Any]:
    """Up to `most` best rows in each octave of area, in their old order."""
    octave = np.floor(np.log2(np.maximum(area[rows], 1))).astype(np.int64)
    order = np.lexsort((-quality[rows], octave))
    rank = np.arange(order.size) - np.searchsorted(octave[order], octave[order])
    return np.asarray(rows[np.sort(order[rank < most])])


def _emit(
    parent: Any,
    area: Any,
    node: Any,
    quality: NDArray[np.float32],
    kind: int,
    shape: tuple[int, int],
    limits: tuple[int, int, float],
) -> list[Found]:
    min_area, max_area, iou = limits
    rows = select_nodes(parent, area, quality, min_area, max_area, _BRANCH_RATIO)
    if rows.size == 0:
        return []
    rows = strongest(rows, area, quality, _PER_OCTAVE)
    start, pixels = subtree_layout(parent, area, node)
    counts, offsets, origin = emit_nodes(pixels, start, area, rows, *shape, max_area, iou)
    rows = rows[origin]
    return [
        Found(
            MaskRuns(counts, offsets, shape),
            quality[rows],
            np.full(rows.size, kind, np.uint8),
            np.zeros(rows.size, np.float32),
        )
    ]


def _of_components(
    f: NDArray[np.float32], edge: NDArray[np.float32], kind: int, limits: tuple[int, int, float]
) -> list[Found]:
    low, high = float(f.min()), float(f.max())
    image = np.round((f - low) * (255 / max(high - low, 1e-6))).astype(np.uint8)
    parent, _, area, outline, strength, node = max_tree(image, edge)
    quality = _quality(strength, area, outline)
    return _emit(parent, area, node, quality, kind, image.shape, limits)


def _of_basins(
    relief: NDArray[np.float32],
    mask: NDArray[np.bool_],
    edge: NDArray[np.float32],
    f: NDArray[np.float32],
    mode: int,
    kind: int,
    limits: tuple[int, int, float],
) -> list[Found]:
    labels, count = watershed(relief, mask)
    if count == 0:
        return []
    parent, area, outline, strength, _, _, leaf = merge_tree(labels, count, relief, edge, f, mode)
    flat = labels.ravel()
    node = np.where(flat >= 0, leaf[np.maximum(flat, 0)], np.int32(-1))
    return _emit(
        parent,
        area,
        node,
        _quality(strength, area, outline),
        kind,
        relief.shape,
        limits,
    )


def _of_split(
    mask: NDArray[np.bool_], edge: NDArray[np.float32], f: NDArray[np.float32], basins: Any
) -> list[Found]:
    """Parts of a mask, cut at its necks: the watershed hierarchy of its distance map."""
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    relief = -_smooth(np.asarray(distance), 1.0)
    found: list[Found] = basins(relief, mask, edge, f, BY_DEPTH, 4)
    return found
