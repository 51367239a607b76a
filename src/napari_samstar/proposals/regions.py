"""Classical regions of all scales as proposals: no network, no parameter to tune.

Five families of region trees are built (bright and dark components of all thresholds, the same
after local contrast normalization, watershed hierarchies of the gradient at three scales, of the
gray levels in both polarities, and of distance maps inside thresholded masks, which split what
touches). In each tree a region is kept where the mean gradient along its outline, times its
compactness, is the best of its branch; so every region takes the threshold, depth and scale at
which its outline is sharpest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_samstar.proposals.component_tree import max_tree, select_nodes, subtree_layout
from napari_samstar.proposals.duplicates import agreement, distinct
from napari_samstar.proposals.emit import emit_nodes
from napari_samstar.proposals.reframe import reframe
from napari_samstar.proposals.watershed import (
    BY_BORDER,
    BY_DEPTH,
    BY_MEAN,
    merge_tree,
    watershed,
)
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import RegionSettings
from napari_samstar.types import Progress

__all__ = ["KINDS", "Regions", "find_regions"]

#: What made a region; `Regions.kind` holds indices into this tuple.
KINDS = ("component", "local component", "gradient basin", "gray basin", "split")

_BLOCK = 2048  # largest side worked on at once, px
_OVERLAP = 384  # of neighboring blocks, px; larger objects come from a reduced view
_WINDOWS = (31, 101)  # of the local thresholds, px
_BRANCH_RATIO = 1.25  # nested regions nearer in area than this compete
_PER_OCTAVE = 400  # most regions of one family in one octave of area


@dataclass(frozen=True)
class Regions:
    """Regions of one image, sharpest outline first.

    Parameters
    ----------
    runs : MaskRuns
        The N masks, each 4-connected.
    persistence : (N,) float32
        0 to 1: v / (v + 2), where v is the number of independent trees (of 17) that hold nearly the
        same region, weighted by how nearly; what many methods find is likely to be there.
    kind : (N,) uint8
        Index into `KINDS`.
    """

    runs: MaskRuns
    persistence: NDArray[np.float32]
    kind: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.runs)


@dataclass(frozen=True)
class _Found:
    """Regions before they are ranked against each other."""

    runs: MaskRuns
    quality: NDArray[np.float32]
    kind: NDArray[np.uint8]
    persistence: NDArray[np.float32]

    def take(self, rows: NDArray[Any]) -> _Found:
        return _Found(
            self.runs.take(rows), self.quality[rows], self.kind[rows], self.persistence[rows]
        )


def find_regions(
    gray: NDArray[np.uint8], settings: RegionSettings | None = None
) -> Generator[Progress, None, Regions]:
    """Find regions of all scales; yields progress between stages, so that it may be stopped.

    Parameters
    ----------
    gray : (H, W) uint8
        The image; more than 2048 px a side is worked on in overlapping blocks.
    settings : RegionSettings, optional
        Sizes and numbers.

    Returns
    -------
    Regions
        At most `settings.max_rows`, no two with an IoU above `settings.duplicate_iou`. The same
        image gives the same regions.

    Raises
    ------
    ValueError
        If `gray` is not (H, W) uint8.
    """
    settings = settings or RegionSettings()
    if gray.ndim != 2 or gray.dtype != np.uint8:
        raise ValueError(f"Regions need an (H, W) uint8 image, not {gray.dtype} {gray.shape}.")
    height, width = gray.shape
    max_area = int(settings.max_area_fraction * height * width)
    if max(height, width) <= _BLOCK:
        found = yield from _of_block(gray, settings, max_area, settings.max_rows)
    else:
        found = yield from _of_large(gray, settings, max_area)
    return Regions(found.runs, found.persistence, found.kind)


def _of_large(
    gray: NDArray[np.uint8], settings: RegionSettings, max_area: int
) -> Generator[Progress, None, _Found]:
    """Blocks at full resolution, and what is larger than their overlap from a reduced view."""
    shape = (int(gray.shape[0]), int(gray.shape[1]))
    factor = -(-max(shape) // _BLOCK)
    blocks = [(y, x) for y in _starts(shape[0]) for x in _starts(shape[1])]
    limit = max(500, 2 * settings.max_rows // len(blocks))
    parts = []
    for step, (y0, x0) in enumerate(blocks):
        block = np.ascontiguousarray(gray[y0 : y0 + _BLOCK, x0 : x0 + _BLOCK])
        for progress in (work := _Steps(_of_block(block, settings, max_area, limit))):
            yield Progress(progress.stage, step, len(blocks) + 1)
        found = work.result
        h, w = block.shape
        boxes = found.runs.boxes()
        cut = (boxes[:, 0] == 0) & (x0 > 0) | (boxes[:, 2] == w - 1) & (x0 + w < shape[1])
        cut |= (boxes[:, 1] == 0) & (y0 > 0) | (boxes[:, 3] == h - 1) & (y0 + h < shape[0])
        found = found.take(np.nonzero(~cut)[0])
        parts.append(replace(found, runs=reframe(found.runs, shape, y0, x0)))
    h, w = shape[0] // factor, shape[1] // factor
    if min(h, w) > 0:
        view = np.asarray(
            cv2.resize(gray[: h * factor, : w * factor], (w, h), interpolation=cv2.INTER_AREA),
            np.uint8,
        )
        small = settings.model_copy(update={"min_area": max(settings.min_area // factor**2, 12)})
        for progress in (
            work := _Steps(_of_block(view, small, max_area // factor**2, settings.max_rows // 4))
        ):
            yield Progress(progress.stage, len(blocks), len(blocks) + 1)
        found = work.result
        boxes = found.runs.boxes()
        extent = np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]) + 1
        found = found.take(np.nonzero(extent * factor > _OVERLAP - 2 * factor)[0])
        parts.append(replace(found, runs=reframe(found.runs, shape, factor=factor)))
    everything = _join(parts, shape)
    return everything.take(_distinct(everything, settings, settings.max_rows))


def _starts(length: int) -> list[int]:
    """First pixels of overlapping blocks along one axis."""
    if length <= _BLOCK:
        return [0]
    n = -(-(length - _OVERLAP) // (_BLOCK - _OVERLAP))
    return [round(i * (length - _BLOCK) / (n - 1)) for i in range(n)]


class _Steps:
    """A generator's steps, and its result once they are through."""

    result: _Found

    def __init__(self, work: Generator[Progress, None, _Found]) -> None:
        self._work = work

    def __iter__(self) -> Iterator[Progress]:
        self.result = yield from self._work


def _of_block(
    gray: NDArray[np.uint8], settings: RegionSettings, max_area: int, limit: int
) -> Generator[Progress, None, _Found]:
    """All families of one image that fits in memory, near-duplicates dropped."""
    shape = (int(gray.shape[0]), int(gray.shape[1]))
    if min(shape) < 2 or gray.min() == gray.max():
        return _join([], shape)
    jobs = _families(gray, settings, max_area)
    parts: list[_Found] = []
    # the kernels release the interpreter's lock; results are taken in order, so the same every time
    pool = ThreadPoolExecutor(min(len(jobs), os.cpu_count() or 1, 4))
    try:
        for done, found in enumerate(pool.map(lambda job: job(), jobs)):
            parts.extend(found)
            yield Progress("regions", done + 1, len(jobs))
    finally:
        pool.shutdown(cancel_futures=True)
    everything = _join(parts, shape)
    rows = _distinct(everything, settings, limit)
    family = np.repeat(np.arange(len(parts)), [part.quality.size for part in parts])
    votes = agreement(everything.runs, family, rows)
    return replace(everything.take(rows), persistence=votes / (votes + 2))


def _families(
    gray: NDArray[np.uint8], settings: RegionSettings, max_area: int
) -> list[Callable[[], list[_Found]]]:
    f = gray.astype(np.float32)
    everywhere = np.ones(gray.shape, np.bool_)
    smooth = _smooth(f, 1.0)
    edge = _edge(smooth)
    limits = (settings.min_area, max_area, settings.duplicate_iou)
    tree = partial(_of_components, limits=limits)
    basins = partial(_of_basins, limits=limits)
    jobs: list[Callable[[], list[_Found]]] = []
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


def _strongest(
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
) -> list[_Found]:
    min_area, max_area, iou = limits
    rows = select_nodes(parent, area, quality, min_area, max_area, _BRANCH_RATIO)
    if rows.size == 0:
        return []
    rows = _strongest(rows, area, quality, _PER_OCTAVE)
    start, pixels = subtree_layout(parent, area, node)
    counts, offsets, origin = emit_nodes(pixels, start, area, rows, *shape, max_area, iou)
    rows = rows[origin]
    return [
        _Found(
            MaskRuns(counts, offsets, shape),
            quality[rows],
            np.full(rows.size, kind, np.uint8),
            np.zeros(rows.size, np.float32),
        )
    ]


def _of_components(
    f: NDArray[np.float32], edge: NDArray[np.float32], kind: int, limits: tuple[int, int, float]
) -> list[_Found]:
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
) -> list[_Found]:
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
) -> list[_Found]:
    """Parts of a mask, cut at its necks: the watershed hierarchy of its distance map."""
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5)
    relief = -_smooth(np.asarray(distance), 1.0)
    found: list[_Found] = basins(relief, mask, edge, f, BY_DEPTH, 4)
    return found


def _join(parts: list[_Found], shape: tuple[int, int]) -> _Found:
    if not parts:
        none = np.zeros(0, np.float32)
        return _Found(MaskRuns.empty(shape), none, np.zeros(0, np.uint8), none)
    shifts = np.cumsum([0] + [part.runs.counts.size for part in parts])
    offsets = [part.runs.offsets[1:] + s for part, s in zip(parts, shifts[:-1], strict=True)]
    return _Found(
        MaskRuns(
            np.concatenate([part.runs.counts for part in parts]),
            np.concatenate([np.zeros(1, np.int64), *offsets]),
            shape,
        ),
        np.concatenate([part.quality for part in parts]),
        np.concatenate([part.kind for part in parts]),
        np.concatenate([part.persistence for part in parts]),
    )


def _distinct(found: _Found, settings: RegionSettings, limit: int) -> NDArray[np.int64]:
    """Rows without near-duplicates; if too many are left, the best of every octave of area."""
    order = np.argsort(-found.quality, kind="stable")
    rows = distinct(found.runs, order, settings.duplicate_iou)
    if rows.size <= limit:
        return rows
    areas = found.runs.areas()
    low, high = 1, limit  # `low` an octave fits, `high` does not
    while high - low > 1:
        middle = (low + high) // 2
        if _strongest(rows, areas, found.quality, middle).size > limit:
            high = middle
        else:
            low = middle
    return np.asarray(_strongest(rows, areas, found.quality, low)[:limit], np.int64)
