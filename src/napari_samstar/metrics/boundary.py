"""Where regions end, and how well outlines agree."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.masks import Masks, paired_runs
from napari_samstar.runs import MaskRuns, RunsBuilder

__all__ = ["band_width", "boundary_agreement", "boundary_bands"]


def band_width(shape: tuple[int, int], ratio: float = 0.02) -> int:
    """Width of a boundary band, px: `ratio` of the image's diagonal, at least 1."""
    return max(1, round(ratio * float(np.hypot(*shape))))


def boundary_bands(runs: MaskRuns, ratio: float = 0.02) -> MaskRuns:
    """Give the pixels of each mask that lie near its outside.

    Parameters
    ----------
    runs : MaskRuns
        N masks.
    ratio : float
        Width of the band as a share of the image's diagonal.

    Returns
    -------
    MaskRuns
        N masks: pixels within `band_width` of a pixel outside, counting diagonal steps as 1. What
        lies beyond the border of the image is outside.

    References
    ----------
    Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021.
    """
    import cv2

    side = 2 * band_width(runs.shape, ratio) + 1
    square = np.ones((side, side), np.uint8)
    builder = RunsBuilder(runs.shape)
    for i, box in enumerate(runs.boxes().tolist()):
        mask = runs.window(i, box)
        core: Any = cv2.erode(
            mask.view(np.uint8), square, borderType=cv2.BORDER_CONSTANT, borderValue=(0,)
        )
        builder.add(mask & (core == 0), y0=box[1], x0=box[0])
    return builder.build()


def boundary_agreement(
    predicted: Masks, truth: Masks, tolerance: float | None = None
) -> dict[str, float]:
    """Score outlines, whatever they enclose.

    Parameters
    ----------
    predicted, truth : label image, stack or sequence of (H, W) bool, or MaskRuns
        What was found and what is there.
    tolerance : float, optional
        How far apart two outlines may run, px; 0.75 % of the image's diagonal by default, but at
        least 1.

    Returns
    -------
    dict
        ``boundary_precision``: share of the predicted outlines' pixels with a true outline within
        the tolerance. ``boundary_recall``: the same for true outlines. ``boundary_f``: their
        harmonic mean. Where there is no outline on either side, all are 1.

    Raises
    ------
    SamStarError
        If the two do not have the same height and width.

    References
    ----------
    Martin, Fowlkes and Malik, "Learning to detect natural image boundaries using local brightness,
    color, and texture cues", IEEE TPAMI 26 (2004).
    """
    found_runs, true_runs = paired_runs(predicted, truth)
    found, there = _outlines(found_runs), _outlines(true_runs)
    if tolerance is None:
        tolerance = max(1.0, 0.0075 * float(np.hypot(*true_runs.shape)))
    precision, recall = _share_near(found, there, tolerance), _share_near(there, found, tolerance)
    both = precision + recall
    return {
        "boundary_f": 2 * precision * recall / both if both else 0.0,
        "boundary_precision": precision,
        "boundary_recall": recall,
    }


def _outlines(runs: MaskRuns) -> NDArray[np.bool_]:
    """Pixels of any mask beside a pixel outside it; the border of the image is no outline."""
    import cv2

    height, width = runs.shape
    cross = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)
    out = np.zeros(runs.shape, np.bool_)
    areas = runs.areas()
    for i, (x0, y0, x1, y1) in enumerate(runs.boxes().tolist()):
        if areas[i] == 0:
            continue
        x0, y0, x1, y1 = (
            max(x0 - 1, 0),
            max(y0 - 1, 0),
            min(x1 + 1, width - 1),
            min(y1 + 1, height - 1),
        )
        mask = runs.window(i, (x0, y0, x1, y1))
        core: Any = cv2.erode(mask.view(np.uint8), cross, borderType=cv2.BORDER_REPLICATE)
        out[y0 : y1 + 1, x0 : x1 + 1] |= mask & (core == 0)
    return out


def _share_near(outlines: NDArray[np.bool_], others: NDArray[np.bool_], tolerance: float) -> float:
    import cv2

    if not outlines.any() or not others.any():
        return float(outlines.any() == others.any())
    free: Any = (~others).view(np.uint8)
    distance = cv2.distanceTransform(free, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return float((distance[outlines] <= tolerance).mean())
