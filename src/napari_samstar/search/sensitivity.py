"""Which parameter mattered, learned from all candidates that a search has tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_samstar.search.pareto import Front

__all__ = ["sensitivity"]

_FEWEST = 20  # candidates; of fewer a forest learns nothing
_MOST = 2000  # candidates that are looked at, for speed
_TREES = 50
_FOLDS = 3
_SHUFFLES = 3


def sensitivity(front: Front, *, seed: int = 0) -> dict[str, dict[str, float]]:
    """Say how much each parameter mattered for each objective.

    A forest of extremely randomized trees (Geurts et al., Mach. Learn. 63, 3-42 (2006)) learns the
    rewards from the genes. On candidates that it has not seen, one gene at a time is shuffled, and
    the error that this adds is the gene's importance (permutation importance: Breiman, "Random
    forests", Mach. Learn. 45, 5-32 (2001), section 10), here divided by twice the variance of the
    reward. Two parameters that always changed together share what they explain.

    Parameters
    ----------
    front : Front
        A search's result: all its candidates count, not just those on the front.
    seed : int
        Of the forest and the shuffles; the same seed gives the same figures.

    Returns
    -------
    dict
        Objective to parameter to importance, about the share of the reward's variation that goes
        with the parameter, 0 to 1. All 0 for under 20 candidates, or where a reward never changed.
    """
    tried = [c for c in front.evaluated if not c.error]
    if len(tried) > _MOST:
        tried = [tried[i] for i in np.linspace(0, len(tried) - 1, _MOST).astype(int)]
    names = list(tried[0].genes) if tried else []
    result = {objective: dict.fromkeys(names, 0.0) for objective in front.objectives}
    if len(tried) < _FEWEST:
        return result
    columns = [_column([c.genes.get(name) for c in tried]) for name in names]
    genes = np.stack(columns, axis=1)
    varied = np.flatnonzero(np.ptp(genes, axis=0) > 0)
    rewards = np.array([c.rewards for c in tried], np.float64)
    spread = rewards.var(axis=0)
    explained = _added_error(genes[:, varied], rewards / np.sqrt(np.maximum(spread, 1e-12)), seed)
    explained = np.where(spread > 1e-12, np.clip(explained / 2, 0, 1), 0.0)
    for place, gene in enumerate(varied):
        for m, objective in enumerate(front.objectives):
            result[objective][names[gene]] = float(explained[place, m])
    return result


def _column(values: Sequence[Any]) -> NDArray[np.float64]:
    """Ranks of numbers, which suits any scale, or codes of choices."""
    from scipy.stats import rankdata

    if all(isinstance(v, (int, float)) for v in values):
        return np.asarray(rankdata(np.array(values, np.float64)), np.float64)
    codes = {v: float(i) for i, v in enumerate(dict.fromkeys(map(str, values)))}
    return np.array([codes[str(v)] for v in values])


def _added_error(
    genes: NDArray[np.float64], rewards: NDArray[np.float64], seed: int
) -> NDArray[np.float64]:
    """Mean squared error that shuffling one gene adds, (genes, objectives)."""
    from sklearn.ensemble import ExtraTreesRegressor

    rng = np.random.default_rng(seed)
    n, n_genes = genes.shape
    fold = rng.permutation(np.arange(n) % _FOLDS)
    added = np.zeros((n_genes, rewards.shape[1]))
    if n_genes == 0:
        return added
    for k in range(_FOLDS):
        test, train = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        forest = ExtraTreesRegressor(
            _TREES, min_samples_leaf=3, max_features=1.0, random_state=seed + k
        ).fit(genes[train], rewards[train])
        # all shuffled copies go through the forest at once
        copies = np.tile(genes[test], (1 + n_genes * _SHUFFLES, 1, 1))
        for gene in range(n_genes):
            for copy in range(_SHUFFLES):
                shuffled = genes[rng.permutation(test), gene]
                copies[1 + gene * _SHUFFLES + copy, :, gene] = shuffled
        found = forest.predict(copies.reshape(-1, n_genes)).reshape(len(copies), len(test), -1)
        error = ((found - rewards[test]) ** 2).sum(axis=1)
        added += error[1:].reshape(n_genes, _SHUFFLES, -1).mean(axis=1) - error[0]
    return np.asarray(added / n)
