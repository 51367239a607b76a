"""Sizes, numbers and their targets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import wasserstein_distance

from napari_samstar.rewards.size import Count, NumberDensity, SizeBand, SizeDistribution
from tests.rewards.scenes import disc, lattice, micrograph, paint, selected

SHAPE = (200, 240)
GRAY = paint([], SHAPE)
IMAGE = micrograph(GRAY)


def _score(term, masks) -> float:
    return term.score(selected(masks, GRAY), IMAGE)


def test_size_band_is_the_share_of_masks_in_the_range() -> None:
    band = SizeBand(low=15, high=25)
    good, small = lattice(radius=10), lattice(radius=4)
    assert _score(band, good) == pytest.approx(1)
    n = len(good)
    shares = [_score(band, good[: n - k] + small[n - k :]) for k in range(0, n - 3, 3)]
    assert shares == pytest.approx([1 - k / n for k in range(0, n - 3, 3)])


def test_the_edges_of_the_range_are_soft() -> None:
    diameter = math.sqrt(4 * lattice()[0].sum() / math.pi)
    for softness in (0.1, 0.4):
        band = SizeBand(low=diameter * math.exp(softness / 4), high=90, softness=softness)
        assert _score(band, lattice()) == pytest.approx(0.75, abs=1e-4)


def test_a_cut_mask_is_judged_only_where_it_is_too_large_as_it_is() -> None:
    good = lattice()
    cut = disc(SHAPE, 0, 100, 6)
    band = SizeBand(low=15, high=25)
    assert _score(band, [*good, cut]) == pytest.approx(1)
    background = ~np.any(good, axis=0)
    assert _score(band, [*good, background]) == pytest.approx(len(good) / (len(good) + 1))
    assert _score(SizeBand(low=50, high=60), [cut] * 4) == 0


def test_few_perfect_masks_do_not_have_full_score() -> None:
    band = SizeBand(low=15, high=25, least_count=10, least_coverage=0.0)
    masks = lattice()
    values = [_score(band, masks[:k]) for k in range(1, 12)]
    assert values == pytest.approx([min(k / 10, 1) for k in range(1, 12)])
    by_area = SizeBand(low=15, high=25, least_count=1, least_coverage=0.05)
    assert _score(by_area, masks[:2]) == pytest.approx(2 * masks[0].sum() / (0.05 * masks[0].size))


@pytest.mark.parametrize("median", [None, 15.0])
def test_distribution_is_the_wasserstein_distance_in_log_diameter(median) -> None:
    rng = np.random.default_rng(3)
    masks = [disc(SHAPE, 100, 120, r) for r in rng.uniform(3, 20, 25)]
    diameters = np.sqrt([4 * m.sum() / math.pi for m in masks])
    middle = np.median(np.log(diameters)) if median is None else math.log(median)
    target = middle + 0.4 * ndtri((np.arange(25) + 0.5) / 25)
    expected = math.exp(-wasserstein_distance(np.log(diameters), target) / 0.25)
    got = _score(SizeDistribution(median=median, spread=0.4), masks)
    assert got == pytest.approx(expected, rel=1e-4)


def test_distribution_needs_masks_to_speak_of_a_spread() -> None:
    masks = lattice()
    size = math.sqrt(4 * masks[0].sum() / math.pi)
    term = SizeDistribution(median=size, spread=0.0, least_count=10)
    assert _score(term, masks[:2]) == 0
    values = [_score(term, masks[:k]) for k in (3, 6, 10, 15)]
    assert values == sorted(values)
    assert values[-1] == pytest.approx(1)
    # further off is worse
    medians = [_score(SizeDistribution(median=size * f, spread=0.0), masks) for f in (1, 1.2, 2, 4)]
    assert medians == sorted(medians, reverse=True)


def test_twice_too_many_costs_as_much_as_half_too_few() -> None:
    masks = lattice()[:12]
    assert _score(Count(low=12, high=12), masks) == 1
    assert _score(Count(low=24, high=30), masks) == pytest.approx(0.5)
    assert _score(Count(low=1, high=6), masks) == pytest.approx(0.5)
    assert _score(Count(low=12, high=12), [*masks, np.zeros(SHAPE, bool)]) == 1


def test_objects_at_the_frame_count_half_for_the_density() -> None:
    inside = lattice()[:4]
    cut = [disc(SHAPE, 0, x, 8) for x in (60, 120)]
    density = 5 / (SHAPE[0] * SHAPE[1])
    exact = NumberDensity(low=density, high=density)
    assert _score(exact, inside + cut) == pytest.approx(1)
    physical = NumberDensity(low=density / 0.25, high=density / 0.25, unit="nm")
    image = micrograph(GRAY, 0.5, "nm")
    assert physical.score(selected(inside + cut, GRAY), image) == pytest.approx(1)
