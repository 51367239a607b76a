"""Distances and order."""

from __future__ import annotations

import numpy as np
import pytest

from napari_samstar.rewards.spacing import ClarkEvans, NeighborSpacing
from tests.rewards.scenes import disc, lattice, micrograph, paint, selected

SHAPE = (200, 240)
GRAY = paint([], SHAPE)
IMAGE = micrograph(GRAY)


def _score(term, masks) -> float:
    return term.score(selected(masks, GRAY), IMAGE)


def _points(centers) -> list:
    return [disc(SHAPE, y, x, 2.5) for y, x in centers]


def test_a_lattice_has_one_spacing() -> None:
    masks = lattice(pitch=40)
    assert _score(NeighborSpacing(low=39, high=41), masks) == pytest.approx(1)
    assert _score(NeighborSpacing(low=50, high=60), masks) == 0
    assert _score(NeighborSpacing(low=10, high=30), masks) == 0
    nearer = [_score(NeighborSpacing(low=low, high=90, softness=1), masks) for low in (40, 50, 70)]
    assert nearer == sorted(nearer, reverse=True)


def test_an_object_found_twice_is_its_own_neighbor() -> None:
    masks = lattice(pitch=40)
    twice = _score(NeighborSpacing(low=39, high=41), [*masks, masks[6].copy()])
    # the 12 that are further from the frame than from each other count, one of them twice
    assert twice == pytest.approx(11 / 13)


def test_masks_nearer_to_the_frame_than_to_a_neighbor_do_not_count() -> None:
    inner = lattice(pitch=30, start=60, radius=5)
    lonely = disc(SHAPE, 5, 5, 3)
    term = NeighborSpacing(low=29, high=31, least_coverage=0.0)
    assert _score(term, inner) == pytest.approx(1)
    assert _score(term, [*inner, lonely]) == pytest.approx(1)


def test_pixels_that_are_not_square_are_measured_as_they_are() -> None:
    from napari_samstar.types import Micrograph

    image = Micrograph(GRAY.astype(np.float32), (1.0, 0.5), "nm")
    selection = selected(lattice(pitch=40), GRAY)
    # neighbors along x are 40 px = 20 nm away, along y 40 nm
    assert NeighborSpacing(low=19, high=21, unit="nm").score(selection, image) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(5))
def test_random_points_have_a_ratio_near_1(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = _points(rng.uniform((0, 0), SHAPE, (120, 2)))
    assert _score(ClarkEvans(low=0.85, high=1.15), masks) == 1
    assert _score(ClarkEvans(low=2.0, high=2.15), masks) < 0.6


def test_order_raises_the_ratio_and_clusters_lower_it() -> None:
    rng = np.random.default_rng(1)
    grid = [(y, x) for y in range(10, 200, 20) for x in range(10, 240, 20)]
    shaken = [rng.normal(grid, sigma) for sigma in (0, 3, 8)]
    ratio = ClarkEvans(low=2.15, high=2.15)
    values = [_score(ratio, _points(np.clip(c, 0, 199))) for c in shaken]
    assert values == sorted(values, reverse=True)
    clusters = np.concatenate([rng.normal((y, x), 6, (15, 2)) for y, x in ((50, 60), (140, 170))])
    assert _score(ratio, _points(clusters)) < 0.4
    assert _score(ClarkEvans(low=0, high=0.8), _points(clusters)) == 1


def test_too_few_masks_have_no_order() -> None:
    assert _score(ClarkEvans(), lattice()[:7]) == 0
    assert _score(NeighborSpacing(low=0, high=1e6), lattice()[:1]) == 0
