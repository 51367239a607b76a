"""Shapes: what is told from what, and which masks are judged."""

from __future__ import annotations

import numpy as np
import pytest

from napari_samstar.rewards import make
from napari_samstar.rewards.shape import (
    AspectRatio,
    BoundarySmoothness,
    Circularity,
    OrientationOrder,
    Roundness,
    Solidity,
)
from tests.rewards.scenes import disc, lattice, micrograph, paint, rod, selected

SHAPE = (200, 240)
GRAY = paint([], SHAPE)
IMAGE = micrograph(GRAY)
PLACES = [(y, x) for y in (40, 100, 160) for x in (45, 120, 195)]


def _score(term, masks) -> float:
    return term.score(selected(masks, GRAY), IMAGE)


def _rods(ratio: float, angle: float = 20) -> list:
    return [rod(SHAPE, y, x, 28, 28 / ratio, angle) for y, x in PLACES]


def _square(y: int, x: int, half: int = 15) -> np.ndarray:
    mask = np.zeros(SHAPE, bool)
    mask[y - half : y + half, x - half : x + half] = True
    return mask


def test_round_objects_score_above_long_ones() -> None:
    for term in (Circularity(), Roundness()):
        values = [_score(term, _rods(ratio)) for ratio in (1, 1.5, 2.5, 4)]
        assert values == sorted(values, reverse=True), term.name
        assert values[0] > 0.9 > 0.5 > values[-1]


def test_the_longest_way_across_tells_squares_from_discs_where_the_perimeter_hardly_does() -> None:
    discs, squares = lattice(), [_square(y, x) for y, x in PLACES]
    gap = {t.name: _score(t, discs) - _score(t, squares) for t in (Circularity(), Roundness())}
    assert gap["roundness"] > 0.3
    assert gap["roundness"] > 3 * gap["circularity"]


def test_size_alone_does_not_change_circularity() -> None:
    values = [_score(Circularity(low=1), lattice(radius=r)) for r in (4, 7, 12, 17)]
    assert min(values) > 0.95


def test_bays_and_rough_outlines_cost_solidity_and_smoothness() -> None:
    whole = lattice(radius=12)
    bitten = [m & ~np.roll(m, (7, 7), (0, 1)) for m in whole]
    rough = [m & (np.random.default_rng(1).random(SHAPE) > 0.2) for m in whole]
    for term in (Solidity(), BoundarySmoothness()):
        assert _score(term, whole) > _score(term, rough) > 0, term.name
        assert _score(term, whole) > _score(term, bitten) + 0.2, term.name


def test_aspect_ratio_has_a_range() -> None:
    term = AspectRatio(low=2, high=4)
    values = {ratio: _score(term, _rods(ratio)) for ratio in (1, 1.9, 3, 6)}
    assert values[3] == pytest.approx(1)
    assert 0.5 < values[1.9] < 1
    assert values[1] == values[6] == 0


@pytest.mark.parametrize("name", ["circularity", "roundness", "solidity", "boundary_smoothness"])
def test_splinters_and_cut_masks_are_judged_only_if_there_is_nothing_else(name: str) -> None:
    term = make(name, least_coverage=0.0, least_count=1)
    good = lattice()
    splinter = np.zeros(SHAPE, bool)
    splinter[2, 3:20] = True
    cut = np.zeros(SHAPE, bool)
    cut[:3] = True
    cut[:90:2, ::2] = True
    comb = splinter.copy()
    comb[3:5, 3:20:3] = True
    alone = _score(term, good)
    assert _score(term, [*good, comb, cut]) == pytest.approx(alone)
    assert _score(term, [comb, cut]) == pytest.approx(_score(term, [cut]))
    assert _score(term, [comb]) < alone
    judging_all = make(name, least_coverage=0.0, least_count=1, border=True)
    assert _score(judging_all, [*good, comb, cut]) < alone


def test_order_knows_the_direction() -> None:
    ordered = _rods(4, angle=20)
    assert _score(OrientationOrder(), ordered) > 0.98
    assert _score(OrientationOrder(angle=20), ordered) > 0.98
    assert _score(OrientationOrder(angle=-160), ordered) > 0.98
    assert _score(OrientationOrder(angle=110), ordered) == 0
    assert _score(OrientationOrder(angle=65), ordered) < 0.05
    rng = np.random.default_rng(2)
    spread = [
        [rod(SHAPE, y, x, 28, 7, 20 + w * rng.uniform(-1, 1)) for y, x in PLACES]
        for w in (5, 30, 60)
    ]
    values = [_score(OrientationOrder(), masks) for masks in spread]
    assert values == sorted(values, reverse=True)


def test_discs_point_nowhere_and_chance_is_not_order() -> None:
    assert _score(OrientationOrder(), lattice()) == 0
    rng = np.random.default_rng(4)
    values = [
        _score(
            OrientationOrder(), [rod(SHAPE, y, x, 20, 5, rng.uniform(0, 180)) for y, x in PLACES]
        )
        for _ in range(10)
    ]
    assert np.mean(values) < 0.3
    assert _score(OrientationOrder(), _rods(4)[:2]) == 0
    assert _score(OrientationOrder(), [disc(SHAPE, 100, 100, 1)] * 3) == 0
