"""What a generated micrograph is: pixels and the exact truth behind them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from napari_samstar.runs import MaskRuns, RunsBuilder

__all__ = ["Draft", "Scene", "Window", "connected", "finish", "windows"]

#: A mask as its upper left corner (y, x) in the frame and its boolean pixels.
Window = tuple[int, int, NDArray[np.bool_]]


@dataclass(frozen=True)
class Scene:
    """One synthetic micrograph with its truth.

    Parameters
    ----------
    image : (H, W) float32
        Intensities in [0, 1].
    labels : (H, W) int32
        The top-most visible instance of each pixel, 1..N without gaps; 0 is background.
    materials : (H, W) uint8
        Class of each pixel; 0 is background or vacuum.
    overlapping : MaskRuns or None
        Row ``i - 1`` is the whole mask of instance ``i``, hidden parts included, where objects
        overlap in projection; None where the visible mask is all there is.
    groups : (H, W) int32
        Aggregate, colony or film that a pixel belongs to; 0 is none. A click there may mean either.
    kind : str
        Name of the generator, one of `KINDS` or `MORE_KINDS`.
    params : dict
        What was drawn for this image, for tables and for debugging.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.int32]
    materials: NDArray[np.uint8]
    overlapping: MaskRuns | None
    groups: NDArray[np.int32]
    kind: str
    params: dict[str, Any]


@dataclass(frozen=True)
class Draft:
    """An ideal scene, before the instrument. `full` maps a label to its whole mask."""

    image: NDArray[np.float32]
    labels: NDArray[np.int32]
    materials: NDArray[np.uint8]
    groups: NDArray[np.int32] | None = None
    full: dict[int, Window] | None = None
    params: dict[str, Any] = field(default_factory=dict)


def windows(labels: NDArray[np.int32]) -> dict[int, Window]:
    """Cut out the mask of each label present."""
    return {
        i: (box[0].start, box[1].start, np.asarray(labels[box] == i))
        for i, box in enumerate(find_objects(labels), start=1)
        if box is not None
    }


@njit(cache=True, nogil=True)
def _components(
    labels: NDArray[np.int32],
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
    """4-connected components of equal, non-zero labels: map, sizes and label of each."""
    h, w = labels.shape
    parent = np.empty(h * w // 2 + 2, np.int32)
    out = np.zeros((h, w), np.int32)
    n = 1
    parent[0] = 0
    for y in range(h):
        for x in range(w):
            value = labels[y, x]
            if value == 0:
                continue
            left = out[y, x - 1] if x > 0 and labels[y, x - 1] == value else 0
            up = out[y - 1, x] if y > 0 and labels[y - 1, x] == value else 0
            if left == 0 and up == 0:
                parent[n] = n
                out[y, x] = n
                n += 1
                continue
            a, b = left, up
            while parent[a] != a:
                a = parent[a]
            while parent[b] != b:
                b = parent[b]
            if a == 0:
                out[y, x] = b
            elif b == 0:
                out[y, x] = a
            else:
                low, high = min(a, b), max(a, b)
                parent[high] = low
                out[y, x] = low
    dense = np.zeros(n, np.int32)
    count = 0
    for i in range(1, n):
        root = parent[i]
        while parent[root] != root:
            root = parent[root]
        parent[i] = root
        if root == i:
            count += 1
            dense[i] = count
    sizes = np.zeros(count + 1, np.int64)
    owner = np.zeros(count + 1, np.int32)
    for y in range(h):
        for x in range(w):
            if out[y, x] > 0:
                c = dense[parent[out[y, x]]]
                out[y, x] = c
                sizes[c] += 1
                owner[c] = labels[y, x]
    return out, sizes, owner


def connected(
    labels: NDArray[np.int32], min_pixels: int, split: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Relabel 1..N so that each label is one 4-connected piece of at least `min_pixels` px.

    Parameters
    ----------
    labels : (H, W) int32
        Labels that may be in pieces.
    min_pixels : int
        Smaller pieces become background, px.
    split : bool
        Make every piece an instance of its own; else only the largest of each label stays.

    Returns
    -------
    labels : (H, W) int32
        The new labels.
    origin : (N + 1,) int32
        Old label of each new one; ``origin[0]`` is 0.
    """
    pieces, sizes, owner = _components(np.ascontiguousarray(labels))
    keep = sizes >= min_pixels
    keep[0] = False
    if not split:
        order = np.lexsort((-sizes, owner))
        first = np.ones(order.size, bool)
        first[1:] = owner[order][1:] != owner[order][:-1]
        largest = np.zeros(order.size, bool)
        largest[order[first]] = True
        keep &= largest
    kept = np.flatnonzero(keep)
    lut = np.zeros(sizes.size, np.int32)
    lut[kept] = np.arange(1, kept.size + 1, dtype=np.int32)
    return lut[pieces], np.concatenate([np.zeros(1, np.int32), owner[kept]])


def finish(
    draft: Draft, image: NDArray[np.float32], kind: str, min_pixels: int, split: bool
) -> Scene:
    """Make the truth of a draft exact: connected masks, numbered without gaps.

    Parameters
    ----------
    draft : Draft
        Truth as painted.
    image : (H, W) float32
        What the instrument made of ``draft.image``.
    kind : str
        Name of the generator.
    min_pixels : int
        Instances with fewer visible pixels are dropped, px.
    split : bool
        See `connected`; ignored where the draft has whole masks.
    """
    labels, origin = connected(draft.labels, min_pixels, split and draft.full is None)
    overlapping = None
    if draft.full is not None:
        builder = RunsBuilder(labels.shape)
        seeds = _first_pixels(labels, origin.size)
        for new, old in enumerate(origin.tolist()):
            if new > 0:
                y0, x0, window = draft.full[old]
                y, x = seeds[new, 0] - y0, seeds[new, 1] - x0
                builder.add(np.ascontiguousarray(_piece(window, int(y), int(x))), y0, x0)
        overlapping = builder.build()
    groups = draft.groups if draft.groups is not None else np.zeros(labels.shape, np.int32)
    params = {**draft.params, "objects": int(origin.size - 1)}
    return Scene(image, labels, draft.materials, overlapping, groups, kind, params)


@njit(cache=True, nogil=True)
def _first_pixels(labels: NDArray[np.int32], n: int) -> NDArray[np.int64]:
    """One pixel (y, x) of each label below `n`."""
    out = np.zeros((n, 2), np.int64)
    for y in range(labels.shape[0] - 1, -1, -1):
        for x in range(labels.shape[1] - 1, -1, -1):
            out[labels[y, x], 0] = y
            out[labels[y, x], 1] = x
    return out


def _piece(window: NDArray[np.bool_], y: int, x: int) -> NDArray[np.bool_]:
    """Cut out the 4-connected piece of a mask that holds (y, x)."""
    pieces, sizes, _ = _components(window.astype(np.int32))
    if sizes.size <= 2:
        return window
    return np.asarray(pieces == pieces[y, x])
