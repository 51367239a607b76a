"""Masks as people hand them over: lists or stacks of arrays, label images, run lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.labels import index_labels, label_runs
from napari_samstar.runs import MaskRuns
from napari_samstar.types import SamStarError

__all__ = ["Masks", "mask_runs", "paired_runs"]

Masks = MaskRuns | NDArray[Any] | Sequence[NDArray[Any]]


def mask_runs(masks: Masks, shape: tuple[int, int] | None = None) -> MaskRuns:
    """Give masks of any form as run lengths, in their order.

    Parameters
    ----------
    masks : MaskRuns, (N, H, W) bool, sequence of (H, W) bool, or (H, W) int
        A label image gives one mask per label, by ascending label, and a single (H, W) bool one
        mask. Whole numbers in stacks and sequences count as set where they are not 0.
    shape : tuple of int, optional
        Height and width that the masks must have, px; needed where there may be none.

    Raises
    ------
    SamStarError
        If they are none of these, or differ in height or width.
    """
    if isinstance(masks, MaskRuns):
        runs = masks
    elif isinstance(masks, np.ndarray) and masks.ndim == 2:
        index, ids = index_labels(masks)
        runs = label_runs(index, ids.size)
    else:
        runs = _stacked(masks, shape)
    if shape is not None and runs.shape != shape:
        raise SamStarError(
            f"The masks are {runs.shape[1]} x {runs.shape[0]} px, where {shape[1]} x {shape[0]} px "
            "are needed: they must belong together."
        )
    return runs


def paired_runs(first: Masks, second: Masks) -> tuple[MaskRuns, MaskRuns]:
    """Give two sets of masks of one image as run lengths.

    Parameters
    ----------
    first, second : as for `mask_runs`
        A list without masks has the height and width of the other.

    Raises
    ------
    SamStarError
        If they are no masks, or differ in height or width.
    """
    there = mask_runs(second)
    if _sizeless(there):
        one = mask_runs(first)
        return one, MaskRuns.empty(one.shape)
    if not isinstance(first, np.ndarray) and len(first) == 0:
        one = mask_runs(first)
        if _sizeless(one):
            return MaskRuns.empty(there.shape), there
    return mask_runs(first, there.shape), there


def _sizeless(runs: MaskRuns) -> bool:
    return len(runs) == 0 and runs.shape == (0, 0)


def _stacked(
    masks: Sequence[NDArray[Any]] | NDArray[Any], shape: tuple[int, int] | None
) -> MaskRuns:
    if isinstance(masks, np.ndarray) and masks.ndim != 3:
        raise SamStarError(
            f"Masks come as a stack (N, H, W) or a list of (H, W), not as an array {masks.shape}."
        )
    if shape is None and isinstance(masks, np.ndarray):
        shape = int(masks.shape[1]), int(masks.shape[2])
    rows = []
    for mask in masks:
        dense = np.asarray(mask)
        if dense.ndim != 2 or dense.dtype.kind not in "biu":
            raise SamStarError(
                "A mask is a two-dimensional array of true and false; "
                f"one of these has {dense.ndim} dimensions of type {dense.dtype}."
            )
        shape = shape or (int(dense.shape[0]), int(dense.shape[1]))
        if dense.shape != shape:
            raise SamStarError(
                f"The masks must be of one size: {dense.shape[1]} x {dense.shape[0]} px is not "
                f"{shape[1]} x {shape[0]} px."
            )
        rows.append(_encode(dense))
    return MaskRuns.from_rows(rows, shape or (0, 0))


def _encode(mask: NDArray[Any]) -> NDArray[np.uint32]:
    """Run lengths of one mask, ten times as fast as pixel by pixel: most words are all 0 or 1."""
    import cv2

    if mask.size == 0:
        return np.zeros(1, np.uint32)
    set_pixels = np.ascontiguousarray(mask.astype(bool, copy=False))
    # runs go down the columns, which must lie together in memory
    pixels = np.asarray(cv2.transpose(set_pixels.view(np.uint8)), np.uint8).reshape(-1)
    changes = _changes(pixels, pixels[: pixels.size // 8 * 8].view(np.uint64))
    return np.diff(changes, prepend=0, append=pixels.size).astype(np.uint32)


@njit(cache=True, nogil=True)
def _changes(pixels: NDArray[np.uint8], words: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Positions where `pixels`, 0 or 1, differ from the one before; `words` is eight at a time."""
    out = np.empty(256, np.int64)
    n = 0
    value = 0
    ones = np.uint64(0x0101010101010101)
    same = np.uint64(0)  # eight pixels of `value`
    for w in range(words.size + 1):
        if w < words.size and words[w] == same:
            continue
        for p in range(8 * w, min(8 * w + 8, pixels.size)):
            if pixels[p] != value:
                if n == out.size:
                    more = np.empty(2 * n, np.int64)
                    more[:n] = out
                    out = more
                out[n] = p
                n += 1
                value = 1 - value
                same = ones - same
    return out[:n].copy()
