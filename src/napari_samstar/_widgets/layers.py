"""What micrographs and results are as napari layers: always with scale and units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samstar.types import Micrograph, Segmentation

if TYPE_CHECKING:
    import napari
    import pandas as pd

    from napari_samstar.pipeline import RunResult

__all__ = [
    "LayerData",
    "image_layer",
    "labels_layer",
    "show_result",
    "show_segmentation",
    "stack_layer",
]

#: (data, keyword arguments, kind): how npe2 hands layers over.
LayerData = tuple[Any, dict[str, Any], str]


def _calibration(micrograph: Micrograph) -> dict[str, Any]:
    """Scale and units, the same for every layer of one image, or napari ignores them all."""
    if micrograph.pixel_size is None:
        return {"scale": (1.0, 1.0), "units": ("pixel", "pixel")}
    return {"scale": micrograph.pixel_size, "units": (micrograph.unit, micrograph.unit)}


def image_layer(micrograph: Micrograph) -> LayerData:
    """Make the image layer of `micrograph`.

    Gray intensities are shown as read. napari wants colors within 0 to 1, so they are divided by
    the largest value of the depth that they fit (1, 255 or 65535).
    """
    data: Any = micrograph.data
    options: dict[str, Any] = {"name": micrograph.name, **_calibration(micrograph)}
    options["metadata"] = dict(micrograph.metadata)
    if data.ndim == 3:
        brightest = float(data.max(initial=0.0))
        depth = next((top for top in (1.0, 255.0, 65535.0) if brightest <= top), brightest)
        data = np.clip(data / depth, 0.0, 1.0)
        options["rgb"] = True
    return data, options, "image"


def stack_layer(frames: Sequence[Micrograph]) -> LayerData:
    """Make one image layer of the frames of a file, which share shape and calibration."""
    data, options, kind = image_layer(frames[0])
    if len(frames) > 1:
        data = np.stack([image_layer(frame)[0] for frame in frames])
        options["scale"] = (1.0, *options["scale"])
        options["units"] = ("pixel", *options["units"])
    return data, options, kind


def labels_layer(segmentation: Segmentation, table: pd.DataFrame | None = None) -> LayerData:
    """Make the labels layer of `segmentation`; `table` rows show beside the pointer."""
    options: dict[str, Any] = {
        "name": f"{segmentation.micrograph.name} objects",
        **_calibration(segmentation.micrograph),
        "opacity": 0.5,
        "metadata": {"recipe": dict(segmentation.recipe)},
    }
    if table is not None and len(table):
        # napari finds a label's row by a column of this name
        options["features"] = table.rename(columns={"label": "index"})
    return segmentation.labels, options, "labels"


def show_segmentation(
    viewer: napari.Viewer, segmentation: Segmentation, table: pd.DataFrame | None = None
) -> None:
    """Add image and labels to `viewer`, and show the scale bar."""
    image, image_options, _ = image_layer(segmentation.micrograph)
    labels, labels_options, _ = labels_layer(segmentation, table)
    viewer.add_image(image, **image_options)
    viewer.add_labels(labels, **labels_options)
    # the scale bar moved in napari 0.9
    overlays = viewer.canvas.overlays if hasattr(viewer, "canvas") else viewer
    overlays.scale_bar.visible = True


def show_result(viewer: napari.Viewer, result: RunResult) -> None:
    """Add what the pipeline found to `viewer`: image, objects with their measures, scale bar."""
    show_segmentation(viewer, result.segmentation, result.table)
