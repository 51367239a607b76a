"""Layers carry the calibration; napari's viewer model stands in for the window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from napari.components import ViewerModel

from napari_samstar._widgets.layers import image_layer, labels_layer, show_segmentation
from napari_samstar._widgets.readers import get_reader
from napari_samstar._widgets.samples import glass, particles
from napari_samstar.types import Micrograph, Segmentation


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


def test_samples_open_calibrated_and_with_truth() -> None:
    ((_, options, _),) = glass()
    assert options["units"] == ("um", "um")
    assert options["scale"] == pytest.approx((3250 / 1024, 3250 / 1024))
    (image, _, _), (labels, _, kind) = particles()
    assert kind == "labels"
    assert image.shape == labels.shape
    assert labels.max() > 3


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
