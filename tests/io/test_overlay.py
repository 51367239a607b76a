from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_samstar.io.overlay import PALETTE, bar_length, overlay
from napari_samstar.types import SamStarError


@pytest.mark.parametrize(
    ("longest", "text"),
    [
        (1e-9, "1 nm"),
        (4.9e-9, "2 nm"),
        (7.3e-7, "500 nm"),
        (1e-6, "1 µm"),
        (2.6e-5, "20 µm"),
        (3e-10, "200 pm"),
        (0.02, "20 mm"),
        (7.0, "5 m"),
    ],
)
def test_bars_have_round_lengths(longest: float, text: str) -> None:
    assert bar_length(longest)[1] == text


@given(st.floats(1e-12, 10.0))
def test_a_bar_is_as_long_as_it_says_and_fits(longest: float) -> None:
    meters, text = bar_length(longest)
    number, unit = text.split()
    factor = {"pm": 1e-12, "nm": 1e-9, "µm": 1e-6, "mm": 1e-3, "m": 1.0}[unit]
    assert float(number) * factor == pytest.approx(meters)
    assert longest / 2.5 - 1e-15 <= meters <= longest * (1 + 1e-6)
    assert math.log10(float(number) / int(str(float(number)).strip("0.")[0])) % 1 in (0.0, 1.0)


def test_touching_objects_are_told_apart() -> None:
    labels = np.ones((800, 800), np.int32)
    labels[:, 400:] = 2
    picture = overlay(np.zeros((800, 800, 3), np.uint8), labels)
    np.testing.assert_array_equal(picture[400, 399], PALETTE[0])
    np.testing.assert_array_equal(picture[400, 400], PALETTE[1])


def test_sizes_must_agree() -> None:
    with pytest.raises(SamStarError, match="belong together"):
        overlay(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), int))
