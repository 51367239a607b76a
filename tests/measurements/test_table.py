from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.measure import label, regionprops_table

from napari_samstar.measurements.table import column_unit, measure
from napari_samstar.types import Micrograph, SamStarError

LABELS = arrays(np.int32, (9, 11), elements=st.integers(0, 6))


def _image(
    shape: tuple[int, int], pixel: tuple[float, float] | None = None, unit: str = "nm"
) -> Micrograph:
    data = np.random.default_rng(1).random(shape, dtype=np.float32)
    return Micrograph(data, pixel, "px" if pixel is None else unit, "film")


def _blobs(shape: tuple[int, int], sigma: float) -> NDArray[np.int32]:
    noise = np.random.default_rng(2).standard_normal(shape)
    return np.asarray(label(gaussian_filter(noise, sigma) > 0.3 / sigma), np.int32)


def _ellipse(
    shape: tuple[int, int], a: float, b: float, degrees: float, pixel: tuple[float, float]
) -> NDArray[np.int32]:
    """Ellipse in physical units; `degrees` counter-clockwise from the rows, as displayed."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    y = -(y - shape[0] / 2 + 0.3) * pixel[0]
    x = (x - shape[1] / 2 + 0.4) * pixel[1]
    t = math.radians(degrees)
    u, v = x * math.cos(t) + y * math.sin(t), -x * math.sin(t) + y * math.cos(t)
    return ((u / a) ** 2 + (v / b) ** 2 <= 1).astype(np.int32)


@pytest.mark.parametrize("radius", [3, 5, 10, 20, 100])
def test_disc_measures_as_a_disc_at_every_size(radius: int) -> None:
    # averaged over positions on the pixel grid, as the digitized disc varies with them
    rows = []
    y, x = np.mgrid[: 2 * radius + 7, : 2 * radius + 7]
    for dy, dx in np.random.default_rng(3).random((20, 2)):
        disc = np.hypot(y - radius - 3 + dy - 0.5, x - radius - 3 + dx - 0.5) <= radius
        rows.append(measure(disc, _image(disc.shape)).iloc[0])
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0].index}
    assert mean["area_px2"] == pytest.approx(math.pi * radius**2, rel=0.03)
    assert mean["perimeter_px"] == pytest.approx(2 * math.pi * radius, rel=0.02)
    assert mean["equivalent_diameter_px"] == pytest.approx(2 * radius, rel=0.015)
    # the farthest pixels stand out by up to half a pixel on either side
    assert 2 * radius - 0.5 < mean["feret_max_px"] < 2 * radius + 1
    assert mean["feret_min_px"] == pytest.approx(2 * radius, abs=0.7)
    assert mean["aspect_ratio"] == pytest.approx(1.0, abs=0.05)
    if radius >= 5:
        assert mean["circularity"] == pytest.approx(1.0, abs=0.02)


def test_rectangle_has_its_exact_shape() -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[4:8, 5:25] = 3
    row = measure(labels, _image(labels.shape, (2.0, 2.0))).iloc[0]
    assert row["label"] == 3
    assert row["area_nm2"] == 320.0
    assert row["aspect_ratio"] == pytest.approx(5.0)
    assert row["solidity"] == 1.0
    assert row["feret_min_nm"] == pytest.approx(8.0)
    assert row["feret_max_nm"] == pytest.approx(2 * math.hypot(20, 4), rel=0.02)
    assert row["orientation_deg"] == 0.0
    assert (row["centroid_x_nm"], row["centroid_y_nm"]) == (29.0, 11.0)


@pytest.mark.parametrize("degrees", [0, 30, 90, 135, 170])
@pytest.mark.parametrize("pixel", [(1.0, 1.0), (2.0, 1.0), (0.5, 1.5)])
def test_ellipse_is_measured_the_same_whatever_the_pixels(
    degrees: float, pixel: tuple[float, float]
) -> None:
    labels = _ellipse((300, 300), 60.0, 30.0, degrees, pixel)
    row = measure(labels, _image(labels.shape, pixel)).iloc[0]
    assert row["area_nm2"] == pytest.approx(math.pi * 1800, rel=0.01)
    # Ramanujan's perimeter; four directions know an elongated outline to a few percent
    assert row["perimeter_nm"] == pytest.approx(290.65, rel=0.05)
    assert row["aspect_ratio"] == pytest.approx(2.0, rel=0.01)
    assert abs((row["orientation_deg"] - degrees + 90) % 180 - 90) < 0.5
    assert row["feret_max_nm"] == pytest.approx(120, rel=0.02)
    assert row["feret_min_nm"] == pytest.approx(60, rel=0.03)
    assert row["solidity"] > 0.97


def test_agrees_with_scikit_image() -> None:
    labels = _blobs((300, 280), 4)
    micrograph = _image(labels.shape, (0.25, 0.25))
    ours = measure(labels, micrograph)
    theirs = regionprops_table(
        labels,
        micrograph.data,
        properties=[
            "label",
            "area",
            "equivalent_diameter_area",
            "perimeter_crofton",
            "solidity",
            "intensity_mean",
            "centroid",
            "feret_diameter_max",
        ],
        spacing=(0.25, 0.25),
    )
    assert len(ours) > 100
    for name, other, tolerance in [
        ("label", "label", 0),
        ("area_nm2", "area", 1e-12),
        ("equivalent_diameter_nm", "equivalent_diameter_area", 1e-12),
        ("perimeter_nm", "perimeter_crofton", 1e-12),
        ("solidity", "solidity", 1e-12),
        ("mean_intensity", "intensity_mean", 1e-5),
        ("centroid_y_nm", "centroid-0", 1e-9),
        ("centroid_x_nm", "centroid-1", 1e-9),
    ]:
        np.testing.assert_allclose(ours[name], theirs[other], rtol=tolerance, atol=1e-12)
    # scikit-image draws the hull in whole pixels first
    assert np.abs(ours["feret_max_nm"] - theirs["feret_diameter_max"]).max() < 0.25
    large = theirs["area"] > 100 * 0.0625
    axes = regionprops_table(
        labels, properties=["axis_major_length", "axis_minor_length", "orientation"]
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = axes["axis_major_length"] / axes["axis_minor_length"]
    np.testing.assert_allclose(ours["aspect_ratio"][large], ratio[large], rtol=0.02)
    turned = ours["orientation_deg"] - np.degrees(axes["orientation"]) - 90
    assert np.abs((turned + 90) % 180 - 90)[large].max() < 1e-6


@settings(max_examples=40, deadline=None)
@given(LABELS, st.permutations(range(1, 7)))
def test_names_of_labels_do_not_matter(labels: NDArray[np.int32], names: list[int]) -> None:
    table = np.array([0, *(1000 * n for n in names)])
    image = _image(labels.shape, (0.7, 0.7))
    before = measure(labels, image)
    after = measure(table[labels], image)
    before["label"] = table[before["label"]]
    before = before.sort_values("label", ignore_index=True)
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])


@settings(max_examples=40, deadline=None)
@given(LABELS)
def test_another_unit_only_scales(labels: NDArray[np.int32]) -> None:
    nm = measure(labels, _image(labels.shape, (2.0, 3.0), "nm"))
    um = measure(labels, _image(labels.shape, (0.002, 0.003), "µm"))
    factors = {"": 1.0, "deg": 1.0, "as read": 1.0, "um": 1e-3, "um2": 1e-6}
    for (name, unit), before in zip(um.attrs["units"].items(), nm, strict=True):
        assert name.replace("um", "nm") == before
        np.testing.assert_allclose(um[name], nm[before] * factors[unit], rtol=1e-9, atol=1e-15)


@settings(max_examples=40, deadline=None)
@given(LABELS)
def test_measures_are_possible(labels: NDArray[np.int32]) -> None:
    table = measure(labels, _image(labels.shape))
    assert table["area_px2"].sum() == np.count_nonzero(labels)
    assert table["solidity"].between(0, 1).all()
    assert (table["aspect_ratio"] >= 1 - 1e-12).all()
    assert (table["feret_min_px"] <= table["feret_max_px"]).all()
    assert (table["feret_max_px"] <= math.hypot(9, 11)).all()
    assert (table["perimeter_px"] > 0).all()
    assert table["orientation_deg"].dropna().between(0, 180, inclusive="left").all()
    assert (table["touches_border"] == [_meets_frame(labels, i) for i in table["label"]]).all()


def _meets_frame(labels: NDArray[np.int32], value: int) -> bool:
    y, x = np.nonzero(labels == value)
    return bool(
        min(y.min(), x.min()) == 0
        or y.max() == labels.shape[0] - 1
        or x.max() == labels.shape[1] - 1
    )


def test_columns_and_units_of_a_calibrated_image() -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[2:10, 2:10] = 1
    labels[12:18, 2:10] = 2
    table = measure(labels, _image(labels.shape, (0.5, 0.5), "nm"))
    assert list(table) == [
        "label",
        "area_nm2",
        "equivalent_diameter_nm",
        "feret_max_nm",
        "feret_min_nm",
        "perimeter_nm",
        "circularity",
        "aspect_ratio",
        "solidity",
        "orientation_deg",
        "mean_intensity",
        "integrated_intensity",
        "nearest_neighbor_distance_nm",
        "centroid_x_nm",
        "centroid_y_nm",
        "touches_border",
    ]
    assert table.attrs["units"]["area_nm2"] == "nm2"
    assert table.attrs["pixel_size"] == (0.5, 0.5)
    assert table.attrs["name"] == "film"
    assert table["nearest_neighbor_distance_nm"].tolist() == [4.5, 4.5]


def test_no_objects_give_an_empty_table_with_all_columns() -> None:
    empty = measure(np.zeros((5, 6), np.int32), _image((5, 6)))
    full = measure(np.ones((5, 6), np.int32), _image((5, 6)))
    assert len(empty) == 0
    assert list(empty) == list(full)
    assert (empty.dtypes == full.dtypes).all()


def test_small_objects_have_no_circularity() -> None:
    labels = np.zeros((20, 20), np.int32)
    labels[1:6, 1:6] = 1  # 25 px
    labels[10:16, 10:16] = 2  # 36 px
    assert measure(labels, _image(labels.shape))["circularity"].isna().tolist() == [True, False]


def test_round_objects_have_no_orientation() -> None:
    labels = np.zeros((9, 9), np.int32)
    labels[2:7, 2:7] = 1
    assert math.isnan(measure(labels, _image(labels.shape))["orientation_deg"][0])


def test_color_counts_as_the_mean_of_its_channels() -> None:
    data = np.zeros((4, 4, 3), np.float32)
    data[..., 0] = 30.0
    row = measure(np.ones((4, 4), np.uint8), Micrograph(data)).iloc[0]
    assert (row["mean_intensity"], row["integrated_intensity"]) == (10.0, 160.0)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros((4, 5), np.int32), "is 5 x 4 px and the micrograph 'film' is 6 x 5 px"),
        (np.zeros((5, 6), np.float32), "whole numbers"),
        (np.zeros((2, 5, 6), np.int32), "3 dimensions"),
        (np.full((5, 6), -1), "holds -1: labels are positive"),
    ],
)
def test_what_is_no_label_image_says_so(labels: NDArray[np.int32], message: str) -> None:
    with pytest.raises(SamStarError, match=message):
        measure(labels, _image((5, 6)))


@pytest.mark.parametrize(
    ("unit", "name"),
    [("nm", "nm"), ("µm", "um"), ("μm", "um"), ("Å", "angstrom"), ("1/nm", "1_nm")],
)
def test_units_spell_plainly_in_column_names(unit: str, name: str) -> None:
    assert column_unit(unit) == name


def test_two_thousand_objects_take_no_time() -> None:
    labels = _blobs((2048, 2048), 6)
    assert labels.max() > 1000
    image = _image(labels.shape)
    measure(labels[:50, :50], _image((50, 50)))
    start = time.process_time()
    measure(labels, image)
    assert time.process_time() - start < 1.0
