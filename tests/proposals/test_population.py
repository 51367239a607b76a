"""What a mask has in common with the likely objects of its image, on drawn squares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_samstar.proposals.chunks import at_once
from napari_samstar.proposals.evidence import evidence
from napari_samstar.proposals.population import NAMES, population_steps
from napari_samstar.proposals.table import from_masks
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import Prior

_SIDE = 64

# y0, y1, x0, x1: three squares alike, two of them touching, both of these at once, half of the
# first, and all of the image
_SQUARES = [(4, 16, 4, 16), (4, 16, 16, 28), (40, 52, 40, 52)]
_BOTH, _HALF, _ALL = (4, 16, 4, 28), (4, 10, 4, 16), (0, 64, 0, 64)
_OPINIONS = [0.8, 0.7, 0.6, 0.4, 0.3, 0.1]


def _described(order: list[int]) -> dict[str, np.ndarray]:
    boxes = [*_SQUARES, _BOTH, _HALF, _ALL]
    masks = np.zeros((len(boxes), _SIDE, _SIDE), bool)
    for mask, (y0, y1, x0, x1) in zip(masks, boxes, strict=True):
        mask[y0:y1, x0:x1] = True
    gray = np.full((_SIDE, _SIDE), 90, np.uint8)
    for y0, y1, x0, x1 in _SQUARES:
        gray[y0:y1, x0:x1] = 200
    runs = MaskRuns.from_dense(masks[order])
    table = from_masks(runs, gray, "regions", np.ones(len(boxes), np.float32))
    first = np.array(_OPINIONS, np.float32)[order]
    rows = np.arange(len(boxes))
    found = at_once(population_steps(table, rows, evidence(table, Prior()), first))
    back = np.argsort(order)
    return {name: found[back, k] for k, name in enumerate(NAMES)}


@pytest.fixture(scope="module")
def found() -> dict[str, np.ndarray]:
    return _described(list(range(6)))


def test_the_likely_objects_are_the_best_that_do_not_overlap(found: dict[str, np.ndarray]) -> None:
    assert found["chosen"].tolist() == [1, 1, 1, 0, 0, 0]
    assert np.allclose(found["population_cover"], 0.7 * 3 * 144 / _SIDE**2)
    assert np.allclose(found["population_log_area_spread"], 0)


def test_a_mask_of_two_objects_holds_both(found: dict[str, np.ndarray]) -> None:
    assert np.allclose(found["holds"], np.log2([1, 1, 1, 3, 1, 4]))
    assert found["holds_worth"][3] == pytest.approx(1.5)
    assert found["holds_best"][3] == pytest.approx(0.8)
    assert found["holds_share"][3] == pytest.approx(1)
    assert found["met_iou"][3] == pytest.approx(0.5)
    assert found["second_share"][3] == pytest.approx(0.5)
    assert found["second_worth"][3] == pytest.approx(0.7)
    assert found["off_log_area"][3] > 4  # twice the area where all others are alike


def test_a_part_lies_inside_the_object_that_it_is_of(found: dict[str, np.ndarray]) -> None:
    assert found["met_iou"][4] == pytest.approx(0.5)
    assert found["met_inside"][4] == pytest.approx(1)
    assert found["met_size"][4] == pytest.approx(1)  # that object is twice as large
    assert found["free_share"][4] == 0


def test_an_object_does_not_lie_in_its_own_way(found: dict[str, np.ndarray]) -> None:
    assert found["met_iou"][:3].tolist() == [0, 0, 0]
    assert found["free_share"][:3].tolist() == [1, 1, 1]
    assert found["free_share"][5] == pytest.approx(1 - 3 * 144 / _SIDE**2)


@given(st.permutations(range(6)))
def test_the_order_of_masks_does_not_matter(order: list[int]) -> None:
    here, there = _described(list(range(6))), _described(order)
    for name in NAMES:
        assert np.allclose(here[name], there[name], equal_nan=True), name


def test_without_a_likely_object_everything_is_free() -> None:
    runs = MaskRuns.from_dense(np.ones((1, 8, 8), bool))
    table = from_masks(runs, np.zeros((8, 8), np.uint8), "regions", np.ones(1, np.float32))
    known = evidence(table, Prior())
    for rows in (np.arange(1), np.arange(0)):
        first = np.zeros(rows.size, np.float32)
        found = at_once(population_steps(table, rows, known[rows], first))
        assert found.shape == (rows.size, len(NAMES))
        assert (found[:, NAMES.index("free_share")] == 1).all()
