"""How many objects lie in a range of one measure, and how all of them are spread around it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_samstar.units import length_unit, meters_per_unit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RangeCount", "count_in_range"]


@dataclass(frozen=True)
class RangeCount:
    """A range of one measure, and the objects in and around it.

    Parameters
    ----------
    edges : (B + 1,) float64
        Of equally wide bins, in `unit`; they hold all objects, and the range as far as it is near.
    counts : (B,) int64
        Objects from one edge up to the next.
    low, high : float
        The range, in `unit`.
    unit : str
        A length as in the table's columns; "" for pure numbers.
    inside, total : int
        Objects in the range, and objects in all.
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    low: float
    high: float
    unit: str
    inside: int
    total: int


def count_in_range(
    table: pd.DataFrame, measure: str, low: float, high: float, unit: str = "", bins: int = 40
) -> RangeCount | None:
    """Count the objects of a table in and around a range.

    Those that the frame cuts stay out, unless there are no others.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `measure`.
    measure : str
        A column, without its unit: "equivalent_diameter", "circularity".
    low, high : float
        The range, both ends included; `high` may be infinite.
    unit : str
        Of `low` and `high`: a length or "px"; "" for pure numbers. Where it is a length, all is
        counted in it; where it is "px", in the table's unit.
    bins : int
        How many.

    Returns
    -------
    RangeCount or None
        None where no object has such a measure, or the range is physical and the table is not.
    """
    found = _column(table, measure)
    factor = _table_units(table, unit)
    if found is None or factor is None or not len(table):
        return None
    whole = ~table["touches_border"].to_numpy(bool)
    values = table[found].to_numpy(np.float64)
    values = values[whole] if whole.any() else values
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    if unit in ("", "px"):
        low, high = low * factor, high * factor
        shown = "" if unit == "" else str(table.attrs["unit"])
    else:
        values, shown = values / factor, unit
    edges = np.linspace(*_span(values, low, high), bins + 1)
    counts, _ = np.histogram(values, edges)
    inside = int(((values >= low) & (values <= high)).sum())
    return RangeCount(edges, counts.astype(np.int64), low, high, shown, inside, values.size)


def _column(table: pd.DataFrame, measure: str) -> str | None:
    """Name of a measure's column, unit included."""
    units = table.attrs.get("units", {})
    for name in (measure, f"{measure}_{table.attrs.get('unit', 'px')}"):
        if name in table.columns and name in units:
            return name
    return None


def _table_units(table: pd.DataFrame, unit: str) -> float | None:
    """How many of the table's units one `unit` is; None where nobody knows."""
    if unit == "":
        return 1.0
    if unit == "px":
        y, x = table.attrs.get("pixel_size") or (1.0, 1.0)
        return math.sqrt(y * x)
    own, wanted = length_unit(table.attrs.get("unit")), length_unit(unit)
    if own is None or wanted is None:
        return None
    return meters_per_unit(wanted) / meters_per_unit(own)


def _span(values: NDArray[np.float64], low: float, high: float) -> tuple[float, float]:
    """From where to where to count: all values, and the range as far as they are wide."""
    first, last = float(values.min()), float(values.max())
    near = max(last - first, 0.1 * abs(last), 1e-9)
    first = min(first, max(low, first - near))
    if math.isfinite(high):  # else nothing is there to be seen above the values
        last = max(last, min(high, last + near))
    return (first, last) if last > first else (first - 0.5 * near, last + 0.5 * near)
