"""A length is a length however it is spelled, and nothing else is."""

from __future__ import annotations

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_samstar.units import calibration, length_unit, meters_per_unit


@pytest.mark.parametrize(
    ("spelled", "unit"),
    [
        ("nm", "nm"),
        ("µm", "um"),
        ("μm", "um"),
        ("\\u00B5m", "um"),
        ("micron", "um"),
        ("microns", "um"),
        ("Micrometers", "um"),
        ("[n_m]", "nm"),
        ("Å", "angstrom"),
        (b"m", "m"),
        (" nanometre ", "nm"),
        ("inch", "inch"),
        ("fm", "fm"),
    ],
)
def test_spellings(spelled: object, unit: str) -> None:
    assert length_unit(spelled) == unit
    assert pint.Unit(unit).dimensionality == {"[length]": 1}


@pytest.mark.parametrize(
    "text", ["1/nm", "nm^-1", "px", "pixel", "pix", "", None, "s", "eV", "rad", "nm*2", "2**9", 5]
)
def test_what_is_no_length(text: object) -> None:
    assert length_unit(text) is None


@pytest.mark.parametrize(
    ("size", "unit"),
    [
        (0, "nm"),
        (-1.0, "nm"),
        (float("nan"), "nm"),
        (float("inf"), "nm"),
        (None, "nm"),
        (1.0, ""),
        (1.0, "1/nm"),
        ((None, None), "um"),
        ((1.0, 1.0), [None, "px"]),
    ],
)
def test_unknown_is_unknown_never_a_meter(size: object, unit: object) -> None:
    assert calibration(size, unit) == (None, "px")  # type: ignore[arg-type]


@given(st.floats(1e-14, 1e-2))
def test_a_calibration_keeps_its_length(meters: float) -> None:
    size, unit = calibration(meters, "m")
    assert size is not None
    assert size[0] * meters_per_unit(unit) == pytest.approx(meters, rel=1e-9)
    assert size[0] >= 0.0999 or unit == "pm"


def test_friendly_units() -> None:
    assert calibration(0.01775, "nm") == ((17.75, 17.75), "pm")
    assert calibration((2.5e-9, 5e-9), "m") == ((2.5, 5.0), "nm")
    assert calibration((None, 3.0), "um") == ((3.0, 3.0), "um")
    assert calibration((1.0, 2000.0), ("um", "nm")) == ((1.0, 2.0), "um")
