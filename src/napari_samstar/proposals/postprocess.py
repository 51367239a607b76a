"""Clean-up of single masks: small holes filled, small islands dropped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.runs import MaskRuns, encode_window

__all__ = ["Cleaned", "clean_masks"]


@dataclass
class Cleaned:
    """What the clean-up of each mask of a table gave, so that none is looked at twice.

    A mask's holes and islands have few different sizes: all limits between two of them give the
    same.

    Parameters
    ----------
    safe : dict
        Row to the largest limit that surely leaves its mask as it is, px.
    spans : dict
        Row to what is known beyond: lowest limit (excluded), highest limit, and the cleaned mask's
        runs for these; None where the mask stays as it is.
    """

    safe: dict[int, float] = field(default_factory=dict)
    spans: dict[int, list[tuple[float, float, NDArray[np.uint32] | None]]] = field(
        default_factory=dict
    )


def clean_masks(
    runs: MaskRuns,
    boxes: NDArray[np.int32],
    min_area: float,
    rows: NDArray[np.int64] | None = None,
    known: Cleaned | None = None,
) -> tuple[MaskRuns, NDArray[np.bool_]]:
    """Fill holes and drop islands smaller than `min_area`, as Meta's `remove_small_regions`.

    Each mask is looked at in its own box with a rim of one pixel, where Meta's code labels the
    whole image.

    Parameters
    ----------
    runs : MaskRuns
        K masks.
    boxes : (K, 4) int32
        Their boxes, x0, y0, x1, y1, inclusive.
    min_area : float
        Holes and islands of fewer pixels go; if all islands are small the largest stays.
    rows : (K,) int64, optional
        What the masks are called in `known`; their places here by default.
    known : Cleaned, optional
        Filled and used; a fresh one by default.

    Returns
    -------
    runs : MaskRuns
        The cleaned masks.
    changed : (K,) bool
        Which masks are no longer what they were.
    """
    known = known or Cleaned()
    names = range(len(runs)) if rows is None else rows.tolist()
    changed = np.zeros(len(runs), bool)
    made = []
    for i, name in enumerate(names):
        row: NDArray[np.uint32] | None = None
        if known.safe.get(name, 0.0) < min_area:
            row = _known(known.spans.setdefault(name, []), runs, i, boxes[i], min_area)
            if row is None:
                known.safe[name] = min_area
        changed[i] = row is not None
        made.append(runs.row(i) if row is None else row)
    return MaskRuns.from_rows(made, runs.shape), changed


def _known(
    spans: list[tuple[float, float, NDArray[np.uint32] | None]],
    runs: MaskRuns,
    i: int,
    box: NDArray[np.int32],
    min_area: float,
) -> NDArray[np.uint32] | None:
    """Find one cleaned mask among `spans`, or clean it and put it there."""
    for low, high, row in spans:
        if low < min_area <= high:
            return row
    made = _clean(runs, i, box, min_area)
    spans.append(made)
    return made[2]


def _clean(
    runs: MaskRuns, i: int, box: NDArray[np.int32], min_area: float
) -> tuple[float, float, NDArray[np.uint32] | None]:
    """Clean one mask: limits between which the result is the same, and it; None: it stays."""
    height, width = runs.shape
    if not runs.row(i)[1::2].any():
        # Meta's code sees one component, the background: a hole, if the image is small
        area = float(height * width)
        if min_area <= area:
            return 0.0, area, None
        return area, np.inf, encode_window(np.ones((height, width), bool), 0, 0, height, width)
    # an even origin: OpenCV numbers components by blocks of 2x2, which settles ties
    x0, y0 = max(int(box[0]) - 1, 0) & ~1, max(int(box[1]) - 1, 0) & ~1
    x1, y1 = min(int(box[2]) + 1, width - 1), min(int(box[3]) + 1, height - 1)
    strips = (width * y0, width * (height - 1 - y1), height * x0, height * (width - 1 - x1))
    beyond = min((strip for strip in strips if strip), default=height * width)
    whole = beyond < min_area
    if whole:
        # the background beyond the box may itself be a small component: look at all of it
        x0, y0, x1, y1, strips = 0, 0, width - 1, height - 1, (0, 0, 0, 0)
    mask = runs.window(i, (x0, y0, x1, y1))
    filled, holes = _fill_holes(mask, min_area, strips)
    cleaned, islands = _drop_islands(filled, min_area)
    sizes = np.concatenate([holes, islands])
    small = sizes < min_area
    low = sizes[small].max(initial=0)
    # to a larger limit the background beyond the box may be small, too
    high = min(sizes[~small].min(initial=np.inf), np.inf if whole else beyond)
    row = encode_window(cleaned, y0, x0, height, width) if small.any() else None
    return float(low), float(high), row


def _components(image: NDArray[np.bool_]) -> tuple[int, Any, Any]:
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        image.astype(np.uint8), connectivity=8
    )
    return count, labels, stats[:, -1].astype(np.int64)


def _fill_holes(
    mask: NDArray[np.bool_], min_area: float, strips: tuple[int, int, int, int]
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Fill background components under `min_area`; also the sizes of all that are whole.

    `strips` are the areas of the image above, below, left and right of this window; a component
    that reaches one of them is larger than the limit.
    """
    count, labels, sizes = _components(~mask)
    reached = (labels[0, 0], labels[-1, 0], labels[0, 0], labels[0, -1])
    outer = {int(label) for label, strip in zip(reached, strips, strict=True) if strip}
    holes = [k for k in range(1, count) if k not in outer]
    small = [k for k in holes if sizes[k] < min_area]
    known = sizes[holes].astype(np.float64)
    return (mask | _any_of(labels, small, count) if small else mask), known


def _drop_islands(
    mask: NDArray[np.bool_], min_area: float
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Drop components under `min_area`, but the largest if all are; also the sizes of all.

    A mask of one component is as Meta has it: touched, but the same, if it is small.
    """
    count, labels, sizes = _components(mask)
    small = [label for label in range(1, count) if sizes[label] < min_area]
    known = sizes[1:].astype(np.float64)
    if not small:
        return mask, known
    kept = [label for label in range(1, count) if label not in small]
    if not kept:
        kept = [int(np.argmax(sizes[1:])) + 1]
    return _any_of(labels, kept, count), known


def _any_of(labels: NDArray[Any], wanted: list[int], count: int) -> NDArray[np.bool_]:
    """Pixels with any of the labels `wanted`, all under `count`."""
    chosen = np.zeros(count, np.bool_)
    chosen[wanted] = True
    return np.asarray(chosen[labels])
