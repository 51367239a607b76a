"""What no mask covers is split by texture, and nothing else is touched."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_samstar.booster.fallback import uncovered_regions
from napari_samstar.settings import CropSettings, FallbackSettings
from napari_samstar.synth.lattices import LATTICES
from napari_samstar.synth.textures import Texture, paint

SIDE = CropSettings(side=40)


def test_two_textures_without_masks_become_two_regions(rng: np.random.Generator) -> None:
    crystal = Texture("crystal", 0.5, 0.1, 9.0, 0.0, LATTICES["hexagonal p6mm, fcc [111]"])
    glass = Texture("amorphous", 0.5, 0.1, 3.0)
    image = np.concatenate([paint(rng, (120, 240), t) for t in (crystal, glass)])
    covered = np.zeros(image.shape, bool)
    covered[:, 200:] = True
    regions = uncovered_regions(image, covered, crops=SIDE)
    assert len(regions) == 2
    halves = [np.zeros_like(covered), np.zeros_like(covered)]
    halves[0][:120, :200] = halves[1][120:, :200] = True
    best = [
        max((r & half).sum() / (r | half).sum() for r in map(regions.dense, range(2)))
        for half in halves
    ]
    assert min(best) > 0.85


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
