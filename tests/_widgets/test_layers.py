"""Layers carry the calibration; napari's viewer model stands in for the window."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.colormaps import DirectLabelColormap

from napari_samstar._widgets import samples, writers
from napari_samstar._widgets.layers import (
    image_layer,
    labels_layer,
    material_colors,
    show_segmentation,
)
from napari_samstar._widgets.readers import get_reader
from napari_samstar.measurements.table import measure
from napari_samstar.types import Micrograph, SamStarError, Segmentation


@pytest.fixture
def segmentation() -> Segmentation:
    data = np.zeros((40, 60), np.float32)
    labels = np.zeros((40, 60), np.int32)
    labels[5:15, 10:30] = 7
    return Segmentation(labels, Micrograph(data, (0.5, 0.25), "nm", "film"))


def test_image_and_labels_overlap_in_nanometers(segmentation: Segmentation) -> None:
    viewer = ViewerModel()
    show_segmentation(viewer, segmentation)
    image, labels = viewer.layers
    for layer in (image, labels):
        assert [str(unit) for unit in layer.units] == ["nanometer", "nanometer"]
        np.testing.assert_allclose(layer.extent.step, [0.5, 0.25])
    np.testing.assert_array_equal(image.extent.world, labels.extent.world)


def test_materials_are_colored_as_napari_would_by_a_shorter_way(rng: np.random.Generator) -> None:
    colors = {label: ("#0072b2", "#e69f00", "#009e73")[label % 3] for label in range(1, 300, 2)}
    ours = material_colors(colors)
    napari = DirectLabelColormap(color_dict=dict(ours.color_dict))
    for kind in (np.int32, np.int64, np.uint16):
        labels = rng.integers(0, 400, (40, 60)).astype(kind)[:, ::2]
        np.testing.assert_array_equal(
            ours._data_to_texture(labels), napari._data_to_texture(labels)
        )
        np.testing.assert_array_equal(ours.map(labels), napari.map(labels))
    ours.use_selection = napari.use_selection = True
    ours.selection = napari.selection = 3
    np.testing.assert_array_equal(ours.map(labels), napari.map(labels))
    layer = Labels(np.array([[0, 1], [2, 3]], np.int32), colormap=material_colors({1: "#0072b2"}))
    np.testing.assert_allclose(layer.get_color(2), [1, 1, 1, 1])


def test_without_a_pixel_size_layers_are_in_pixels() -> None:
    _, options, kind = image_layer(Micrograph(np.zeros((4, 4), np.float32)))
    assert kind == "image"
    assert options["units"] == ("pixel", "pixel")
    assert options["scale"] == (1.0, 1.0)


def test_color_images_of_eight_and_sixteen_bit_keep_their_brightness() -> None:
    for top in (1.0, 255.0, 65535.0):
        data, options, _ = image_layer(Micrograph(np.full((4, 4, 3), top / 2, np.float32)))
        assert options["rgb"]
        np.testing.assert_allclose(data, 0.5)


def test_hovering_an_object_shows_its_own_row(segmentation: Segmentation) -> None:
    table = pd.DataFrame({"label": [7], "area_nm2": [25.0]})
    viewer = ViewerModel()
    show_segmentation(viewer, segmentation, table)
    status = viewer.layers[1].get_status((5.0, 5.0), world=True)
    assert "25" in str(status["value"]), status


def test_the_real_sample_opens_calibrated() -> None:
    ((_, options, _),) = samples.glass()
    assert options["units"] == ("um", "um")
    assert options["scale"] == pytest.approx((3250 / 1024, 3250 / 1024))


@pytest.mark.parametrize("name", ["nanoparticles", "film", "grains", "pores", "cells"])
def test_synthetic_samples_open_calibrated_and_with_truth(name: str) -> None:
    (image, options, _), (labels, truth, kind) = getattr(samples, name)()
    assert (kind, truth["visible"]) == ("labels", False)
    assert image.shape == labels.shape
    assert labels.max() > 3
    assert options["scale"] == truth["scale"] != (1.0, 1.0)


@pytest.fixture
def painted(segmentation: Segmentation) -> tuple[Any, dict[str, Any]]:
    """A labels layer as napari hands it to writers."""
    viewer = ViewerModel()
    show_segmentation(viewer, segmentation, measure(segmentation.labels, segmentation.micrograph))
    data, attributes, _ = viewer.layers[1].as_layer_data_tuple()
    return data, attributes


def test_labels_are_written_calibrated(painted: Any, tmp_path: Path) -> None:
    (path,) = writers.write_labels(str(tmp_path / "a.tif"), *painted)
    with tifffile.TiffFile(path) as file:
        x, y = (file.pages[0].tags[name].value for name in ("XResolution", "YResolution"))
        assert file.imagej_metadata["unit"] == "nm"
        assert (x[1] / x[0], y[1] / y[0]) == pytest.approx((0.25, 0.5))
        assert np.unique(file.asarray()).tolist() == [0, 7]


def test_labels_are_written_as_coco_and_as_a_table(painted: Any, tmp_path: Path) -> None:
    (path,) = writers.write_coco(str(tmp_path / "a.json"), *painted)
    document = json.loads(Path(path).read_text())
    assert [a["label"] for a in document["annotations"]] == [7]
    assert document["images"][0]["unit"] == "nm"
    data, attributes = painted
    for features in (attributes["features"], {}):
        (path,) = writers.write_table(
            str(tmp_path / "a.csv"), data, attributes | {"features": features}
        )
        table = pd.read_csv(path)
        assert table["label"].tolist() == [7]
        assert table["area_nm2"].tolist() == [200 * 0.5 * 0.25]


def test_a_stack_of_labels_is_refused_in_a_sentence(painted: Any, tmp_path: Path) -> None:
    data, attributes = painted
    with pytest.raises(SamStarError, match="two-dimensional"):
        writers.write_labels(str(tmp_path / "a.tif"), np.stack([data, data]), attributes)


def test_reader_opens_several_files_as_layers(tmp_path: Path) -> None:
    paths = []
    for name in ("a", "b"):
        path = tmp_path / f"{name}.npy"
        np.save(path, np.eye(8, dtype=np.float32))
        paths.append(str(path))
    reader = get_reader(paths)
    assert reader is not None
    assert [options["name"] for _, options, _ in reader(paths)] == ["a", "b"]


def test_labels_layer_keeps_the_recipe(segmentation: Segmentation) -> None:
    from dataclasses import replace

    _, options, _ = labels_layer(replace(segmentation, recipe={"seed": 3}))
    assert options["metadata"]["recipe"] == {"seed": 3}
