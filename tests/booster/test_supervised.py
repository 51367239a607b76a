"""Classifiers of crops, by simulated crystals or by a few examples, vote on masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_samstar.booster.bundled import BundledEncoder
from napari_samstar.booster.physics import PhysicsEncoder
from napari_samstar.booster.supervised import (
    CrystalClassifier,
    classify_masks,
    few_shot,
    train_on_crystals,
)
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import BoostSettings, CrystalTraining, MaterialSettings
from napari_samstar.synth.textures import paint
from napari_samstar.synth.zone_axes import phase_texture
from napari_samstar.types import SamStarError

PHASES = ("SrTiO3 [001]", "Ge [110]", "amorphous Pt/C")
PIXEL_NM = 0.03


@pytest.fixture(scope="module")
def trained() -> CrystalClassifier:
    quick = CrystalTraining(steps=50, batch=24, smallest_side=48, largest_side=48)
    return train_on_crystals(PHASES, PIXEL_NM, quick)


def crops_of(rng: np.random.Generator, count: int) -> tuple[NDArray[np.float32], list[str]]:
    pixels, names = [], []
    for name in PHASES:
        for _ in range(count):
            crop = paint(rng, (48, 48), phase_texture(name, PIXEL_NM), rng.uniform(0, 6))
            pixels.append(crop + rng.normal(0, 0.05, crop.shape).astype(np.float32))
            names.append(name)
    return np.stack(pixels), names


def film(rng: np.random.Generator) -> tuple[NDArray[np.float32], MaskRuns]:
    """Four layers: amorphous, crystal 1, crystal 2, crystal 1."""
    order = (2, 0, 1, 0)
    image = np.concatenate([paint(rng, (60, 200), phase_texture(PHASES[i], 0.03)) for i in order])
    masks = np.zeros((4, *image.shape), bool)
    for k in range(4):
        masks[k, 60 * k : 60 * k + 60] = True
    return image + rng.normal(0, 0.05, image.shape).astype(np.float32), MaskRuns.from_dense(masks)


def test_simulated_crystals_teach_to_tell_them_apart(
    trained: CrystalClassifier, rng: np.random.Generator
) -> None:
    pixels, names = crops_of(rng, 10)
    chances = trained.probabilities(pixels)
    assert chances.shape == (30, 3)
    np.testing.assert_allclose(chances.sum(1), 1, atol=1e-5)
    guessed = [PHASES[i] for i in chances.argmax(1)]
    assert np.mean([a == b for a, b in zip(guessed, names, strict=True)]) > 0.8


def test_masks_take_the_majority_vote(trained: CrystalClassifier, rng: np.random.Generator) -> None:
    image, runs = film(rng)
    found = classify_masks(image, runs, trained)
    assert found.labels.tolist() == [3, 1, 2, 1]
    assert found.count == 3
    assert found.evidence["names"] == {i + 1: name for i, name in enumerate(PHASES)}
    assert (found.margin > 0).all()
    strict = BoostSettings(materials=MaterialSettings(min_margin=1.0))
    votes = classify_masks(image, runs, trained, strict)
    assert ((votes.labels == 0) == (votes.margin < 1)).all()


def test_a_trained_classifier_is_kept(
    trained: CrystalClassifier, rng: np.random.Generator, tmp_path: Path
) -> None:
    pixels, _ = crops_of(rng, 2)
    trained.save(tmp_path / "crystals.safetensors")
    again = CrystalClassifier.load(tmp_path / "crystals.safetensors")
    assert again.names == PHASES
    np.testing.assert_array_equal(again.probabilities(pixels), trained.probabilities(pixels))
    assert again.pixel_nm == PIXEL_NM
    older = CrystalClassifier(PHASES, again._net)  # as written before sizes were kept
    older.save(tmp_path / "older.safetensors")
    assert CrystalClassifier.load(tmp_path / "older.safetensors").pixel_nm is None
    (tmp_path / "other.safetensors").write_bytes(b"nothing")
    with pytest.raises(SamStarError, match="not a crystal classifier"):
        CrystalClassifier.load(tmp_path / "other.safetensors")


@pytest.mark.parametrize("method", ["prototype", "logistic"])
def test_three_marked_crops_of_each_are_enough(method: str, rng: np.random.Generator) -> None:
    pixels, names = crops_of(rng, 3)
    classifier = few_shot(pixels, names, [PhysicsEncoder(), BundledEncoder()], method)  # type: ignore[arg-type]
    assert classifier.names == tuple(sorted(PHASES))
    others, truth = crops_of(rng, 8)
    chances = classifier.probabilities(others)
    np.testing.assert_allclose(chances.sum(1), 1, atol=1e-5)
    guessed = [classifier.names[i] for i in chances.argmax(1)]
    assert np.mean([a == b for a, b in zip(guessed, truth, strict=True)]) > 0.9


def test_an_image_of_another_pixel_size_is_refused(
    trained: CrystalClassifier, rng: np.random.Generator
) -> None:
    image, runs = film(rng)
    found = classify_masks(image, runs, trained, pixel_nm=1.05 * PIXEL_NM)
    assert found.labels.tolist() == [3, 1, 2, 1]
    with pytest.raises(SamStarError, match=r"at 0\.03 nm a pixel and the image has 0\.05 nm"):
        classify_masks(image, runs, trained, pixel_nm=0.05)


def test_bad_images_and_crops_are_named(
    trained: CrystalClassifier, rng: np.random.Generator
) -> None:
    image, runs = film(rng)
    with pytest.raises(SamStarError, match="3 dimensions"):
        classify_masks(np.stack([image] * 3, -1), runs, trained)
    with pytest.raises(SamStarError, match="200 x 239 px and the masks are 200 x 240 px"):
        classify_masks(image[1:], runs, trained)
    with pytest.raises(SamStarError, match="No pixel"):
        classify_masks(np.full_like(image, np.nan), runs, trained)
    holes = image.copy()
    holes[::40, ::40] = np.nan
    assert classify_masks(holes, runs, trained).labels.tolist() == [3, 1, 2, 1]
    pixels, names = crops_of(rng, 2)
    encoders = [PhysicsEncoder()]
    with pytest.raises(SamStarError, match="3 labels for 6 crops"):
        few_shot(pixels, names[:3], encoders)
    with pytest.raises(SamStarError, match="not by 'logisitc'"):
        few_shot(pixels, names, encoders, "logisitc")  # type: ignore[arg-type]
    with pytest.raises(SamStarError, match="squares of one size"):
        few_shot([pixels[0], pixels[1, :20, :20]], names[:2], encoders)  # type: ignore[arg-type]
    pixels[4, 3, 3] = np.nan
    with pytest.raises(SamStarError, match="Crop 4 holds a pixel that is no number"):
        few_shot(pixels, names, encoders)


@pytest.mark.parametrize("size", [0.0, -1.0, float("nan"), float("inf")])
def test_a_pixel_has_a_size(size: float) -> None:
    with pytest.raises(SamStarError, match="A pixel cannot be"):
        train_on_crystals(PHASES, size)


def test_what_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(SamStarError, match="at least two"):
        few_shot(np.zeros((2, 16, 16)), ["a", "a"], [PhysicsEncoder()])
    with pytest.raises(SamStarError, match="two different phases"):
        train_on_crystals(["Ge [110]", "Ge [110]"], 0.03)
    with pytest.raises(SamStarError, match="known crystals"):
        train_on_crystals(["Ge [110]", "Unobtainium [001]"], 0.03)
    with pytest.raises(SamStarError, match="not resolved"):
        train_on_crystals(["Ge [110]", "Si [110]"], 1.0)
