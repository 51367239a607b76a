"""The genetic search: pymoo's NSGA-II over mixed variables, for many objectives by hypervolume."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.search.hypervolume import most_needed, shares
from napari_samstar.search.space import Gene, Space, distinct

__all__ = ["nsga"]

# the best choices often lie where no candidate near the defaults leads, e.g. without the reward
# layer: so the first generation is large
_FIRST = 4  # times the population

Batches = Generator[list[dict[str, Any]], NDArray[np.float64], None]


def nsga(
    space: Space,
    seeds: Sequence[Mapping[str, Any]],
    *,
    n_objectives: int,
    population: int,
    seed: int,
) -> Batches:
    """Ask for one generation after another; told its rewards, breed the next.

    The first generation, of seeds and a Latin hypercube, is four times the others.

    Survivors are chosen by rank, among the last rank that fits by crowding distance (NSGA-II: Deb
    et al., IEEE Trans. Evol. Comput. 6, 182-197 (2002)). Above three objectives, where most
    candidates are of the first rank and crowding says little, it is by what each adds to the
    hypervolume (HypE: Bader and Zitzler, Evol. Comput. 19, 45-76 (2011)), and so are parents. Of a
    few hundred candidates that finds more than the reference directions of NSGA-III. Nothing is
    asked for twice.

    Parameters
    ----------
    space : Space
        What may vary.
    seeds : sequence of mapping
        Asked for first, in this order.
    n_objectives, population, seed : int
        Objectives; candidates a generation; of the random numbers.

    Yields
    ------
    list of dict
        Genes of one generation; send back its rewards (n, M). Ends when nothing new is found.
    """
    from pymoo.core.individual import Individual
    from pymoo.core.mixed import MixedVariableGA
    from pymoo.core.population import Population
    from pymoo.core.problem import Problem
    from pymoo.core.termination import NoTermination

    asked: set[Any] = set()

    def key(individual: Any) -> Any:
        known = individual.get("key")
        if known is None:
            known = space.key(_genes(space, individual))
            individual.set("key", known)
        return known

    def individuals(many: Iterable[Mapping[str, Any]]) -> Any:
        return Population.create(
            *[Individual(X=_coordinates(space, genes), genes=genes) for genes in many]
        )

    rng = np.random.default_rng(seed)
    first = _first_generation(space, seeds, _FIRST * population, rng)
    problem = Problem(vars={gene.name: _variable(gene) for gene in space.genes}, n_obj=n_objectives)
    unique = _no_repetition(asked, key)
    with _quiet():
        algorithm = MixedVariableGA(
            pop_size=population,
            n_offsprings=population,
            sampling=individuals(first),
            mating=_mating(space, unique, _lonelier if n_objectives <= 3 else _more_needed),
            eliminate_duplicates=unique,
            survival=_survival(n_objectives),
            seed=seed,
            advance_after_initial_infill=True,  # ranks the first generation, for the tournament
        )
        algorithm.setup(problem, termination=NoTermination())
    while True:
        with _quiet():
            batch = algorithm.ask()
        if batch is None or len(batch) == 0:
            return
        asked.update(key(individual) for individual in batch)
        rewards = yield [_genes(space, individual) for individual in batch]
        with _quiet():
            batch.set("F", 1.0 - rewards)
            algorithm.tell(infills=batch)


def _first_generation(
    space: Space, seeds: Sequence[Mapping[str, Any]], size: int, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Seeds, then points that share out every gene's range evenly (a Latin hypercube)."""
    wanted = max(size - len(seeds), 0)
    strata = rng.permuted(np.tile(np.arange(wanted), (len(space), 1)), axis=1).T
    positions = (strata + rng.random((wanted, len(space)))) / max(wanted, 1)
    return distinct(space, [*seeds, *map(space.decode, positions)])


def _variable(gene: Gene) -> Any:
    from pymoo.core.variable import Choice, Real

    # numbers as a position from 0 to 1, choices as an index
    return Choice(options=range(len(gene.choices))) if gene.choices else Real(bounds=(0.0, 1.0))


def _coordinates(space: Space, genes: Mapping[str, Any]) -> dict[str, Any]:
    return {
        gene.name: gene.choices.index(genes[gene.name])
        if gene.choices
        else gene.unit(genes[gene.name])
        for gene in space.genes
    }


def _genes(space: Space, individual: Any) -> dict[str, Any]:
    """Genes of an individual, decoded once; seeds keep their values unrounded."""
    known: dict[str, Any] | None = individual.get("genes")
    if known is None:
        positions = [
            (individual.X[gene.name] + 0.5) / len(gene.choices)
            if gene.choices
            else individual.X[gene.name]
            for gene in space.genes
        ]
        known = space.decode(positions)
        individual.set("genes", known)
    return known


def _mating(space: Space, unique: Any, better: Callable[..., NDArray[np.int64]]) -> Any:
    from pymoo.core.mixed import MixedVariableMating
    from pymoo.core.variable import Choice, Real
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.crossover.ux import UX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.mutation.rm import ChoiceRandomMutation
    from pymoo.operators.selection.tournament import TournamentSelection

    # pymoo mutates each kind of variable by itself; the chance must count all genes
    chance = 1.0 / max(len(space), 1)
    # crossing most numbers (prob_var, pymoo's default is half) and a small population gain most
    # where a few hundred candidates must do
    return MixedVariableMating(
        selection=TournamentSelection(func_comp=better),
        crossover={Real: SBX(eta=15, prob=0.9, prob_var=0.9), Choice: UX()},
        mutation={Real: PM(eta=20, prob_var=chance), Choice: ChoiceRandomMutation(prob_var=chance)},
        eliminate_duplicates=unique,
    )


def _lonelier(population: Any, pairs: NDArray[np.int64], **_: Any) -> NDArray[np.int64]:
    """Of each two, the one of lower rank; of equal rank, the lonelier."""
    rank, crowding = population.get("rank"), population.get("crowding")
    a, b = pairs[:, 0], pairs[:, 1]
    second = (rank[b] < rank[a]) | ((rank[b] == rank[a]) & (crowding[b] > crowding[a]))
    return np.where(second, b, a)[:, None]


def _more_needed(population: Any, pairs: NDArray[np.int64], **_: Any) -> NDArray[np.int64]:
    """Of each two, the one with the larger share of the hypervolume."""
    share = shares(1.0 - population.get("F"))
    a, b = pairs[:, 0], pairs[:, 1]
    return np.where(share[b] > share[a], b, a)[:, None]


def _survival(n_objectives: int) -> Any:
    from pymoo.core.survival import Survival
    from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
    from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

    class ByHypervolume(Survival):  # type: ignore[misc]
        """Keeps whole ranks, and of the last one those that the hypervolume needs most."""

        def __init__(self) -> None:
            super().__init__(filter_infeasible=False)

        def _do(
            self, problem: Any, pop: Any, *args: Any, n_survive: int | None = None, **_: Any
        ) -> Any:
            losses = pop.get("F")
            room = len(pop) if n_survive is None else n_survive
            kept: list[int] = []
            for rank in NonDominatedSorting().do(losses, n_stop_if_ranked=room):
                left = room - len(kept)
                if len(rank) > left:
                    rank = rank[most_needed(1.0 - losses[rank], left)]
                kept.extend(rank)
            return pop[kept]

    return RankAndCrowding() if n_objectives <= 3 else ByHypervolume()


def _no_repetition(asked: set[Any], key: Callable[[Any], Any]) -> Any:
    from pymoo.core.duplicate import DuplicateElimination

    class NoRepetition(DuplicateElimination):  # type: ignore[misc]
        """Drops what was asked before, or is twice in the same batch."""

        def do(self, individuals: Any, *others: Any, **_: Any) -> Any:
            seen = asked.union(*({key(i) for i in other} for other in others))
            fresh = []
            for place, individual in enumerate(individuals):
                if key(individual) not in seen:
                    seen.add(key(individual))
                    fresh.append(place)
            return individuals[fresh]

    return NoRepetition()


def _quiet() -> warnings.catch_warnings[None]:
    """Keep pymoo's changes of the warning filters to itself."""
    return warnings.catch_warnings()
