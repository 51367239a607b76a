"""The learned quality of masks on scenes that it was not learned from."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from napari_samstar.io.preprocess import to_gray
from napari_samstar.metrics.instances import instance_overlaps
from napari_samstar.pipeline import propose
from napari_samstar.pipeline.quality_scenes import TrainingScene, prior_of, training_scene
from napari_samstar.pipeline.quality_training import train_quality_steps
from napari_samstar.proposals.evidence import NAMES, evidence
from napari_samstar.proposals.quality import quality
from napari_samstar.sam.zoo import load_model
from napari_samstar.settings import (
    DecodeSettings,
    Prior,
    RewardLayerSettings,
    TrainQualitySettings,
)
from napari_samstar.synth import Scene, generate
from napari_samstar.types import Micrograph, Proposals, SamStarError
from tests.models import small_sam


def _masks(kind: str, seed: int) -> tuple[Proposals, Scene]:
    scene = generate(kind, (192, 224), seed)
    micrograph = Micrograph((255 * scene.image).astype(np.float32))
    return propose(micrograph, None, DecodeSettings()), scene


@pytest.fixture(scope="module")
def precipitates() -> tuple[Proposals, Scene]:
    return _masks("precipitates", 5)


def _best_iou(proposals: Proposals, scene: Scene) -> np.ndarray:
    first, _, iou, _, _ = instance_overlaps(proposals.runs, scene.labels)
    best = np.zeros(len(proposals))
    np.maximum.at(best, np.flatnonzero(proposals.runs.areas() > 0)[first], iou)
    return best


def test_quality_follows_the_true_iou(precipitates: tuple[Proposals, Scene]) -> None:
    proposals, scene = precipitates
    for prior in (prior_of(scene.labels, proposals.gray), Prior()):
        found = quality(proposals, prior)
        possible = found > 0
        assert found.min() >= 0
        assert found.max() <= 1
        assert np.corrcoef(found[possible], _best_iou(proposals, scene)[possible])[0, 1] > 0.7


def test_sizes_outside_the_prior_are_worth_nothing(precipitates: tuple[Proposals, Scene]) -> None:
    proposals, _ = precipitates
    found = quality(proposals, Prior(diameter=(10.0, 15.0)))
    diameter = np.sqrt(4 / np.pi * proposals.runs.areas())
    assert (found[(diameter < 10) | (diameter > 15)] == 0).all()
    assert (found > 0).any()
    with pytest.raises(SamStarError, match="nm"):
        quality(proposals, Prior(diameter=(10.0, 15.0), size_unit="nm"))


def test_bright_objects_are_not_taken_for_dark_ones() -> None:
    yy, xx = np.mgrid[:128, :160]
    image = np.random.default_rng(0).normal(120, 4, (128, 160))
    for y, x, gray in ((40, 40, 60), (40, 110, 60), (90, 40, 190), (90, 110, 60)):
        image[(yy - y) ** 2 + (xx - x) ** 2 <= 144] = gray
    proposals = propose(Micrograph(image.astype(np.float32)), None, DecodeSettings())
    bright = proposals.runs.hold(np.arange(len(proposals)), 90, 40)
    bright &= proposals.runs.areas() < 1000
    assert (quality(proposals, Prior())[bright] > 0.4).any(), "it is an object"
    least = RewardLayerSettings().threshold  # what is less is not kept
    assert quality(proposals, Prior(polarity="dark"))[bright].max() < least
    dark = proposals.runs.hold(np.arange(len(proposals)), 40, 40)
    assert quality(proposals, Prior(polarity="dark"))[dark].max() > least


def test_with_the_network_the_best_mask_of_a_sharp_disc_is_the_disc() -> None:
    yy, xx = np.mgrid[:120, :120]
    image = np.random.default_rng(1).normal(180, 4, (120, 120))
    centers = [(y, x) for y in (20, 60, 100) for x in (20, 60, 100)]
    for y, x in centers:
        image[(yy - y) ** 2 + (xx - x) ** 2 <= 64] -= 120
    settings = DecodeSettings(points_per_side=16, sources=("grid", "regions"))
    proposals = propose(Micrograph(image.astype(np.float32)), load_model("samstar-tiny"), settings)
    found = quality(proposals, Prior(diameter=(10, 24), shape="round", polarity="dark"))
    for y, x in centers:
        here = np.flatnonzero(proposals.runs.hold(np.arange(len(proposals)), y, x))
        best = here[np.argmax(found[here])]
        diameter = np.sqrt(4 / np.pi * proposals.runs.areas()[best])
        assert found[best] > 0.8
        assert diameter == pytest.approx(15.8, abs=0.5)


def test_an_inverted_image_with_the_opposite_prior_says_the_same(
    precipitates: tuple[Proposals, Scene],
) -> None:
    proposals, _ = precipitates
    inverted = type(proposals)(
        **{
            name: getattr(proposals, name)
            for name in proposals.__dataclass_fields__
            if name not in ("columns", "gray")
        },
        gray=255 - proposals.gray,
    )
    here = evidence(proposals, Prior(polarity="dark"))
    there = evidence(inverted, Prior(polarity="bright"))
    ranks = [NAMES.index("rank"), NAMES.index("ring_rank")]  # of gray levels, not of pixels
    rest = np.delete(np.arange(len(NAMES)), ranks)
    assert np.array_equal(np.isnan(here), np.isnan(there))
    # quantiles round to other pixels from above than from below
    difference = np.abs(np.nan_to_num(here) - np.nan_to_num(there))[:, rest]
    assert np.median(difference, axis=0).max() < 0.1
    assert (difference < 0.2).mean() > 0.98


def test_a_stored_scene_draws_the_same_masks(precipitates: tuple[Proposals, Scene]) -> None:
    proposals, scene = precipitates
    made = TrainingScene.of(4, proposals, scene.labels)
    read = TrainingScene.from_bytes(4, made.to_bytes())
    for drawn, again, wanted in zip(made.drawn(200), read.drawn(200), (200, 100), strict=True):
        assert np.array_equal(drawn.evidence, again.evidence, equal_nan=True)
        assert np.array_equal(drawn.rows[drawn.some], again.rows[again.some])
        assert len(drawn.some) == len(set(drawn.some.tolist())) == wanted
        iou = made.iou[drawn.rows[drawn.some]]
        assert 0.3 < (iou > 0.4).mean() <= 0.5
        # of what there is most, each that is drawn stands for more
        assert drawn.weight[iou <= 0.4].mean() > drawn.weight[iou > 0.4].mean()


def test_what_is_liked_wrongly_is_learned_from(precipitates: tuple[Proposals, Scene]) -> None:
    proposals, scene = precipitates
    drawn = next(TrainingScene.of(4, proposals, scene.labels).drawn(50))
    opinion = np.zeros(len(drawn.rows), np.float32)
    opinion[[3, 8]] = 0.9, 0.5
    more = drawn.with_liked(opinion)
    assert more.some[-2:].tolist() == [3, 8]
    assert np.array_equal(more.some[:-2], drawn.some)
    assert (more.weight[-2:] == 1).all()


def test_the_prior_of_a_scene_holds_its_objects() -> None:
    scene = generate("nuclei", (192, 192), 3)
    gray = to_gray(Micrograph((255 * scene.image).astype(np.float32)))
    prior = prior_of(scene.labels, gray)
    diameter = np.sqrt(4 / np.pi * np.bincount(scene.labels.ravel())[1:])
    low, high = prior.diameter or (0, 0)
    assert ((diameter >= low) & (diameter <= high)).mean() > 0.9
    inside = scene.labels > 0
    assert prior.coverage is not None
    assert prior.coverage[0] < inside.mean() < prior.coverage[1]


def test_learning_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    settings = TrainQualitySettings(
        even_scenes=1,
        mix_scenes=0,
        crowded_scenes=1,
        smallest_side=200,
        largest_side=210,
        masks=60,
        trees=3,
    )
    sam = small_sam(seed=1)
    steps = train_quality_steps(sam, tmp_path, settings)
    next(steps)
    next(steps)  # the first scene is done
    steps.close()
    first = (tmp_path / "scene-0000.npz").stat().st_mtime_ns
    steps = train_quality_steps(sam, tmp_path, settings)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            path = stop.value
            break
    assert (tmp_path / "scene-0000.npz").stat().st_mtime_ns == first
    assert path.exists()
    log = json.loads((tmp_path / "samstar-quality.json").read_text())
    assert log["second"]["masks"] >= log["first"]["masks"] > 60
    assert log["second"]["held_out_r2"] <= 1


def test_the_last_scenes_are_plain_ellipses_that_lie_apart() -> None:
    settings = TrainQualitySettings(plain_scenes=5)
    first = settings.scenes - settings.plain_scenes
    for number in range(first, first + 5):
        scene = training_scene(number, settings)
        count = int(scene.labels.max())
        assert scene.kind == "plain"
        assert count >= 2
        assert ndimage.label(scene.labels > 0)[1] == count, "none touches another"
        inside, outside = (scene.image[scene.labels > 0], scene.image[scene.labels == 0])
        # to the last pixel of the outline, but for the noise
        edge = (scene.labels > 0) & ~ndimage.binary_erosion(scene.labels > 0)
        spread = max(inside.std(), outside.std())
        assert abs(scene.image[edge].mean() - inside.mean()) < spread
        assert abs(inside.mean() - outside.mean()) > 0.1
    assert training_scene(first - 1, settings).kind != "plain"
