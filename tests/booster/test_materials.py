"""Masks of one texture become one material, of several become several, and vacuum none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import squareform
from threadpoolctl import threadpool_info, threadpool_limits

import napari_samstar.booster.light as module
from napari_samstar.booster.background import find_background
from napari_samstar.booster.crops import cut_crops
from napari_samstar.booster.grouping import choose_count, cut_tree, rejoined, silhouette
from napari_samstar.booster.light import leveled, shared_trend
from napari_samstar.booster.materials import Materials, find_materials, materials_steps
from napari_samstar.booster.physics import IntensityEncoder, PhysicsEncoder
from napari_samstar.pipeline import run
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import BoostSettings, MaterialSettings
from napari_samstar.synth.lattices import LATTICES
from napari_samstar.synth.textures import Texture, paint
from napari_samstar.types import SamStarError

#: Quick, and no weights needed.
ENCODERS = [IntensityEncoder(), PhysicsEncoder()]
SALT = Texture("crystal", 0.5, 0.1, 12.0, 0.2, LATTICES["square p4mm, rock salt [001]"])
GLASS = Texture("amorphous", 0.62, 0.06, 5.0)
VACUUM = Texture("amorphous", 0.1, 0.003, 5.0)


def stacked(
    rng: np.random.Generator, *layers: tuple[Texture, int], noise: float = 0.04
) -> tuple[NDArray[np.float32], MaskRuns]:
    """Image of layers of so many rows, and a mask of each."""
    width, height = 256, sum(rows for _, rows in layers)
    image = np.concatenate([paint(rng, (rows, width), t) for t, rows in layers])
    masks, top = [], 0
    for _, rows in layers:
        mask = np.zeros((height, width), bool)
        mask[top : top + rows] = True
        masks.append(mask)
        top += rows
    image = image + rng.normal(0, noise, image.shape).astype(np.float32)
    return image.astype(np.float32), MaskRuns.from_dense(masks)


def boosted(image: NDArray[np.float32], runs: MaskRuns, **chosen: object) -> Materials:
    given = BoostSettings(materials=MaterialSettings(**chosen))  # type: ignore[arg-type]
    return find_materials(image, runs, given, ENCODERS)


def test_repeated_layers_are_one_material(rng: np.random.Generator) -> None:
    found = boosted(*stacked(rng, (SALT, 70), (GLASS, 80), (SALT, 90), (GLASS, 70)))
    assert found.count == 2
    # 1 is the larger in all, salt
    assert found.labels.tolist() == [1, 2, 1, 2]
    assert found.background == 0
    assert (found.confidence > 0.3).all()
    assert (found.margin > 0.5).all()
    assert found.evidence["silhouette"] > 0.5
    assert found.evidence["stability"] > 0.9


def test_pixels_that_are_not_finite_are_filled(rng: np.random.Generator) -> None:
    image, runs = stacked(rng, (SALT, 70), (GLASS, 80), (SALT, 90))
    image[30, 40] = np.nan
    image[100, 10] = np.inf
    assert boosted(image, runs).labels.tolist() == [1, 2, 1]
    with pytest.raises(SamStarError, match="The image holds no finite number"):
        boosted(np.full_like(image, np.nan), runs)


def test_one_texture_in_pieces_stays_one_material(rng: np.random.Generator) -> None:
    found = boosted(*stacked(rng, (SALT, 70), (SALT, 80), (SALT, 90)))
    assert found.count == 1
    assert found.labels.tolist() == [1, 1, 1]


def test_vacuum_is_kept_out(rng: np.random.Generator) -> None:
    image, runs = stacked(rng, (VACUUM, 70), (SALT, 80), (GLASS, 90), (SALT, 80))
    found = boosted(image, runs)
    assert found.count == 2
    assert found.background == 3
    assert found.labels.tolist() == [3, 1, 2, 1]
    kept = boosted(image, runs, background=False)
    assert kept.background == 0
    assert kept.count == 3


def test_a_thin_layer_joins_its_material(rng: np.random.Generator) -> None:
    found = boosted(*stacked(rng, (SALT, 90), (GLASS, 90), (SALT, 22)))
    assert found.labels.tolist() == [1, 2, 1]
    assert found.confidence[2] > 0.05


def test_a_thin_layer_of_its_own_kind_is_a_material(rng: np.random.Generator) -> None:
    laths = Texture("laths", 0.85, 0.1, 3.0)
    found = boosted(*stacked(rng, (laths, 90), (SALT, 30), (GLASS, 90)))
    assert found.count == 3


def test_a_layer_half_as_wide_as_a_crop_is_a_material(rng: np.random.Generator) -> None:
    found = boosted(*stacked(rng, (GLASS, 100), (SALT, 28), (GLASS, 100)))
    assert found.evidence["side"] > 2 * 28
    assert found.labels.tolist() == [1, 2, 1]


@pytest.mark.parametrize("grouping", ["linkage", "kmeans"])
def test_a_known_number_is_kept_to(rng: np.random.Generator, grouping: str) -> None:
    layers = ((SALT, 70), (GLASS, 80), (SALT, 90), (GLASS, 70))
    found = boosted(*stacked(rng, *layers), count=2, grouping=grouping)
    assert found.labels.tolist() == [1, 2, 1, 2]
    assert boosted(*stacked(rng, *layers), count=1, grouping=grouping).count == 1
    assert boosted(*stacked(rng, *layers), count=3, grouping=grouping).count in (2, 3)


def test_equal_seeds_give_equal_materials(rng: np.random.Generator) -> None:
    image, runs = stacked(rng, (SALT, 70), (GLASS, 60), (SALT, 80), noise=0.3)
    first, again = boosted(image, runs), boosted(image, runs)
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.confidence, again.confidence)


def test_the_order_of_masks_does_not_matter(rng: np.random.Generator) -> None:
    image, runs = stacked(rng, (SALT, 70), (GLASS, 80), (SALT, 90), (GLASS, 70))
    order = np.array([2, 0, 3, 1])
    np.testing.assert_array_equal(
        boosted(image, runs.take(order)).labels, boosted(image, runs).labels[order]
    )


def test_no_masks_and_empty_masks_have_no_material() -> None:
    image = np.zeros((64, 64), np.float32)
    none = boosted(image, MaskRuns.empty((64, 64)))
    assert none.count == 0
    assert none.labels.size == 0
    empty = boosted(image, MaskRuns.from_dense([np.zeros((64, 64), bool)]))
    assert empty.labels.tolist() == [0]
    single = boosted(image, MaskRuns.from_dense([np.ones((64, 64), bool)]))
    assert single.labels.tolist() == [1]
    assert single.count == 1


def test_what_resembles_two_materials_alike_stays_uncertain(rng: np.random.Generator) -> None:
    image, runs = stacked(rng, (SALT, 120), (GLASS, 120))
    across = np.zeros((1, *image.shape), bool)
    across[0, 80:160] = True
    both = MaskRuns.from_dense([*(runs.dense(k) for k in range(2)), across[0]])
    found = boosted(image, both, count=2, min_margin=0.5)
    assert sorted(found.labels[:2]) == [1, 2]
    assert found.labels[2] == 0


def test_even_light_over_uneven(rng: np.random.Generator) -> None:
    image, runs = stacked(rng, (SALT, 100), (GLASS, 100), (SALT, 100))
    tilt = np.linspace(0, 0.4, 300, dtype=np.float32)[:, None]
    crops = cut_crops(image + tilt, runs)
    spread = [
        np.ptp([c.pixels[c.mask == k].mean() for k in (0, 2)])
        for c in (crops, leveled(crops, runs.shape, runs.areas())[0])
    ]
    assert spread[0] > 0.2
    assert spread[1] < 0.05
    assert boosted(image + tilt, runs).labels.tolist() == [1, 2, 1]


def test_light_that_changes_brightness_and_contrast_makes_no_material(
    rng: np.random.Generator,
) -> None:
    image, runs = stacked(rng, (SALT, 100), (SALT, 100), (SALT, 100), noise=0.02)
    y, x = np.mgrid[:300, :256] / 300
    image = image * (1 + 0.2 * np.sin(3 * y + 2 * x)).astype(np.float32)
    crops = cut_crops(255 * image, runs)
    even, doubt = leveled(crops, runs.shape, runs.areas())
    for measure, left in ((np.mean, 4.0), (lambda c: np.log(np.std(c)), 0.05)):
        before, after = (
            np.ptp([np.mean([measure(p) for p in c.pixels[c.mask == k]]) for k in range(3)])
            for c in (crops, even)
        )
        assert after < left < before
    assert 0 <= doubt[0] < 16
    assert boosted(image, runs).count == 1


def test_light_is_leveled_by_one_thread_of_blas(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    def watched(*given: Any) -> Any:
        seen.append(threads())
        return shared_trend(*given)

    seen: list[set[int]] = []
    monkeypatch.setattr(module, "shared_trend", watched)
    image, runs = stacked(rng, (SALT, 100), (GLASS, 100))
    with threadpool_limits(limits=2, user_api="blas"):
        leveled(cut_crops(image, runs), runs.shape, runs.areas())
        assert seen == [{1}, {1}], "they would wait for each other, and the window for them"
        assert threads() == {2}


def test_a_trend_is_learned_within_masks(rng: np.random.Generator) -> None:
    owner = np.repeat(np.arange(4), 20)
    places = np.stack([np.tile(np.linspace(0, 1, 20), 4), np.repeat(np.linspace(0, 1, 4), 20)], 1)
    light = 8 * np.sin(3 * places[:, 0])
    values = np.array([0.0, 30.0, 5.0, 60.0])[owner] + light + rng.normal(0, 0.5, 80)
    found = shared_trend(values, places, owner, np.ones(80))
    np.testing.assert_allclose(found.values, light - light.mean(), atol=1.5)
    flat = shared_trend(values - light, places, owner, np.ones(80))
    assert np.abs(flat.values).max() < 1.0
    none = shared_trend(np.arange(4.0), places[::20], np.arange(4), np.ones(4))
    assert not none.values.any()  # one crop each says nothing of what changes within


def test_what_differs_by_brightness_alone_is_two_materials(rng: np.random.Generator) -> None:
    brighter = replace(SALT, tone=SALT.tone + 0.05)
    image, runs = stacked(rng, (SALT, 100), (brighter, 100), (GLASS, 100), noise=0.08)
    found = boosted(image, runs)
    assert found.count == 3


def test_only_what_is_dark_even_and_without_lattice_is_background(
    rng: np.random.Generator,
) -> None:
    dark_crystal = Texture("crystal", 0.1, 0.03, 12.0, 0.2, SALT.cell)
    for darkest, empty in ((VACUUM, True), (dark_crystal, False)):
        image, runs = stacked(rng, (darkest, 80), (SALT, 80), (GLASS, 80), noise=0.03)
        crops = cut_crops(image, runs, side=60)
        assert find_background(crops, runs).tolist() == [empty, False, False]


def test_a_dark_island_cut_off_by_the_border_is_no_vacuum(rng: np.random.Generator) -> None:
    image, runs = stacked(rng, (VACUUM, 80), (SALT, 90), (GLASS, 90), noise=0.03)
    image[80:150, :80] = image[:70, :80]
    island = np.zeros((1, *image.shape), bool)
    island[0, 80:150, :80] = True
    masks = [runs.dense(k) & ~island[0] for k in range(3)]
    alone = MaskRuns.from_dense([island[0], *masks[1:]])
    assert not find_background(cut_crops(image, alone, side=40), alone).any()
    # beside vacuum that it looks like, it is a pore
    beside = MaskRuns.from_dense([island[0], *masks])
    found = find_background(cut_crops(image, beside, side=40), beside)
    assert found.tolist() == [True, True, False, False]


def test_uneven_light_over_one_crystal_makes_no_second_material(rng: np.random.Generator) -> None:
    image, runs = stacked(rng, (SALT, 90), (SALT, 90), (SALT, 90), noise=0.01)
    light = 1 + 0.08 * np.sin(np.arange(270) / 40)[:, None].astype(np.float32)
    assert boosted(image * light, runs).count == 1


def test_a_seam_between_two_materials_is_none_itself(rng: np.random.Generator) -> None:
    image, runs = stacked(rng, (SALT, 110), (GLASS, 110))
    image[106:114] -= 0.3
    seam = np.zeros((1, *image.shape), bool)
    seam[0, 98:122] = True
    both = MaskRuns.from_dense([*(runs.dense(k) & ~seam[0] for k in range(2)), seam[0]])
    assert boosted(image, both).count == 2


@settings(max_examples=30)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=2, max_size=5),
    apart=st.floats(8.0, 50.0),
    seed=st.integers(0, 1000),
)
def test_groups_far_apart_are_counted(sizes: list[int], apart: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    places = group[:, None] * apart + rng.uniform(-0.4, 0.4, (group.size, 1))
    links = linkage(squareform(np.abs(places - places.T)), "average")
    count, _ = choose_count(links, 2.0, 5.0, 6)
    assert count == len(sizes)
    found = cut_tree(links, count)
    assert np.unique(np.stack([found, group]), axis=1).shape[1] == count


def test_chance_distances_are_one_group() -> None:
    rng = np.random.default_rng(0)
    places = rng.normal(0, 1, (12, 10))
    distances = np.linalg.norm(places[:, None] - places[None], axis=2) / np.sqrt(20)
    assert (
        choose_count(linkage(squareform(distances, checks=False), "average"), 2.0, 5.0, 6)[0] == 1
    )


@pytest.mark.parametrize(("own", "count"), [(True, 3), (False, 2)])
def test_a_thin_layer_that_the_network_sees_as_its_neighbor_is_no_material(
    rng: np.random.Generator, own: bool, count: int
) -> None:
    other = replace(SALT, tone=0.9, cell=LATTICES["hexagonal p6mm, fcc [111]"])
    image, runs = stacked(rng, (SALT, 90), (other, 28), (GLASS, 90))
    seen = np.repeat([0.0, 2.0 if own else 4.0, 4.0], [90, 28, 90])[2::4]
    vectors = np.zeros((seen.size, 64, 16), np.float32)
    vectors[..., 0] = seen[:, None]
    found = run(materials_steps(image, runs, BoostSettings(), ENCODERS, vectors=vectors))
    assert found.count == count
    # where the number is known, the network is not asked
    assert boosted(image, runs, count=3).count == 3


def test_groups_alike_to_the_network_are_one() -> None:
    """The nearest join first, and by their common mean: 0 and 1 are one, and then far from 2."""
    groups = np.array([0, 1, 2, 2, 3])
    vectors = np.array([[0.0], [0.2], [0.45], [0.45], [np.nan]])
    worth = np.ones(5)
    assert rejoined(groups, vectors, worth, 0.3).tolist() == [0, 0, 1, 1, 2]
    assert rejoined(groups, vectors, worth, 0.1).tolist() == [0, 1, 2, 2, 3]
    assert rejoined(groups, vectors, worth, 1.0).tolist() == [0, 0, 0, 0, 1]
    assert rejoined(groups[4:], vectors[4:], worth[4:], 1.0).tolist() == [0]


def test_silhouette_counts_each_mask_once() -> None:
    places = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 10.0, 10.1])
    distances = np.abs(places[:, None] - places[None])
    groups = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    assert silhouette(distances, groups, np.array([0, 0, 0, 0, 0, 0, 1, 1])) > 0.9
    mixed = np.array([0, 0, 0, 0, 0, 0, 0, 1])
    lone = silhouette(distances, mixed, np.array([0, 0, 0, 0, 0, 0, 1, 2]))
    assert lone < 0.5
    assert silhouette(distances, np.zeros(8, int), groups) == 0.0


@pytest.mark.parametrize("size", [44, 56])
def test_fragments_of_a_restless_texture_found_no_material(
    rng: np.random.Generator, size: int
) -> None:
    blotches = Texture("amorphous", 0.62, 0.15, 14.0)
    image, runs = stacked(rng, (SALT, 130), (blotches, 160))
    # the darkest and the brightest spots, as a segmentation by texture would choose them
    near = ndimage.uniform_filter(image, size)[160:260, 40:210]
    spots = [np.unravel_index(i, near.shape) for i in (near.argmin(), near.argmax())]
    masks = [runs.dense(k) for k in range(2)]
    for y, x in spots:
        spot = np.zeros_like(masks[0])
        top, left = 160 + int(y) - size // 2, 40 + int(x) - size // 2
        spot[top : top + size, left : left + size] = True
        masks = [*(mask & ~spot for mask in masks), spot]
    assert boosted(image, MaskRuns.from_dense(masks)).count == 2


def test_vacuum_in_pieces_is_vacuum(rng: np.random.Generator) -> None:
    image, runs = stacked(rng, (VACUUM, 80), (SALT, 90), (GLASS, 90), noise=0.03)
    third = np.arange(image.shape[1])[None] // 86  # too narrow to be vacuum by themselves
    masks = [*(runs.dense(0) & (third == k) for k in range(3)), runs.dense(1), runs.dense(2)]
    pieces = MaskRuns.from_dense(masks)
    found = find_background(cut_crops(image, pieces, side=40), pieces)
    assert found.tolist() == [True, True, True, False, False]


def test_vacuum_is_vacuum_where_its_light_is_uneven_too(rng: np.random.Generator) -> None:
    image, runs = stacked(rng, (VACUUM, 80), (SALT, 90), (GLASS, 90), noise=0.03)
    half = np.arange(image.shape[1])[None] < image.shape[1] // 2
    slow = ndimage.gaussian_filter(rng.standard_normal(image.shape), 5)
    uneven = image + np.where(runs.dense(0) & ~half, 0.02 * slow / slow.std(), 0)
    masks = [runs.dense(0) & half, runs.dense(0) & ~half, runs.dense(1), runs.dense(2)]
    pieces = MaskRuns.from_dense(masks)
    image = uneven.astype(np.float32)
    found = find_background(cut_crops(image, pieces, side=40), pieces)
    assert found.tolist() == [True, True, False, False]
    # a dark layer that is as uneven is no vacuum where none touches it
    alone = MaskRuns.from_dense(masks[1:])
    assert not find_background(cut_crops(image, alone, side=40), alone).any()


def test_vacuum_whose_structure_is_lost_in_noise_is_vacuum(rng: np.random.Generator) -> None:
    weak = replace(SALT, contrast=0.05)
    gray = replace(VACUUM, tone=0.3)
    image, runs = stacked(rng, (gray, 80), (weak, 80), (GLASS, 90), noise=0.15)
    found = find_background(cut_crops(image, runs, side=60), runs)
    assert found.tolist() == [True, False, False]


def test_black_vacuum_is_vacuum_however_strong_the_noise(rng: np.random.Generator) -> None:
    glass = Texture("amorphous", 0.62, 0.03, 5.0)  # of whose own structure little is left
    black = Texture("amorphous", 0.3, 0.02, 6.0)
    image, runs = stacked(rng, (black, 80), (glass, 120), (glass, 80), noise=0.14)
    assert find_background(cut_crops(image, runs), runs).tolist() == [True, False, False]


def test_a_matrix_hardly_darker_than_what_lies_in_it_is_no_vacuum(rng: np.random.Generator) -> None:
    matrix = Texture("amorphous", 0.47, 0.02, 4.0)
    salt = replace(SALT, tone=0.52)
    image, runs = stacked(rng, (matrix, 120), (salt, 60), (GLASS, 80), noise=0.1)
    assert not find_background(cut_crops(image, runs), runs).any()


def test_a_scrap_of_vacuum_beside_it_is_vacuum(rng: np.random.Generator) -> None:
    image, runs = stacked(rng, (VACUUM, 70), (SALT, 80), (GLASS, 90))
    scrap = runs.dense(0)
    scrap[:58] = scrap[:, 90:] = False
    masks = [runs.dense(0) & ~scrap, runs.dense(1), runs.dense(2), scrap]
    found = boosted(image, MaskRuns.from_dense(masks))
    assert scrap.sum() < found.evidence["side"] ** 2
    assert found.labels[3] == found.background == 3


def test_two_signs_of_another_material_say_more_than_the_stronger_one() -> None:
    def apart(other: Texture) -> float:
        same = np.random.default_rng(5)
        return boosted(*stacked(same, (SALT, 120), (other, 120))).evidence["heights"][0]

    brighter, wider = replace(SALT, tone=0.54), replace(SALT, scale=12.8)
    both = replace(brighter, scale=12.8)
    assert apart(both) > 1.15 * max(apart(brighter), apart(wider))
    assert min(apart(brighter), apart(wider)) > 2 * apart(SALT)
