"""What a microscopist writes down, read and written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_samstar.settings import Prior
from napari_samstar.units import length_unit, meters_per_unit

_fraction = st.floats(0, 1)
_length = st.floats(0.001, 1e6)


def _range(values: st.SearchStrategy[float]) -> st.SearchStrategy[tuple[float, ...]]:
    return st.tuples(values, values).map(lambda pair: tuple(sorted(pair)))


PRIORS = st.builds(
    Prior,
    diameter=st.none() | _range(_length),
    size_unit=st.just("px"),
    shape=st.sampled_from([None, "round", "compact", "irregular"]),
    circularity=st.none() | _fraction,
    coverage=st.none() | _range(_fraction),
    polarity=st.sampled_from([None, "bright", "dark"]),
    materials=st.none() | st.integers(1, 64),
    spacing=st.none() | _range(_length),
    spacing_unit=st.just("px"),
    count=st.none() | st.tuples(st.integers(0, 99), st.integers(99, 1000)),
    overlap=st.none() | _fraction,
)


@given(PRIORS, st.sampled_from(["px", "nm", "um"]))
@settings(max_examples=40)
def test_a_written_prior_reads_back_equal(tmp_path_factory, prior: Prior, unit: str) -> None:
    # a unit without a length says nothing, and is not written
    if prior.diameter is not None:
        prior = prior.model_copy(update={"size_unit": unit})
    if prior.spacing is not None:
        prior = prior.model_copy(update={"spacing_unit": unit})
    path = tmp_path_factory.getbasetemp() / "prior.toml"
    path.write_text(prior.to_toml(), encoding="utf-8")
    assert Prior.from_toml(path) == prior


def test_every_entry_of_a_file_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "prior.toml"
    path.write_text(
        "[size]\ndiameter_nm = [8, 30]\n[spacing]\ndistance_um = [0.02, 0.05]\n"
        '[shape]\nclass = "round"\ncircularity = 0.9\n[coverage]\nfraction = [0.1, 0.4]\n'
        '[count]\nobjects = [20, 60]\n[overlap]\nfraction = 0.1\n[contrast]\npolarity = "dark"\n'
        "[materials]\ncount = 3\n"
    )
    prior = Prior.from_toml(path)
    assert prior == Prior(
        diameter=(8, 30),
        size_unit="nm",
        spacing=(0.02, 0.05),
        spacing_unit="um",
        shape="round",
        circularity=0.9,
        coverage=(0.1, 0.4),
        count=(20, 60),
        overlap=0.1,
        polarity="dark",
        materials=3,
    )
    pixels = prior.in_pixels(2.0, "nm")
    assert pixels.diameter == pytest.approx((4, 15))
    assert pixels.spacing == pytest.approx((10, 25))
    with pytest.raises(ValueError, match="no pixel size"):
        prior.in_pixels(None, "px")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[size]\nradius_nm = [1, 2]\n", "radius_nm is not known"),
        ("[size]\ndiameter = [1, 2]\n", "diameter is not known"),
        ("[spacing]\ndistance_nm = [5, 2]\n", "spacing must be a range"),
        ("[count]\nobjects = [-1, 2]\n", "count must be a range"),
        ("[count]\nobjects = [0, 0]\n", "count must end above 0"),
        ("[count]\nobjects = 50\n", r"\[count\] objects needs two whole numbers, \[low, high\]"),
        ("[coverage]\nfraction = [10, 40]\n", r"\[coverage\] fraction needs two shares"),
        ("[size]\ndiameter_nm = 8\n", r"\[size\] diameter_nm needs two numbers"),
        ("[size]\ndiameter_foo = [8, 30]\n", r"\[size\] diameter_foo: 'foo' is no unit"),
        ("[size]\ndiameter_nm = [8, 30]\ndiameter_px = [2, 3]\n", "say the same thing"),
        ('[shape]\nclass = "square"\n', r"\[shape\] class cannot be 'square'"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "prior.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as told:
        Prior.from_toml(path)
    assert str(told.value).startswith(str(path))


@pytest.mark.parametrize("unit", ["A", "Angstrom", "u", "inches"])
def test_every_spelling_of_a_unit_is_a_length(unit: str) -> None:
    prior = Prior(diameter=(8, 30), size_unit=unit)
    known = length_unit(unit)
    assert known is not None
    meters = meters_per_unit(known)
    assert prior.in_pixels(1.0, "nm").diameter == pytest.approx((8e9 * meters, 30e9 * meters))


def test_the_priors_of_the_real_micrographs_are_read(shared_data: Path) -> None:
    paths = sorted(shared_data.glob("*/priors/*.toml"))
    assert paths
    for path in paths:
        prior = Prior.from_toml(path)
        assert None not in (prior.diameter, prior.shape, prior.coverage, prior.polarity), path
