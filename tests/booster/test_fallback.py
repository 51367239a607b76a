"""What no mask covers is split by texture, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_samstar.booster.fallback import uncovered_regions
from napari_samstar.settings import CropSettings, FallbackSettings
from napari_samstar.synth.lattices import LATTICES
from napari_samstar.synth.textures import Texture, paint
from napari_samstar.types import SamStarError

SIDE = CropSettings(side=40)


def test_where_two_textures_meet_is_a_border(rng: np.random.Generator) -> None:
    crystal = Texture("crystal", 0.5, 0.1, 9.0, 0.0, LATTICES["hexagonal p6mm, fcc [111]"])
    glass = Texture("amorphous", 0.5, 0.1, 3.0)
    image = np.concatenate([paint(rng, (120, 240), t) for t in (crystal, glass)])
    covered = np.zeros(image.shape, bool)
    covered[:, 200:] = True
    regions = uncovered_regions(image, covered, crops=SIDE)
    # each may be in several pieces: what is one material is found out later
    assert 2 <= len(regions) <= 6
    halves = np.zeros((2, 240, 240), bool)
    halves[0, :120, :200] = halves[1, 120:, :200] = True
    pieces = [regions.dense(k) for k in range(len(regions))]
    for half in halves:
        mine = np.logical_or.reduce([p for p in pieces if (p & half).sum() > p.sum() / 2])
        assert (mine & half).sum() / (mine | half).sum() > 0.85


def test_a_layer_thinner_than_usual_crops_is_a_region_of_its_own(rng: np.random.Generator) -> None:
    crystal = Texture("crystal", 0.5, 0.1, 12.0, 0.0, LATTICES["hexagonal p6mm, fcc [111]"])
    glass = Texture("amorphous", 0.4, 0.08, 3.0)
    image = np.concatenate(
        [paint(rng, (n, 256), t) for n, t in ((110, crystal), (36, glass), (110, crystal))]
    )
    image += rng.normal(0, 0.03, image.shape).astype(np.float32)
    regions = uncovered_regions(image, np.zeros(image.shape, bool))
    layer = np.zeros(image.shape, bool)
    layer[110:146] = True
    pieces = [regions.dense(k) for k in range(len(regions))]
    mine = np.logical_or.reduce([p for p in pieces if (p & layer).sum() > p.sum() / 2])
    assert (mine & layer).sum() / (mine | layer).sum() > 0.7


@pytest.mark.parametrize("scale", [1.0, 255.0, 1e4])
def test_units_of_intensity_do_not_matter(rng: np.random.Generator, scale: float) -> None:
    crystal = Texture("crystal", 0.5, 0.1, 9.0, 0.0, LATTICES["hexagonal p6mm, fcc [111]"])
    image = np.concatenate([paint(rng, (80, 128), crystal), rng.normal(0.5, 0.1, (80, 128))])
    nothing = np.zeros(image.shape, bool)
    first = uncovered_regions(image, nothing, crops=SIDE)
    again = uncovered_regions(scale * image + 3 * scale, nothing, crops=SIDE)
    np.testing.assert_array_equal(first.areas(), again.areas())


def test_one_texture_is_one_region(rng: np.random.Generator) -> None:
    image = paint(rng, (160, 160), Texture("amorphous", 0.5, 0.1, 3.0))
    regions = uncovered_regions(image, np.zeros(image.shape, bool), crops=SIDE)
    assert len(regions) == 1
    assert regions.areas()[0] == image.size


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), share=st.floats(0.0, 1.0))
def test_regions_lie_where_no_mask_is_and_never_overlap(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    image = rng.random((90, 110)).astype(np.float32)
    covered = np.zeros(image.shape, bool)
    covered[:, : round(share * 110)] = True
    regions = uncovered_regions(image, covered, FallbackSettings(min_area=0.1), SIDE)
    total = np.zeros(image.shape, int)
    for k in range(len(regions)):
        total += regions.dense(k)
    assert total.max() <= 1
    assert not total[covered].any()
    assert (np.diff(regions.areas()) <= 0).all()


def test_full_cover_leaves_nothing() -> None:
    image = np.zeros((64, 64), np.float32)
    assert len(uncovered_regions(image, np.ones((64, 64), bool), crops=SIDE)) == 0


def test_bad_images_are_named_and_holes_are_filled(rng: np.random.Generator) -> None:
    image = rng.normal(100, 5, (90, 120)).astype(np.float32)
    image[:, 60:] += 90
    none = np.zeros(image.shape, bool)
    with pytest.raises(SamStarError, match="3 dimensions"):
        uncovered_regions(np.stack([image] * 3, -1), none)
    with pytest.raises(SamStarError, match="120 x 90 px and the masks are 119 x 90 px"):
        uncovered_regions(image, none[:, 1:])
    with pytest.raises(SamStarError, match="No pixel"):
        uncovered_regions(np.full_like(image, np.nan), none)
    image[::30, ::30] = np.nan
    assert len(uncovered_regions(image, none)) >= 1
