"""Columns, spots and laths with masks of their own are part of the texture around them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from napari_samstar.booster.crops import crops_at, cut_crops
from napari_samstar.booster.elements import closed, elements, ground
from napari_samstar.booster.light import leveled, leveled_alike
from napari_samstar.runs import MaskRuns
from napari_samstar.synth.textures import Texture
from tests.booster.test_materials import SALT, boosted, stacked

#: Two phases mixed more finely than a crop.
MIXED = Texture("granular", 0.5, 0.16, 9.0)


def spotted(
    rng: np.random.Generator, other: Texture, noise: float = 0.04
) -> tuple[NDArray[np.float32], MaskRuns]:
    """A mixture over another texture: masks of what is left of both, and of its bright spots."""
    image, layers = stacked(rng, (MIXED, 130), (other, 110), noise=noise)
    upper = layers.dense(0)
    pieces, n = ndimage.label((ndimage.gaussian_filter(image, 1.5) > 0.58) & upper)
    sizes = np.bincount(pieces.ravel())
    spots = [pieces == k for k in range(1, n + 1) if 60 <= sizes[k] < 700]
    left = upper & ~np.any(spots, axis=0)
    return image, MaskRuns.from_dense([left, layers.dense(1), *spots])


@pytest.mark.parametrize("other", [SALT, Texture("laths", 0.6, 0.1, 6.0)])
def test_spots_of_a_texture_are_of_its_material(rng: np.random.Generator, other: Texture) -> None:
    found = boosted(*spotted(rng, other))
    assert found.count == 2
    assert found.labels[0] != found.labels[1]
    assert (found.labels[2:] == found.labels[0]).mean() > 0.75


def test_an_island_of_another_material_is_not_at_home(rng: np.random.Generator) -> None:
    image, layers = stacked(rng, (MIXED, 120), (SALT, 120))
    yy, xx = np.indices(image.shape)
    island = np.hypot(yy - 60, xx - 128) < 15
    image[island] = image[120:][island[:120]]
    found = boosted(
        image, MaskRuns.from_dense([layers.dense(0) & ~island, layers.dense(1), island])
    )
    assert elements(MaskRuns.from_dense([island]), found.evidence["side"]).all()
    assert found.count == 2
    assert found.labels[2] == found.labels[1]


@st.composite
def crowds(draw: st.DrawFn) -> tuple[MaskRuns, int]:
    """Masks without overlaps, squares of all sizes among them, and a side of crops."""
    labels = np.zeros((48, 64), np.int32)
    if draw(st.booleans()):
        labels[:, : draw(st.integers(1, 64))] = 1
    for k in range(2, draw(st.integers(2, 10))):
        y, x = draw(st.integers(0, 44)), draw(st.integers(0, 60))
        size = draw(st.integers(1, 40))
        labels[y : y + size, x : x + size] = k
    masks = [labels == k for k in np.unique(labels[labels > 0])]
    runs = MaskRuns.from_dense(masks) if masks else MaskRuns.empty((48, 64))
    return runs, draw(st.integers(12, 48))


@given(crowds())
@settings(max_examples=80, deadline=None)
def test_closing_fills_no_more_than_elements_leave(crowd: tuple[MaskRuns, int]) -> None:
    runs, side = crowd
    small, (whole, host) = elements(runs, side), closed(runs, side)
    assert len(whole) == len(runs)
    spots = runs.paint(np.flatnonzero(small)) > 0
    seen = np.zeros(runs.shape, int)
    for k in range(len(runs)):
        before, after = runs.dense(k), whole.dense(k)
        if small[k]:
            assert (after == before).all()
            continue
        assert host[k] == -1
        seen += after
        added = after & ~before
        assert (before <= after).all()
        assert (added <= spots).all()
        assert added.sum() <= before.sum()
    assert seen.max(initial=0) <= 1
    for k in np.flatnonzero(small & (host >= 0)):
        assert not small[host[k]]
        assert (runs.dense(k) & whole.dense(host[k])).any()


def test_elements_that_are_all_there_is_cover_the_image() -> None:
    tiles = np.kron(np.arange(1, 65).reshape(8, 8), np.ones((10, 10), int))
    many = MaskRuns.from_dense([tiles == k for k in range(1, 65)])
    few = MaskRuns.from_dense([tiles == k for k in range(1, 65, 5)])
    assert elements(many, 40).all()
    assert ground(many, 40).all()
    assert not ground(few, 40).any()
    assert ground(few, 12).sum() == 13 * 100  # too large to be elements


def test_spots_are_at_home_in_uneven_light(rng: np.random.Generator) -> None:
    image, runs = spotted(rng, SALT, noise=0.02)
    found = boosted(image * np.linspace(0.6, 1.4, image.shape[1], dtype=np.float32), runs)
    assert found.count == 2
    assert (found.labels[2:] == found.labels[0]).mean() > 0.75


def test_further_crops_are_leveled_as_those_beside_them(rng: np.random.Generator) -> None:
    image, runs = stacked(rng, (SALT, 120), (SALT, 120), noise=0.01)
    image = 100 * image * np.linspace(0.8, 1.2, 256, dtype=np.float32)
    given = cut_crops(image, runs, side=40)
    even, _ = leveled(given, runs.shape, runs.areas())
    again = leveled_alike(given, given, even)
    np.testing.assert_allclose(again.pixels, even.pixels, atol=0.01)
    corners = np.array([[40, 10], [40, 200]])
    further = crops_at(image, runs, np.array([0, 0]), corners, 40)
    dark, bright = further.pixels.mean((1, 2))
    left, right = leveled_alike(further, given, even).pixels.mean((1, 2))
    assert abs(right - left) < 0.3 * (bright - dark)
