"""The reward layer: physics judges single masks, where SAM knows only its predicted IoU.

Every mask gets a score from 0 to 1, a weighted mean of normalized terms (see `score`); the best are
kept one by one, unless better ones cover them already.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.columns import column
from napari_samstar.proposals.overlaps import keep, other_kind
from napari_samstar.proposals.quality import possible, quality
from napari_samstar.settings import Prior, RewardLayerSettings
from napari_samstar.types import Proposals

__all__ = ["expected_objects", "score", "select_ranked"]

# what one says of the coverage beforehand is a guess, and wrong masks count, too: so the sum of
# areas may be three times its upper end
_COVERAGE_SLACK = 3.0

_LEAST = 0.1  # expected quality that counts among the objects expected in an image

_TERMS = (
    "contrast",
    "edge",
    "solidity",
    "support",
    "circularity",
    "size",
    "predicted_iou",
    "stability",
)


def score(proposals: Proposals, layer: RewardLayerSettings) -> NDArray[np.float32]:
    """Judge every mask by itself.

    The score is the expected quality (see `proposals.quality`) as far as ``layer.learned`` says,
    and for the rest the weighted mean of these terms, each 0 to 1: contrast c / (c + 1) with the
    ring around, in the prior's polarity; edge e / (e + 2), where e is the fall of gray across the
    outline in units of the image's mean gradient; support, the share of the outline where gray
    falls; solidity; circularity; size, the logarithm of the area over that of 2^16 px; predicted
    IoU (1/2 where no network made the mask); stability (of regions: on how many methods agree; of
    SAM's masks: half of predicted IoU times stability). Without a prior polarity each mask takes
    that of its own outline. SAM's masks count by their predicted IoU as far as ``layer.trust``
    says. What only one kind of source shows, regions or SAM, loses up to ``layer.agreement``: the
    score is multiplied by 1 - agreement (1 - IoU), with the largest IoU with a mask of the other
    kind.

    Parameters
    ----------
    proposals : Proposals
        N masks.
    layer : RewardLayerSettings
        Weights and prior; the prior's diameters must be in px.

    Returns
    -------
    (N,) float32
        0 to 1; 0 for masks that the prior rules out (`proposals.quality.possible`).

    Raises
    ------
    SamStarError
        If the prior's sizes are not in px (see `Prior.diameter_px`).
    """
    if layer.learned == 1:
        return quality(proposals, layer.prior)
    weights = np.array([getattr(layer, name) for name in _TERMS], np.float32)
    blend: Any = _blend
    scores: NDArray[np.float32] = blend(
        _terms(proposals, layer.prior.polarity),
        weights / max(float(weights.sum()), 1e-9),
        proposals.predicted_iou,
        _confirmed(proposals),
        # without a share in the scores, quality need not be known
        quality(proposals, layer.prior) if layer.learned > 0 else np.zeros(0, np.float32),
        possible(proposals, layer.prior),
        layer.trust,
        layer.agreement,
        layer.learned,
    )
    return scores


@njit(cache=True, nogil=True)
def _blend(
    terms: Any,
    weights: Any,
    predicted_iou: Any,
    confirmed: Any,
    learned: Any,
    possible: Any,
    trust: float,
    agreement: float,
    share: float,
) -> Any:
    """Score of every mask, in one pass: a search asks for it once a candidate; see `score`."""
    scores = np.zeros(len(terms), np.float32)
    for i in range(len(terms)):
        if not possible[i]:
            continue
        score = 0.0
        for k in range(weights.size):
            score += terms[i, k] * weights[k]
        if not np.isnan(predicted_iou[i]):
            score = trust * min(max(predicted_iou[i], 0.0), 1.0) + (1 - trust) * score
        score *= 1 - agreement * (1 - confirmed[i])
        if share > 0:
            score += share * (learned[i] - score)
        scores[i] = score
    return scores


def expected_objects(proposals: Proposals, prior: Prior) -> float:
    """Sum of the squared `quality` of the best masks that do not overlap; memoized."""
    key = ("expected_objects", prior)
    if key not in proposals.columns:
        worth = quality(proposals, prior)
        layer = RewardLayerSettings(prior=prior, threshold=_LEAST)
        kept = select_ranked(proposals, np.arange(len(proposals)), worth, layer)
        proposals.columns[key] = float((worth[kept] ** 2).sum(dtype=np.float64))
    expected: float = proposals.columns[key]
    return expected


def _confirmed(proposals: Proposals) -> NDArray[np.float32]:
    """Largest IoU of each mask with one of the other kind, (N,); 1 where there is but one kind."""
    found = other_kind(proposals)
    return np.ones(len(proposals), np.float32) if found is None else found[0]


def _terms(proposals: Proposals, asked: str | None) -> NDArray[np.float32]:
    """All terms of every mask, (N, terms), memoized for each polarity."""
    key = ("layer", asked)
    if key in proposals.columns:
        known: NDArray[np.float32] = proposals.columns[key]
        return known
    contrast, flux = column(proposals, "contrast"), column(proposals, "flux")
    polarity = {"bright": 1.0, "dark": -1.0}.get(asked or "")
    sign: Any = np.sign(flux) if polarity is None else polarity
    contrast, fall = np.maximum(contrast * sign, 0), np.maximum(flux * sign, 0)
    by_network = ~np.isnan(proposals.predicted_iou)
    predicted = np.clip(np.nan_to_num(proposals.predicted_iou), 0, 1)
    steady = np.clip(np.nan_to_num(proposals.stability), 0, 1)
    terms = {
        "contrast": contrast / (contrast + 1),
        "edge": fall / (fall + 2),
        "solidity": column(proposals, "solidity"),
        "support": np.maximum(column(proposals, "support") * sign, 0),
        "circularity": column(proposals, "circularity"),
        "size": np.clip(np.log2(np.maximum(column(proposals, "area"), 1)) / 16, 0, 1),
        "predicted_iou": np.where(by_network, predicted, 0.5),
        # SAM's stability is near 1 for most masks; half of it, times its own estimate of the
        # mask's quality, stands beside regions on which a few methods agree
        "stability": np.where(by_network, 0.5 * predicted * steady, steady),
    }
    made = np.stack([terms[name] for name in _TERMS], axis=1).astype(np.float32)
    proposals.columns[key] = made
    return made


def select_ranked(
    proposals: Proposals,
    rows: NDArray[Any],
    scores: NDArray[np.float32],
    layer: RewardLayerSettings,
) -> NDArray[np.int64]:
    """Keep masks greedily, best first, none that shares too much with a better one.

    Parameters
    ----------
    proposals : Proposals
        All masks.
    rows : (K,) int
        Rows that may be kept.
    scores : (K,) float32
        Their scores; zeros and those under ``layer.threshold`` are never kept.
    layer : RewardLayerSettings
        ``max_overlap`` is the share of the smaller of two masks that both may cover. Where the
        prior knows the coverage, masks that would exceed three times its upper end are passed
        over.

    Returns
    -------
    (M,) int64
        Rows kept, best first; equal scores in the order of `rows`.
    """
    wanted = np.flatnonzero((scores > 0) & (scores >= layer.threshold))
    order = np.asarray(rows, np.int64)[wanted[_descending(scores[wanted])]]
    if order.size == 0:
        return order
    height, width = proposals.shape
    coverage = layer.prior.coverage
    budget = np.inf if coverage is None else _COVERAGE_SLACK * coverage[1] * height * width
    return keep(proposals, order, layer.max_overlap, budget)


def _descending(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Order of positive scores, equal ones as they come; several times faster than `argsort`.

    Bits of positive floats sort as the floats do, and whole numbers sort fastest.
    """
    bits = np.ascontiguousarray(scores, np.float32).view(np.uint32).astype(np.uint64)
    places = np.arange(scores.size, dtype=np.uint64)
    keys = ((np.uint64(0xFFFFFFFF) - bits) << np.uint64(32)) | places
    return (np.sort(keys) & np.uint64(0xFFFFFFFF)).astype(np.int64)
