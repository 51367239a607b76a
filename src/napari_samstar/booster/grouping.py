"""How many groups there are among masks, and which mask is in which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster
from scipy.spatial.distance import pdist

__all__ = ["choose_count", "cut_tree", "rejoined", "silhouette", "stability"]

Rows = NDArray[np.float64]


def cut_tree(links: Rows, count: int) -> NDArray[np.int64]:
    """Cut into groups (K,) from 0; `count` of them where the tree can be cut so."""
    return np.asarray(fcluster(links, count, "maxclust"), np.int64) - 1


def choose_count(links: Rows, near: float, far: float, most: int) -> tuple[int, int]:
    """Cut the tree at its widest gap between `near` and `far`.

    Merges below `near` are always made, those above `far` never; between the two the widest gap of
    the logarithm of the heights decides.

    Returns
    -------
    count, runner_up : int
        The best and the second best number of groups; equal where only one is possible.
    """
    heights = np.sort(links[:, 2])[::-1]
    gaps = np.full(min(most, heights.size + 1), -np.inf)
    for count in range(1, gaps.size + 1):
        upper = min(heights[count - 2] if count > 1 else np.inf, far)
        lower = max(heights[count - 1] if count <= heights.size else 0.0, near)
        gaps[count - 1] = np.log(max(upper, 1e-9) / max(lower, 1e-9))
    order = np.argsort(-gaps, kind="stable")
    best = int(order[0]) + 1
    second = int(order[1]) + 1 if gaps.size > 1 and gaps[order[1]] > 0 else best
    return best, second


def rejoined(
    groups: NDArray[np.int64], vectors: Rows, worth: Rows, least: float
) -> NDArray[np.int64]:
    """Join groups whose mean vectors are nearer than `least`, the nearest first.

    Parameters
    ----------
    groups : (K,) int
        Group of each mask, from 0.
    vectors : (K, D) float64
        Of the masks; those with NaN say nothing.
    worth : (K,) float64
        How much each counts.
    least : float
        Least distance of two groups that stay.

    Returns
    -------
    (K,) int
        From 0, in the order of the groups.
    """
    groups, known = groups.copy(), np.isfinite(vectors).all(1)
    while True:
        names = np.unique(groups[known])
        if names.size < 2:
            break
        members = [known & (groups == name) for name in names]
        means = np.stack([np.average(vectors[m], 0, worth[m]) for m in members])
        apart = pdist(means)
        if apart.min() >= least:
            break
        i, j = (int(row[apart.argmin()]) for row in np.triu_indices(names.size, 1))
        groups[groups == names[j]] = names[i]
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)


def silhouette(distances: Rows, groups: NDArray[np.int64], mine: NDArray[np.intp]) -> float:
    """Mean silhouette (Rousseeuw, J. Comput. Appl. Math. 20, 53, 1987), each mask counting once.

    Parameters
    ----------
    distances : (P, P) float64
        Between points, several of each mask.
    groups : (P,) int
        Group of each point.
    mine : (P,) int
        Mask of each point, from 0.
    """
    labels = np.unique(groups)
    if labels.size < 2:
        return 0.0
    member = groups[:, None] == labels[None]
    sums = distances @ member
    sizes = member.sum(0)
    own = member.argmax(1)
    rows = np.arange(len(groups))
    inner = sums[rows, own] / np.maximum(sizes[own] - 1, 1)
    means = sums / sizes
    means[rows, own] = np.inf
    outer = means.min(1)
    values = np.where(
        sizes[own] > 1, (outer - inner) / np.maximum(np.maximum(outer, inner), 1e-12), 0
    )
    return float(np.mean(np.bincount(mine, values) / np.bincount(mine)))


def stability(groupings: list[NDArray[np.int64]], reference: NDArray[np.int64]) -> float:
    """Mean adjusted Rand index of groupings of resampled crops against the reference."""
    from sklearn.metrics import adjusted_rand_score

    return float(np.mean([adjusted_rand_score(reference, other) for other in groupings]))
