"""Projected crystals have the periods and columns that a textbook gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_samstar.synth.zone_axes import STRUCTURES, phase_texture, project

AXES = st.tuples(*[st.integers(-2, 2)] * 3).filter(any)


def test_strontium_titanate_along_001_is_a_square_with_titanium_in_the_middle() -> None:
    (vectors, columns), length = project(STRUCTURES["SrTiO3"], (0, 0, 1))
    assert length == pytest.approx(0.3905)
    np.testing.assert_allclose(np.abs(vectors), [1, 0, 0, 1], atol=1e-9)
    by_place = {(y, x): b for y, x, b in columns}
    assert by_place[(0.0, 0.0)] == 1.0
    assert by_place[(0.5, 0.5)] == pytest.approx((22**1.7 + 8**1.7) / 38**1.7, rel=1e-6)
    assert by_place[(0.5, 0.0)] == pytest.approx(8**1.7 / 38**1.7, rel=1e-6)


def test_germanium_along_110_shows_dumbbells() -> None:
    (vectors, columns), length = project(STRUCTURES["Ge"], (1, 1, 0))
    first, second = np.array(vectors).reshape(2, 2) * length
    places = np.array([c[0] * first + c[1] * second for c in columns])
    shifts = np.array([i * first + j * second for i in (-1, 0, 1) for j in (-1, 0, 1)])
    gaps = np.linalg.norm(places[:, None, None] - places[None, :, None] + shifts, axis=3)
    assert gaps[gaps > 1e-6].min() == pytest.approx(0.5658 / 4, rel=1e-6)
    assert {c[2] for c in columns} == {1.0}


def test_platinum_along_111_is_hexagonal() -> None:
    (vectors, columns), length = project(STRUCTURES["Pt"], (1, 1, 1))
    first, second = np.array(vectors).reshape(2, 2)
    assert np.linalg.norm(first) == pytest.approx(np.linalg.norm(second))
    assert abs(first @ second) == pytest.approx(0.5)
    # columns of an fcc crystal seen along [111] are a/sqrt(24) x 2 ... a/sqrt(6) apart
    density = len(columns) / abs(np.linalg.det([first, second]) * length**2)
    assert density == pytest.approx(1 / (np.sqrt(3) / 2 * (0.3924 / np.sqrt(6)) ** 2), rel=1e-6)


@given(name=st.sampled_from(sorted(STRUCTURES)), axis=AXES)
def test_every_zone_axis_gives_a_cell(name: str, axis: tuple[int, int, int]) -> None:
    (vectors, columns), length = project(STRUCTURES[name], axis)
    first, second = np.array(vectors).reshape(2, 2)
    assert np.linalg.norm(first) == pytest.approx(1.0)
    assert np.linalg.norm(second) >= 1 - 1e-9
    assert abs(np.linalg.det([first, second])) > 0.1
    assert 0 < length <= 3 * STRUCTURES[name].a_nm
    assert max(c[2] for c in columns) == 1.0
    places = {(round(c[0], 3), round(c[1], 3)) for c in columns}
    assert len(places) == len(columns)


@given(axis=AXES)
def test_opposite_directions_have_the_same_period(axis: tuple[int, int, int]) -> None:
    one = project(STRUCTURES["Si"], axis)[1]
    other = project(STRUCTURES["Si"], (-axis[0], -axis[1], -axis[2]))[1]
    assert one == pytest.approx(other)


def test_phases_are_named_as_people_do() -> None:
    assert phase_texture("Ge [1 -1 0]", 0.02).scale == pytest.approx(0.5658 / np.sqrt(2) / 0.02)
    assert phase_texture("SrTiO3[001]", 0.02).kind == "crystal"
    assert phase_texture("amorphous Pt/C", 0.02).kind == "amorphous"
    for wrong in ("SrTiO3", "SrTiO3 [000]", "Foo [001]", ""):
        with pytest.raises(ValueError, match=r"zone axis|known crystals"):
            phase_texture(wrong, 0.02)
