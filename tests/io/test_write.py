from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from napari_samstar.io.read import load_micrograph
from napari_samstar.io.write import (
    write_labels_tiff,
    write_ome_zarr_labels,
    write_overlay_png,
    write_table_csv,
)
from napari_samstar.measurements.table import measure
from napari_samstar.recipe import ImageRecord, Recipe
from napari_samstar.types import Micrograph, SamStarError


def _labels(shape: tuple[int, int] = (40, 60)) -> NDArray[np.int32]:
    labels = np.zeros(shape, np.int32)
    labels[5:15, 5:25] = 1
    labels[20:35, 30:50] = 4
    return labels


def _image(
    shape: tuple[int, ...] = (40, 60), pixel: tuple[float, float] | None = (0.5, 0.25)
) -> Micrograph:
    data = np.random.default_rng(5).random(shape, dtype=np.float32)
    return Micrograph(data, pixel, "px" if pixel is None else "nm", "film")


def _resolution(page: Any) -> tuple[float, float]:
    """Pixels per unit along y and x, as ImageJ reads them."""
    y, x = (page.tags[name].value for name in ("YResolution", "XResolution"))
    return y[0] / y[1], x[0] / x[1]


def test_fiji_opens_labels_calibrated_and_with_their_recipe(tmp_path: Path) -> None:
    path = tmp_path / "film.labels.tif"
    recipe = Recipe(image=ImageRecord(name="µ-film"))
    write_labels_tiff(path, _labels(), _image(), recipe)
    with tifffile.TiffFile(path) as file:
        np.testing.assert_array_equal(file.asarray(), _labels())
        assert file.asarray().dtype == np.uint16
        assert file.imagej_metadata is not None
        assert file.imagej_metadata["unit"] == "nm"
        assert (file.imagej_metadata["min"], file.imagej_metadata["max"]) == (0.0, 4.0)
        assert Recipe.from_json(file.imagej_metadata["Info"]) == recipe
        assert _resolution(file.pages[0]) == (2.0, 4.0)


def test_our_own_reader_gives_labels_and_pixel_size_back(tmp_path: Path) -> None:
    write_labels_tiff(tmp_path / "film.labels.tif", _labels(), _image())
    back = load_micrograph(tmp_path / "film.labels.tif")
    np.testing.assert_array_equal(back.data, _labels())
    assert (back.pixel_size, back.unit) == ((0.5, 0.25), "nm")


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_pixel_sizes_survive_to_seven_digits(
    tmp_path_factory: pytest.TempPathFactory, sy: float, sx: float
) -> None:
    path = tmp_path_factory.getbasetemp() / "sizes.tif"
    write_labels_tiff(path, _labels(), _image(pixel=(sy, sx)))
    with tifffile.TiffFile(path) as file:
        y, x = _resolution(file.pages[0])
    assert 1 / y == pytest.approx(sy, rel=1e-7)
    assert 1 / x == pytest.approx(sx, rel=1e-7)


def test_labels_without_a_pixel_size_claim_none(tmp_path: Path) -> None:
    write_labels_tiff(tmp_path / "a.tif", _labels(), _image(pixel=None))
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.imagej_metadata is not None
        assert "unit" not in file.imagej_metadata


@pytest.mark.parametrize(
    ("top", "dtype"), [(65_535, np.uint16), (65_536, np.float32), (2**24, np.float32)]
)
def test_every_label_keeps_its_number(tmp_path: Path, top: int, dtype: type[np.generic]) -> None:
    labels = _labels()
    labels[0, 0], labels[0, 1] = top, top - 1
    write_labels_tiff(tmp_path / "a.tif", labels, _image())
    back = tifffile.imread(tmp_path / "a.tif")
    assert back.dtype == dtype
    np.testing.assert_array_equal(back.astype(np.int32), labels)


def test_labels_that_do_not_fit_say_so(tmp_path: Path) -> None:
    with pytest.raises(SamStarError, match="belong together"):
        write_labels_tiff(tmp_path / "a.tif", _labels((41, 60)), _image())
    with pytest.raises(SamStarError, match="whole numbers"):
        write_labels_tiff(tmp_path / "a.tif", _labels().astype(float), _image())
    with pytest.raises(SamStarError, match="renumber"):
        write_labels_tiff(tmp_path / "a.tif", _labels() * 2**23, _image())
    assert list(tmp_path.iterdir()) == []


def test_a_table_keeps_its_digits(tmp_path: Path) -> None:
    table = measure(_labels(), _image())
    write_table_csv(tmp_path / "a.csv", table)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "a.csv"), table, rtol=1e-14)
    header = (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith("label,area_nm2,equivalent_diameter_nm,")


def test_ome_zarr_holds_image_labels_and_recipe(tmp_path: Path) -> None:
    path = tmp_path / "film.ome.zarr"
    labels = np.kron(_labels(), np.ones((20, 20), np.int32))  # 800 x 1200: two levels
    recipe = Recipe(image=ImageRecord(name="film"))
    for _ in range(2):  # the second time over the first
        write_ome_zarr_labels(path, labels, _image((800, 1200)), recipe)
    root = zarr.open_group(path, mode="r")
    target = root["labels/segmentation"]
    np.testing.assert_array_equal(target["0"][:], labels)
    np.testing.assert_array_equal(target["1"][:], labels[::2, ::2])
    np.testing.assert_array_equal(root["0"][:], _image((800, 1200)).data)
    assert root["1"][:].mean() == pytest.approx(root["0"][:].mean(), rel=1e-5)
    entry = target.attrs["ome"]["multiscales"][0]
    assert entry["axes"] == [
        {"name": name, "type": "space", "unit": "nanometer"} for name in ("y", "x")
    ]
    assert [d["coordinateTransformations"][0]["scale"] for d in entry["datasets"]] == [
        [0.5, 0.25],
        [1.0, 0.5],
    ]
    assert Recipe.from_json(json.dumps(target.attrs["samstar-recipe"])) == recipe
    assert sorted(p.name for p in tmp_path.iterdir()) == ["film.ome.zarr"]


@pytest.mark.parametrize("shape", [(700, 1100, 3), (1, 1500)])
def test_ome_zarr_follows_the_standard(tmp_path: Path, shape: tuple[int, ...]) -> None:
    models = pytest.importorskip("ome_zarr_models.v05")
    write_ome_zarr_labels(
        tmp_path / "a.zarr", np.ones(shape[:2], np.uint8), _image(shape, pixel=None)
    )
    root = zarr.open_group(tmp_path / "a.zarr", mode="r")
    image = models.Image.from_zarr(root)
    assert image.labels.label_paths == ["segmentation"]
    models.ImageLabel.from_zarr(root["labels/segmentation"])


def test_overlay_shows_objects_and_a_round_scale_bar(tmp_path: Path) -> None:
    rgb = np.full((200, 300, 3), 90, np.uint8)
    labels = np.zeros((200, 300), np.int32)
    labels[40:80, 40:100] = 1
    write_overlay_png(tmp_path / "bar.png", rgb, labels, (1.0, 1.0), "nm")
    write_overlay_png(tmp_path / "none.png", rgb, labels)
    bar = np.asarray(Image.open(tmp_path / "bar.png"))
    none = np.asarray(Image.open(tmp_path / "none.png"))
    assert bar.shape == (400, 600, 3)
    assert (none[100, 140] != 90).any()  # inside the object
    assert tuple(none[80, 140]) == (230, 159, 0)  # on its outline
    assert (none[350, 500] == 90).all()  # off it
    # 300 nm wide: the roundest length up to a quarter of it is 50 nm, 100 px of the picture
    white = np.flatnonzero((bar == 255).all(axis=2)[300:].sum(axis=1) >= 100) + 300
    assert white.size
    assert (bar[white[-1]] == 255).all(axis=1).sum() == 100
    assert not (none == 255).all(axis=2).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (3000, 40), (2100, 2100)])
def test_overlay_copes_with_any_size(tmp_path: Path, shape: tuple[int, int]) -> None:
    write_overlay_png(
        tmp_path / "a.png",
        np.zeros((*shape, 3), np.uint8),
        np.ones(shape, np.int32),
        (1.0, 1.0),
        "um",
    )
    with Image.open(tmp_path / "a.png") as image:
        assert max(image.size) <= 2048


WRITER = """
import os, random, signal, sys, time
import numpy as np
from napari_samstar.io.write import *
from napari_samstar.types import Micrograph
import pandas, tifffile, zarr
folder, chance = sys.argv[1], random.Random(13)
labels = np.kron(np.arange(225, dtype=np.int32).reshape(15, 15), np.ones((40, 40), np.int32))
image = Micrograph(np.full((600, 600), 3.0, np.float32), (0.5, 0.5), "nm", "film")
rgb = np.full((600, 600, 3), 90, np.uint8)
table = pandas.DataFrame({"label": np.arange(5_000), "area": 0.5})
writes = [
    lambda: write_table_csv(folder + "/a.csv", table),
    lambda: write_coco(folder + "/a.json", labels, image),
    lambda: write_ome_zarr_labels(folder + "/a.zarr", labels, image),
    lambda: write_labels_tiff(folder + "/a.tif", labels, image),
    lambda: write_overlay_png(folder + "/a.png", rgb, labels),
]
for n in (0, 1, 3, 4):  # not zarr, whose threads would not live on in a child
    writes[n]()
for k in range(20):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        for n in range(k, 10**6):
            os.write(writing, b".")
            writes[n % 5]()
    for _ in range(chance.randint(1, 4)):
        os.read(reading, 1)
    time.sleep(chance.uniform(0.0, 0.05))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading), os.close(writing)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked here")
def test_killed_writers_leave_no_torn_result(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", WRITER, str(tmp_path)], check=True, timeout=200)
    labels = np.kron(np.arange(225, dtype=np.int32).reshape(15, 15), np.ones((40, 40), np.int32))
    names = {p.name for p in tmp_path.iterdir() if not p.name.startswith(".")}
    assert names <= {"a.csv", "a.json", "a.zarr", "a.tif", "a.png"}
    assert len(pd.read_csv(tmp_path / "a.csv")) == 5_000
    assert len(json.loads((tmp_path / "a.json").read_text())["annotations"]) == 224
    if "a.zarr" in names:  # a folder steps aside for a moment before the new one takes its name
        root = zarr.open_group(tmp_path / "a.zarr", mode="r")
        np.testing.assert_array_equal(root["labels/segmentation/0"][:], labels)
        assert (root["0"][:] == 3.0).all()
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), labels)
    with Image.open(tmp_path / "a.png") as image:
        image.load()
