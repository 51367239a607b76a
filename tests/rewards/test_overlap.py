"""Overlap, coverage and the frame."""

from __future__ import annotations

import numpy as np
import pytest

from napari_samstar.rewards.coverage import Border, Coverage
from napari_samstar.rewards.overlap import Ambiguity, Overlap
from tests.rewards.scenes import Mask, disc, lattice, micrograph, paint, selected

SHAPE = (200, 240)
GRAY = paint([], SHAPE)
IMAGE = micrograph(GRAY)


def _score(term, masks) -> float:
    return term.score(selected(masks, GRAY), IMAGE)


def _box(y0: int, y1: int, x0: int, x1: int) -> Mask:
    mask = np.zeros(SHAPE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_more_overlap_is_worse_by_pixel_and_by_mask() -> None:
    def pair(shift: int) -> list[Mask]:
        return [_box(20, 60, 20, 60), _box(20, 60, 20 + shift, 60 + shift)]

    for term in (Overlap(allowed=0, least_count=1), Ambiguity(allowed=0)):
        values = [_score(term, pair(shift)) for shift in (40, 30, 20, 10, 0)]
        assert values[0] == 1
        assert values[-1] == 0
        assert values == sorted(values, reverse=True)
    assert _score(Overlap(allowed=0, least_count=1), pair(30)) == pytest.approx(0.75)
    assert _score(Ambiguity(allowed=0), pair(30)) == pytest.approx(1 - 10 / 70)
    assert _score(Overlap(allowed=0.25, least_count=1), pair(30)) == 1


def test_a_mask_inside_another_is_found_unless_nesting_is_allowed() -> None:
    nested = [_box(20, 120, 20, 120), _box(40, 50, 40, 50)]
    assert _score(Overlap(least_count=1), nested) == 0
    assert _score(Overlap(least_count=1, nested=True), nested) == 1
    assert _score(Ambiguity(), nested) > 0.98  # by pixel it is hardly seen
    twins = [nested[0], nested[0].copy()]
    assert _score(Overlap(least_count=1, nested=True), twins) == 0


def test_only_the_masks_that_overlap_are_charged() -> None:
    good = lattice()
    assert _score(Overlap(), good) == 1
    values = [_score(Overlap(), good + good[:k]) for k in range(4)]
    n = len(good)
    assert values == pytest.approx([1 - 2 * k / (n + k) for k in range(4)])


def test_coverage_counts_a_pixel_once() -> None:
    half = _box(0, 100, 0, 240)
    exact = Coverage(low=0.5, high=0.5)
    assert _score(exact, [half]) == 1
    assert _score(exact, [half, half.copy()]) == 1
    assert _score(Coverage(low=0.1, high=0.25), [half]) == pytest.approx(0.5)
    parts = [_box(0, 10 * k, 0, 240) for k in range(1, 11)]
    values = [_score(Coverage(low=0.5, high=1), [m]) for m in parts]
    assert values == pytest.approx([k / 10 for k in range(1, 11)])


def test_the_frame_may_cut_as_many_as_chance_would() -> None:
    rng = np.random.default_rng(6)
    everywhere = [disc(SHAPE, rng.uniform(-12, 212), rng.uniform(-12, 252), 12) for _ in range(150)]
    everywhere = [m for m in everywhere if m.any()]
    cut = [m for m in everywhere if m[[0, -1]].any() or m[:, [0, -1]].any()]
    assert _score(Border(), everywhere) > 0.9
    assert _score(Border(), cut) < 0.1
    assert _score(Border(), lattice()) == 1
    assert _score(Border(allowed=0.0), everywhere) == pytest.approx(1 - len(cut) / len(everywhere))
