from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from napari_samstar.measurements.histogram import fit, histogram, usual_family
from napari_samstar.measurements.summary import summarize
from napari_samstar.measurements.table import measure
from napari_samstar.types import Micrograph, SamStarError


def _table() -> pd.DataFrame:
    """Squares of 2, 4 and 6 px inside a 40 x 50 px image, and one of 8 px at its border."""
    labels = np.zeros((40, 50), np.int32)
    for value, (place, side) in enumerate([(2, 2), (10, 4), (20, 6), (32, 8)], start=1):
        labels[place : place + side, place : place + side] = value
    return measure(labels, Micrograph(np.ones((40, 50), np.float32), (0.5, 0.5), "nm"))


def test_objects_at_the_border_count_but_stay_out_of_the_statistics() -> None:
    summary = summarize(_table())
    assert (summary["n"], summary["n_border"], summary["n_measured"]) == (4, 1, 3)
    assert summary["coverage"] == (4 + 16 + 36 + 64) / 2000
    assert summary["number_per_nm2"] == 4 / (2000 * 0.25)
    area = summary["columns"]["area_nm2"]
    assert (area["n"], area["median"], area["q25"], area["q75"]) == (3, 4.0, 2.5, 6.5)
    assert area["mean"] == pytest.approx(14 / 3)
    assert area["std"] == pytest.approx(np.std([1, 4, 9], ddof=1))
    assert summary["columns"]["circularity"]["n"] == 1  # the others are too small for one


def test_summary_of_nothing_is_still_json() -> None:
    empty = measure(np.zeros((5, 5), np.int32), Micrograph(np.zeros((5, 5), np.float32)))
    summary = summarize(empty)
    assert summary["n"] == 0
    assert summary["coverage"] == 0.0
    assert summary["columns"]["area_px2"]["median"] is None
    json.dumps(summary, allow_nan=False)


def test_histogram_counts_each_object_inside_once() -> None:
    table = _table()
    result = histogram(table, "area_nm2", bins=4)
    assert result.counts.tolist() == [1, 1, 0, 1]
    assert result.edges.tolist() == [1, 3, 5, 7, 9]
    assert result.unit == "nm2"
    assert histogram(table, "area_nm2").counts.sum() == 3
    assert histogram(table[:0], "area_nm2").counts.sum() == 0


def test_far_outliers_do_not_make_endless_bins() -> None:
    values = [*np.linspace(1.0, 1.001, 50), 1e9]
    table = pd.DataFrame({"area_px2": values, "touches_border": False})
    assert len(histogram(table, "area_px2").counts) == 100


def test_unknown_column_says_so() -> None:
    with pytest.raises(SamStarError, match="no column 'area_um2': it has label, area_nm2"):
        histogram(_table(), "area_um2")


def _sample(values: object, column: str = "area_nm2") -> pd.DataFrame:
    table = pd.DataFrame({column: values})
    table["touches_border"] = False
    table.attrs["units"] = {column: "nm2" if column == "area_nm2" else ""}
    return table


def test_a_fit_is_that_of_maximum_likelihood(rng: np.random.Generator) -> None:
    at = np.linspace(-1.0, 40.0, 200)
    values = rng.lognormal(2.0, 0.4, 500)
    shape, _, scale = stats.lognorm.fit(values, floc=0)
    found = fit(_sample(values), "area_nm2", "lognormal")
    assert (found.n, found.unit) == (500, "nm2")
    assert found.center == pytest.approx(scale, rel=1e-3)
    assert found.spread == pytest.approx(np.exp(shape), rel=1e-3)
    expected = stats.lognorm.pdf(at, np.log(found.spread), scale=found.center)
    np.testing.assert_allclose(found.density(at), expected, atol=1e-12)

    values = rng.normal(0.8, 0.05, 500)
    found = fit(_sample(values, "solidity"), "solidity", "normal")
    assert (found.center, found.spread) == pytest.approx(stats.norm.fit(values))
    expected = stats.norm.pdf(at, found.center, found.spread)
    np.testing.assert_allclose(found.density(at), expected, atol=1e-12)


def test_the_curve_counts_objects_as_the_bars_do(rng: np.random.Generator) -> None:
    table = _sample(rng.lognormal(2.0, 0.4, 5000))
    counted, found = histogram(table, "area_nm2", bins=40), fit(table, "area_nm2", "lognormal")
    middle = 0.5 * (counted.edges[1:] + counted.edges[:-1])
    expected = found.expected(middle, float(np.diff(counted.edges)[0]))
    assert expected.sum() == pytest.approx(5000, rel=0.01)
    assert np.abs(expected - counted.counts).sum() < 0.1 * 5000


def test_objects_that_the_frame_cuts_and_missing_values_stay_out_of_a_fit() -> None:
    found = fit(_table(), "area_nm2", "lognormal")  # of 1, 4 and 9 nm2; one of 16 is cut
    assert (found.n, found.center) == (3, pytest.approx(36 ** (1 / 3)))
    found = fit(_sample([1.0, 2.0, 3.0, np.nan], "solidity"), "solidity", "normal")
    assert (found.n, found.center) == (3, 2.0)


def test_lengths_and_areas_are_log_normal_pure_numbers_normal_angles_neither() -> None:
    table = _table()
    assert usual_family(table, "equivalent_diameter_nm") == "lognormal"
    assert usual_family(table, "area_nm2") == "lognormal"
    assert usual_family(table, "solidity") == "normal"
    assert usual_family(table, "mean_intensity") == "normal"
    assert usual_family(table, "orientation_deg") is None


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ([1.0, 2.0], "2 objects .* too few"),
        ([3.0, 3.0, 3.0], "same value"),
        ([-1.0, 0.0, 2.0, 3.0], "2 of 4 values are not above zero"),
    ],
)
def test_what_cannot_be_fitted_says_why(values: list[float], sentence: str) -> None:
    with pytest.raises(SamStarError, match=sentence):
        fit(_sample(values), "area_nm2", "lognormal")
    with pytest.raises(SamStarError, match="no column 'volume'"):
        fit(_sample(values), "volume", "normal")
