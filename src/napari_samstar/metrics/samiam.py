"""The measures of the SAM-I-Am paper, as its program computes them and as it prints them.

Each true mask is matched by every predicted mask of sufficient IoU, not by the best one alone, so
that fragments lower the mean, while spurious masks where there is nothing cost nothing. They serve
to compare with published numbers; `napari_samstar.metrics.instances` has measures without these
quirks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_samstar.masks import Masks, paired_runs
from napari_samstar.metrics.boundary import boundary_bands
from napari_samstar.metrics.overlaps import shared_pixels
from napari_samstar.runs import MaskRuns
from napari_samstar.types import SamStarError

__all__ = ["every_samiam_score", "samiam_scores"]

_READINGS: tuple[Literal["code", "paper"], ...] = ("code", "paper")
_REGIONS: tuple[Literal["mask", "boundary"], ...] = ("mask", "boundary")


def samiam_scores(
    predicted: Masks,
    truth: Masks,
    weights: Sequence[float] | NDArray[Any] | None = None,
    region: Literal["mask", "boundary"] = "mask",
    reading: Literal["code", "paper"] = "code",
) -> dict[str, float]:
    """Score predicted masks against true ones as the SAM-I-Am paper does.

    Parameters
    ----------
    predicted : (N, H, W) bool, sequence of (H, W) bool, MaskRuns, or (H, W) int
        Masks, which may overlap, or a label image.
    truth : as `predicted`
        True masks; label images give one mask per label, by ascending label. A list without masks
        has the height and width of the other.
    weights : (T,) float, optional
        Weight of each true mask; equal by default, and where the list is empty. The paper gives 10
        to easy ones, 1 to hard ones.
    region : {"mask", "boundary"}
        Compare whole masks, or only their bands along the boundary, 2 % of the diagonal wide.
        Which masks match is decided on whole masks either way.
    reading : {"code", "paper"}
        The published program's definitions, or those that the paper prints:

        =============  ==================================  ======================================
        ..             code                                paper
        =============  ==================================  ======================================
        a match        IoU > 0.05                          IoU >= 0.05
        mIoU           mean IoU of a true mask's matches, 0 without any; mean over true masks
        mRecall        likewise, of the share of the       areas first: mean TP over mean TP + FN
                       true mask                           (Eq. 4); a mask missed costs nothing
        mPrecision     likewise, of the share of the       mean TP over mean TP + FP (Eq. 5)
                       predicted mask
        mF1            likewise, of the Dice coefficient   not defined
        mFPR           sum of IoU over all matches but     the same divided by the number of
                       the best; may exceed 100 %          matches (Eq. 6)
        =============  ==================================  ======================================

    Returns
    -------
    dict
        ``mIoU``, ``mRecall``, ``mPrecision``, ``mFPR`` and, for the code, ``mF1``, in percent.
        Without true masks all are 0, or as for a perfect prediction if none was predicted either.

    Raises
    ------
    SamStarError
        If sizes or the number of weights disagree, or a choice is not known.

    Notes
    -----
    Two errors of the program are not followed, so its own numbers differ where they matter. Its
    mFPR leaves out masks that were the best so far when their turn came, so that it depends on
    the order of the masks. Its boundary scores replace a true mask by its band at the first match,
    so that later masks are matched against the band.

    References
    ----------
    Abebe et al., "SAM-I-Am: Semantic Boosting for Zero-shot Atomic-Scale Electron Micrograph
    Segmentation", 2024, section 4.2, Eq. 3-6.
    """
    if region not in _REGIONS or reading not in _READINGS:
        raise SamStarError(
            f"Scores are of the region mask or boundary in the reading code or paper, not of "
            f"{region!r} in {reading!r}."
        )
    found, true = paired_runs(predicted, truth)
    weight = _weights(weights, len(true))
    pairs = _matches(found, true)
    if region == "boundary":
        pairs = _bands(pairs, found, true)
    return _scores(pairs, weight, len(found), reading)


def every_samiam_score(predicted: Masks, truth: Masks) -> dict[str, float]:
    """Give `samiam_scores` of every reading and region, from one search for masks that meet.

    Parameters
    ----------
    predicted, truth : as for `samiam_scores`
        Masks or label images.

    Returns
    -------
    dict
        ``code_mask_mIoU`` to ``paper_boundary_mFPR``, percent.

    Raises
    ------
    SamStarError
        If sizes disagree.
    """
    found, true = paired_runs(predicted, truth)
    weight = _weights(None, len(true))
    masks = _matches(found, true)
    of = {"mask": masks, "boundary": _bands(masks, found, true)}
    return {
        f"{reading}_{region}_{name}": value
        for reading in _READINGS
        for region in _REGIONS
        for name, value in _scores(of[region], weight, len(found), reading).items()
    }


@dataclass(frozen=True)
class _Pairs:
    """Predicted and true masks that match, K pairs.

    Parameters
    ----------
    first, second : (K,) int64
        Where the predicted and the true mask stand.
    above : (K,) bool
        Whether the whole masks are above the limit, not just at it.
    shared, found, true : (K,) int64
        Pixels in both, in the predicted one, and in the true one.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    above: NDArray[np.bool_]
    shared: NDArray[np.int64]
    found: NDArray[np.int64]
    true: NDArray[np.int64]


def _matches(predicted: MaskRuns, truth: MaskRuns) -> _Pairs:
    """Pairs of whole masks with an IoU of 0.05 or more."""
    first, second, shared = shared_pixels(predicted, truth)
    found, true = predicted.areas()[first], truth.areas()[second]
    joint = found + true - shared
    above, kept = 20 * shared > joint, 20 * shared >= joint
    return _Pairs(first[kept], second[kept], above[kept], shared[kept], found[kept], true[kept])


def _bands(pairs: _Pairs, predicted: MaskRuns, truth: MaskRuns) -> _Pairs:
    """Give the same pairs with the pixels of their bands."""
    found, true = boundary_bands(predicted), boundary_bands(truth)
    return replace(
        pairs,
        shared=(found + true).intersections(pairs.first, pairs.second + len(found)),
        found=found.areas()[pairs.first],
        true=true.areas()[pairs.second],
    )


def _scores(
    pairs: _Pairs, weight: NDArray[np.float64], n_predicted: int, reading: Literal["code", "paper"]
) -> dict[str, float]:
    if weight.size == 0:
        best = 100.0 * float(n_predicted == 0)
        names = ("mIoU", "mRecall", "mPrecision", *(("mF1",) if reading == "code" else ()))
        return {**dict.fromkeys(names, best), "mFPR": 0.0}
    kept = pairs.above if reading == "code" else np.ones(pairs.above.size, bool)
    second, shared = pairs.second[kept], pairs.shared[kept]
    found, true = pairs.found[kept], pairs.true[kept]

    def sums(values: NDArray[Any]) -> NDArray[np.float64]:
        """Sum over the matches of each true mask."""
        return np.bincount(second, values, minlength=weight.size).astype(np.float64)

    matches = np.maximum(sums(np.ones(second.size)), 1)

    def mean(values: NDArray[Any]) -> float:
        """Mean over matches, then over true masks."""
        return float(weight @ (sums(values) / matches))

    iou = shared / (found + true - shared)
    best_iou = np.zeros(weight.size)
    np.maximum.at(best_iou, second, iou)
    rest = sums(iou) - best_iou
    if reading == "code":
        scores = {
            "mIoU": mean(iou),
            "mRecall": mean(shared / true),
            "mPrecision": mean(shared / found),
            "mF1": mean(2 * shared / (found + true)),
            "mFPR": float(weight @ rest),
        }
    else:
        scores = {
            "mIoU": mean(iou),
            "mRecall": _ratio(mean(shared), mean(true)),
            "mPrecision": _ratio(mean(shared), mean(found)),
            "mFPR": float(weight @ (rest / matches)),
        }
    return {name: 100.0 * score for name, score in scores.items()}


def _weights(weights: Sequence[float] | NDArray[Any] | None, count: int) -> NDArray[np.float64]:
    """Weights that sum to 1."""
    given = np.ones(count) if weights is None else np.asarray(weights, np.float64)
    if given.size == 0:
        given = np.ones(count)
    if given.shape != (count,):
        raise SamStarError(f"There are {given.size} weights for {count} true masks: give one each.")
    if not np.isfinite(given).all() or (given < 0).any() or (count > 0 and given.sum() == 0):
        raise SamStarError("The weights of true masks must be positive numbers.")
    return np.asarray(given / max(given.sum(), np.finfo(float).tiny))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
