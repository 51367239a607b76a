"""Results as files that other programs open; every file appears whole or not at all."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.atomic import atomic_path
from napari_samstar.io.coco import write_coco
from napari_samstar.io.ome_zarr import write_ome_zarr_labels
from napari_samstar.io.overlay import write_overlay_png
from napari_samstar.labels import check_labels
from napari_samstar.recipe import Recipe
from napari_samstar.types import Micrograph, SamStarError
from napari_samstar.units import length_unit

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "write_coco",
    "write_image_tiff",
    "write_labels_tiff",
    "write_ome_zarr_labels",
    "write_overlay_png",
    "write_table_csv",
]

_MOST_UINT16 = 65_535
_MOST_FLOAT32 = 2**24  # up to here float32 holds every whole number
_MOST_UINT32 = 2**32 - 1


def write_labels_tiff(
    path: str | Path,
    labels: NDArray[Any],
    micrograph: Micrograph,
    recipe: Recipe | None = None,
) -> None:
    """Write a label image as a TIFF that Fiji opens calibrated.

    ImageJ knows no larger whole numbers than 16 bits: up to 65,535 labels are written as uint16,
    more as float32, which holds them exactly. The file is not compressed.

    Parameters
    ----------
    path : str or Path
        ``<stem>.labels.tif`` by custom.
    labels : (H, W) int
        0 is background.
    micrograph : Micrograph
        Gives the pixel size; pixels need not be square.
    recipe : Recipe or None
        Written into the file: Image > Show Info in Fiji, ``IJMetadata`` "Info" elsewhere.

    Raises
    ------
    SamStarError
        If the labels do not fit the micrograph or the format, or the disk refuses.
    """
    plain = check_labels(labels, micrograph)
    top = int(plain.max(initial=0))
    if top > _MOST_FLOAT32:
        raise SamStarError(
            f"{path} cannot hold label {top}: renumber the labels to at most {_MOST_FLOAT32}."
        )
    kind = np.uint16 if top <= _MOST_UINT16 else np.float32
    _write_plane(path, plain.astype(kind), float(max(top, 1)), micrograph, recipe)


def write_image_tiff(
    path: str | Path,
    image: NDArray[np.float32],
    micrograph: Micrograph,
    recipe: Recipe | None = None,
) -> None:
    """Write values from 0 to 1 as a float32 TIFF that Fiji opens calibrated.

    Parameters
    ----------
    path : str or Path
        Such as ``<stem>.confidence.tif``.
    image : (H, W) float32
        The values.
    micrograph, recipe
        As in `write_labels_tiff`.

    Raises
    ------
    SamStarError
        If the disk refuses.
    """
    _write_plane(path, np.asarray(image, np.float32), 1.0, micrograph, recipe)


def _write_plane(
    path: str | Path,
    plane: NDArray[Any],
    top: float,
    micrograph: Micrograph,
    recipe: Recipe | None,
) -> None:
    """Write one plane, shown from 0 to `top`, with pixel size and recipe."""
    import tifffile

    metadata: dict[str, Any] = {"axes": "YX", "min": 0.0, "max": top}
    resolution = None
    if micrograph.pixel_size is not None:
        metadata["unit"] = length_unit(micrograph.unit) or micrograph.unit
        sy, sx = micrograph.pixel_size
        resolution = _rational(1.0 / sx), _rational(1.0 / sy)
    if recipe is not None:
        metadata["Info"] = recipe.to_json()
    with atomic_path(path) as temporary:
        tifffile.imwrite(
            temporary,
            plane,
            imagej=True,
            photometric="minisblack",
            resolution=resolution,
            metadata=metadata,
            software="napari-samstar",
        )


def write_table_csv(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table as CSV: UTF-8, commas, a header with units, all digits.

    Raises
    ------
    SamStarError
        If the disk refuses.
    """
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")


def _rational(value: float) -> tuple[int, int]:
    """Fraction of two 32-bit numbers nearest to a positive value, as TIFF stores resolutions."""
    turned = value > 1.0
    nearest = Fraction(1.0 / value if turned else value).limit_denominator(_MOST_UINT32)
    pair = (max(nearest.numerator, 1), nearest.denominator)
    return (pair[1], pair[0]) if turned else pair
