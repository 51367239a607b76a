import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_samstar.search.hypervolume import hypervolume, most_needed, shares
from napari_samstar.search.pareto import Candidate, Front, non_dominated
from napari_samstar.search.study import Study
from napari_samstar.settings import SearchSettings
from napari_samstar.types import SamStarError
from tests.search.problems import dtlz2

# few different values, so that rows are often equal or share some
levels = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.7, 1.0]) | st.floats(0, 1)
vectors = hnp.arrays(np.float64, st.tuples(st.integers(1, 25), st.integers(1, 5)), elements=levels)


def front_of(rewards, names=None):
    rewards = np.asarray(rewards, np.float64)
    names = names or [f"f{m}" for m in range(rewards.shape[1])]
    return Front(
        tuple(names),
        tuple(Candidate(i, {"x": i}, tuple(r.tolist())) for i, r in enumerate(rewards)),
    )


def beats(a, b):
    return bool((a >= b).all() and (a > b).any())


@given(vectors)
@settings(deadline=None)
def test_front_is_what_nothing_beats_without_repetitions(rewards):
    mask = non_dominated(rewards)
    for i, row in enumerate(rewards):
        beaten = any(beats(other, row) for other in rewards)
        repeated = any((other == row).all() for other in rewards[:i])
        assert mask[i] == (not beaten and not repeated)


@given(vectors, st.randoms())
@settings(deadline=None)
def test_preferred_and_knee_are_on_the_front(rewards, chance):
    front = front_of(rewards)
    weights = [chance.choice([0.0, 0.5, 1.0, 3.0]) for _ in front.objectives]
    assert front.preferred(weights) in front.candidates
    assert front.knee in front.candidates


ARC = [[np.sin(a), np.cos(a)] for a in np.linspace(0, np.pi / 2, 21)]


def test_equal_importances_choose_the_middle():
    front = front_of(ARC)
    assert front.preferred().index == 10
    assert front.preferred({"f0": 2.0, "f1": 2.0}).index == 10
    assert front.knee.index == 10


def test_what_matters_more_gets_more():
    front = front_of(ARC)
    chosen = [front.preferred({"f0": w, "f1": 1.0}).rewards[0] for w in (0.1, 0.5, 1, 2, 10)]
    assert chosen == sorted(chosen)
    assert chosen[0] < chosen[-1]


def test_importance_zero_ignores_an_objective():
    front = front_of(ARC)
    assert front.preferred({"f0": 0.0}).index == 0
    assert front.preferred([1.0, 0.0]).index == 20
    assert front.preferred([0.0, 0.0]) == front.preferred()


def test_preference_does_not_depend_on_the_scale_of_an_objective():
    rewards = np.array(ARC)
    narrow = np.stack([rewards[:, 0], 0.5 + 0.3 * rewards[:, 1]], axis=1)
    assert front_of(narrow).preferred().index == front_of(rewards).preferred().index
    assert front_of(narrow).knee.index == front_of(rewards).knee.index


def test_hardly_different_rewards_do_not_decide():
    # the second objective differs by a hundredth over the whole front
    front = front_of([[0.2, 0.96], [0.5, 0.955], [0.9, 0.95]])
    assert front.preferred().index == 2


def test_constant_objective_and_single_points():
    front = front_of([[0.1, 0.5, 0.9], [0.5, 0.5, 0.6], [0.9, 0.5, 0.1]])
    assert front.knee.index == 1
    assert front.preferred({"f0": 5.0, "f1": 1.0, "f2": 0.0}).index == 2
    alone = front_of([[0.3, 0.4]])
    assert alone.knee == alone.preferred() == alone.candidates[0]
    two = front_of([[0.0, 1.0], [0.9, 0.8]])
    assert two.knee.index == 1


def test_best_of_each_objective():
    front = front_of([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], ["size", "contrast"])
    best = front.best_per_objective
    assert best["size"].index == 0
    assert best["contrast"].index == 1


@pytest.mark.parametrize(
    ("importances", "told"),
    [({"sise": 1.0}, "sise"), ([1.0], "importances"), ([1.0, -1.0], "0 or more")],
)
def test_wrong_importances_are_refused_in_a_sentence(importances, told):
    with pytest.raises(SamStarError, match=told):
        front_of(ARC).preferred(importances)


def test_empty_front_says_so():
    front = Front(("a", "b"), ())
    assert len(front) == 0
    with pytest.raises(SamStarError):
        front.preferred()
    with pytest.raises(SamStarError):
        _ = front.knee


def test_hypervolume_of_known_boxes():
    assert hypervolume(np.zeros((0, 2))) == 0
    assert hypervolume(np.ones((1, 3))) == pytest.approx(1.1**3)
    assert hypervolume(np.array([[1.0, 0.0], [0.0, 1.0]])) == pytest.approx(2 * 0.1 * 1.1 - 0.01)
    assert hypervolume(np.array([[0.5]])) == pytest.approx(0.6)


def test_estimated_hypervolume_is_near_the_exact_one():
    # with six objectives it is estimated; one box of known size
    assert hypervolume(np.full((1, 6), 0.8)) == pytest.approx(0.9**6, abs=0.02)


@given(vectors)
@settings(deadline=None)
def test_ranking_holds_the_front_and_begins_with_the_preferred(rewards):
    front = front_of(rewards)
    ranked = front.ranked()
    assert ranked[0] == front.preferred()
    assert sorted(c.index for c in ranked) == sorted(c.index for c in front.candidates)


def test_moving_importances_evaluates_nothing():
    space, evaluate = dtlz2(6)
    counted = []

    def counting(genes):
        counted.append(genes)
        return evaluate(genes)

    study = Study(space, SearchSettings(budget=1200, patience=0), objectives=list("abcdef"))
    for _ in study.steps(counting):
        pass
    front = study.front()
    assert len(front) >= 200
    done = len(counted)
    moved = [front.preferred({o: w}) for o in "abcdef" for w in np.geomspace(0.01, 100, 40)]
    assert len(counted) == done == 1200
    assert len({c.index for c in moved}) > 6


def test_twins_share_what_they_command_and_one_of_them_goes_first():
    rewards = np.array([[0.9, 0.1], [0.5, 0.5], [0.5, 0.5], [0.1, 0.9], [0.4, 0.4]])
    share = shares(rewards)
    assert share[1] == share[2]
    assert share[4] < share[1] < min(share[0], share[3])
    assert most_needed(rewards, 5).tolist() == [0, 1, 2, 3, 4]
    kept = most_needed(rewards, 3)
    assert {0, 3} < set(kept.tolist())
    assert len({1, 2} & set(kept.tolist())) == 1
    assert most_needed(rewards, 0).size == 0


def test_who_is_most_needed_is_who_leaves_the_most_hypervolume():
    rewards = np.random.default_rng(3).random((14, 4))
    kept = hypervolume(rewards[most_needed(rewards, 5)])
    by_chance = [
        hypervolume(rewards[np.random.default_rng(k).permutation(14)[:5]]) for k in range(30)
    ]
    assert kept > np.percentile(by_chance, 95)
