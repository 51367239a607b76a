"""Corrected objects as places for an instrument, and as a training set, by commands."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_samstar import cli
from napari_samstar.io.write import write_labels_tiff
from napari_samstar.types import Micrograph


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    """Three objects of two materials, as `samstar run` writes them."""
    image = np.random.default_rng(0).integers(0, 255, (40, 50), np.uint8)
    tifffile.imwrite(tmp_path / "film.tif", image)
    film = Micrograph(image.astype(np.float32), (0.5, 0.5), "nm", "film")
    objects, materials = np.zeros((2, 40, 50), np.int32)
    objects[2:11, 5:14], objects[2:11, 30:39], objects[22:31, 10:19] = 1, 3, 7
    materials[objects > 0] = 2
    materials[objects == 3] = 1
    materials[2, 5] = 1  # a pixel does not decide
    write_labels_tiff(tmp_path / "film.labels.tif", objects, film)
    write_labels_tiff(tmp_path / "film.materials.tif", materials, film)
    return tmp_path / "film.labels.tif"


def test_objects_of_a_material_become_places(
    labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = labels.with_name("places.csv")
    where = ["--stage", "100", "-20", "--stage-unit", "nm"]
    assert cli.main(["roi", str(labels), "--out", str(out), "--material", "2", *where]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert [(row["label"], row["material"]) for row in rows] == [("1", "2"), ("7", "2")]
    assert (float(rows[0]["inside_x_px"]), float(rows[0]["inside_y_px"])) == (9.0, 6.0)
    assert float(rows[0]["centroid_x_nm"]) == 4.5
    # the middle of the image is 24.5, 19.5 px
    assert float(rows[0]["stage_centroid_x_nm"]) == pytest.approx(100 + (9 - 24.5) / 2)
    assert float(rows[0]["stage_centroid_y_nm"]) == pytest.approx(-20 - (6 - 19.5) / 2)
    again = ["--out", str(out.with_suffix(".json")), "--only", "3"]
    assert cli.main(["roi", str(labels), *again, "--image", str(labels.with_name("film.tif"))]) == 0
    document = json.loads(out.with_suffix(".json").read_text())
    assert [region["label"] for region in document["regions"]] == [3]
    assert document["image"] == "film"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--out", "places.txt"], "must end with .csv or .json"),
        (["--out", "p.csv", "--material", "9"], "No object is of these materials"),
        (["--out", "p.csv", "--only", "2"], "There is no segment 2"),
        (["--out", "p.csv", "--tolerance", "-1"], "0 px or more"),
        (["--out", "p.csv", "--stage", "0", "0", "--stage-unit", "eV"], "not a unit of length"),
        (["--out", "p.csv", "--materials", "small.npy"], "must belong together"),
    ],
)
def test_what_cannot_be_done_gets_one_sentence(
    labels: Path,
    more: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(labels.parent)
    np.save("small.npy", np.ones((20, 50), int))
    assert cli.main(["roi", str(labels), *more]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_materials_must_be_known_to_be_chosen_by(
    labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels.with_name("film.materials.tif").unlink()
    out = str(labels.with_name("p.csv"))
    assert cli.main(["roi", str(labels), "--out", out, "--material", "2"]) == 2
    assert "give their image with --materials" in capsys.readouterr().err
    assert cli.main(["roi", str(labels), "--out", out]) == 0


def test_a_training_set_grows_by_a_command(
    labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = labels.with_name("training")
    command = ["dataset", str(labels), "--image", str(labels.with_name("film.tif"))]
    command += ["--out", str(folder), "--name", "2=glass"]
    for _ in range(2):  # the same image again is the same entry
        assert cli.main(command) == 0
        assert capsys.readouterr().out == f"{folder / 'images' / 'film.png'}\n"
    document = json.loads((folder / "annotations.json").read_text())
    assert len(document["images"]) == 1
    names = {row["id"]: row["name"] for row in document["categories"]}
    found = [names[one["category_id"]] for one in document["annotations"]]
    assert sorted(found) == ["glass", "glass", "material 1"]
    with pytest.raises(SystemExit):
        cli.main([*command, "--name", "glass"])
    assert "is not a name such as 1=glass" in capsys.readouterr().err
