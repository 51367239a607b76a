"""The command line, through its real entry point, in this process."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_samstar import cli
from napari_samstar.cli.errors import FAILED, explain
from napari_samstar.io.labels import load_labels
from napari_samstar.io.read import load_micrograph
from napari_samstar.pipeline import segment
from napari_samstar.recipe import Recipe
from napari_samstar.runs import MaskRuns
from napari_samstar.synth import generate

ALONE = ("--model", "none", "--quiet")  # classical regions: no network, fast


@pytest.fixture
def discs(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Nine dark discs of 8 nm diameter, 0.5 nm a pixel, a little noise."""
    yy, xx = np.mgrid[:120, :120]
    image = np.full((120, 120), 180.0)
    for y in (20, 60, 100):
        for x in (20, 60, 100):
            image[(yy - y) ** 2 + (xx - x) ** 2 <= 64] = 60.0
    image += rng.normal(0.0, 4.0, image.shape)
    path = tmp_path / "discs.tif"
    tifffile.imwrite(
        path, image.astype(np.uint8), imagej=True, resolution=(2.0, 2.0), metadata={"unit": "nm"}
    )
    return path


@pytest.fixture
def prior(tmp_path: Path) -> Path:
    path = tmp_path / "prior.toml"
    path.write_text(
        '[size]\ndiameter_nm = [5, 12]\n[shape]\nclass = "round"\n[contrast]\npolarity = "dark"\n'
    )
    return path


def lines(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    captured = capsys.readouterr()
    return captured.out.splitlines(), captured.err.splitlines()


def test_the_installed_command_is_this_one() -> None:
    (entry,) = entry_points(group="console_scripts", name="samstar")
    assert entry.load() is cli.main


def test_run_measures_in_nanometers_and_writes_everything(
    discs: Path, prior: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert (
        cli.main(["run", str(discs), "--out", str(out), "--prior", str(prior), *ALONE, "--json"])
        == 0
    )
    (record,), errors = lines(capsys)
    assert errors == []
    found: dict[str, Any] = json.loads(record)
    assert 9 <= found["objects"] <= 20
    assert found["unit"] == "nm"

    files = {kind: Path(path) for kind, path in found["files"].items()}
    assert sorted(path.name for path in out.iterdir()) == sorted(p.name for p in files.values())
    with tifffile.TiffFile(files["labels"]) as tiff:
        assert tiff.imagej_metadata["unit"] == "nm"
        labels = tiff.asarray()
    table = pd.read_csv(files["table"]).set_index("label")
    assert len(table) == labels.max() == found["objects"]
    centers = table.loc[labels[20:120:40, 20:120:40].ravel()]
    assert centers.index.is_unique
    # outlines are right to a pixel of 0.5 nm
    assert centers["equivalent_diameter_nm"].between(7.0, 9.0).all()
    assert (centers["circularity"] > 0.85).all()
    assert len(json.loads(files["coco"].read_text())["annotations"]) == len(table)
    assert files["overlay"].read_bytes().startswith(b"\x89PNG")
    assert json.loads(files["summary"].read_text()) == found["summary"]


def test_a_recipe_repeats_the_result(
    discs: Path, prior: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    settings = ["--set", "regions.min_area=20", "--set", "preprocess.denoise=median", "--seed", "7"]
    assert (
        cli.main(["run", str(discs), "--out", str(first), "--prior", str(prior), *settings, *ALONE])
        == 0
    )
    recipe = first / "discs.recipe.json"
    assert (
        cli.main(["run", str(discs), "--out", str(second), "--recipe", str(recipe), "--quiet"]) == 0
    )
    assert json.loads(recipe.read_text())["regions"]["min_area"] == 20
    for name in ("discs.labels.tif", "discs.table.csv", "discs.coco.json", "discs.front.csv"):
        one, two = (
            tifffile.imread(f / name) if name.endswith("tif") else (f / name).read_text()
            for f in (first, second)
        )
        assert np.array_equal(one, two) if name.endswith("tif") else one == two


def test_one_bad_image_does_not_stop_the_others(
    discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.tif"
    bad.write_text("no image")
    out = tmp_path / "out"
    assert cli.main(["run", str(bad), str(discs), "--out", str(out), *ALONE, "--json"]) == 2
    records, errors = lines(capsys)
    assert [json.loads(record)["ok"] for record in records] == [False, True]
    (sentence,) = errors
    assert "bad.tif" in sentence
    assert (out / "discs.labels.tif").exists()
    assert not list(out.glob("bad*"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--set", "decode.points_per_side=0"], "decode.points_per_side cannot be 0"),
        (["--set", "decode.nonsense=1"], "no setting called decode.nonsense"),
        (["--set", "nonsense"], "NAME=VALUE"),
        (["--points-per-side", "900"], "less than or equal to 128"),
        (["--prior", "missing.toml"], "missing.toml"),
        (["--recipe", "missing.json"], "missing.json"),
        (["--pixel-size", "5 kg"], "'kg' is not a unit of length"),
        (["--pixel-size", "5"], "needs a unit"),
        (["--pixel-size", "-1 nm"], "positive"),
        (["--frame", "3"], "frame"),
        (["--model", "vit_x", "--device", "cpu"], "did you mean"),
        (["--set", 'importances=[["size", 1]]', "--budget", "5"], "no objective 'size'"),
    ],
)
def test_bad_options_give_one_sentence(
    options: list[str],
    says: str,
    discs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["run", str(discs), "--out", str(tmp_path / "out"), *ALONE, *options]
    assert cli.main(arguments) == 2
    out, errors = lines(capsys)
    assert out == []
    (sentence,) = errors
    assert says in sentence
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("arguments", [["nonsense"], ["run", "--pixel-size", "big"], []])
def test_bad_arguments_give_one_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    assert stop.value.code == 2
    assert len(lines(capsys)[1]) == 1


def test_a_physical_prior_needs_a_pixel_size(
    prior: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "plain.npy"
    np.save(image, np.eye(64, dtype=np.float32))
    run = ["run", str(image), "--out", str(tmp_path / "out"), "--prior", str(prior), *ALONE]
    assert cli.main(run) == 2
    (sentence,) = lines(capsys)[1]
    assert "--pixel-size" in sentence
    assert cli.main([*run, "--pixel-size", "0.5 nm"]) == 0
    lines(capsys)
    run = ["run", str(image), "--out", str(tmp_path / "out"), *ALONE, "--budget", "5"]
    assert cli.main([*run, "--reward", "size_band:low=5,high=20,unit=nm"]) == 2
    (sentence,) = lines(capsys)[1]
    assert "has no pixel size" in sentence


def test_images_that_would_overwrite_each_other_are_refused(
    discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    twin = other / "discs.tif"
    twin.write_bytes(discs.read_bytes())
    assert cli.main(["run", str(discs), str(twin), "--out", str(tmp_path / "out"), *ALONE]) == 2
    assert "discs.labels.tif" in lines(capsys)[1][0]


def test_ctrl_c_keeps_what_is_done(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from napari_samstar import pipeline

    real = pipeline.segment_steps

    def stopped_at_the_second(micrograph: Any, *args: Any, **kwargs: Any) -> Any:
        if micrograph.name == "second":
            raise KeyboardInterrupt
        return real(micrograph, *args, **kwargs)

    monkeypatch.setattr(pipeline, "segment_steps", stopped_at_the_second)
    second = tmp_path / "second.tif"
    second.write_bytes(discs.read_bytes())
    out = tmp_path / "out"
    assert cli.main(["run", str(discs), str(second), "--out", str(out), *ALONE]) == 130
    assert (out / "discs.recipe.json").exists()
    assert "1 of 2 images are done" in lines(capsys)[1][-1]


def test_an_unforeseen_error_asks_for_a_report() -> None:
    sentence, code = explain(RuntimeError("tensors\nof two sizes"))
    assert code == FAILED
    assert "tensors of two sizes" in sentence
    assert "--debug" in sentence


def test_settings_are_listed_with_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "--list-settings"]) == 0
    (line,) = [line for line in lines(capsys)[0] if line.startswith("decode.points_per_side=")]
    assert ">= 1, <= 128" in line


def test_models_are_listed_and_files_recognized(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["models", "list"]) == 0
    table, _ = lines(capsys)
    assert any(row.startswith("samstar-tiny") for row in table)
    assert any(row.startswith("vit_b ") for row in table)
    text = tmp_path / "weights.pth"
    text.write_text("no weights")
    for command in (["verify", str(text)], ["import", str(text)], ["verify", "vit_h"]):
        assert cli.main(["models", *command]) == 2
        assert len(lines(capsys)[1]) == 1


def test_synth_writes_image_and_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["synth", "nuclei", "--out", str(tmp_path), "--size", "96", "--seed", "5"]) == 0
    image, labels = (tifffile.imread(tmp_path / f"nuclei_5{end}.tif") for end in ("", ".labels"))
    assert image.shape == labels.shape == (96, 96)
    assert image.dtype == np.uint8
    assert labels.max() >= 1
    materials = tifffile.imread(tmp_path / "nuclei_5.materials.tif")
    assert np.array_equal(materials, generate("nuclei", (96, 96), 5).materials)
    assert cli.main(["synth", "unicorns", "--out", str(tmp_path)]) == 2
    assert "unicorns" in lines(capsys)[1][-1]


def test_synth_writes_groups_and_whole_masks_of_objects_that_hide_each_other(
    tmp_path: Path,
) -> None:
    given = ["--out", str(tmp_path), "--size", "160", "--seed", "0"]
    assert cli.main(["synth", "wires", *given]) == 0
    scene = generate("wires", (160, 160), 0)
    whole = load_labels(tmp_path / "wires_0.whole.tif")
    assert scene.overlapping is not None
    assert isinstance(whole, MaskRuns)
    assert not whole.differ(scene.overlapping).any()
    assert cli.main(["synth", "powder", *given]) == 0
    groups = tifffile.imread(tmp_path / "powder_0.groups.tif")
    assert np.array_equal(groups, generate("powder", (160, 160), 0).groups)
    assert not (tmp_path / "powder_0.whole.tif").exists()


@pytest.mark.parametrize(("bits", "levels"), [(12, 4095), (16, 65535)])
def test_synth_records_as_deep_as_the_detector(bits: int, levels: int, tmp_path: Path) -> None:
    given = ["synth", "nuclei", "--out", str(tmp_path), "--size", "96", "--seed", "5"]
    assert cli.main([*given, "--bits", str(bits), "--set", "jpeg=1", "--set", "overlay=0"]) == 0
    image = tifffile.imread(tmp_path / "nuclei_5.tif")
    assert image.dtype == np.uint16
    assert image.max() <= levels
    assert np.unique(image).size > 300  # more than eight bits could tell apart


def test_synth_takes_settings_and_says_what_is_wrong_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["synth", "nuclei", "--out", str(tmp_path), "--size", "96"]
    assert cli.main([*given, "--set", "noise=0", "--set", "overlay=0", "--set", "max_blur=0"]) == 0
    calm = tifffile.imread(tmp_path / "nuclei_0.tif").astype(float)
    assert cli.main([*given, "--set", "noise=5", "--set", "overlay=0", "--set", "max_blur=0"]) == 0
    noisy = tifffile.imread(tmp_path / "nuclei_0.tif").astype(float)
    assert np.abs(np.diff(noisy)).mean() > np.abs(np.diff(calm)).mean()
    capsys.readouterr()
    for wrong, sentence in (
        (["--count", "0"], "--count cannot be 0: give 1 or more."),
        (["--seed", "-1"], "--seed cannot be -1: give 0 or more."),
        (["--size", "8"], "--size cannot be 8: give 32 or more."),
        (["--set", "noise=9"], "noise cannot be 9: input should be less than or equal to 5."),
        (
            ["--set", "noize=1"],
            "There is no setting called noize: see samstar synth --list-settings.",
        ),
    ):
        assert cli.main([*given, *wrong]) == 2
        assert lines(capsys)[1] == [sentence]
    assert cli.main(["synth"]) == 2
    assert "needs a KIND" in lines(capsys)[1][-1]
    assert cli.main(["synth", "--list-settings"]) == 0
    assert any(line.startswith("max_blur=1.8") for line in lines(capsys)[0])


def test_a_budget_of_0_applies_the_recipe_without_a_search(
    discs: Path, prior: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    searched = ("run", str(discs), *ALONE, "--prior", str(prior), "--budget", "30")
    assert cli.main([*searched, "--out", str(first)]) == 0
    front = pd.read_csv(first / "discs.front.csv", keep_default_na=False)
    assert len(front) == 30
    recipe = str(first / "discs.recipe.json")
    assert (
        cli.main(
            ["run", str(discs), *ALONE, "--recipe", recipe, "--budget", "0", "--out", str(second)]
        )
        == 0
    )
    assert not (second / "discs.front.csv").exists()
    labels = [tifffile.imread(folder / "discs.labels.tif") for folder in (first, second)]
    assert np.array_equal(*labels)
    lines(capsys)


def test_a_seed_is_that_of_a_search_added_to_a_recipe(
    discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ["run", str(discs), *ALONE]
    assert cli.main([*run, "--budget", "0", "--out", str(tmp_path / "first")]) == 0
    recipe = str(tmp_path / "first" / "discs.recipe.json")
    more = ["--recipe", recipe, "--budget", "6", "--seed", "5", "--out", str(tmp_path / "second")]
    assert cli.main([*run, *more]) == 0
    lines(capsys)
    found = json.loads((tmp_path / "second" / "discs.recipe.json").read_text())
    assert found["search"]["seed"] == found["seed"] == 5
    assert "pymoo" in found["versions"]


def test_a_reward_is_named_with_its_parameters(
    discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    run = ["run", str(discs), *ALONE, "--budget", "10", "--out", str(out)]
    assert cli.main([*run, "--reward", "count:low=9,high=9"]) == 0
    recipe = json.loads((out / "discs.recipe.json").read_text())
    assert dict(recipe["rewards"])["count"] == {"low": 9, "high": 9}
    lines(capsys)
    assert cli.main([*run, "--reward", "cuont"]) == 2
    assert "There is no reward 'cuont'" in lines(capsys)[1][-1]
    assert cli.main([*run, "--reward", "count:low"]) == 2
    assert "NAME:KEY=VALUE" in lines(capsys)[1][-1]


def test_a_preset_brings_its_terms_and_the_prior_replaces_parts(
    discs: Path, prior: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    chosen = ["--preset", "cells", "--prior", str(prior), "--budget", "8"]
    assert cli.main(["run", str(discs), "--out", str(out), *chosen, *ALONE]) == 0
    recipe = Recipe.read(out / "discs.recipe.json")
    assert (recipe.prior.shape, recipe.prior.polarity) == ("round", "dark")
    assert recipe.prior.diameter == (5, 12)
    assert (recipe.prior.coverage, recipe.prior.overlap) == ((0.02, 0.95), 0.1)
    rewards = dict(recipe.rewards)
    assert rewards["size_distribution"]["spread"] == 0.3
    assert "border" in rewards
    assert cli.main(["run", str(discs), "--out", str(out), "--preset", "rocks", *ALONE]) != 0
    _, errors = lines(capsys)
    assert "no preset 'rocks': known are nanoparticles, grains, layers" in errors[-1]


def test_rewards_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["rewards", "--json"]) == 0
    records = [json.loads(line) for line in lines(capsys)[0]]
    known = {record["name"]: record for record in records}
    assert known["size_band"]["family"] == "size"
    assert known["size_band"]["parameters"]["unit"] == "px"
    assert cli.main(["rewards"]) == 0
    assert any(line.startswith("clark_evans (") for line in lines(capsys)[0])


def test_a_killed_run_goes_on_to_the_same_front(
    discs: Path, prior: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(out: str, home: str) -> list[str]:
        monkeypatch.setenv("SAMSTAR_HOME", str(tmp_path / home))
        options = ["--prior", str(prior), "--budget", "300", "--seed", "4", *ALONE]
        return ["run", str(discs), "--out", str(tmp_path / out), *options]

    start = "import sys; from napari_samstar.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", start, *run("killed", "one")]
    searches = tmp_path / "one" / "cache" / "searches"
    with subprocess.Popen(command) as child:
        recorded = 0
        while recorded < 40 and child.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(timeout=0.02)
            recorded = sum(p.read_bytes().count(b"\n") for p in searches.glob("[!.]*.jsonl"))
        child.kill()
    assert not (tmp_path / "killed").exists()
    assert recorded >= 40
    assert cli.main(run("killed", "one")) == 0
    assert cli.main(run("whole", "two")) == 0
    fronts = [(tmp_path / out / "discs.front.csv").read_text() for out in ("killed", "whole")]
    assert fronts[0] == fronts[1]
    assert not list(searches.iterdir())

    # and in process, with the recipe that the command wrote
    recipe = Recipe.read(tmp_path / "whole" / "discs.recipe.json")
    front = segment(load_micrograph(discs), settings=recipe.run_settings()).front
    assert front is not None
    table = pd.read_csv(tmp_path / "whole" / "discs.front.csv", keep_default_na=False)
    for m, name in enumerate(front.objectives):
        assert table[name].tolist() == [c.rewards[m] for c in front.evaluated]
