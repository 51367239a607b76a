"""From the images of a session to napari's layers: results, previews, calibration."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray
from psygnal import Signal

from napari_samstar._widgets.images import image_layer_of
from napari_samstar._widgets.layers import (
    INDEX,
    OF,
    ROLE,
    STEP,
    label_colors,
    placed_like,
    same_selection,
    units_of,
)
from napari_samstar._widgets.tool_overlays import when_taken
from napari_samstar.session import Key, OpenImage, Session

if TYPE_CHECKING:
    import napari

__all__ = ["OBJECTS", "VIEW", "Outputs"]

#: Roles of layers, kept in their metadata.
OBJECTS, VIEW = "objects", "view"


class Outputs:
    """Shows what an image has become in layers that lie exactly on it.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    session : Session
        Its images' results are shown as they come.
    """

    #: Somebody may have painted on the objects of this image.
    painted = Signal(OpenImage)

    def __init__(self, viewer: napari.Viewer, session: Session) -> None:
        self._viewer = weakref.ref(viewer)
        self._session = session
        session.changed.connect(self._on_changed)

    def layer(self, image: OpenImage, role: str) -> Any:
        """Return the layer that plays `role` for `image`, or None."""
        viewer, key = self._viewer(), self.key(image)
        if viewer is None or key is None:
            return None
        for layer in viewer.layers:
            found = layer.metadata
            if (found.get(OF), found.get(INDEX), found.get(ROLE)) == (*key, role):
                return layer
        return None

    def image_layer(self, image: OpenImage) -> Any:
        """Return napari's layer of the image itself, or None."""
        viewer, key = self._viewer(), self.key(image)
        return None if viewer is None or key is None else image_layer_of(viewer, key)

    def places(self, image: OpenImage, line: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions in the world (N, D) as x, y in px of the image; outside where it is gone."""
        layer = self.image_layer(image)
        if layer is None:
            return np.full((len(line), 2), -1.0)
        axes = 2 + len(image.state.source.index)
        places = [layer.world_to_data(at[-axes:])[-2:] for at in line]
        return np.array(places, np.float64)[:, ::-1]

    def label_at(self, image: OpenImage, x: float, y: float) -> int:
        """Object that is shown at a point, px; 0 on the background and outside."""
        layer = self.layer(image, OBJECTS)
        column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        height, width = image.state.source.shape
        if layer is None or not (0 <= row < height and 0 <= column < width):
            return 0
        return int(layer.data[(*(0,) * (layer.ndim - 2), row, column)])

    def show(
        self, image: OpenImage, role: str, data: Any, kind: str = "labels", **options: Any
    ) -> Any:
        """Show `data` (H, W[, 3]) on the image, in a new layer or the one that has the role.

        Parameters
        ----------
        image : OpenImage
            What it belongs to.
        role : str
            Finds the layer again.
        data : array
            Of the image's height and width.
        kind : str
            "labels" or "image".
        **options
            Of the layer, where it is new; ``features`` always.

        Returns
        -------
        Layer or None
            None where the image's layer is gone.
        """
        viewer, key = self._viewer(), self.key(image)
        parent = self.image_layer(image)
        if viewer is None or key is None or parent is None:
            return None
        data = data.reshape((1,) * len(key[1]) + data.shape)
        layer = self.layer(image, role)
        if layer is not None:
            layer.data = data
            if "features" in options:
                layer.features = options["features"]
            return layer
        metadata = {**self.metadata(key, role), **options.pop("metadata", {})}
        made = Layer.create(
            data, {"metadata": metadata, **placed_like(parent, key[1]), **options}, kind
        )
        with same_selection(viewer):
            return viewer.add_layer(when_taken(made))

    @staticmethod
    def metadata(key: Key, role: str) -> dict[str, Any]:
        """Return what marks a layer as one that plays `role` for the image of `key`."""
        return {OF: key[0], INDEX: key[1], ROLE: role}

    def hide(self, image: OpenImage, role: str) -> None:
        """Remove the layer that plays `role`, if there is one."""
        viewer, layer = self._viewer(), self.layer(image, role)
        if viewer is not None and layer is not None:
            viewer.layers.remove(layer)

    def key(self, image: OpenImage) -> Key | None:
        """Return the key of an image; None where it is no longer open."""
        return next((k for k, one in self._session.images.items() if one is image), None)

    def _on_changed(self, image: OpenImage, names: frozenset[str]) -> None:
        if "source" in names:
            self._calibrate(image)
        if "result" in names:
            self._show_result(image, measured="corrections" not in names)

    def _show_result(self, image: OpenImage, measured: bool) -> None:
        result = image.state.result
        if result is None:
            self.hide(image, OBJECTS)
            return
        layer = self.layer(image, OBJECTS)
        labels = result.segmentation.labels
        # napari finds a label's row by a column of this name
        features = result.table.rename(columns={"label": "index"})
        if layer is not None and image.state.corrections is not None and measured:
            layer.features = features  # its pixels are newer than what was measured of them
            return
        if layer is not None and np.array_equal(np.squeeze(layer.data), labels):
            layer.features = features  # the same picture: its undo history stays
            return
        self.show_labels(image, labels, features)

    def show_labels(self, image: OpenImage, labels: NDArray[np.int32], features: Any = None) -> Any:
        """Show objects (H, W) that may be painted on; the layer is made anew where it is gone."""
        layer, result = self.layer(image, OBJECTS), image.state.result
        if result is None:
            return None
        if features is None:
            features = result.table.rename(columns={"label": "index"})
        new = layer is None
        layer = self.show(
            image,
            OBJECTS,
            np.array(labels, np.int32, order="C"),  # the user may paint on it
            features=features,
            name=f"{image.state.source.name} objects",
            opacity=0.5,
            colormap=label_colors(),
            metadata={"recipe": dict(result.segmentation.recipe)},
        )
        if new and layer is not None:
            # strokes, and undoing them, which napari tells of only as of drawing anew
            for emitter in (layer.events.paint, layer.events.set_data):
                emitter.connect(partial(self._on_painted, weakref.ref(image)))
        return layer

    def bring_back(self, image: OpenImage) -> None:
        """Show the objects again where somebody has deleted their layer."""
        result, corrections = image.state.result, image.state.corrections
        if result is not None and self.layer(image, OBJECTS) is None:
            newest = result.segmentation if corrections is None else corrections
            self.show_labels(image, newest.labels)

    def _on_painted(self, image: weakref.ref[OpenImage], event: Any = None) -> None:
        found = image()
        if found is not None:
            self.painted.emit(found)

    def _calibrate(self, image: OpenImage) -> None:
        """Give the image and all that lies on it the present pixel size."""
        viewer, key = self._viewer(), self.key(image)
        if viewer is None or key is None:
            return
        source = image.state.source
        size = source.pixel_size or (1.0, 1.0)
        for layer in list(viewer.layers):
            if key[0] not in (str(layer.unique_id), layer.metadata.get(OF)):
                continue
            step = layer.metadata.get(STEP, 1)
            scale = (*layer.scale[:-2], *(step * side for side in size))
            units = (*layer.units[:-2], *units_of(source.unit))
            if not np.array_equal(layer.scale, scale):
                layer.scale = scale
            if tuple(str(u) for u in layer.units) != tuple(str(u) for u in units):
                layer.units = units
        viewer.reset_view()
