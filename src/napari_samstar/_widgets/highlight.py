"""Outlines of the objects that are selected in the table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar._widgets.context import Context
from napari_samstar._widgets.layers import INDEX, OF, ROLE, placed_like, same_selection
from napari_samstar._widgets.outputs import OBJECTS
from napari_samstar.session import OpenImage

__all__ = ["SELECTED", "camera_of", "highlight", "outlines"]

#: Role of the layer that shows what is selected.
SELECTED = "selected"

_COLOR = "#f0e442"  # the yellow of Okabe and Ito
_EDGE = 3.0  # width of an outline, screen px


def outlines(labels: NDArray[Any], chosen: Iterable[int]) -> list[NDArray[np.float64]]:
    """Outlines (N, 2) of objects, y and x in px, all parts and holes of each."""
    from napari_samstar.io.outline import outline

    found: list[NDArray[np.float64]] = []
    for value in chosen:
        mask = labels == value
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        if rows.size:
            top, left = int(rows[0]), int(columns[0])
            window = mask[top : rows[-1] + 1, left : columns[-1] + 1]
            # simpler than the pixels' edges: napari takes long over many corners
            for polygon in outline(window, left, top, tolerance=0.7):
                found += [ring[:, ::-1] for ring in polygon]
    return found


def highlight(context: Context, image: OpenImage, chosen: list[int]) -> None:
    """Outline the objects `chosen` in the picture, and bring the first into view."""
    outputs, viewer = context.outputs, context.viewer
    objects, layer = outputs.layer(image, OBJECTS), outputs.layer(image, SELECTED)
    if objects is None:
        return
    labels = np.asarray(objects.data).reshape(image.state.source.shape)
    lines = outlines(labels, chosen)
    if not lines:
        if layer is not None:
            viewer.layers.remove(layer)
        return
    lead = objects.metadata[INDEX]
    full = [np.column_stack([np.zeros((len(line), len(lead))), line]) for line in lines]
    camera, canvas = camera_of(viewer)
    width = _EDGE / (camera.zoom * float(objects.scale[-1]))
    with same_selection(viewer):
        if layer is None:
            layer = viewer.add_shapes(
                ndim=2 + len(lead),
                name=f"{image.state.source.name} selected",
                metadata={OF: objects.metadata[OF], INDEX: lead, ROLE: SELECTED},
                **placed_like(outputs.image_layer(image), lead),
            )
        layer.data = []
        layer.add_polygons(full, edge_color=_COLOR, face_color="transparent", edge_width=width)
        layer.selected_data = set()
    center = layer.data_to_world((*np.zeros(len(lead)), *lines[0].mean(0)))[-2:]
    camera.center = (*tuple(camera.center)[:-2], *_in_view(center, camera, canvas))


def camera_of(viewer: Any) -> tuple[Any, NDArray[np.float64]]:
    """Camera and size of the canvas, screen px; both moved in napari 0.9."""
    if hasattr(viewer, "scene"):
        return viewer.scene.camera, np.asarray(viewer.canvas.size, float)
    return viewer.camera, np.asarray(viewer._canvas_size, float)


def _in_view(point: Any, camera: Any, canvas: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the camera should look so that `point` is seen: moved no more than it takes."""
    center = np.asarray(camera.center, float)[-2:]
    half = 0.45 * canvas / camera.zoom
    return np.asarray(np.clip(center, np.asarray(point) - half, np.asarray(point) + half))
