"""What micrographs and results are as napari layers: always with scale and units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samstar.session.materials import COLORS
from napari_samstar.types import Micrograph, Segmentation
from napari_samstar.units import length_unit

if TYPE_CHECKING:
    import napari
    import pandas as pd

__all__ = [
    "INDEX",
    "OF",
    "ROLE",
    "STEP",
    "LayerData",
    "calibration_of",
    "compile_colors",
    "image_layer",
    "label_colors",
    "labels_layer",
    "material_colors",
    "placed_like",
    "placed_over",
    "same_selection",
    "show_scale_bar",
    "show_segmentation",
    "stack_layer",
    "units_of",
]

#: (data, keyword arguments, kind): how npe2 hands layers over.
LayerData = tuple[Any, dict[str, Any], str]

#: Keys in a layer's metadata: which image layer it belongs to, which frame of it, and as what.
OF, INDEX, ROLE = "samstar_of", "samstar_index", "samstar_role"
#: And how many of the image's pixels each of its own stands for, where that is not one.
STEP = "samstar_step"

# Okabe and Ito's colors, told apart with any color vision, and darker ones of the same
_COLORS = (
    (0.90, 0.62, 0.00),
    (0.34, 0.71, 0.91),
    (0.00, 0.62, 0.45),
    (0.94, 0.89, 0.26),
    (0.00, 0.45, 0.70),
    (0.84, 0.37, 0.00),
    (0.80, 0.47, 0.65),
)


def _calibration(micrograph: Micrograph) -> dict[str, Any]:
    """Scale and units, the same for every layer of one image, or napari ignores them all."""
    if micrograph.pixel_size is None:
        return {"scale": (1.0, 1.0), "units": ("pixel", "pixel")}
    return {"scale": micrograph.pixel_size, "units": units_of(micrograph.unit)}


def units_of(unit: str) -> tuple[str, str]:
    """Units of the two axes of an image, as napari names them."""
    return ("pixel", "pixel") if unit == "px" else (unit, unit)


def calibration_of(layer: Any) -> tuple[tuple[float, float] | None, str]:
    """Pixel size (y, x) and unit of a layer; None and "px" where its unit is no length."""
    units = {length_unit(str(unit)) for unit in layer.units[-2:]}
    unit = units.pop()
    if unit is None or units:
        return None, "px"
    y, x = (abs(float(side)) for side in layer.scale[-2:])
    return (y, x), unit


def placed_like(layer: Any, index: tuple[int, ...] = ()) -> dict[str, Any]:
    """Options of a layer that lies exactly on `layer`, on the frame at `index` of it."""
    translate = np.array(layer.translate, float)
    lead = len(index)
    translate[:lead] += np.array(index, float) * np.asarray(layer.scale, float)[:lead]
    return {
        "scale": tuple(layer.scale),
        "units": tuple(layer.units),
        "translate": tuple(translate),
        "rotate": layer.rotate,
        "shear": layer.shear,
        "affine": layer.affine,
        "axis_labels": tuple(layer.axis_labels),
    }


def placed_over(
    layer: Any, index: tuple[int, ...] = (), step: int = 1, extra: int = 1
) -> dict[str, Any]:
    """Options of a layer of every `step`-th pixel that lies on `layer`, with `extra` axes before.

    The first pixel of it lies in the middle of the `step` x `step` pixels that it stands for.
    """
    options = placed_like(layer, index)
    scale = np.asarray(layer.scale, float)
    translate = np.asarray(options["translate"], float)
    translate[-2:] += 0.5 * (step - 1) * scale[-2:]
    scale[-2:] *= step
    shear = np.eye(layer.ndim)
    shear[np.triu_indices(layer.ndim, 1)] = layer.shear
    squares = {}
    for name, inner in (("rotate", layer.rotate), ("shear", shear)):
        squares[name] = np.eye(extra + layer.ndim)
        squares[name][extra:, extra:] = inner
    return {
        "scale": (*(1.0,) * extra, *scale),
        "units": (*("pixel",) * extra, *options["units"]),
        "translate": (*(0.0,) * extra, *translate),
        "affine": layer.affine.expand_dims(list(range(extra))) if extra else layer.affine,
        "axis_labels": (*("candidate",) * extra, *options["axis_labels"]),
        **squares,
    }


@contextmanager
def same_selection(viewer: napari.Viewer) -> Iterator[None]:
    """Keep the layers selected that are: napari selects each new one."""
    selection = viewer.layers.selection
    chosen, active = set(selection), selection.active
    yield
    viewer.layers.selection = {layer for layer in chosen if layer in viewer.layers}
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active


def label_colors() -> Any:
    """Colors of objects, for any color vision; neighbors by number differ."""
    from napari.utils.colormaps import CyclicLabelColormap

    rings = [[*(share * c for c in rgb), 1.0] for share in (1.0, 0.72) for rgb in _COLORS]
    return CyclicLabelColormap(colors=[[0.0, 0.0, 0.0, 0.0], *rings], display_name="Okabe and Ito")


def material_colors(colors: dict[int, str]) -> Any:
    """Colors of objects by their material, by label; white for one that is not among them."""
    from napari_samstar._widgets.direct_colors import TableColormap

    wanted: dict[int | None, str] = {None: "#ffffff", 0: "transparent"}
    for label, color in colors.items():
        wanted[label] = color
    return TableColormap(color_dict=wanted)


@cache
def compile_colors() -> None:
    """Let napari compile how it colors labels: seconds, for which the window would stand still."""
    from napari.layers import Labels

    layer = Labels(np.arange(4, dtype=np.int32).reshape(2, 2), colormap=label_colors())
    layer.colormap = material_colors({1: COLORS[0]})
    layer.refresh()


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
        options["name"] = options["name"].removesuffix("-0000")  # the number of the first
        options["scale"] = (1.0, *options["scale"])
        options["units"] = ("pixel", *options["units"])
    return data, options, kind


def labels_layer(segmentation: Segmentation, table: pd.DataFrame | None = None) -> LayerData:
    """Make the labels layer of `segmentation`; `table` rows show beside the pointer."""
    options: dict[str, Any] = {
        "name": f"{segmentation.micrograph.name} objects",
        **_calibration(segmentation.micrograph),
        "opacity": 0.5,
        "colormap": label_colors(),
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
    show_scale_bar(viewer)


def show_scale_bar(viewer: napari.Viewer) -> None:
    """Show napari's scale bar."""
    # it moved in napari 0.9
    overlays = viewer.canvas.overlays if hasattr(viewer, "canvas") else viewer
    overlays.scale_bar.visible = True
