"""Every mask gets crops, of its own pixels, spread over it, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_samstar.booster.crops import crop_side, cut_crops, grid_crops, mirrored
from napari_samstar.booster.period import lattice_period
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import CropSettings
from napari_samstar.synth.textures import Texture, paint
from napari_samstar.types import SamStarError

SQUARE = ((1.0, 0.0, 0.0, 1.0), ((0.0, 0.0, 1.0),))


def rows(height: int, width: int, top: int, bottom: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[top:bottom] = True
    return mask


@settings(max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(8, 150), st.integers(8, 150)),
    count=st.integers(1, 4),
    side=st.integers(4, 80),
)
def test_every_mask_gets_crops_within_the_image(
    seed: int, shape: tuple[int, int], count: int, side: int
) -> None:
    rng = np.random.default_rng(seed)
    masks = [rng.random(shape) < rng.random() ** 3 for _ in range(count)]
    for mask in masks:
        mask[rng.integers(shape[0]), rng.integers(shape[1])] = True
    image = rng.random(shape).astype(np.float32)
    side = min(side, *shape)
    crops = cut_crops(image, MaskRuns.from_dense(masks), side=side)
    assert set(crops.mask.tolist()) == set(range(count))
    assert np.bincount(crops.mask).max() <= CropSettings().most
    for pixels, inside, k, (x0, y0, x1, y1) in zip(
        crops.pixels, crops.inside, crops.mask, crops.boxes, strict=True
    ):
        assert (x1 - x0, y1 - y0) == (side, side)
        assert 0 <= x0 < x1 <= shape[1]
        assert 0 <= y0 < y1 <= shape[0]
        np.testing.assert_array_equal(inside, masks[k][y0:y1, x0:x1])
        assert inside.any()
        np.testing.assert_array_equal(pixels[inside], image[y0:y1, x0:x1][inside])
        assert np.isin(pixels, image[y0:y1, x0:x1][inside]).all()


def test_windows_are_covered_where_the_mask_is_wide_enough(rng: np.random.Generator) -> None:
    image = rng.random((300, 500)).astype(np.float32)
    crops = cut_crops(image, MaskRuns.from_dense([rows(300, 500, 40, 200)]), side=60)
    assert (crops.coverage() >= 0.95).all()


def test_a_layer_of_a_few_pixels_is_cropped_along_its_middle(rng: np.random.Generator) -> None:
    image = rng.random((200, 400)).astype(np.float32)
    crops = cut_crops(image, MaskRuns.from_dense([rows(200, 400, 100, 112)]), side=60)
    assert len(crops) == CropSettings().fewest
    assert crops.coverage() == pytest.approx(np.full(8, 12 / 60))
    assert np.ptp(crops.centers()[:, 1]) > 300


def test_large_masks_get_more_crops_and_they_are_spread(rng: np.random.Generator) -> None:
    image = rng.random((600, 600)).astype(np.float32)
    crops = cut_crops(image, MaskRuns.from_dense([np.ones((600, 600), bool)]), side=60)
    assert len(crops) == CropSettings().most
    centers = crops.centers()
    gaps = np.hypot(*(centers[:, None] - centers[None]).transpose(2, 0, 1))
    assert gaps[~np.eye(len(crops), dtype=bool)].min() > 60


def test_equal_seeds_cut_equal_crops(rng: np.random.Generator) -> None:
    image = rng.random((128, 128)).astype(np.float32)
    runs = MaskRuns.from_dense([rng.random((128, 128)) < 0.97])
    first, again = cut_crops(image, runs, side=40), cut_crops(image, runs, side=40)
    np.testing.assert_array_equal(first.boxes, again.boxes)
    other = cut_crops(image, runs, CropSettings(seed=1), 40)
    assert not np.array_equal(first.boxes, other.boxes)


def test_empty_masks_get_none_and_do_not_disturb() -> None:
    empty, full = np.zeros((64, 64), bool), np.ones((64, 64), bool)
    crops = cut_crops(np.zeros((64, 64), np.float32), MaskRuns.from_dense([empty, full]))
    assert set(crops.mask.tolist()) == {1}


def test_a_mask_of_another_image_is_refused() -> None:
    with pytest.raises(SamStarError, match="must belong together"):
        cut_crops(np.zeros((64, 32), np.float32), MaskRuns.empty((32, 64)))


def test_a_stripe_pattern_goes_on_in_its_mirror_image() -> None:
    view = np.arange(8, dtype=np.float32)[:, None].repeat(8, 1)
    inside = rows(8, 8, 0, 4)
    assert mirrored(view, inside)[:, 0].tolist() == [0, 1, 2, 3, 2, 1, 0, 0]


@pytest.mark.parametrize("period", [8.0, 13.0, 21.0])
def test_the_side_follows_the_lattice(period: float, rng: np.random.Generator) -> None:
    crystal = Texture("crystal", 0.5, 0.1, period, 0.3, SQUARE)
    image = paint(rng, (256, 384), crystal) + rng.normal(0, 0.1, (256, 384)).astype(np.float32)
    assert lattice_period(image) == pytest.approx(period, rel=0.08)
    loose = CropSettings(smallest_side=12, largest_side=500)
    assert crop_side(image, loose) == pytest.approx(4.5 * period, rel=0.08)


def test_a_side_that_shows_no_texture_is_refused() -> None:
    with pytest.raises(ValueError, match="A crop of 8 px shows no texture: give 12 px or more"):
        CropSettings(side=8)


def test_the_side_without_a_lattice_follows_the_pixel_size_or_the_default(
    rng: np.random.Generator,
) -> None:
    noise = rng.normal(0, 1, (256, 256)).astype(np.float32)
    assert lattice_period(noise) is None
    assert crop_side(noise, CropSettings()) == CropSettings().default_side
    assert crop_side(noise, CropSettings(), pixel_nm=0.02) == 90
    assert crop_side(noise, CropSettings(), pixel_nm=5.0) == CropSettings().default_side
    assert crop_side(noise, CropSettings(side=33)) == 33
    assert crop_side(noise[:30], CropSettings()) == 30


def test_grid_crops_cover_the_allowed_area_to_the_border(rng: np.random.Generator) -> None:
    image = rng.random((103, 77)).astype(np.float32)
    allowed = rows(103, 77, 50, 103)
    crops = grid_crops(image, allowed, 32, 8, 0.5)
    assert (crops.coverage() >= 0.5).all()
    seen = np.zeros_like(allowed)
    for x0, y0, x1, y1 in crops.boxes:
        seen[y0:y1, x0:x1] = True
    assert seen[allowed].all()
