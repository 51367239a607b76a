"""What is around masks, under their outlines, and what the network thinks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage as ndi

from napari_samstar.rewards import make
from napari_samstar.rewards.confidence import PredictedIou, Stability
from napari_samstar.rewards.contrast import Contrast, EdgeAlignment, Homogeneity, Separability
from tests.rewards.scenes import lattice, micrograph, paint, selected

SHAPE = (200, 240)
DISCS = lattice()
POLAR = ("contrast", "polarity", "separability")


def _score(term, masks, gray) -> float:
    return term.score(selected(masks, gray), micrograph(gray))


def _moved(masks: list, by: int) -> list:
    return [np.roll(m, (by, by), (0, 1)) for m in masks]


@pytest.mark.parametrize("name", POLAR)
def test_polarity_tells_bright_from_dark(name: str) -> None:
    bright, dark = paint(DISCS, SHAPE, 180, 70), paint(DISCS, SHAPE, 70, 180)
    terms = {p: make(name, polarity=p) for p in ("any", "bright", "dark")}
    assert _score(terms["bright"], DISCS, bright) > 0.8
    assert _score(terms["dark"], DISCS, dark) > 0.8
    assert _score(terms["bright"], DISCS, dark) < 0.05
    assert _score(terms["any"], DISCS, dark) == pytest.approx(_score(terms["dark"], DISCS, dark))


@pytest.mark.parametrize(
    "name", ["contrast", "polarity", "edge_alignment", "homogeneity", "separability"]
)
def test_masks_beside_the_objects_are_worse(name: str) -> None:
    gray = ndi.gaussian_filter(paint(DISCS, SHAPE), 1)
    term = make(name)
    values = [_score(term, _moved(DISCS, by), gray) for by in (0, 3, 6)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[2] + 0.3


def test_more_contrast_is_better() -> None:
    grays = [paint(DISCS, SHAPE, 70 + step, 70) for step in (0, 5, 15, 60)]
    values = [_score(Contrast(polarity="bright"), DISCS, gray) for gray in grays]
    assert values == sorted(values)


def test_an_outline_on_the_edge_is_best() -> None:
    gray = ndi.gaussian_filter(paint(DISCS, SHAPE), 1)
    at = {r: _score(EdgeAlignment(), lattice(radius=r), gray) for r in (7, 10, 13)}
    assert at[10] > max(at[7], at[13]) + 0.2


def test_more_objects_explain_more_of_the_image() -> None:
    gray = paint(DISCS, SHAPE)
    values = [_score(Separability(full=1), DISCS[:k], gray) for k in (1, 4, 9, len(DISCS))]
    assert values == sorted(values)
    assert values[0] < 0.1
    assert values[-1] > 0.95


def test_few_perfect_masks_do_not_beat_many_good_ones() -> None:
    gray = ndi.gaussian_filter(paint(DISCS, SHAPE), 1)
    nearly = lattice(radius=9)
    for name in ("contrast", "polarity", "edge_alignment", "homogeneity", "separability"):
        enough = {} if name == "separability" else {"least_coverage": 0.06}
        term = make(name, **enough)
        assert _score(term, nearly, gray) > _score(term, DISCS[:4], gray), name


def test_a_flat_image_says_nothing() -> None:
    gray = np.full(SHAPE, 80, np.uint8)
    for name in (*POLAR, "edge_alignment", "homogeneity"):
        assert _score(make(name), DISCS, gray) == 0, name


def test_splinters_do_not_win_homogeneity_by_area() -> None:
    rng = np.random.default_rng(0)
    gray = np.clip(paint(DISCS, SHAPE) + rng.normal(0, 25, SHAPE), 0, 255).astype(np.uint8)
    speck = np.zeros(SHAPE, bool)
    speck[5, 5] = True
    mixed = DISCS + [np.roll(speck, 2 * i, 1) for i in range(len(DISCS))]
    by_area, by_number = Homogeneity(), Homogeneity(weighting="number")
    alone = _score(by_area, DISCS, gray)
    assert _score(by_area, mixed, gray) == pytest.approx(alone, abs=0.01)
    assert _score(by_number, mixed, gray) > alone + 0.05


@pytest.mark.parametrize("term", [PredictedIou(), Stability()])
def test_confidence_is_the_mean_above_a_floor(term) -> None:
    gray = paint(DISCS, SHAPE)
    n = len(DISCS)

    def score(value: float) -> float:
        values = np.full(n, value, np.float32)
        return term.score(selected(DISCS, gray, values, values), micrograph(gray))

    assert [score(v) for v in (0.2, 0.5, 0.75, 1.0)] == pytest.approx([0, 0, 0.5, 1])
    assert score(np.nan) == pytest.approx(term.unknown)
