"""Classical regions of all scales as proposals: no network, no parameter to tune.

In each tree of each family (see `proposals.families`) a region is kept where the mean gradient
along its outline, times its compactness, is the best of its branch; so every region takes the
threshold, depth and scale at which its outline is sharpest.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_samstar.proposals.duplicates import distinct
from napari_samstar.proposals.families import Found, families, strongest
from napari_samstar.proposals.reframe import reframe
from napari_samstar.proposals.votes import agreement
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import RegionSettings
from napari_samstar.types import Progress

__all__ = ["KINDS", "Regions", "find_regions"]

#: What made a region; `Regions.kind` holds indices into this tuple.
KINDS = ("component", "local component", "gradient basin", "gray basin", "split")

_BLOCK = 2048  # largest side worked on at once, px
_OVERLAP = 384  # of neighboring blocks, px; larger objects come from a reduced view


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
) -> Generator[Progress, None, Found]:
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

    result: Found

    def __init__(self, work: Generator[Progress, None, Found]) -> None:
        self._work = work

    def __iter__(self) -> Iterator[Progress]:
        self.result = yield from self._work


def _of_block(
    gray: NDArray[np.uint8], settings: RegionSettings, max_area: int, limit: int
) -> Generator[Progress, None, Found]:
    """All families of one image that fits in memory, near-duplicates dropped."""
    shape = (int(gray.shape[0]), int(gray.shape[1]))
    if min(shape) < 2 or gray.min() == gray.max():
        return _join([], shape)
    jobs = families(gray, settings, max_area)
    parts: list[Found] = []
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


def _join(parts: list[Found], shape: tuple[int, int]) -> Found:
    if not parts:
        none = np.zeros(0, np.float32)
        return Found(MaskRuns.empty(shape), none, np.zeros(0, np.uint8), none)
    shifts = np.cumsum([0] + [part.runs.counts.size for part in parts])
    offsets = [part.runs.offsets[1:] + s for part, s in zip(parts, shifts[:-1], strict=True)]
    return Found(
        MaskRuns(
            np.concatenate([part.runs.counts for part in parts]),
            np.concatenate([np.zeros(1, np.int64), *offsets]),
            shape,
        ),
        np.concatenate([part.quality for part in parts]),
        np.concatenate([part.kind for part in parts]),
        np.concatenate([part.persistence for part in parts]),
    )


def _distinct(found: Found, settings: RegionSettings, limit: int) -> NDArray[np.int64]:
    """Rows without near-duplicates; if too many are left, the best of every octave of area."""
    order = np.argsort(-found.quality, kind="stable")
    rows = distinct(found.runs, order, settings.duplicate_iou)
    if rows.size <= limit:
        return rows
    areas = found.runs.areas()
    low, high = 1, limit  # `low` an octave fits, `high` does not
    while high - low > 1:
        middle = (low + high) // 2
        if strongest(rows, areas, found.quality, middle).size > limit:
            high = middle
        else:
            low = middle
    return np.asarray(strongest(rows, areas, found.quality, low)[:limit], np.int64)
