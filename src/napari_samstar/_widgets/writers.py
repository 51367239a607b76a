"""Writes label layers with their pixel size: as a TIFF for Fiji, as COCO masks, as a table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.types import Micrograph
from napari_samstar.units import length_unit

__all__ = ["write_coco", "write_labels", "write_table"]


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a label image that Fiji opens calibrated."""
    from napari_samstar.io.write import write_labels_tiff

    labels, micrograph = _read(data, attributes)
    write_labels_tiff(path, labels, micrograph)
    return [path]


def write_coco(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one COCO annotation for each label."""
    from napari_samstar.io.write import write_coco as write

    labels, micrograph = _read(data, attributes)
    write(path, labels, micrograph)
    return [path]


def write_table(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write the measures that the layer carries, or else those of its shapes."""
    import pandas as pd

    from napari_samstar.io.write import write_table_csv
    from napari_samstar.measurements.table import measure

    features = pd.DataFrame(attributes.get("features", {}))
    if "index" in features and len(features.columns) > 1:
        table = features.rename(columns={"index": "label"})
    else:
        table = measure(*_read(data, attributes))
        table = table.drop(
            columns=[name for name in map(str, table.columns) if "intensity" in name]
        )
    write_table_csv(path, table)
    return [path]


def _read(data: Any, attributes: dict[str, Any]) -> tuple[NDArray[Any], Micrograph]:
    """Labels of one frame, and the calibration of an image that is not at hand."""
    labels = np.asarray(data)
    while labels.ndim > 2 and labels.shape[0] == 1:
        labels = labels[0]
    units = [length_unit(str(unit)) for unit in attributes.get("units", ("pixel",))[-2:]]
    known = len(set(units)) == 1 and units[0] is not None
    y, x = (abs(float(side)) for side in tuple(attributes.get("scale", (1.0, 1.0)))[-2:])
    blank = np.zeros(labels.shape[-2:], np.float32)
    name = str(attributes.get("name", "labels"))
    return labels, Micrograph(blank, (y, x) if known else None, units[0] or "px", name)
