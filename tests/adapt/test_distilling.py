"""A student learns from a teacher and unlabeled images: here the bundled model from itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import napari_samstar as ss
from napari_samstar import synth
from napari_samstar.adapt.tiny_data import load_scene, scene_path
from napari_samstar.cli import main
from napari_samstar.metrics.instances import matched_iou
from napari_samstar.pipeline.distilling import Lessons, agreement, learn, lessons_steps
from napari_samstar.settings import DecodeSettings, TrainTinySettings
from napari_samstar.types import Progress, SamStarError

QUICK = TrainTinySettings(
    steps=2, scene_size=128, pixels=2 * 64 * 64, prompts=2, warmup=1, checkpoint_every=1, workers=1
)
BUNDLED = Path(ss.__file__).parent / "weights" / "samstar-tiny.safetensors"
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
    before = load_file(BUNDLED)
    moved = [not torch.equal(v.float(), before[k].float()) for k, v in load_file(path).items()]
    assert any(moved)
    assert sum(p.numel() for p in student.parameters()) > 1e6
    found = agreement(taught, QUICK, path)
    assert 0 < found["one_click"] <= found["best_of_three"] <= 1


def written(folder: Path, first_seed: int) -> Lessons:
    """Eight scenes, as a teacher would have left them."""
    folder.mkdir()
    for index in range(8):
        scene = synth.generate("particles_sem", (128, 128), first_seed + index)
        square = np.stack([scene.image * 255, scene.labels, scene.labels]).astype(np.uint16)
        np.save(scene_path(folder, QUICK.seed, index), square)
    return Lessons(folder, 8, 0, 1)


def test_other_lessons_do_not_pass_old_weights_off_as_new(tmp_path: Path) -> None:
    first, second = written(tmp_path / "first", 0), written(tmp_path / "second", 50)
    out = tmp_path / "out"
    before = learn(first, QUICK, out).read_bytes()
    with pytest.raises(SamStarError, match="has learned from other images or from another teacher"):
        learn(second, QUICK, out)
    other = tmp_path / "other.safetensors"
    save_file({k: v + 0.01 for k, v in load_file(BUNDLED).items()}, other)
    with pytest.raises(SamStarError, match="has begun with other weights"):
        learn(first, QUICK, out, start=other)
    assert (out / "samstar-tiny.safetensors").read_bytes() == before
    # as the sentence advises
    (out / "checkpoint.pt").unlink()
    assert learn(second, QUICK, out).read_bytes() != before


def test_a_checkpoint_of_an_earlier_version_is_refused_in_a_sentence(tmp_path: Path) -> None:
    lessons = written(tmp_path / "lessons", 0)
    learn(lessons, QUICK, tmp_path)
    checkpoint = tmp_path / "checkpoint.pt"
    state = torch.load(checkpoint, weights_only=True)
    del state["origin"]
    torch.save(state, checkpoint)
    with pytest.raises(SamStarError, match="does not say which lessons"):
        learn(lessons, QUICK, tmp_path)
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(SamStarError, match="damaged"):
        learn(lessons, QUICK, tmp_path)


def test_a_distillation_that_is_done_says_so_and_more_steps_go_on(tmp_path: Path) -> None:
    lessons = written(tmp_path / "lessons", 0)
    told: list[Progress] = []
    learn(lessons, QUICK, tmp_path, progress=told.append)
    assert [p.stage for p in told] == ["training", "training"]
    told.clear()
    (tmp_path / "samstar-tiny.safetensors").unlink()
    assert learn(lessons, QUICK, tmp_path, progress=told.append).exists()
    assert [p.stage for p in told] == ["trained"]
    assert "already at step 2" in told[0].message
    told.clear()
    learn(lessons, QUICK.model_copy(update={"steps": 3}), tmp_path, progress=told.append)
    assert [p.done for p in told] == [3]


def test_weights_that_are_none_are_refused_in_a_sentence(tmp_path: Path) -> None:
    lessons = written(tmp_path / "lessons", 0)
    text = tmp_path / "start.safetensors"
    text.write_text("no weights")
    for start in (text, tmp_path / "missing.safetensors"):
        with pytest.raises(SamStarError, match=r"start\.safetensors does not hold|cannot be read"):
            learn(lessons, QUICK, tmp_path / "out", start=start)


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
