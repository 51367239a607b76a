import random
import threading

import numpy as np
import pytest

from napari_samstar.search.events import CandidateEvent, GenerationEvent
from napari_samstar.search.hypervolume import hypervolume
from napari_samstar.search.space import Gene, Space
from napari_samstar.search.study import Study, study_steps
from napari_samstar.settings import SearchSettings
from napari_samstar.types import SamStarError
from tests.search.problems import MIXED_SPACE, ZDT1_SPACE, dtlz2, mixed, zdt1

METHODS = ["nsga", "random", "default", "grid"]


def study(space=MIXED_SPACE, n_objectives=2, seeds=(), **settings):
    names = [f"f{m}" for m in range(n_objectives)]
    return Study(space, SearchSettings(**settings), objectives=names, seeds=seeds)


def search(space, evaluate, n_objectives=2, **settings):
    made = study(space, n_objectives, **settings)
    for _ in made.steps(evaluate):
        pass
    return made.front()


@pytest.mark.parametrize("seed", [0, 1])
def test_genetic_search_approaches_the_front_of_zdt1(seed):
    found = search(ZDT1_SPACE, zdt1, budget=1500, population=24, seed=seed, patience=0)
    losses = 10 * (1 - found.rewards)
    # the true front is f2 = 1 - sqrt(f1)
    assert np.median(losses[:, 1] - (1 - np.sqrt(losses[:, 0]))) < 0.15


@pytest.mark.parametrize("n_objectives", [2, 3, 4, 6])
def test_genetic_search_beats_chance(n_objectives):
    space, evaluate = dtlz2(n_objectives)
    ours = search(space, evaluate, n_objectives, budget=400, seed=3, patience=0)
    chance = search(space, evaluate, n_objectives, budget=400, seed=3, patience=0, method="random")
    assert hypervolume(ours.rewards) > hypervolume(chance.rewards)


def test_mixed_variables_find_the_right_choice():
    front = search(MIXED_SPACE, mixed, budget=600, seed=1, patience=0)
    best = max(front.candidates, key=lambda c: sum(c.rewards)).genes
    assert best["source"] == ("a", "b")
    assert best["layer"] is True
    assert best["layer.count"] == 5
    assert isinstance(best["area"], int)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n_objectives", [2, 5])
def test_same_seed_same_candidates(method, n_objectives):
    space, evaluate = dtlz2(n_objectives)
    first = search(space, evaluate, n_objectives, method=method, budget=130, seed=5)
    np.random.seed(1)  # whoever else draws random numbers does not matter  # noqa: NPY002
    again = search(space, evaluate, n_objectives, method=method, budget=130, seed=5)
    assert first == again


def test_another_seed_tries_other_candidates():
    one, two = (search(MIXED_SPACE, mixed, budget=50, seed=s).evaluated for s in (0, 1))
    assert [c.genes for c in one] != [c.genes for c in two]


@pytest.mark.parametrize("method", METHODS)
def test_defaults_come_first_and_then_the_seeds(method):
    seeds = [{"layer": True, "layer.count": 7}, {"threshold": 0.123456789}]
    front = search(MIXED_SPACE, mixed, seeds=seeds, method=method, budget=60)
    assert front.default == front.evaluated[0]
    assert front.evaluated[0].genes == MIXED_SPACE.defaults
    if method == "default":
        assert len(front.evaluated) == 1
    else:
        assert [c.genes for c in front.evaluated[1:3]] == [MIXED_SPACE.complete(s) for s in seeds]


def test_nothing_is_evaluated_twice_and_a_finite_space_is_exhausted():
    space = Space(
        (
            Gene("a", "choice", 0, choices=(0, 1, 2)),
            Gene("b", "bool", False),
            Gene("c", "integer", 1, low=1, high=4, when=("b", True)),
        )
    )
    for method in ("nsga", "random"):
        tried = []

        def evaluate(genes, tried=tried):
            tried.append(tuple(genes.values()))
            return [genes["a"] / 2, 1 - genes["a"] / 2]

        front = search(space, evaluate, method=method, budget=500, population=8, patience=0)
        assert len(tried) == len(set(tried)) == len(front.evaluated) == 3 * (1 + 4)
        assert "new" in front.finished


def test_budget_counts_evaluations():
    for budget in (1, 39, 100):
        events = list(study(budget=budget).steps(mixed))
        assert sum(isinstance(e, CandidateEvent) for e in events) == budget
        assert events[-1].evaluated == budget


def test_events_tell_the_state_of_the_front():
    made = study(budget=120, patience=0)
    for event in made.steps(mixed):
        front = event.front()
        assert len(front) == event.front_size
        assert len(front.evaluated) == event.evaluated
        if isinstance(event, CandidateEvent):
            assert event.is_on_front == (event.candidate in front.candidates)
        else:
            assert event.hypervolume == pytest.approx(hypervolume(front.rewards))
    volumes = [volume for _, volume in made.front().history]
    assert volumes == sorted(volumes)


def test_plateau_stops_after_half_the_budget_and_never_before():
    front = search(MIXED_SPACE, lambda genes: [0.5, 0.5], budget=400, patience=3, population=20)
    assert len(front.evaluated) == 200
    assert "hardly" in front.finished
    front = search(MIXED_SPACE, lambda genes: [0.5, 0.5], budget=400, patience=0, population=20)
    assert len(front.evaluated) == 400


def test_failed_evaluation_is_the_worst_and_recorded():
    def evaluate(genes):
        if genes["layer"]:
            raise SamStarError("No masks of this source.")
        return mixed(genes)

    front = search(MIXED_SPACE, evaluate, budget=60)
    failed = [c for c in front.evaluated if c.error]
    assert failed
    assert {c.rewards for c in failed} == {(0.0, 0.0)}
    assert all(not c.genes["layer"] for c in front.candidates)


def test_a_search_in_which_nothing_can_be_judged_says_why():
    def evaluate(genes):
        raise SamStarError("The reward 'mine' failed.")

    with pytest.raises(SamStarError, match=r"No candidate .* The reward 'mine' failed"):
        search(MIXED_SPACE, evaluate, budget=60)


@pytest.mark.parametrize("wrong", [float("nan"), 1.5, -0.2])
def test_rewards_that_are_none_are_refused_by_name(wrong):
    with pytest.raises(SamStarError, match="f1"):
        search(MIXED_SPACE, lambda genes: [0.5, wrong], budget=5)


def test_cancel_at_any_moment_leaves_the_front_so_far():
    chance = random.Random(0)
    threads = threading.active_count()
    whole = search(MIXED_SPACE, mixed, budget=90, patience=0)
    for _ in range(10):
        stop = chance.randrange(1, 90)
        made = study(budget=90, patience=0)
        steps = made.steps(mixed)
        while len(made.tally.candidates) < stop:
            next(steps)
        steps.close()
        assert made.front().evaluated == whole.evaluated[:stop]
        assert made.front().preferred() in made.front().candidates
    assert threading.active_count() == threads


def test_time_between_events_is_not_counted():
    now = [0.0]

    def evaluate(genes):
        now[0] += 2.0
        return mixed(genes)

    made = Study(
        MIXED_SPACE, SearchSettings(budget=10), objectives=["a", "b"], clock=lambda: now[0]
    )
    for event in made.steps(evaluate):
        now[0] += 1000.0  # paused
        assert event.elapsed_s == 2.0 * event.evaluated
        assert event.eta_s == 2.0 * (10 - event.evaluated)


def test_grid_tries_all_combinations_of_thresholds():
    space = Space(
        (
            Gene("amg.pred_iou_thresh", "real", 0.88, when=("reward_layer", False)),
            Gene("amg.box_nms_thresh", "real", 0.7),
            Gene("reward_layer", "bool", True),
        )
    )
    front = search(space, lambda genes: [0.5], 1, method="grid", budget=26, patience=0)
    grid = {
        (c.genes["amg.pred_iou_thresh"], c.genes["amg.box_nms_thresh"]) for c in front.evaluated[1:]
    }
    levels = (0.0, 0.25, 0.5, 0.75, 1.0)
    assert grid == {(a, b) for a in levels for b in levels}
    assert all(not c.genes["reward_layer"] for c in front.evaluated[1:])


def test_generations_are_told_and_steps_return_the_front():
    few = SearchSettings(budget=130, population=24)
    steps = study_steps(MIXED_SPACE, mixed, few, objectives=["a", "b"])
    generations = []
    while True:
        try:
            event = next(steps)
        except StopIteration as stop:
            front = stop.value
            break
        if isinstance(event, GenerationEvent):
            generations.append(event.evaluated)
    assert generations == [96, 120, 130]
    assert [done for done, _ in front.history] == generations
