"""Any array of numbers becomes a finite float32 micrograph, or one sentence says why not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import napari_samstar as ss
from napari_samstar.io.array import micrograph_from_array
from napari_samstar.types import SamStarError


@given(
    hnp.arrays(
        st.sampled_from(
            [np.bool_, np.int8, np.uint16, np.int64, np.float16, np.float64, ">f4", "c8"]
        ),
        st.one_of(
            st.tuples(st.integers(1, 6), st.integers(1, 6)),
            st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 4)),
        ),
    )
)
@example(np.array([[1.0141205e31]]))
@example(np.array([[3e38, -3e38, -3e38]]))
def test_every_array_is_finite_or_refused(array: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        image = np.abs(array) if array.dtype.kind == "c" else array
        image = image[..., 0] if image.ndim == 3 and image.shape[2] < 3 else image
        finite = np.isfinite(image.astype(np.float32))
    if (finite[..., :3] if finite.ndim == 3 else finite).any():
        m = micrograph_from_array(array)
        assert m.data.dtype == np.float32
        assert m.data.shape[:2] == array.shape[:2]
        assert np.isfinite(m.data).all()
        assert ss.to_rgb(m).shape == (*array.shape[:2], 3)
    else:
        with pytest.raises(SamStarError, match="finite"):
            micrograph_from_array(array)


def test_not_finite_values_are_replaced_and_counted() -> None:
    array = np.array([[1.0, np.nan, np.inf], [-np.inf, 3.0, 2.0]])
    m = micrograph_from_array(array)
    np.testing.assert_array_equal(m.data, [[1, 1, 3], [1, 3, 2]])
    assert m.metadata["non_finite_pixels"] == 3
    assert np.isnan(array[0, 1])  # the caller's array stays as it was


def test_gray_colors_collapse() -> None:
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    m = micrograph_from_array(np.repeat(gray[..., None], 3, axis=2))
    np.testing.assert_array_equal(m.data, gray)
    assert m.metadata["color"] == "gray in three channels"


def test_alpha() -> None:
    color = np.random.default_rng(0).integers(0, 255, (4, 5, 3), np.uint8)
    opaque = np.dstack([color, np.full((4, 5), 255, np.uint8)])
    m = micrograph_from_array(opaque)
    np.testing.assert_array_equal(m.data, color)
    assert m.metadata["alpha"] == "dropped"
    opaque[0, 0, 3] = 0
    m = micrograph_from_array(opaque)
    np.testing.assert_array_equal(m.data[0, 0], 0)
    np.testing.assert_array_equal(m.data[1], color[1])


def test_two_channels_complex_constant_and_lines() -> None:
    two = np.dstack([np.eye(3), np.ones((3, 3))])
    np.testing.assert_array_equal(micrograph_from_array(two).data, np.eye(3))
    assert micrograph_from_array(np.full((2, 2), 3 + 4j)).data[0, 0] == 5
    for array in (np.full((5, 7), 42, np.int16), np.arange(9)[None], np.arange(9)[:, None]):
        m = micrograph_from_array(array)
        assert ss.to_rgb(m).shape == (*array.shape, 3)


def test_calibration_and_independence() -> None:
    array = np.zeros((3, 3), np.float32)
    m = micrograph_from_array(array, 2.0, "micron", "film")
    assert (m.pixel_size, m.unit, m.name) == ((2.0, 2.0), "um", "film")
    array[0, 0] = 9
    assert m.data[0, 0] == 0


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 5)),
        np.zeros(5),
        np.zeros((3, 3, 5)),
        np.zeros((2, 3, 3, 3)),
        np.full((3, 3), np.nan),
        np.array([["a"]]),
        np.array([[{}]]),
    ],
)
def test_refused(array: np.ndarray) -> None:
    with pytest.raises(SamStarError):
        micrograph_from_array(array)
