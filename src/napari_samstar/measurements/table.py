"""One row per object, in physical units."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.labels import check_labels, index_labels
from napari_samstar.measurements.regions import crofton_perimeters, geometry, intensity_sums
from napari_samstar.types import Micrograph

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SHAPE_MIN_PIXELS", "column_unit", "measure", "with_agreement"]

#: Below this area, px, an outline has too few pixels for a circularity.
SHAPE_MIN_PIXELS = 30


def column_unit(unit: str) -> str:
    """Spelling of a unit in column names: letters, digits and underscores ("µm" is "um")."""
    plain = (
        unit.replace("µ", "u").replace("μ", "u").replace("Å", "angstrom").replace("Å", "angstrom")
    )
    return re.sub(r"[^0-9A-Za-z]+", "_", plain).strip("_") or "px"


def measure(
    labels: NDArray[Any], micrograph: Micrograph, materials: NDArray[Any] | None = None
) -> pd.DataFrame:
    """Measure every object of a label image.

    Lengths and areas are in the micrograph's unit, which stands in the column's name:
    ``area_nm2``, or ``area_px2`` where the pixel size is unknown. Pixels need not be square.

    Parameters
    ----------
    labels : (H, W) int
        One positive value per object, 0 is background. An object may have several parts.
    micrograph : Micrograph
        Image of the same height and width; gives intensities and pixel size.
    materials : (H, W) int, optional
        Material of each pixel, 0 where it is uncertain.

    Returns
    -------
    pandas.DataFrame
        One row per object, by ascending label; no rows, but all columns, where there is none.
        With ``nm`` for the unit:

        - ``label``
        - ``area_nm2``; ``equivalent_diameter_nm``, of the disc of that area
        - ``feret_max_nm``, ``feret_min_nm``: largest and smallest caliper width
        - ``perimeter_nm``: Crofton's formula; holes and the frame count
        - ``circularity``: 4 pi area / perimeter², at most 1; NaN below 30 px, where an outline
          has too few pixels
        - ``aspect_ratio``: long over short axis of the ellipse of equal second moments
        - ``solidity``: share of the convex hull that the object fills
        - ``orientation_deg``: long axis against the rows, counter-clockwise as displayed, in
          [0, 180); NaN where no axis is longer
        - ``mean_intensity``, ``integrated_intensity``: over pixels, as read
        - ``nearest_neighbor_distance_nm``: between centroids; NaN for a single object
        - ``centroid_x_nm``, ``centroid_y_nm``: from the center of the first pixel
        - ``touches_border``: the frame may cut the object, see `summarize`
        - with materials, ``material``, that of most of its pixels, 0 where uncertain, and
          ``material_area_fraction``: share of the image that objects of the same material fill

        ``attrs`` holds ``units`` (column to unit), ``unit``, ``pixel_size`` (y, x) or None,
        ``image_area`` (in unit²) and ``name``.

    Raises
    ------
    SamStarError
        If `labels` is not a label image of the micrograph's height and width.
    """
    import pandas as pd

    index, ids = index_labels(check_labels(labels, micrograph))
    spacing = micrograph.pixel_size or (1.0, 1.0)
    unit = column_unit(micrograph.unit)
    count = ids.size
    shape = geometry(index, count, spacing)
    perimeter = crofton_perimeters(index, count, spacing)
    total = intensity_sums(index, count, micrograph.data)
    area = shape.pixels * (spacing[0] * spacing[1])
    long, short, angle = _axes(shape.moments)
    circularity = np.minimum(4.0 * np.pi * area / perimeter**2, 1.0)
    circularity[shape.pixels < SHAPE_MIN_PIXELS] = np.nan
    columns = [
        ("label", "", ids),
        (f"area_{unit}2", f"{unit}2", area),
        (f"equivalent_diameter_{unit}", unit, 2.0 * np.sqrt(area / np.pi)),
        (f"feret_max_{unit}", unit, shape.feret[:, 0]),
        (f"feret_min_{unit}", unit, shape.feret[:, 1]),
        (f"perimeter_{unit}", unit, perimeter),
        ("circularity", "", circularity),
        ("aspect_ratio", "", long / short),
        ("solidity", "", shape.pixels / shape.convex_pixels),
        ("orientation_deg", "deg", angle),
        ("mean_intensity", "as read", total / shape.pixels),
        ("integrated_intensity", "as read", total),
        (f"nearest_neighbor_distance_{unit}", unit, _nearest(shape.centroid)),
        (f"centroid_x_{unit}", unit, shape.centroid[:, 1]),
        (f"centroid_y_{unit}", unit, shape.centroid[:, 0]),
        ("touches_border", "", shape.border),
    ]
    if materials is not None:
        made_of = _materials(index, count, check_labels(materials, micrograph))
        fill = np.bincount(made_of, shape.pixels, minlength=1) / index.size
        columns += [("material", "", made_of), ("material_area_fraction", "", fill[made_of])]
    table = pd.DataFrame({name: values for name, _, values in columns})
    table.attrs = {
        "units": {name: of for name, of, _ in columns},
        "unit": unit,
        "pixel_size": micrograph.pixel_size,
        "image_area": index.size * spacing[0] * spacing[1],
        "name": micrograph.name,
    }
    return table


def _materials(index: NDArray[np.int32], count: int, materials: NDArray[Any]) -> NDArray[np.int64]:
    """Material of most pixels of each object, (N,)."""
    width = int(materials.max(initial=0)) + 1
    inside = index > 0
    pairs = (index[inside].astype(np.int64) - 1) * width + materials[inside]
    votes = np.bincount(pairs, minlength=count * width).reshape(count, width)
    return np.asarray(votes.argmax(1), np.int64)


def with_agreement(table: pd.DataFrame, shares: NDArray[np.floating[Any]]) -> None:
    """Add the column ``agreement``: share of a search's best candidates that hold each object.

    Parameters
    ----------
    table : DataFrame
        As from `measure`; it is changed.
    shares : (rows,) float
        0 to 1.
    """
    table["agreement"] = shares
    table.attrs["units"]["agreement"] = ""


def _axes(
    moments: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Long and short axis and angle, in degrees, of the ellipses with these second moments."""
    yy, xx, xy = moments.T
    mean, half = (yy + xx) / 2.0, (xx - yy) / 2.0
    spread = np.hypot(half, xy)
    # the product of the two is the determinant: no difference of nearly equal numbers
    large = mean + spread
    small = (yy * xx - xy * xy) / large
    angle = np.asarray(
        np.degrees(0.5 * np.arctan2(-xy, half)) % 180.0
    )  # rows count down the screen
    angle[angle == 180.0] = 0.0  # a tiny negative angle rounds up
    angle[spread <= 1e-9 * mean] = np.nan
    return 4.0 * np.sqrt(large), 4.0 * np.sqrt(small), angle


def _nearest(centroid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each point to the nearest other one."""
    from scipy.spatial import cKDTree

    if centroid.shape[0] < 2:
        return np.full(centroid.shape[0], np.nan)
    distance = np.asarray(cKDTree(centroid).query(centroid, k=2)[0], np.float64)
    return distance[:, 1]
