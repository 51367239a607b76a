"""Where candidates come from: the genetic search, and the baselines that it is compared with.

Each is a generator of batches of genes, which is sent the rewards of each batch.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.search.nsga import nsga
from napari_samstar.search.space import Space, distinct
from napari_samstar.settings import SearchSettings

__all__ = ["Batches", "sampler"]

Batches = Generator[list[dict[str, Any]], NDArray[np.float64], None]


def sampler(
    space: Space,
    seeds: Sequence[Mapping[str, Any]],
    settings: SearchSettings,
    n_objectives: int,
) -> Batches:
    """Batches of candidates by the method of `settings`; `seeds` come first in each."""
    if settings.method == "nsga":
        return nsga(
            space,
            seeds,
            n_objectives=n_objectives,
            population=settings.population,
            seed=settings.seed,
        )
    if settings.method == "random":
        return _random(space, seeds, settings)
    if settings.method == "grid":
        return _grid(space, seeds, settings)
    return _in_batches(seeds[:1], settings.population)


def _random(space: Space, seeds: Sequence[Mapping[str, Any]], settings: SearchSettings) -> Batches:
    """Seeds, then points spread evenly over the unit cube by chance, without end."""
    rng = np.random.default_rng(settings.seed)
    batch = [dict(s) for s in seeds]
    while True:
        missing = max(settings.population - len(batch), 0)
        yield [*batch, *map(space.decode, rng.random((missing, len(space))))]
        batch = []


def _grid(space: Space, seeds: Sequence[Mapping[str, Any]], settings: SearchSettings) -> Batches:
    """Seeds, then all combinations of as many levels as the budget allows, ends included."""
    genes = [space[name] for name in settings.grid if name in space.names]
    # a problem of other names is searched along its first three numbers
    genes = genes or [gene for gene in space.genes if not gene.choices][:3]
    budget = settings.budget - len(seeds)
    levels = 1
    while genes and (levels + 1) ** len(genes) <= budget and levels < 1000:
        levels += 1
    axes = [[gene.at(unit) for unit in np.linspace(0, 1, levels)] for gene in genes]
    # a threshold that only matters without the reward layer is tried without it
    fixed = dict(
        gene.when for gene in genes if gene.when is not None and gene.when[0] in space.names
    )
    points = (
        {**fixed, **dict(zip([gene.name for gene in genes], values, strict=True))}
        for values in itertools.product(*axes)
    )
    yield from _in_batches(distinct(space, itertools.chain(seeds, points)), settings.population)


def _in_batches(many: Sequence[Mapping[str, Any]], size: int) -> Batches:
    for start in range(0, len(many), size):
        yield [dict(genes) for genes in many[start : start + size]]
