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
    """What the clean-up of each mask of a table gave, so that no mask is looked at twice.

    Parameters
    ----------
    safe : dict
        Row to the largest limit that surely leaves its mask as it is, px.
    masks : dict
        Row and limit to the cleaned mask's runs; None where it is as it was.
    """

    safe: dict[int, float] = field(default_factory=dict)
    masks: dict[tuple[int, float], NDArray[np.uint32] | None] = field(default_factory=dict)


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
            if (name, min_area) not in known.masks:
                known.masks[name, min_area], safe = _clean(runs, i, boxes[i], min_area)
                known.safe[name] = safe
            row = known.masks[name, min_area]
        changed[i] = row is not None
        made.append(runs.row(i) if row is None else row)
    return MaskRuns.from_rows(made, runs.shape), changed


def _clean(
    runs: MaskRuns, i: int, box: NDArray[np.int32], min_area: float
) -> tuple[NDArray[np.uint32] | None, float]:
    """Return one cleaned mask, None if it stays as it is, and up to which limit it surely does."""
    height, width = runs.shape
    if not runs.row(i)[1::2].any():
        # Meta's code sees one component, the background: a hole, if the image is small
        whole = encode_window(np.ones((height, width), bool), 0, 0, height, width)
        return (whole if height * width < min_area else None), float(height * width)
    # an even origin: OpenCV numbers components by blocks of 2x2, which settles ties
    x0, y0 = max(int(box[0]) - 1, 0) & ~1, max(int(box[1]) - 1, 0) & ~1
    x1, y1 = min(int(box[2]) + 1, width - 1), min(int(box[3]) + 1, height - 1)
    strips = (width * y0, width * (height - 1 - y1), height * x0, height * (width - 1 - x1))
    beyond = min((strip for strip in strips if strip), default=height * width)
    if beyond < min_area:
        # the background beyond the box may itself be a small component: look at all of it
        x0, y0, x1, y1, strips = 0, 0, width - 1, height - 1, (0, 0, 0, 0)
    mask = runs.window(i, (x0, y0, x1, y1))
    filled, holes = _fill_holes(mask, min_area, strips)
    cleaned, islands = _drop_islands(filled, min_area)
    safe = float(min(holes, islands, beyond))
    if holes >= min_area and islands >= min_area:
        return None, safe
    return encode_window(cleaned, y0, x0, height, width), safe


def _components(image: NDArray[np.bool_]) -> tuple[int, Any, Any]:
    import cv2

    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        image.astype(np.uint8), connectivity=8
    )
    return count, labels, stats[:, -1].astype(np.int64)


def _fill_holes(
    mask: NDArray[np.bool_], min_area: float, strips: tuple[int, int, int, int]
) -> tuple[NDArray[np.bool_], float]:
    """Fill background components under `min_area`; also the size of the smallest.

    `strips` are the areas of the image above, below, left and right of this window; a component
    that reaches one of them is larger than the limit.
    """
    count, labels, sizes = _components(~mask)
    reached = (labels[0, 0], labels[-1, 0], labels[0, 0], labels[0, -1])
    outer = {int(label) for label, strip in zip(reached, strips, strict=True) if strip}
    holes = [k for k in range(1, count) if k not in outer]
    small = [k for k in holes if sizes[k] < min_area]
    least = float(min(sizes[holes], default=np.inf))
    return (mask | _any_of(labels, small, count) if small else mask), least


def _drop_islands(mask: NDArray[np.bool_], min_area: float) -> tuple[NDArray[np.bool_], float]:
    """Drop components under `min_area` but the largest; also the size of the smallest of several.

    A mask of one component is as Meta has it: touched, but the same, if it is small.
    """
    count, labels, sizes = _components(mask)
    small = [label for label in range(1, count) if sizes[label] < min_area]
    least = float(min(sizes[1:], default=np.inf))
    if not small:
        return mask, least
    kept = [label for label in range(1, count) if label not in small]
    if not kept:
        kept = [int(np.argmax(sizes[1:])) + 1]
    return _any_of(labels, kept, count), least


def _any_of(labels: NDArray[Any], wanted: list[int], count: int) -> NDArray[np.bool_]:
    """Pixels with any of the labels `wanted`, all under `count`."""
    chosen = np.zeros(count, np.bool_)
    chosen[wanted] = True
    return np.asarray(chosen[labels])
