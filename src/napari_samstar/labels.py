"""Label images: one positive whole number per object, 0 for background."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.runs import MaskRuns
from napari_samstar.types import Micrograph, SamStarError

__all__ = ["check_labels", "index_labels", "label_runs"]


def check_labels(labels: NDArray[Any], micrograph: Micrograph | None = None) -> NDArray[Any]:
    """Return `labels`, known to be a label image, and of the micrograph's size if one is given.

    Raises
    ------
    SamStarError
        If it is not two-dimensional, whole-numbered, free of negative values and of that size.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iub":
        raise SamStarError(
            "A label image is two-dimensional and holds whole numbers, one per object; "
            f"this one has {labels.ndim} dimensions of type {labels.dtype}."
        )
    if micrograph is not None and labels.shape != micrograph.shape:
        raise SamStarError(
            f"The label image is {labels.shape[1]} x {labels.shape[0]} px and the micrograph "
            f"'{micrograph.name}' is {micrograph.shape[1]} x {micrograph.shape[0]} px: they must "
            "belong together."
        )
    if labels.dtype.kind == "i" and int(labels.min(initial=0)) < 0:
        raise SamStarError(
            f"The label image holds {int(labels.min())}: labels are positive, 0 is background."
        )
    return labels


def index_labels(labels: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Give the labels of an image numbers without gaps.

    Parameters
    ----------
    labels : (H, W) int or bool
        0 is background.

    Returns
    -------
    index : (H, W) int32
        Position of each pixel's label in `ids`, plus 1; 0 is background.
    ids : (N,) int64
        The labels that occur, ascending.

    Raises
    ------
    SamStarError
        If `labels` is not such an image.
    """
    labels = check_labels(labels)
    if labels.size == 0:
        return np.zeros(labels.shape, np.int32), np.zeros(0, np.int64)
    top = int(labels.max())
    if top > 16 * labels.size + 1024 or top >= 2**31 - 1:  # too sparse to count in a table
        values, inverse = np.unique(labels, return_inverse=True)
        shift = 0 if values[0] == 0 else 1
        return (
            (inverse.reshape(labels.shape) + shift).astype(np.int32),
            values[1 - shift :].astype(np.int64),
        )
    plain = np.ascontiguousarray(labels, np.int32)
    ids = np.flatnonzero(_occurring(plain, top))
    if ids.size == top:
        return plain, ids
    table = np.zeros(top + 1, np.int32)
    table[ids] = np.arange(1, ids.size + 1)
    return np.asarray(_translate(plain, table)), ids


def label_runs(index: NDArray[np.int32], count: int) -> MaskRuns:
    """Give each of the regions 1 to `count` of an indexed label image as a mask.

    Parameters
    ----------
    index : (H, W) int32
        As from `index_labels`.
    count : int
        Number of regions; mask i is region i + 1.
    """
    counts, offsets = _column_runs(index, count)
    return MaskRuns(counts, offsets, (int(index.shape[0]), int(index.shape[1])))


# numpy would copy these images to 64 bits first


@njit(cache=True, nogil=True)
def _occurring(labels: NDArray[np.int32], top: int) -> NDArray[np.bool_]:
    """Whether each value from 0 to `top` occurs; 0 is not asked for."""
    out = np.zeros(top + 1, np.bool_)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            out[labels[y, x]] = True
    out[0] = False
    return out


@njit(cache=True, nogil=True)
def _translate(labels: NDArray[np.int32], table: NDArray[np.int32]) -> NDArray[np.int32]:
    out = np.empty_like(labels)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            out[y, x] = table[labels[y, x]]
    return out


@njit(cache=True, nogil=True)
def _column_runs(
    index: NDArray[np.int32], count: int
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    height, width = index.shape
    offsets = np.zeros(count + 1, np.int64)
    ends = np.zeros(
        count + 1, np.int64
    )  # flat column-major position after each region's last pixel
    for x in range(width):
        for y in range(height):
            region = index[y, x]
            if region > 0:
                position = x * height + y
                if ends[region] != position or position == 0:
                    offsets[region] += 2
                ends[region] = position + 1
    for region in range(1, count + 1):
        offsets[region] += offsets[region - 1] + int(ends[region] < height * width)
    counts = np.zeros(offsets[count], np.uint32)
    place = offsets[:-1].copy()
    ends[:] = 0
    for x in range(width):
        for y in range(height):
            region = index[y, x]
            if region > 0:
                position = x * height + y
                if ends[region] != position or position == 0:
                    counts[place[region - 1]] = position - ends[region]
                    place[region - 1] += 2
                counts[place[region - 1] - 1] += np.uint32(1)
                ends[region] = position + 1
    for region in range(1, count + 1):
        if ends[region] < height * width:
            counts[place[region - 1]] = height * width - ends[region]
    return counts, offsets
