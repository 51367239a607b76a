import numpy as np
import pytest

from napari_samstar.search.hypervolume import hypervolume
from napari_samstar.search.study import CandidateEvent, Study
from napari_samstar.settings import SearchSettings
from tests.search.problems import MIXED_SPACE, ZDT1_SPACE, dtlz2, mixed, zdt1


def finish(study, evaluate):
    events = list(study.steps(evaluate))
    return study.front(), [e for e in events if isinstance(e, CandidateEvent)]


def search(space, evaluate, n_objectives, seeds=(), **settings):
    names = [f"f{m}" for m in range(n_objectives)]
    study = Study(space, SearchSettings(**settings), objectives=names, seeds=seeds)
    return finish(study, evaluate)[0]


@pytest.mark.parametrize("seed", [0, 1])
def test_genetic_search_approaches_the_front_of_zdt1(seed):
    found = search(ZDT1_SPACE, zdt1, 2, budget=1500, seed=seed, patience=0)
    losses = 10 * (1 - found.rewards)
    # the true front is f2 = 1 - sqrt(f1)
    assert np.median(losses[:, 1] - (1 - np.sqrt(losses[:, 0]))) < 0.2


@pytest.mark.parametrize("n_objectives", [2, 3, 4, 6])
def test_genetic_search_beats_chance(n_objectives):
    space, evaluate = dtlz2(n_objectives)
    ours = search(space, evaluate, n_objectives, budget=400, seed=3, patience=0)
    chance = search(space, evaluate, n_objectives, budget=400, seed=3, patience=0, method="random")
    assert hypervolume(ours.rewards) > hypervolume(chance.rewards)


def test_mixed_variables_find_the_right_choice():
    front = search(MIXED_SPACE, mixed, 2, budget=600, seed=1, patience=0)
    best = max(front.candidates, key=lambda c: sum(c.rewards)).genes
    assert best["source"] == ("a", "b")
    assert best["layer"] is True
    assert best["layer.count"] == 5
    assert isinstance(best["area"], int)
