"""What a search leaves to read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

import napari_samstar as ss
from napari_samstar import synth
from napari_samstar.pipeline import RunResult, segment
from napari_samstar.report import changes, describe
from napari_samstar.results import write_result


@pytest.fixture(scope="module")
def result() -> RunResult:
    scene = synth.generate("particles_tem", (160, 160), seed=4)
    micrograph = ss.Micrograph((scene.image * 255).astype(np.float32), (0.5, 0.5), "nm", "dots")
    settings = ss.RunSettings(
        prior=ss.Prior(diameter=(4, 30), size_unit="nm"),
        search=ss.SearchSettings(budget=40, population=10),
    )
    return segment(micrograph, settings=settings)


def test_table_picture_and_page_are_written(result: RunResult, tmp_path: Path) -> None:
    paths = write_result(result, tmp_path, "dots")
    assert paths["front"].name == "dots.front.csv"
    table = pd.read_csv(paths["front"], keep_default_na=False)
    front = result.front
    assert front is not None
    assert result.candidate is not None
    assert len(table) == len(front.evaluated)
    assert table["on_front"].sum() == len(front)
    assert "chosen" in table.loc[result.candidate.index, "marks"].split("; ")
    assert table.loc[0, "marks"].split("; ").count("default") == 1
    best = table.loc[table["on_front"], front.objectives[0]].max()
    assert best == pytest.approx(front.rewards[:, 0].max())
    with Image.open(paths["front_picture"]) as picture:
        assert picture.size[0] > 800
    page = paths["front_page"].read_text(encoding="utf-8")
    assert f"{len(front)} on the Pareto front" in page
    assert page.count("data:image/jpeg;base64,") >= 2
    assert "reward_layer.threshold" in page
    with tifffile.TiffFile(paths["confidence"]) as file:
        assert file.imagej_metadata["unit"] == "nm"
        confidence = file.asarray()
    assert confidence.dtype == np.float32
    assert confidence.shape == (160, 160)
    assert 0 <= confidence.min() < confidence.max() <= 1


def test_without_a_search_no_front_is_written(result: RunResult, tmp_path: Path) -> None:
    from dataclasses import replace

    paths = write_result(replace(result, front=None, candidate=None), tmp_path, "dots")
    assert not any("front" in kind for kind in paths)


def test_what_changed_is_said_in_one_line() -> None:
    before = {"amg.pred_iou_thresh": 0.88, "reward_layer": False, "sources": ("grid",)}
    after = {**before, "amg.pred_iou_thresh": 0.71}
    assert describe(before, after, 12, 46) == "pred_iou_thresh 0.88 -> 0.71: 34 more objects"
    assert describe(before, after, 46, 45, "particle").endswith(": 1 fewer particle")
    assert describe(before, before, 3, 3) == "same settings: still 3 objects"
    every = {"amg.pred_iou_thresh": 0.5, "reward_layer": True, "sources": ("grid", "regions")}
    assert describe(before, every, 3, 5, most=2).endswith("1 more setting: 2 more objects")
    assert changes(before, after) == {"amg.pred_iou_thresh": (0.88, 0.71)}


def test_what_an_earlier_result_left_is_removed(result: RunResult, tmp_path: Path) -> None:
    from dataclasses import replace

    write_result(result, tmp_path, "dots")
    ours = [f"dots.{end}" for end in ("materials.tif", "materials.csv")]
    others = ["dots.notes.txt", "dots2.front.csv", "dots.front.txt"]
    for name in (*ours, *others):
        (tmp_path / name).write_text("")
    alone = replace(result, front=None, candidate=None, agreement=None)
    paths = write_result(alone, tmp_path, "dots")
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {path.name for path in paths.values()} | set(others)


def test_a_file_in_the_way_of_the_folder_is_named(result: RunResult, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(ss.SamStarError, match="file is a file: choose a folder"):
            write_result(result, folder, "dots")
