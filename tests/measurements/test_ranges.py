"""Objects in and around a range: what is counted, in which unit, over which span."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_samstar.measurements.ranges import count_in_range
from napari_samstar.measurements.table import measure
from napari_samstar.types import Micrograph


def squares(pixel_size: tuple[float, float] | None = (2.0, 2.0), unit: str = "nm") -> pd.DataFrame:
    """Table of squares of 4, 6, 8 and 10 px, and of a fifth that the frame cuts."""
    labels = np.zeros((20, 60), np.int32)
    for k, (side, x) in enumerate(((4, 2), (6, 10), (8, 20), (10, 32)), 1):
        labels[3 : 3 + side, x : x + side] = k
    labels[0:12, 46:58] = 5
    image = np.zeros(labels.shape, np.float32)
    return measure(labels, Micrograph(image, pixel_size, unit if pixel_size else "px"))


def diameter(side: float) -> float:
    return side * float(np.sqrt(4 / np.pi))


def test_whole_objects_are_counted_in_the_unit_of_the_range() -> None:
    found = count_in_range(squares(), "equivalent_diameter", 11.0, 19.0, "nm")
    assert found is not None
    assert (found.inside, found.total, found.counts.sum()) == (2, 4, 4)
    assert (found.low, found.high, found.unit) == (11.0, 19.0, "nm")
    np.testing.assert_allclose(found.edges[[0, -1]], [2 * diameter(4), 2 * diameter(10)])
    micrometers = count_in_range(squares(), "equivalent_diameter", 0.011, 0.019, "um")
    assert micrometers is not None
    assert (micrometers.inside, micrometers.unit) == (2, "um")
    np.testing.assert_allclose(micrometers.edges, found.edges / 1000)
    np.testing.assert_array_equal(micrometers.counts, found.counts)


def test_a_range_in_px_is_shown_in_physical_units_where_they_are_known() -> None:
    found = count_in_range(squares((1.0, 4.0)), "equivalent_diameter", 5.5, 9.5, "px")
    assert found is not None
    assert (found.low, found.high, found.unit) == (11.0, 19.0, "nm")
    assert found.inside == 2
    plain = count_in_range(squares(None), "equivalent_diameter", 5.5, 9.5, "px")
    assert plain is not None
    assert (plain.low, plain.unit, plain.inside) == (5.5, "px", 2)


def test_pure_numbers_need_no_unit() -> None:
    found = count_in_range(squares(), "solidity", 0.93, 1.0)
    assert found is not None
    assert (found.inside, found.unit) == (4, "")


@pytest.mark.parametrize(
    ("low", "high", "span"),
    [(0.0, 1e9, (0.0, 40.0)), (30.0, 31.0, (10.0, 31.0)), (12.0, np.inf, (10.0, 25.0))],
)
def test_the_span_holds_all_objects_and_what_is_near_of_the_range(
    low: float, high: float, span: tuple[float, float]
) -> None:
    table = squares()
    table["equivalent_diameter_nm"] = [10.0, 15.0, 20.0, 25.0, 99.0]
    found = count_in_range(table, "equivalent_diameter", low, high, "nm")
    assert found is not None
    assert tuple(found.edges[[0, -1]]) == span
    assert found.counts.sum() == 4


def test_objects_that_the_frame_cuts_count_where_there_are_no_others() -> None:
    table = squares().iloc[4:]
    found = count_in_range(table, "equivalent_diameter", 20.0, 30.0, "nm")
    assert found is not None
    assert (found.inside, found.total) == (1, 1)
    assert found.edges[0] < 24 * diameter(1) < found.edges[-1]


def test_what_cannot_be_compared_is_none() -> None:
    assert count_in_range(squares(), "softness", 0, 1) is None
    assert count_in_range(squares().iloc[:0], "solidity", 0, 1) is None
    assert count_in_range(squares(None), "equivalent_diameter", 1, 2, "nm") is None
    alone = squares().iloc[:1]
    assert count_in_range(alone, "nearest_neighbor_distance", 0, 1, "nm") is not None
    alone["nearest_neighbor_distance_nm"] = np.nan
    assert count_in_range(alone, "nearest_neighbor_distance", 0, 1, "nm") is None
