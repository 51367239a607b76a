"""What the trainer and the samples rely on: exact, repeatable truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import KINDS, MORE_KINDS, Scene, generate
from napari_samstar.synth.films import films
from napari_samstar.synth.potts import potts
from napari_samstar.synth.sheet import contact_sheet

frames = st.tuples(st.integers(32, 200), st.integers(32, 200))
often = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def assert_exact(scene: Scene, shape: tuple[int, int], min_visible: int) -> None:
    image, labels = scene.image, scene.labels
    assert image.shape == labels.shape == scene.materials.shape == scene.groups.shape == shape
    assert image.dtype == np.float32
    assert labels.dtype == scene.groups.dtype == np.int32
    assert scene.materials.dtype == np.uint8
    assert np.isfinite(image).all()
    assert image.min() >= 0
    assert image.max() <= 1
    areas = np.bincount(labels.ravel())
    assert (areas[1:] >= min_visible).all()  # numbered without gaps, none too small
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        assert ndimage.label(labels[box] == label)[1] == 1
    if scene.overlapping is not None:
        assert len(scene.overlapping) == labels.max()
        assert scene.overlapping.shape == shape
        for row in range(len(scene.overlapping)):
            whole = scene.overlapping.dense(row)
            assert whole[labels == row + 1].all()  # what is seen is part of the whole
            assert ndimage.label(whole)[1] == 1


@pytest.mark.parametrize("kind", [*KINDS, *MORE_KINDS])
def test_every_kind_has_exact_truth(kind: str) -> None:
    total = 0
    for seed in range(4):
        scene = generate(kind, (160, 192), seed)
        assert scene.kind == kind
        assert_exact(scene, (160, 192), SynthSettings().min_visible)
        total += int(scene.labels.max())
    assert total > 0


@often
@given(kind=st.sampled_from(KINDS), shape=frames, seed=st.integers(0, 2**32 - 1))
def test_truth_is_exact_whatever_the_frame_and_seed(
    kind: str, shape: tuple[int, int], seed: int
) -> None:
    assert_exact(generate(kind, shape, seed), shape, SynthSettings().min_visible)


@often
@given(
    seed=st.integers(0, 1000),
    smallest=st.floats(3, 60),
    largest=st.floats(0.02, 1.0),
    overlay=st.sampled_from([0.0, 1.0]),
    min_visible=st.integers(1, 200),
)
def test_truth_is_exact_whatever_the_settings(
    seed: int, smallest: float, largest: float, overlay: float, min_visible: int
) -> None:
    chosen = SynthSettings(
        min_diameter=smallest,
        max_diameter_fraction=largest,
        overlay=overlay,
        min_visible=min_visible,
        noise=5.0 * (seed % 2),
    )
    assert_exact(generate(None, (96, 128), seed, chosen), (96, 128), min_visible)


@pytest.mark.parametrize("kind", [*KINDS, *MORE_KINDS])
def test_a_seed_repeats_its_scene(kind: str) -> None:
    a, b, other = (generate(kind, (96, 96), seed) for seed in (5, 5, 6))
    assert np.array_equal(a.image, b.image)
    assert np.array_equal(a.labels, b.labels)
    assert a.params == b.params
    assert not np.array_equal(a.image, other.image)


def test_weights_choose_the_kinds() -> None:
    only = SynthSettings(weights=(("grains", 1.0), ("wires", 2.0)))
    kinds = [generate(None, (48, 48), seed, only).kind for seed in range(12)]
    assert set(kinds) == {"grains", "wires"}
    assert len({generate(None, (48, 48), seed).kind for seed in range(40)}) > 8


def test_the_random_mix_is_what_the_bundled_model_learned_from() -> None:
    assert len(KINDS) == 20
    assert not set(KINDS) & set(MORE_KINDS)
    # the first kinds drawn by the first seeds: a kind more in the mix would draw others
    drawn = [generate(None, (48, 48), seed).kind for seed in range(6)]
    assert drawn == ["stack", "grains", "powder", "particles_tem", "nuclei", "bacteria"]


def test_grains_of_the_potts_model_meet_in_threes_and_differ_in_size() -> None:
    labels = potts(np.random.default_rng(1), (256, 256), 24.0)
    corners = np.stack([labels[:-1, :-1], labels[1:, :-1], labels[:-1, 1:], labels[1:, 1:]])
    corners.sort(axis=0)
    meet = 1 + (np.diff(corners, axis=0) > 0).sum(0)
    assert (meet == 3).sum() > 5 * (meet == 4).sum()
    diameters = np.sqrt(4 / np.pi * np.unique(labels, return_counts=True)[1])
    assert 14 < diameters.mean() < 36
    assert 0.2 < diameters.std() / diameters.mean() < 0.8


def test_a_film_has_materials_that_samstar_synth_can_write() -> None:
    scene = generate("film", (128, 128), 3)
    assert np.array_equal(scene.materials, films(shape=(128, 128), seed=3).materials)
    assert scene.materials.max() == scene.params["count"]


def test_overlapping_particles_keep_what_is_hidden() -> None:
    hidden = 0
    for seed in range(12):
        scene = generate("particles_tem", (128, 128), seed)
        assert scene.overlapping is not None
        visible = np.bincount(scene.labels.ravel(), minlength=len(scene.overlapping) + 1)[1:]
        hidden += int((scene.overlapping.areas() > visible).sum())
    assert hidden > 0


def test_objects_can_be_seen_without_noise() -> None:
    clean = SynthSettings(noise=0.0, min_contrast=1.0, uneven=0.0, jpeg=0.0, overlay=0.0)
    scene = generate("bacteria", (256, 256), 3, clean)
    inside, outside = scene.image[scene.labels > 0], scene.image[scene.labels == 0]
    assert abs(inside.mean() - outside.mean()) > 0.1


def test_rods_that_touch_in_phase_contrast_have_a_paler_wall_between_them() -> None:
    clean = SynthSettings(
        noise=0.0, min_contrast=1.0, uneven=0.0, jpeg=0.0, overlay=0.0, inversion=0.0
    )
    seen = 0
    for seed in range(16):
        scene = generate("bacteria", (256, 256), seed, clean)
        labels = scene.labels
        left, right = labels[:, :-1], labels[:, 1:]
        wall = np.zeros(labels.shape, bool)
        wall[:, 1:] = (left != right) & (left > 0) & (right > 0)
        if scene.params["mode"] != "phase" or wall.sum() < 200:
            continue
        seen += 1
        deep = (
            ndimage.distance_transform_edt((labels > 0) & ~wall) > 0.6 * scene.params["radius_px"]
        )
        assert scene.image[wall].mean() > scene.image[deep].mean() + 0.02
    assert seen > 2  # colonies are common


def test_opaque_boxes_hide_objects() -> None:
    for seed in range(30):
        scene = generate("grains", (128, 128), seed, SynthSettings(overlay=1.0))
        gone = (scene.labels == 0) & (scene.materials == 0)
        if gone[-4:].all():  # a banner
            assert scene.labels[:-20].any()
            return
    pytest.fail("no banner in thirty images")


def test_wrong_requests_are_named() -> None:
    with pytest.raises(ValueError, match="no synthetic 'cheese'"):
        generate("cheese")
    with pytest.raises(ValueError, match="at least 32 x 32"):
        generate("grains", (16, 64))
    with pytest.raises(ValueError, match="do not name"):
        generate(None, (64, 64), 0, SynthSettings(weights=(("cheese", 1.0),)))


def test_drift_slides_image_and_truth_alike() -> None:
    quiet = SynthSettings(
        noise=0, max_blur=0, uneven=0, jpeg=0, overlay=0, scan_errors=0, charging=0, drift=1.0
    )
    for seed in range(5):
        scene = generate("spinodal", (128, 128), seed, quiet)
        assert_exact(scene, (128, 128), quiet.min_visible)
        inside, outside = scene.image[scene.labels > 0], scene.image[scene.materials == 1]
        assert abs(inside.mean() - outside.mean()) > 1.5 * (inside.std() + outside.std()) / 2


def test_the_documented_sheet_shows_every_kind() -> None:
    sheet = contact_sheet(("grains", "oxide"), columns=2, tile=64)
    assert sheet.shape == (128, 128, 3)
    assert (sheet[:, 64:] == (255, 170, 0)).all(2).any()
    page = (Path(__file__).parents[2] / "docs" / "synth.md").read_text(encoding="utf-8")
    assert all(f"`{kind}`" in page for kind in (*KINDS, *MORE_KINDS))


def test_spread_cells_have_a_bright_halo() -> None:
    clean = SynthSettings(noise=0.0, min_contrast=1.0, uneven=0.0, jpeg=0.0, overlay=0.0)
    brighter = 0
    for seed in range(8):
        scene = generate("cells", (256, 256), seed, clean)
        near = ndimage.binary_dilation(scene.labels > 0, iterations=2) & (scene.labels == 0)
        brighter += int(scene.image[near].mean() > np.median(scene.image))
    assert brighter >= 6  # a few are in differential interference contrast


def test_of_melt_pools_the_last_layer_or_all_are_outlined() -> None:
    scenes = [generate("melt_pools", (128, 128), seed) for seed in range(12)]
    for scene in scenes:
        assert scene.materials[scene.labels > 0].all()  # never the mount
    outlined = [(s.labels > 0).sum() / (s.materials > 0).sum() for s in scenes]
    assert min(outlined) < 0.5 < 0.9 < max(outlined)
