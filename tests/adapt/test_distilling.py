"""A student learns from a teacher and unlabeled images: here the bundled model from itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import napari_samstar as ss
from napari_samstar import synth
from napari_samstar.adapt.tiny_data import load_scene
from napari_samstar.cli import main
from napari_samstar.metrics.instances import matched_iou
from napari_samstar.pipeline.distilling import Lessons, agreement, learn, lessons_steps
from napari_samstar.settings import DecodeSettings, TrainTinySettings

QUICK = TrainTinySettings(
    steps=2, scene_size=128, pixels=2 * 64 * 64, prompts=2, warmup=1, checkpoint_every=1, workers=1
)
GRID = DecodeSettings(points_per_side=8)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("micrographs")
    for seed in range(3):
        scene = synth.generate("particles_tem", (256, 256), seed)
        np.save(folder / f"image-{seed}.npy", (scene.image * 255).astype(np.uint8))
    (folder / "notes.txt").write_text("not an image")
    return folder


def lessons(images: Path, folder: Path) -> Lessons:
    teacher = ss.load_model()
    paths = sorted(images.iterdir())
    made: Lessons = ss.pipeline.run(lessons_steps(paths, teacher, folder, QUICK, GRID))
    return made


@pytest.fixture(scope="module")
def taught(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Lessons:
    return lessons(images, tmp_path_factory.mktemp("lessons"))


def test_squares_show_what_the_teacher_found_and_files_that_are_no_images_are_named(
    images: Path, taught: Lessons
) -> None:
    assert 8 <= taught.taught <= 11  # of twelve squares, those with objects
    assert taught.kept_back == 1
    assert len(taught.failed) == 1
    assert "notes.txt" in taught.failed[0]
    gray, labels, groups = load_scene(0, QUICK, taught.folder)
    whole = np.load(images / "image-0.npy")
    # contrast is stretched, but every square lies where it was cut
    assert np.corrcoef(gray.ravel(), whole[:128, :128].ravel())[0, 1] > 0.99
    assert np.array_equal(labels, groups)
    truth = synth.generate("particles_tem", (256, 256), 0).labels[:128, :128]
    assert matched_iou(labels.astype(np.int32), truth)["matched_iou"] > 0.4


def test_a_second_call_asks_the_teacher_nothing_again(images: Path, taught: Lessons) -> None:
    class Silent:
        samstar = ss.load_model().samstar  # type: ignore[attr-defined]

        def __getattr__(self, name: str) -> None:
            raise AssertionError("asked again")

    paths = sorted(images.iterdir())
    again = ss.pipeline.run(lessons_steps(paths, Silent(), taught.folder, QUICK, GRID))
    assert again == taught


def test_the_student_is_a_model_and_is_compared_with_its_teacher(
    taught: Lessons, tmp_path: Path
) -> None:
    path = learn(taught, QUICK, tmp_path)
    student = ss.load_model(path)
    before = load_file(Path(ss.__file__).parent / "weights" / "samstar-tiny.safetensors")
    moved = [not torch.equal(v.float(), before[k].float()) for k, v in load_file(path).items()]
    assert any(moved)
    assert sum(p.numel() for p in student.parameters()) > 1e6
    found = agreement(taught, QUICK, path)
    assert 0 < found["one_click"] <= found["best_of_three"] <= 1


def test_too_few_images_are_refused_in_a_sentence(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few = tmp_path / "few"
    few.mkdir()
    np.save(few / "one.npy", np.load(images / "image-0.npy"))
    command = ["distil", "--teacher", "samstar-tiny", "--images", str(few), "--out"]
    assert main([*command, str(tmp_path / "out"), "--points-per-side", "4", "--quiet"]) != 0
    assert "too few to learn from" in capsys.readouterr().err
    missing = ["distil", "--teacher", "samstar-tiny", "--images", str(tmp_path / "none"), "--out"]
    assert main([*missing, str(tmp_path / "out")]) != 0
    assert "There is no folder" in capsys.readouterr().err
