"""Histogram of one measure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_samstar.types import SamStarError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Histogram", "histogram"]

_MOST_BINS = 100


@dataclass(frozen=True)
class Histogram:
    """How often a measure falls between edges.

    Parameters
    ----------
    edges : (B + 1,) float64
        In `unit`.
    counts : (B,) int64
        Objects from one edge up to the next.
    column, unit : str
        What was counted, and its unit ("" for pure numbers).
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    column: str
    unit: str


def histogram(table: pd.DataFrame, column: str, bins: int | None = None) -> Histogram:
    """Count the objects of a table by one measure; those at the border stay out.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `measure`.
    column : str
        One of its columns.
    bins : int or None
        Number of bins; None lets the data choose (Freedman and Diaconis), at most 100.

    Raises
    ------
    SamStarError
        If the table has no such column.
    """
    if column not in table.columns:
        raise SamStarError(
            f"The table has no column '{column}': it has {', '.join(table.columns)}."
        )
    values = table.loc[~table["touches_border"].astype(bool), column].to_numpy(np.float64)
    values = values[np.isfinite(values)]
    counts, edges = np.histogram(values, bins or _bins(values))
    unit = table.attrs.get("units", {}).get(column, "")
    return Histogram(np.asarray(edges, np.float64), counts.astype(np.int64), column, unit)


def _bins(values: NDArray[np.float64]) -> int:
    if values.size < 2:
        return 1
    low, high = np.quantile(values, [0.25, 0.75])
    width = 2.0 * (high - low) / np.cbrt(values.size)
    if width <= 0.0:
        return 1 + int(np.log2(values.size))
    return int(np.clip(np.ceil(np.ptp(values) / width), 1, _MOST_BINS))
