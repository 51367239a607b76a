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
from napari_samstar.runs import _intersection
from napari_samstar.settings import RewardLayerSettings
from napari_samstar.types import Proposals, SamStarError

__all__ = ["score", "select_ranked"]

# what one says of the coverage beforehand is a guess: masks may exceed its upper end by half
_COVERAGE_SLACK = 1.5


def score(proposals: Proposals, layer: RewardLayerSettings) -> NDArray[np.float32]:
    """Judge every mask by itself.

    The score is the weighted mean of these terms, each 0 to 1: contrast c / (c + 1) with the ring
    around, in the prior's polarity; edge e / (e + 2), where e is the fall of gray across the
    outline in units of the image's mean gradient; support, the share of the outline where gray
    falls; solidity; circularity; size, the logarithm of the area over that of 2^16 px; predicted
    IoU (1/2 where no network made the mask); stability (of regions: on how many methods agree; of
    SAM's masks: half of predicted IoU times stability). Without a prior polarity each mask takes
    that of its own outline.

    Parameters
    ----------
    proposals : Proposals
        N masks.
    layer : RewardLayerSettings
        Weights and prior; the prior's diameters must be in px.

    Returns
    -------
    (N,) float32
        0 to 1; 0 for masks whose equivalent diameter is outside the prior's range.

    Raises
    ------
    SamStarError
        If the prior's sizes are not in px (see `Prior.diameter_px`).
    """
    contrast, flux = column(proposals, "contrast"), column(proposals, "flux")
    polarity = {"bright": 1.0, "dark": -1.0}.get(layer.prior.polarity or "")
    sign: Any = np.sign(flux) if polarity is None else polarity
    contrast, fall = np.maximum(contrast * sign, 0), np.maximum(flux * sign, 0)
    by_network = ~np.isnan(proposals.predicted_iou)
    known = np.clip(np.nan_to_num(proposals.predicted_iou), 0, 1)
    steady = np.clip(np.nan_to_num(proposals.stability), 0, 1)
    terms = {
        "contrast": contrast / (contrast + 1),
        "edge": fall / (fall + 2),
        "solidity": column(proposals, "solidity"),
        "support": np.maximum(column(proposals, "support") * sign, 0),
        "circularity": column(proposals, "circularity"),
        "size": np.clip(np.log2(np.maximum(column(proposals, "area"), 1)) / 16, 0, 1),
        "predicted_iou": np.where(by_network, known, 0.5),
        # SAM's stability is near 1 for most masks; half of it, times its own estimate of the
        # mask's quality, stands beside regions on which a few methods agree
        "stability": np.where(by_network, 0.5 * known * steady, steady),
    }
    weights = {name: float(getattr(layer, name)) for name in terms}
    total = np.zeros(len(proposals), np.float64)
    for name, weight in weights.items():
        if weight > 0:
            total += weight * terms[name]
    scores = total / max(sum(weights.values()), 1e-9)
    scores[~_of_size(proposals, layer)] = 0
    return scores.astype(np.float32)


def _of_size(proposals: Proposals, layer: RewardLayerSettings) -> NDArray[np.bool_]:
    prior = layer.prior
    diameter = column(proposals, "equivalent_diameter")
    if prior.diameter is None:
        return np.asarray(diameter > 0)
    if prior.size_unit != "px":
        raise SamStarError(
            f"The prior gives sizes in {prior.size_unit}: convert them to px with "
            "Prior.diameter_px before masks are judged."
        )
    return np.asarray((diameter >= prior.diameter[0]) & (diameter <= prior.diameter[1]))


@njit(cache=True, nogil=True)
def _keep(
    counts: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    areas: NDArray[np.int64],
    boxes: NDArray[np.int32],
    order: NDArray[np.int64],
    max_overlap: float,
    budget: float,
) -> Any:
    kept = np.empty(order.size, np.int64)
    m = 0
    covered = 0.0
    for i in order:
        if areas[i] == 0 or covered + areas[i] > budget:
            continue
        clear = True
        for k in range(m):
            j = kept[k]
            w = min(boxes[i, 2], boxes[j, 2]) - max(boxes[i, 0], boxes[j, 0]) + 1
            if w <= 0:
                continue
            h = min(boxes[i, 3], boxes[j, 3]) - max(boxes[i, 1], boxes[j, 1]) + 1
            if h <= 0:
                continue
            small = max_overlap * min(areas[i], areas[j])
            if int(w) * int(h) <= small:
                continue
            shared = _intersection(
                counts[offsets[i] : offsets[i + 1]], counts[offsets[j] : offsets[j + 1]]
            )
            if shared > small:
                clear = False
                break
        if clear:
            kept[m] = i
            covered += areas[i]
            m += 1
    return kept[:m].copy()


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
        prior knows the coverage, masks that would exceed its upper end by more than half are passed
        over.

    Returns
    -------
    (M,) int64
        Rows kept, best first; equal scores in the order of `rows`.
    """
    wanted = np.flatnonzero((scores > 0) & (scores >= layer.threshold))
    order = np.asarray(rows, np.int64)[wanted[np.argsort(-scores[wanted], kind="stable")]]
    if order.size == 0:
        return order
    height, width = proposals.shape
    coverage = layer.prior.coverage
    budget = np.inf if coverage is None else _COVERAGE_SLACK * coverage[1] * height * width
    kept = _keep(
        proposals.runs.counts,
        proposals.runs.offsets,
        column(proposals, "area").astype(np.int64),
        proposals.boxes,
        order,
        layer.max_overlap,
        budget,
    )
    return np.asarray(kept, np.int64)
