"""How well objects were found: predicted instances against true ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching, min_weight_full_bipartite_matching

from napari_samstar.labels import index_labels, label_runs
from napari_samstar.runs import MaskRuns
from napari_samstar.types import SamStarError

__all__ = ["THRESHOLDS", "instance_overlaps", "match", "matched_iou"]

#: IoU thresholds at which found objects are counted, as COCO does.
THRESHOLDS = tuple(round(0.5 + 0.05 * k, 2) for k in range(10))


def matched_iou(predicted: NDArray[Any] | MaskRuns, truth: NDArray[Any]) -> dict[str, Any]:
    """Score predicted objects against a true label image.

    Parameters
    ----------
    predicted : (H, W) int, or MaskRuns
        A label image, or masks that may overlap; empty masks do not count.
    truth : (H, W) int
        One positive value per true object, 0 is background.

    Returns
    -------
    dict
        ``matched_iou``: mean IoU over all true objects, each with at most one prediction, chosen
        for the largest sum (Hungarian matching); a missed object counts 0.
        ``best_iou``: the same with every true object's best prediction, shared or not: what a
        perfect choice among overlapping masks could reach.
        ``n_truth``, ``n_predicted``; ``n_spurious``: predictions without an object at IoU 0.5.
        ``thresholds`` and, one value each, ``precision``, ``recall``, ``f1``, ``ap``
        (TP / (TP + FP + FN), as for StarDist and Cellpose; SAM's masks carry no calibrated
        confidence to rank by); ``mean_ap`` over thresholds.
        ``pq``, ``sq``, ``rq``: panoptic quality, its segmentation and recognition parts, over
        pairs above IoU 0.5.
        Scores lie in [0, 1]; where both sides are empty, they are 1.

    Raises
    ------
    SamStarError
        If the two do not have the same height and width.

    References
    ----------
    Kirillov et al., "Panoptic Segmentation", CVPR 2019; Schmidt et al., "Cell Detection with
    Star-Convex Polygons", MICCAI 2018.
    """
    first, second, iou, n_predicted, n_truth = instance_overlaps(predicted, truth)
    if n_truth == 0 and n_predicted == 0:
        mean = best_mean = 1.0
    else:
        pairs = match(first, second, iou, n_predicted, n_truth)
        best = np.zeros(n_truth)
        np.maximum.at(best, second, iou)
        mean = float(iou[pairs].sum()) / max(n_truth, 1)
        best_mean = float(best.sum()) / max(n_truth, 1)
    found = np.array(
        [_count_pairs(first, second, iou >= t, n_predicted, n_truth) for t in THRESHOLDS]
    )
    precision = _ratio(found, n_predicted, n_truth == 0)
    recall = _ratio(found, n_truth, n_predicted == 0)
    f1 = _ratio(2 * found, n_predicted + n_truth, True)
    ap = _ratio(found, n_predicted + n_truth - found, True)
    clear = iou > 0.5
    kept = match(first[clear], second[clear], iou[clear], n_predicted, n_truth, most_pairs=True)
    rq = float(_ratio(np.array(2 * kept.size), n_predicted + n_truth, True))
    sq = float(iou[clear][kept].mean()) if kept.size else float(n_truth == n_predicted == 0)
    return {
        "matched_iou": mean,
        "best_iou": best_mean,
        "n_truth": n_truth,
        "n_predicted": n_predicted,
        "n_spurious": int(n_predicted - found[0]),
        "thresholds": list(THRESHOLDS),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "ap": ap.tolist(),
        "mean_ap": float(ap.mean()),
        "pq": sq * rq,
        "sq": sq,
        "rq": rq,
    }


def instance_overlaps(
    predicted: NDArray[Any] | MaskRuns, truth: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], int, int]:
    """Find every pair of a predicted and a true object that share a pixel.

    Parameters
    ----------
    predicted, truth
        As for `matched_iou`.

    Returns
    -------
    first, second : (K,) int64
        Predicted and true object of each pair, from 0: for label images by ascending label, for
        masks in their order, empty ones left out.
    iou : (K,) float64
        Intersection over union of each pair.
    n_predicted, n_truth : int
        Number of objects.

    Raises
    ------
    SamStarError
        If the two do not have the same height and width.
    """
    truth_index, truth_ids = index_labels(truth)
    if isinstance(predicted, MaskRuns):
        runs = predicted.take(np.flatnonzero(predicted.areas() > 0))
    else:
        index, ids = index_labels(predicted)
        runs = label_runs(index, ids.size)
    if runs.shape != truth_index.shape:
        raise SamStarError(
            f"The masks are {runs.shape[1]} x {runs.shape[0]} px and the truth is "
            f"{truth_index.shape[1]} x {truth_index.shape[0]} px: they must belong together."
        )
    n_truth = truth_ids.size
    # read along columns, as the runs are
    flat = np.ascontiguousarray(truth_index.T).ravel()
    first, second, shared = _shared_pixels(runs.counts, runs.offsets, flat, n_truth)
    truth_areas = np.bincount(flat, minlength=n_truth + 1)[1:]
    union = runs.areas()[first] + truth_areas[second] - shared
    return first, second, shared / union, len(runs), n_truth


def match(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    iou: NDArray[np.float64],
    n_predicted: int,
    n_truth: int,
    most_pairs: bool = False,
) -> NDArray[np.int64]:
    """Choose pairs, each object in one at most, with the largest sum of IoU.

    Parameters
    ----------
    first, second, iou, n_predicted, n_truth
        As from `instance_overlaps`.
    most_pairs : bool
        Look for as many pairs as possible first, for their sum second.

    Returns
    -------
    (M,) int64
        Positions of the chosen pairs in `first`, `second`, `iou`.
    """
    # two that meet nobody else need no search, whose time grows with the square of their number
    lone = (np.bincount(first, minlength=n_predicted)[first] == 1) & (
        np.bincount(second, minlength=n_truth)[second] == 1
    )
    rest = np.flatnonzero(~lone)
    truths, of_truth = np.unique(second[rest], return_inverse=True)
    masks, of_mask = np.unique(first[rest], return_inverse=True)
    chosen = _matched(of_mask, of_truth, iou[rest], masks.size, truths.size, most_pairs)
    return np.sort(np.concatenate([np.flatnonzero(lone), rest[chosen]]))


def _matched(
    first: NDArray[np.intp],
    second: NDArray[np.intp],
    iou: NDArray[np.float64],
    n_predicted: int,
    n_truth: int,
    most_pairs: bool,
) -> NDArray[np.intp]:
    if first.size == 0:
        return np.zeros(0, np.intp)
    # a true object may stay alone at the cost of its own spare column, so that a matching exists;
    # only pairs that overlap are edges: thousands of objects need no dense table
    alone = n_truth + 2.0 if most_pairs else 2.0
    rows = np.concatenate([second, np.arange(n_truth)])
    columns = np.concatenate([first, n_predicted + np.arange(n_truth)])
    costs = np.concatenate([2.0 - iou, np.full(n_truth, alone)])
    graph = coo_matrix((costs, (rows, columns)), shape=(n_truth, n_predicted + n_truth)).tocsr()
    truths, chosen = min_weight_full_bipartite_matching(graph)
    taken = np.full(n_truth, -1, np.int64)
    taken[truths] = chosen
    return np.flatnonzero(taken[second] == first)


def _count_pairs(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    allowed: NDArray[np.bool_],
    n_predicted: int,
    n_truth: int,
) -> int:
    """Most pairs that can be made of the `allowed` ones."""
    if not allowed.any():
        return 0
    edges = (np.ones(int(allowed.sum()), np.int8), (first[allowed], second[allowed]))
    graph = coo_matrix(edges, shape=(n_predicted, n_truth)).tocsr()
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())


def _ratio(part: NDArray[Any], whole: Any, when_empty: bool) -> NDArray[np.float64]:
    """Divide; nothing out of nothing is perfect where that is what there was to find."""
    whole = np.broadcast_to(np.asarray(whole, np.float64), part.shape)
    empty = np.full(part.shape, float(when_empty))
    return np.asarray(np.divide(part, whole, out=empty, where=whole > 0))


@njit(cache=True, nogil=True)
def _shared_pixels(
    counts: NDArray[np.uint32],
    offsets: NDArray[np.int64],
    truth: NDArray[np.int32],
    n_truth: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Mask, true object and shared pixels of each pair, masks ascending."""
    capacity = 1024
    found = np.empty((capacity, 3), np.int64)
    n = 0
    shared = np.zeros(n_truth + 1, np.int64)
    met = np.empty(n_truth + 1, np.int64)  # true objects that this mask meets
    for i in range(offsets.size - 1):
        n_met = 0
        position = 0
        for k in range(offsets[i], offsets[i + 1]):
            length = int(counts[k])
            if (k - offsets[i]) % 2 == 1:
                for p in range(position, position + length):
                    value = truth[p]
                    if value > 0:
                        if shared[value] == 0:
                            met[n_met] = value
                            n_met += 1
                        shared[value] += 1
            position += length
        while n + n_met > capacity:
            capacity *= 2
            larger = np.empty((capacity, 3), np.int64)
            larger[:n] = found[:n]
            found = larger
        for value in met[:n_met]:
            found[n, 0], found[n, 1], found[n, 2] = i, value - 1, shared[value]
            shared[value] = 0
            n += 1
    return found[:n, 0].copy(), found[:n, 1].copy(), found[:n, 2].copy()
