"""Histogram of one measure, and the distribution that fits it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from napari_samstar.types import SamStarError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Family", "Fit", "Histogram", "fit", "histogram", "usual_family"]

#: Distributions that can be fitted.
Family = Literal["normal", "lognormal"]

_MOST_BINS = 100
_LEAST_FITTED = 3
# kinds, shares of a kind, and angles that begin anew at 180 degrees have no such distribution
_NOT_FITTED = ("label", "material", "orientation", "touches_border")


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


@dataclass(frozen=True)
class Fit:
    """Distribution of a measure.

    Parameters
    ----------
    family : {"normal", "lognormal"}
        Which one.
    n : int
        Objects that it was fitted to.
    center : float
        Mean of a normal one, median of a log-normal one, in `unit`.
    spread : float
        Standard deviation of a normal one, in `unit`; geometric standard deviation, a factor above
        1, of a log-normal one: two of three objects lie between center / spread and
        center * spread.
    column, unit : str
        What was fitted, and its unit ("" for pure numbers).
    """

    family: Family
    n: int
    center: float
    spread: float
    column: str
    unit: str

    def density(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability density, 1/`unit`, at values (N,) in `unit`."""
        if self.family == "normal":
            return _bell((values - self.center) / self.spread) / self.spread
        out = np.zeros(values.shape)
        positive = values > 0.0
        above, sigma = values[positive], np.log(self.spread)
        out[positive] = _bell(np.log(above / self.center) / sigma) / (sigma * above)
        return out

    def expected(self, values: NDArray[np.float64], bin_width: float) -> NDArray[np.float64]:
        """Objects (N,) that a bin of `bin_width` around each of the values (N,) would hold."""
        return self.n * bin_width * self.density(values)


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
    values = _values(table, column)
    counts, edges = np.histogram(values, bins or _bins(values))
    unit = _unit(table, column)
    return Histogram(np.asarray(edges, np.float64), counts.astype(np.int64), column, unit)


def usual_family(table: pd.DataFrame, column: str) -> Family | None:
    """Name the distribution that usually suits a measure.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `measure`.
    column : str
        One of its columns.

    Returns
    -------
    str or None
        "lognormal" for lengths and areas, "normal" for other measures; None for angles and
        materials.
    """
    if column.startswith(_NOT_FITTED):
        return None
    return "normal" if _unit(table, column) in ("", "as read") else "lognormal"


def fit(table: pd.DataFrame, column: str, family: Family) -> Fit:
    """Fit a distribution by maximum likelihood; the same objects count as in `histogram`.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `measure`.
    column : str
        One of its columns.
    family : {"normal", "lognormal"}
        The distribution.

    Raises
    ------
    SamStarError
        If the table has no such column, there are too few objects, all of them are equal, or a
        log-normal one is asked for and some values are not above zero.
    """
    values = _values(table, column)
    n = values.size
    if n < _LEAST_FITTED:
        raise SamStarError(
            f"{n} objects that the frame does not cut are too few for a fit: "
            f"it takes {_LEAST_FITTED}."
        )
    if np.ptp(values) == 0.0:
        raise SamStarError(f"All {n} objects have the same value: there is no spread to fit.")
    unit = _unit(table, column)
    if family == "normal":
        return Fit(family, n, float(values.mean()), float(values.std()), column, unit)
    wrong = int((values <= 0.0).sum())
    if wrong:
        raise SamStarError(
            f"{wrong} of {n} values are not above zero, so a log-normal fit is not possible: "
            "choose the normal one."
        )
    logs = np.log(values)
    return Fit(family, n, float(np.exp(logs.mean())), float(np.exp(logs.std())), column, unit)


def _values(table: pd.DataFrame, column: str) -> NDArray[np.float64]:
    """Finite values (N,) of the objects that the frame does not cut."""
    if column not in table.columns:
        raise SamStarError(
            f"The table has no column '{column}': it has {', '.join(table.columns)}."
        )
    values = table.loc[~table["touches_border"].astype(bool), column].to_numpy(np.float64)
    return np.asarray(values[np.isfinite(values)], np.float64)


def _unit(table: pd.DataFrame, column: str) -> str:
    return str(table.attrs.get("units", {}).get(column, ""))


def _bell(z: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi))


def _bins(values: NDArray[np.float64]) -> int:
    if values.size < 2:
        return 1
    low, high = np.quantile(values, [0.25, 0.75])
    width = 2.0 * (high - low) / np.cbrt(values.size)
    if width <= 0.0:
        return 1 + int(np.log2(values.size))
    return int(np.clip(np.ceil(np.ptp(values) / width), 1, _MOST_BINS))
