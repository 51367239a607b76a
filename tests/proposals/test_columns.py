"""Physical columns against scikit-image, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage as ndi
from skimage.measure import regionprops

from napari_samstar.proposals.columns import NAMES, column
from napari_samstar.proposals.table import from_masks
from napari_samstar.runs import MaskRuns
from napari_samstar.types import Proposals


def _blobs(n: int, seed: int = 0) -> tuple[list[NDArray[np.bool_]], NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(n):
        noise = ndi.gaussian_filter(rng.normal(size=(70, 90)), rng.uniform(1, 5))
        labels, _ = ndi.label(noise > np.quantile(noise, 0.8))
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        masks.append(labels == sizes.argmax())
    gray = ndi.gaussian_filter(rng.normal(size=(70, 90)), 2)
    return masks, ((gray - gray.min()) / np.ptp(gray) * 255).astype(np.uint8)


def _table(masks: list[NDArray[np.bool_]], gray: NDArray[np.uint8]) -> Proposals:
    return from_masks(
        MaskRuns.from_dense(masks, gray.shape), gray, "regions", np.ones(len(masks), np.float32)
    )


def test_the_longest_way_across_is_that_of_scikit_image() -> None:
    masks, gray = _blobs(25)
    expected = [regionprops(m.astype(np.uint8))[0].feret_diameter_max for m in masks]
    # theirs goes around whole pixels of the convex image, ours from corner to corner of the hull
    np.testing.assert_allclose(column(_table(masks, gray), "feret_diameter"), expected, atol=0.75)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("area", "area"),
        ("perimeter", "perimeter_crofton"),
        ("solidity", "solidity"),
        ("eccentricity", "eccentricity"),
        ("orientation", "orientation"),
        ("major_axis", "axis_major_length"),
        ("minor_axis", "axis_minor_length"),
        ("equivalent_diameter", "equivalent_diameter_area"),
        ("mean", "intensity_mean"),
        ("std", "intensity_std"),
    ],
)
def test_a_column_equals_scikit_image(name: str, theirs: str) -> None:
    masks, gray = _blobs(25)
    expected = [regionprops(m.astype(np.uint8), gray)[0][theirs] for m in masks]
    np.testing.assert_allclose(column(_table(masks, gray), name), expected, rtol=1e-4, atol=1e-4)


def test_the_ring_lies_two_to_four_pixels_outside() -> None:
    rows, columns = np.indices((80, 80))
    away = np.hypot(rows - 40, columns - 40)
    gray = np.where(away <= 20, 200, 100).astype(np.uint8)
    gray[(away > 26) | ((away > 20) & (away < 21))] = 0  # neither may count
    table = _table([away <= 20], gray)
    assert column(table, "ring_mean")[0] == pytest.approx(100, abs=6)
    assert column(table, "mean")[0] == 200
    assert column(table, "contrast")[0] > 1
    dark = _table([away <= 20], (255 - gray).astype(np.uint8))
    assert column(dark, "contrast")[0] < -1
    assert column(dark, "support")[0] < -0.8


def test_an_outline_on_the_edge_beats_one_beside_it() -> None:
    rows, columns = np.indices((80, 80))
    away = np.hypot(rows - 40, columns - 40)
    gray = ndi.gaussian_filter(np.where(away <= 20, 200.0, 80.0), 1).astype(np.uint8)
    table = _table([away <= 20, away <= 24, away <= 15], gray)
    edge, flux = column(table, "edge"), column(table, "flux")
    assert edge[0] > 2 * edge[1:].max()
    assert flux[0] > 2 * flux[1:].max()


def test_discs_are_round_at_every_size() -> None:
    rows, columns = np.indices((120, 120))
    discs = [np.hypot(rows - 60.3, columns - 59.8) <= r for r in (3, 5, 10, 20, 50)]
    table = _table(discs, np.zeros((120, 120), np.uint8))
    assert column(table, "circularity").min() > 0.93
    assert column(table, "boundary_smoothness")[1:].min() > 0.9
    np.testing.assert_allclose(column(table, "aspect_ratio")[1:], 1, atol=0.02)


@given(st.integers(0, 10_000), st.integers(0, 30), st.integers(0, 30))
@settings(max_examples=25, deadline=None)
def test_moving_image_and_mask_together_changes_nothing(seed: int, dy: int, dx: int) -> None:
    rng = np.random.default_rng(seed)
    mask = ndi.binary_fill_holes(ndi.gaussian_filter(rng.normal(size=(24, 26)), 3) > 0.02)
    patch = rng.integers(0, 256, (24, 26)).astype(np.uint8)
    tables = []
    for y, x in ((10, 10), (10 + dy, 10 + dx)):
        frame = np.zeros((74, 76), bool)
        frame[y : y + 24, x : x + 26] = mask
        gray = np.full((74, 76), 90, np.uint8)
        gray[y : y + 24, x : x + 26] = patch
        tables.append(_table([frame], gray))
    for name in set(NAMES) - {"centroid_x", "centroid_y"}:
        a, b = (column(t, name)[0] for t in tables)
        assert a == pytest.approx(b, rel=1e-3, abs=1e-3), name
    assert column(tables[1], "centroid_x") - column(tables[0], "centroid_x") == pytest.approx(
        dx * mask.any(), abs=1e-3
    )


def test_masks_at_the_frame_are_marked_and_empty_ones_give_zeros() -> None:
    inside, cut, none = (np.zeros((20, 20), bool) for _ in range(3))
    inside[5:9, 5:9] = True
    cut[0:4, 5:9] = True
    table = _table([inside, cut, none], np.full((20, 20), 9, np.uint8))
    assert column(table, "border").tolist() == [0, 1, 0]
    for name in NAMES:
        values = column(table, name)
        assert values.dtype == np.float32
        assert np.isfinite(values).all(), name
        assert values[2] == 0, name


def test_a_column_is_measured_once() -> None:
    masks, gray = _blobs(2)
    table = _table(masks, gray)
    assert column(table, "area") is column(table, "area")


def test_an_unknown_column_is_named() -> None:
    masks, gray = _blobs(1)
    with pytest.raises(KeyError, match="colour"):
        column(_table(masks, gray), "colour")
