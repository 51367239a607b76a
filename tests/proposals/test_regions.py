"""Classical regions: what they find, what they leave out, how large they get."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage as ndi

from napari_samstar.proposals import regions as module
from napari_samstar.proposals.regions import Regions, find_regions
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import RegionSettings


def _regions(gray: NDArray[np.uint8], given: RegionSettings | None = None) -> Regions:
    work = find_regions(gray, given)
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value


def _best(runs: MaskRuns, truth: NDArray[np.bool_]) -> float:
    objects = MaskRuns.from_dense([truth])
    n = len(runs)
    shared = (runs + objects).intersections(np.arange(n), np.full(n, n))
    return float((shared / (runs.areas() + truth.sum() - shared)).max())


def _disc(shape: tuple[int, int], y: float, x: float, r: float) -> NDArray[np.bool_]:
    rows, columns = np.indices(shape)
    return (rows - y) ** 2 + (columns - x) ** 2 <= r * r


def _image(shape: tuple[int, int], objects: list[NDArray[np.bool_]], step: float) -> np.ndarray:
    rng = np.random.default_rng(3)
    clean = 110 + step * np.any(objects, axis=0)
    noisy = ndi.gaussian_filter(clean.astype(float), 1) + rng.normal(0, 6, shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("step", [60.0, -60.0], ids=["bright", "dark"])
def test_touching_discs_of_all_sizes_are_found_one_by_one(step: float) -> None:
    shape = (200, 220)
    objects = [
        _disc(shape, 50, 50, 30),
        _disc(shape, 50, 104, 28),
        _disc(shape, 140, 60, 12),
        _disc(shape, 140, 120, 5),
        _disc(shape, 140, 190, 22),
    ]
    found = _regions(_image(shape, objects, step))
    assert min(_best(found.runs, truth) for truth in objects) > 0.8


def test_rows_are_connected_distinct_and_within_the_settings() -> None:
    rng = np.random.default_rng(0)
    noise = ndi.gaussian_filter(rng.normal(size=(120, 90)), 2)
    gray = np.clip(128 + 500 * noise, 0, 255).astype(np.uint8)
    given = RegionSettings(min_area=20, max_rows=300, max_area_fraction=0.4, duplicate_iou=0.8)
    found = _regions(gray, given)
    runs = found.runs
    assert 100 < len(found) <= 300
    assert len(found.persistence) == len(found.kind) == len(found)
    assert found.persistence.min() >= 0
    assert found.persistence.max() <= 1
    areas = runs.areas()
    assert areas.min() >= 20
    assert areas.max() <= 0.4 * gray.size
    for i in range(len(runs)):
        assert ndi.label(runs.dense(i))[1] == 1
    first, second = np.triu_indices(len(runs), 1)
    shared = runs.intersections(first, second)
    assert (shared <= 0.8 * (areas[first] + areas[second] - shared)).all()


def test_the_same_image_gives_the_same_regions() -> None:
    gray = _image((90, 90), [_disc((90, 90), 40, 40, 20)], 50)
    a, b = _regions(gray), _regions(gray)
    assert np.array_equal(a.runs.counts, b.runs.counts)
    assert np.array_equal(a.persistence, b.persistence)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_images_of_any_small_shape_give_valid_masks(height: int, width: int, seed: int) -> None:
    gray = np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.uint8)
    runs = _regions(gray, RegionSettings(min_area=2)).runs
    assert runs.shape == (height, width)
    for i in range(len(runs)):
        assert runs.row(i).sum() == height * width


@pytest.mark.parametrize("shape", [(8, 8), (1, 300), (300, 1), (64, 64)])
def test_a_constant_image_has_no_regions(shape: tuple[int, int]) -> None:
    assert len(_regions(np.full(shape, 77, np.uint8))) == 0


def test_blocks_lose_nothing_at_their_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 128)
    monkeypatch.setattr(module, "_OVERLAP", 48)
    shape = (301, 260)
    objects = [
        _disc(shape, 104, 104, 15),  # on the corner of four blocks
        _disc(shape, 20, 128, 10),
        _disc(shape, 200, 150, 70),  # larger than the overlap
        _disc(shape, 290, 20, 8),
    ]
    runs = _regions(_image(shape, objects, 60)).runs
    assert (np.add.reduceat(runs.counts.astype(int), runs.offsets[:-1]) == 301 * 260).all()
    assert min(_best(runs, truth) for truth in objects) > 0.75


def test_progress_comes_between_stages_and_work_may_stop_there() -> None:
    work = find_regions(_image((60, 60), [_disc((60, 60), 30, 30, 12)], 50))
    step = next(work)
    assert step.total > step.done >= 1
    work.close()


def test_a_wrong_image_is_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        next(find_regions(np.zeros((4, 4, 3), np.uint8)))
