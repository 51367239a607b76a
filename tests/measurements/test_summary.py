from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from napari_samstar.measurements.histogram import histogram
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
