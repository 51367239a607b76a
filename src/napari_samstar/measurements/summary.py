"""A table of objects in a few numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DOUBTFUL", "QUANTILES", "summarize"]

#: Name and share of the quantiles that `summarize` gives besides the median.
QUANTILES = {"q10": 0.10, "q25": 0.25, "q75": 0.75, "q90": 0.90}

#: Objects that fewer of a search's best candidates hold are doubtful.
DOUBTFUL = 0.5

_NOT_STATISTICS = ("label", "touches_border", "centroid_", "material")


def summarize(table: pd.DataFrame) -> dict[str, Any]:
    """Count objects and describe how their measures are distributed.

    Objects that touch the border are counted, and cover their share of the image, but stay out of
    the statistics: the frame cut them, so their size and shape are not their own.

    Parameters
    ----------
    table : pandas.DataFrame
        As from `measure`.

    Returns
    -------
    dict
        JSON values: ``n`` objects, ``n_border`` of them at the border, ``n_measured`` in the
        statistics; ``coverage``, share of the image; ``number_per_nm2`` (or the table's unit);
        ``columns``: for each measure ``n``, ``median``, ``mean``, ``std`` (of a sample), ``q10``,
        ``q25``, ``q75``, ``q90``. With materials, ``materials``: for each, ``n`` objects and
        ``area_fraction`` of the image. A number that is not
        defined is None. After a search, ``doubtful`` lists the ``label`` and ``agreement`` of the
        objects that under half of its best candidates hold, the most doubtful first.
    """
    unit = table.attrs.get("unit", "px")
    image_area = table.attrs.get("image_area")
    inside = table[~table["touches_border"].astype(bool)]
    columns = {}
    for name in table.columns:
        if name.startswith(_NOT_STATISTICS):
            continue
        values = inside[name].dropna()
        columns[name] = {
            "n": len(values),
            "median": _number(values.median()),
            "mean": _number(values.mean()),
            "std": _number(values.std()),
            **{key: _number(values.quantile(share)) for key, share in QUANTILES.items()},
        }
    area = next(name for name in table.columns if name.startswith("area_"))
    materials = {}
    if "material" in table:
        materials["materials"] = {
            str(name): {
                "n": len(rows),
                "area_fraction": float(rows["material_area_fraction"].iloc[0]),
            }
            for name, rows in table.groupby("material")
        }
    doubtful = {}
    if "agreement" in table.columns:
        rows = table[table["agreement"] < DOUBTFUL].sort_values("agreement", kind="stable")
        pairs = zip(rows["label"], rows["agreement"], strict=True)
        doubtful["doubtful"] = [
            {"label": int(label), "agreement": round(float(share), 4)} for label, share in pairs
        ]
    return {
        "n": len(table),
        "n_border": len(table) - len(inside),
        "n_measured": len(inside),
        "coverage": float(table[area].sum()) / image_area if image_area else None,
        f"number_per_{unit}2": len(table) / image_area if image_area else None,
        **doubtful,
        "columns": columns,
        **materials,
    }


def _number(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
