"""Where one material surely ends, and what may be cut there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from napari_samstar.booster.mosaicnet import CELL, MosaicNet, vectors_steps
from napari_samstar.booster.parts import across, cut, mask_vectors, parted, parts_of
from napari_samstar.pipeline import run
from napari_samstar.runs import MaskRuns
from napari_samstar.synth.lattices import LATTICES
from napari_samstar.synth.textures import Texture, paint

CRYSTAL = Texture("crystal", 0.5, 0.1, 10.0, 0.3, LATTICES["hexagonal p6mm, fcc [111]"])
GLASS = Texture("amorphous", 0.5, 0.1, 3.0)
maps = arrays.arrays(np.int32, (12, 12), elements=st.integers(0, 3))


def parts(image: NDArray[np.generic]) -> NDArray[np.int32]:
    """Part an image as the booster does."""
    return parts_of(run(vectors_steps(image)), (image.shape[0], image.shape[1]), 0.8)


def halves(gap: float) -> NDArray[np.float32]:
    """Vectors of 32 x 32 cells, those on the right `gap` away from those on the left."""
    out = np.zeros((32, 32, MosaicNet.dimension), np.float32)
    out[:, 16:, 3] = gap
    return out


@pytest.mark.parametrize(("gap", "count"), [(0.0, 1), (0.5, 1), (1.2, 2)])
def test_parts_are_farther_apart_than_asked(gap: float, count: int) -> None:
    found = parted(halves(gap), 0.8)
    assert found.shape == (32, 32)
    assert np.unique(found).tolist() == list(range(1, count + 1))
    if count == 2:
        assert (found[:, :15] != found[:, 17:18]).all()


def test_noise_is_no_border(rng: np.random.Generator) -> None:
    noisy = halves(2.0) + rng.normal(0, 0.15, (32, 32, MosaicNet.dimension)).astype(np.float32)
    found = parted(noisy, 0.8)
    assert found.max() == 2
    assert (found[:, :14] == found[0, 0]).all()
    assert (found[:, 18:] == found[-1, -1]).all()


def test_equally_bright_textures_are_two_parts(rng: np.random.Generator) -> None:
    image = np.concatenate([paint(rng, (130, 200), t) for t in (CRYSTAL, GLASS)])
    image += rng.normal(0, 0.02, image.shape).astype(np.float32)
    found = parts(image)
    assert found.shape == image.shape
    upper, lower = (np.bincount(half.ravel()).argmax() for half in (found[:130], found[130:]))
    assert upper != lower
    assert (found[:124] == upper).mean() > 0.97
    assert (found[136:] == lower).mean() > 0.97


def test_cracks_and_light_are_no_borders(rng: np.random.Generator) -> None:
    image = paint(rng, (256, 256), CRYSTAL) * np.linspace(0.85, 1.15, 256, dtype=np.float32)
    image[:, 120:124] -= 0.25
    image += rng.normal(0, 0.02, image.shape).astype(np.float32)
    found = parts(image)
    assert (found == np.bincount(found.ravel()).argmax()).mean() > 0.95


@pytest.mark.parametrize("shape", [(12, 12), (13, 401), (33, 70)])
def test_images_of_any_size_have_parts(shape: tuple[int, int], rng: np.random.Generator) -> None:
    image = rng.normal(100, 10, shape)
    vectors = run(vectors_steps(image))
    assert vectors.shape == (-(-shape[0] // CELL), -(-shape[1] // CELL), MosaicNet.dimension)
    found = parts(image)
    assert found.shape == shape
    assert found.min() == 1


def test_brightness_and_contrast_of_the_whole_image_do_not_matter(
    rng: np.random.Generator,
) -> None:
    image = np.concatenate([paint(rng, (64, 128), t) for t in (CRYSTAL, GLASS)])
    first, second = (run(vectors_steps(i)) for i in (image, 1e4 * image + 300))
    np.testing.assert_allclose(first, second, atol=1e-3)


def test_large_images_are_looked_at_in_parts_that_agree(rng: np.random.Generator) -> None:
    image = np.concatenate([paint(rng, (1000, 160), t) for t in (CRYSTAL, GLASS)], 1)
    steps = vectors_steps(image)
    assert sum(1 for _ in steps) == 2  # a step each
    vectors = run(vectors_steps(image))
    seam = 768 // CELL
    apart = np.linalg.norm(vectors[seam] - vectors[seam - 1], axis=1)
    usual = np.linalg.norm(vectors[seam - 8] - vectors[seam - 9], axis=1)
    assert apart.mean() < 2 * usual.mean() + 0.1


@given(maps, maps, st.integers(1, 5), st.integers(1, 20))
def test_cutting_parts_regions_and_changes_nothing_else(
    labels: NDArray[np.int32], parts: NDArray[np.int32], wide: int, least: int
) -> None:
    found = cut(labels, parts + 1, wide, least)
    np.testing.assert_array_equal(found == 0, labels == 0)
    for name in np.unique(found[found > 0]):
        assert np.unique(labels[found == name]).size == 1
        assert name <= labels.max() or (found == name).sum() >= least
    one = np.ones_like(parts)
    np.testing.assert_array_equal(cut(labels, one, wide, least), labels)


def test_slivers_are_not_cut_off() -> None:
    labels, parts = np.ones((20, 40), np.int32), np.ones((20, 40), np.int32)
    parts[:, 30:] = 2
    assert np.unique(cut(labels, parts, 9, 50)).tolist() == [1, 2]
    assert np.unique(cut(labels, parts, 11, 50)).tolist() == [1]
    assert np.unique(cut(labels, parts, 9, 250)).tolist() == [1]
    # what is left of a region goes to the nearest side
    parts[:, 28:30] = 3
    found = cut(labels, parts, 9, 50)
    assert (found[:, :29] == 1).all()
    assert (found[:, 29:] == 2).all()


def test_masks_across_a_border_are_known() -> None:
    parts = np.ones((20, 40), np.int32)
    parts[:, 20:] = 2
    masks = np.zeros((4, 20, 40), bool)
    masks[0, :, :20] = True
    masks[1] = True
    masks[2, :, :24] = True
    masks[3, 5:15, 15:25] = True
    assert across(MaskRuns.from_dense(list(masks)), parts, 10, 100).tolist() == [
        False,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("shape", [(128, 128), (126, 129), (13, 50)])
def test_masks_have_the_vectors_of_their_cells(shape: tuple[int, int]) -> None:
    h, w = -(-shape[0] // CELL), -(-shape[1] // CELL)
    vectors = np.zeros((h, w, MosaicNet.dimension), np.float32)
    vectors[:, w // 2 :, 2] = 1.0
    masks = np.zeros((3, *shape), bool)
    masks[0, :, : CELL * (w // 2)] = True
    masks[1] = ~masks[0]
    masks[1, 0, 0] = masks[2, 0, 0] = True  # less than a cell
    masks[0, 0, 0] = False
    rows = mask_vectors(vectors, MaskRuns.from_dense(list(masks)))
    assert rows.shape == (3, MosaicNet.dimension)
    assert rows[0, 2] < 0.1
    assert rows[1, 2] > 0.9
    assert np.isnan(rows[2]).all()
