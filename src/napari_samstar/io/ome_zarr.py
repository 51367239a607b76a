"""Labels and their micrograph as OME-Zarr (OME-NGFF 0.5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.atomic import atomic_folder
from napari_samstar.labels import check_labels
from napari_samstar.recipe import Recipe
from napari_samstar.types import Micrograph
from napari_samstar.units import length_unit

__all__ = ["write_ome_zarr_labels"]

_VERSION = "0.5"
_CHUNK = 1024
_SMALLEST = 512  # no coarser level than this, px
# the format wants the long names of UDUNITS-2
_UNITS = {
    "pm": "picometer",
    "angstrom": "angstrom",
    "nm": "nanometer",
    "um": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "inch": "inch",
    "m": "meter",
}


def write_ome_zarr_labels(
    path: str | Path,
    labels: NDArray[Any],
    micrograph: Micrograph,
    recipe: Recipe | None = None,
) -> None:
    """Write a micrograph with its labels as a folder in OME-NGFF 0.5 (zarr 3).

    The image is the folder's multiscale; the labels are ``labels/segmentation``, with the recipe
    in that group's attributes. Coarser levels of the image are means; of the labels, every second
    pixel, so that no label appears that is not there.

    Parameters
    ----------
    path : str or Path
        ``<stem>.ome.zarr`` by custom; a folder of that name is replaced.
    labels : (H, W) int
        0 is background.
    micrograph : Micrograph
        Of the same height and width; color becomes three channels.
    recipe : Recipe or None
        Kept as ``samstar-recipe``.

    Raises
    ------
    SamStarError
        If the labels do not fit the micrograph, or the disk refuses.
    """
    import zarr

    labels = check_labels(labels, micrograph)
    whole = labels.astype(np.int32 if labels.max(initial=0) < 2**31 else np.int64)
    image = micrograph.data if micrograph.data.ndim == 2 else np.moveaxis(micrograph.data, 2, 0)
    with atomic_folder(path) as folder:
        root = zarr.create_group(folder, zarr_format=3, overwrite=True)
        root.attrs["ome"] = {"version": _VERSION, "multiscales": [_write(root, image, micrograph)]}
        group = root.create_group("labels")
        group.attrs["ome"] = {"version": _VERSION, "labels": ["segmentation"]}
        target = group.create_group("segmentation")
        target.attrs["ome"] = {
            "version": _VERSION,
            "multiscales": [_write(target, whole, micrograph)],
            "image-label": {"source": {"image": "../../"}},
        }
        if recipe is not None:
            target.attrs["samstar-recipe"] = recipe.model_dump(mode="json")


def _write(group: Any, level: NDArray[Any], micrograph: Micrograph) -> dict[str, Any]:
    """Write all levels into `group`; return the entry of ``multiscales`` that describes them."""
    color = level.ndim == 3
    names = ["c", "y", "x"] if color else ["y", "x"]
    unit = _UNITS.get(length_unit(micrograph.unit) or "")
    spacing = micrograph.pixel_size or (1.0, 1.0)
    datasets = []
    number = 0
    while True:
        array = group.create_array(
            str(number),
            shape=level.shape,
            dtype=level.dtype,
            chunks=(*level.shape[:-2], *(min(_CHUNK, max(n, 1)) for n in level.shape[-2:])),
            dimension_names=names,
        )
        array[:] = level
        datasets.append(
            {"path": str(number), "coordinateTransformations": _place(level, spacing, number)}
        )
        if max(level.shape[-2:]) < 2 * _SMALLEST or min(level.shape[-2:]) < 2:
            break
        level = _half(level)
        number += 1
    axes: list[dict[str, str]] = [{"name": "c", "type": "channel"}] if color else []
    for name in ("y", "x"):
        axes.append({"name": name, "type": "space", **({"unit": unit} if unit else {})})
    return {"name": micrograph.name, "axes": axes, "datasets": datasets}


def _half(level: NDArray[Any]) -> NDArray[Any]:
    if level.dtype.kind == "i":
        return level[..., ::2, ::2]
    # an odd last row or column is left out of the coarser view
    height, width = (n // 2 * 2 for n in level.shape[-2:])
    even = level[..., :height, :width]
    quarters = [even[..., dy::2, dx::2] for dy in (0, 1) for dx in (0, 1)]
    return np.asarray(sum(quarters[1:], quarters[0]) / np.float32(4.0), np.float32)


def _place(level: NDArray[Any], spacing: tuple[float, float], number: int) -> list[dict[str, Any]]:
    factor = 2**number
    ones, zeros = [1.0] * (level.ndim - 2), [0.0] * (level.ndim - 2)
    place: list[dict[str, Any]] = [
        {"type": "scale", "scale": [*ones, *(size * factor for size in spacing)]}
    ]
    if number and level.dtype.kind == "f":  # the mean of a block sits at its middle
        shift = (factor - 1) / 2.0
        place.append(
            {"type": "translation", "translation": [*zeros, *(s * shift for s in spacing)]}
        )
    return place
