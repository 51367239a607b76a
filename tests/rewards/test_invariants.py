"""What must hold for every term: bounds, and what may not change a score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_samstar.rewards import RewardTerm, make, scores, terms
from tests.rewards.scenes import Mask, disc, lattice, micrograph, paint, rod, selected

SHAPE = (96, 110)
# parameters that make a term ask for something in these scenes, beside its defaults
ASKING: dict[str, dict[str, Any]] = {
    "size_band": {"low": 8.0, "high": 14.0},
    "size_distribution": {"median": 10.0, "least_count": 3},
    "count": {"low": 3, "high": 5},
    "number_density": {"low": 2e-4, "high": 4e-4},
    "roundness": {"low": 0.6, "high": 0.8},
    "orientation_order": {"angle": 30.0, "least_count": 3},
    "overlap": {"nested": True},
    "border": {"allowed": 0.1},
    "neighbor_spacing": {"low": 12.0, "high": 25.0},
    "polarity": {"polarity": "dark"},
    "separability": {"polarity": "bright"},
    "homogeneity": {"weighting": "number"},
}
TERMS: list[RewardTerm] = [make(name) for name in terms()]
TERMS += [make(name, **parameters) for name, parameters in ASKING.items()]
LENGTHS = ("low", "high", "median")


def _objects(seed: int, n: int, room: int = 0) -> list[Mask]:
    """Discs and rods, at least `room` px inside the frame; without room some are cut."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        y, x = (rng.uniform(room, side - room) for side in SHAPE)
        if rng.random() < 0.5:
            found.append(disc(SHAPE, y, x, rng.uniform(1, 9)))
        else:
            long = rng.uniform(3, 11)
            found.append(rod(SHAPE, y, x, long, long / rng.uniform(1, 4), rng.uniform(0, 180)))
    return found


@st.composite
def _any_masks(draw: st.DrawFn) -> tuple[list[Mask], NDArray[np.uint8]]:
    """Masks of any kind on gray of any kind: noise, whole frames, single pixels, none at all."""
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    masks = _objects(seed, draw(st.integers(0, 6)))
    for kind in draw(st.lists(st.sampled_from(["full", "empty", "pixel", "noise", "twin"]))):
        mask = np.zeros(SHAPE, bool)
        if kind == "full":
            mask[:] = True
        elif kind == "pixel":
            mask[rng.integers(SHAPE[0]), rng.integers(SHAPE[1])] = True
        elif kind == "noise":
            mask = rng.random(SHAPE) < rng.random()
        elif kind == "twin" and masks:
            mask = masks[0].copy()
        masks.append(mask)
    flat = draw(st.booleans())
    gray = np.full(SHAPE, 9, np.uint8) if flat else rng.integers(0, 256, SHAPE).astype(np.uint8)
    return masks, gray


@given(_any_masks(), st.booleans())
@settings(max_examples=60)
def test_scores_lie_between_0_and_1(scene: tuple[list[Mask], Any], known: bool) -> None:
    masks, gray = scene
    n = len(masks)
    confidence = np.linspace(-1, 2, n).astype(np.float32) if known else None
    if confidence is not None:
        confidence[::3] = np.nan
    selection = selected(masks, gray, confidence, confidence)
    for term in TERMS:
        value = term.score(selection, micrograph(gray))
        assert type(value) is float, term
        assert 0 <= value <= 1 + 1e-12, term


@pytest.mark.parametrize("masks", [[], [np.zeros(SHAPE, bool)]], ids=["none", "empty mask"])
def test_nothing_is_the_worst(masks: list[Mask]) -> None:
    gray = paint([], SHAPE)
    selection = selected(masks, gray)
    for term in TERMS:
        assert term.score(selection, micrograph(gray)) == 0.0, term


@given(st.integers(0, 10_000), st.randoms(use_true_random=False))
@settings(max_examples=25)
def test_the_order_of_masks_does_not_matter(seed: int, random: Any) -> None:
    masks = _objects(seed, 9)
    gray = paint(masks[:6], SHAPE)
    order = list(range(9))
    random.shuffle(order)
    iou = np.linspace(0.5, 1, 9).astype(np.float32)
    one = selected(masks, gray, iou, iou)
    other = selected([masks[i] for i in order], gray, iou[order], iou[order])
    image = micrograph(gray)
    np.testing.assert_allclose(scores(TERMS, one, image), scores(TERMS, other, image), atol=1e-6)


@given(st.integers(0, 10_000), st.integers(-8, 8), st.integers(-8, 8))
@settings(max_examples=25)
def test_moving_image_and_masks_changes_nothing(seed: int, dy: int, dx: int) -> None:
    shape = (160, 170)
    rng = np.random.default_rng(seed)
    # a cluster far inside: nearest neighbors are closer than the frame
    centers = rng.uniform((60, 65), (100, 105), (9, 2))
    masks = [disc(shape, y, x, rng.uniform(2, 6)) for y, x in centers]
    gray = np.full(shape, 70, np.uint8)
    gray[40:120, 40:130] = paint(masks, shape)[40:120, 40:130]
    moved = [np.roll(m, (dy, dx), (0, 1)) for m in masks]
    gray_moved = np.roll(gray, (dy, dx), (0, 1))
    one = scores(TERMS, selected(masks, gray), micrograph(gray))
    other = scores(TERMS, selected(moved, gray_moved), micrograph(gray_moved))
    np.testing.assert_allclose(one, other, atol=2e-3)


def _scaled(term: RewardTerm, unit: str, pixel: float) -> RewardTerm:
    """The same term with its px turned into `unit`."""
    values = term.values()
    power = -2 if term.name == "number_density" else 1
    for name in LENGTHS:
        if values.get(name) is not None:
            values[name] *= pixel**power
    return make(term.name, **{**values, "unit": unit})


@given(st.integers(0, 10_000), st.floats(0.01, 50), st.sampled_from(["nm", "um"]))
@settings(max_examples=25)
def test_units_change_nothing(seed: int, pixel: float, unit: str) -> None:
    masks = _objects(seed, 9, room=12)
    gray = paint(masks, SHAPE)
    selection = selected(masks, gray)
    image = micrograph(gray, pixel, "nm")
    factor = {"nm": 1.0, "um": 1e-3}[unit]
    asked = [term for term in TERMS if term.name in ASKING and "unit" in term.values()]
    assert {term.name for term in asked} >= {"size_band", "neighbor_spacing", "number_density"}
    for term in asked:
        if term.name == "number_density" and term.values()["high"] > 1:
            continue  # no limit: it would leave its own bounds
        physical = _scaled(term, unit, pixel * factor)
        assert physical.needs_pixel_size
        assert physical.score(selection, image) == pytest.approx(
            term.score(selection, image), abs=1e-6
        )


def test_physical_lengths_need_a_pixel_size() -> None:
    gray = paint(lattice(), (200, 240))
    selection = selected(lattice(), gray)
    for name in ("size_band", "size_distribution", "number_density", "neighbor_spacing"):
        parameters = {"median": 5.0} if name == "size_distribution" else {}
        term = make(name, unit="nm", **parameters)
        with pytest.raises(Exception, match="has no pixel size: give one") as caught:
            term.score(selection, micrograph(gray))
        assert type(caught.value).__name__ == "SamStarError"
