import numpy as np
import pytest

from napari_samstar.search.pareto import Candidate, Front
from napari_samstar.search.sensitivity import sensitivity


def front_of(genes, rewards, names=("first", "second")):
    pairs = zip(genes, rewards, strict=True)
    return Front(names, tuple(Candidate(i, g, tuple(r)) for i, (g, r) in enumerate(pairs)))


@pytest.fixture
def front(rng):
    genes = [
        {
            "strong": float(rng.random()),
            "weak": float(rng.random()),
            "source": ("a", "b") if rng.random() < 0.5 else ("a",),
            "idle": float(rng.random()),
            "fixed": 1.0,
        }
        for _ in range(400)
    ]
    rewards = [
        (
            0.8 * (g["strong"] - 0.5) ** 2 * 4 + 0.1 * g["weak"],
            0.6 if g["source"] == ("a", "b") else 0.1,
        )
        for g in genes
    ]
    return front_of(genes, rewards)


def test_what_mattered_is_found_for_each_objective(front):
    found = sensitivity(front)
    first, second = found["first"], found["second"]
    assert first["strong"] > 0.7
    assert first["strong"] > 5 * first["weak"]
    assert second["source"] > 0.8
    for objective in (first, second):
        assert objective["idle"] < 0.02
        assert objective["fixed"] == 0.0
        assert all(0 <= v <= 1 for v in objective.values())


def test_same_candidates_same_figures(front):
    assert sensitivity(front) == sensitivity(front)


def test_constant_rewards_and_few_candidates_give_zero(rng):
    genes = [{"x": float(rng.random())} for _ in range(50)]
    assert sensitivity(front_of(genes, [(0.5, g["x"]) for g in genes]))["first"] == {"x": 0.0}
    few = sensitivity(front_of(genes[:5], [(g["x"], 0.1) for g in genes[:5]]))
    assert few == {"first": {"x": 0.0}, "second": {"x": 0.0}}
    assert sensitivity(Front(("a",), ())) == {"a": {}}


def test_failed_candidates_do_not_count(front):
    failed = tuple(
        Candidate(400 + i, c.genes, (0.0, 0.0), error="no masks")
        for i, c in enumerate(front.evaluated[:100])
    )
    with_failed = Front(front.objectives, (*front.evaluated, *failed))
    assert sensitivity(with_failed) == sensitivity(front)


def test_importance_is_about_the_share_of_the_variance(rng):
    genes = [{"x": float(rng.random()), "y": float(rng.random())} for _ in range(600)]
    # variances 9 : 1
    rewards = [(0.6 * g["x"] + 0.2 * g["y"], 0.0) for g in genes]
    found = sensitivity(front_of(genes, rewards))["first"]
    assert found["x"] == pytest.approx(0.9, abs=0.1)
    assert found["y"] == pytest.approx(0.1, abs=0.05)
    assert np.isfinite(list(found.values())).all()
