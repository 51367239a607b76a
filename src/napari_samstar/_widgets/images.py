"""From napari's image layers to the images of a session."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from qtpy.QtCore import QTimer

from napari_samstar._widgets.layers import OF, ROLE, calibration_of
from napari_samstar.session import ImageSource, Key, Session

if TYPE_CHECKING:
    import napari

__all__ = ["ImageWatcher", "image_layer_of", "source_of"]


def source_of(layer: Any, point: tuple[float, ...]) -> ImageSource:
    """Return the frame of an image layer that is shown at `point` of the world."""
    array = layer.data[0] if layer.multiscale else layer.data
    leading = array.ndim - (3 if layer.rgb else 2)
    place = layer.world_to_data(point[-layer.ndim :])[:leading]
    index = tuple(
        min(max(round(float(at)), 0), int(size) - 1)
        for at, size in zip(place, array.shape, strict=False)
    )
    pixel_size, unit = calibration_of(layer)
    # readers give float32, and say what the file held
    held = layer.metadata.get("value_type") if array.dtype == np.float32 else None
    known = {} if held is None else {"value_type": str(held)}
    return ImageSource(array, layer.name, index, bool(layer.rgb), pixel_size, unit, known)


def image_layer_of(viewer: napari.Viewer, key: Key) -> Any:
    """Return the image layer of an image, or None if it is gone."""
    return next((layer for layer in viewer.layers if str(layer.unique_id) == key[0]), None)


class ImageWatcher:
    """Opens, calibrates, activates and closes the images of a session as the viewer's layers do.

    The image in use is the selected image layer, or the one that a selected result belongs to; with
    anything else selected it stays.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    session : Session
        Told of everything.
    """

    def __init__(self, viewer: napari.Viewer, session: Session) -> None:
        self._viewer = weakref.ref(viewer)
        self._session = session
        self._watched: set[str] = set()
        viewer.layers.selection.events.active.connect(self._update)
        viewer.layers.events.inserted.connect(self._update)
        viewer.layers.events.removed.connect(self._on_removed)
        viewer.dims.events.current_step.connect(self._on_step)
        self._update()

    def _update(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        layer = self._wanted(viewer)
        if layer is None:
            self._session.activate(None)
            return
        uid = str(layer.unique_id)
        if uid not in self._watched:
            self._watched.add(uid)
            layer.events.data.connect(self._on_data)
            layer.events.scale.connect(self._on_calibrated)
            layer.events.units.connect(self._on_calibrated)
            layer.events.name.connect(self._on_renamed)
        source = source_of(layer, viewer.dims.point)
        key = (uid, source.index)
        self._session.open(key, source)
        self._session.activate(key)

    def _wanted(self, viewer: napari.Viewer) -> Any:
        images = [one for one in viewer.layers if isinstance(one, Image) and OF not in one.metadata]
        active = viewer.layers.selection.active
        if active in images:
            return active
        parent = None if active is None else active.metadata.get(OF)
        for image in images:
            if str(image.unique_id) == parent:
                return image
        kept = [one for one in images if str(one.unique_id) in self._active_uids()]
        return kept[0] if kept else (images[-1] if images else None)

    def _active_uids(self) -> set[str]:
        image = self._session.active
        return {key[0] for key, one in self._session.images.items() if one is image}

    def _on_step(self, event: Any = None) -> None:
        viewer = self._viewer()
        if viewer is None:
            return
        image = self._session.active
        if image is not None and not image.state.source.index:
            return
        before = [key for key, one in self._session.images.items() if one is image]
        self._update()
        # frames that were only passed by are not kept
        for key in before:
            left = self._session.images[key]
            if left is not self._session.active and left.state.untouched:
                self._session.close(key)

    def _on_calibrated(self, event: Any) -> None:
        # scale and units are set one after the other: looked at when both are
        QTimer.singleShot(0, partial(self._calibrate, event.source))

    def _calibrate(self, layer: Any) -> None:
        size, unit = calibration_of(layer)
        for key, image in self._session.images.items():
            source = image.state.source
            known = key[0] == str(layer.unique_id)
            if known and (size, unit) != (source.pixel_size, source.unit):
                image.set_pixel_size(size, unit)

    def _on_renamed(self, event: Any) -> None:
        for key, image in self._session.images.items():
            if key[0] == str(event.source.unique_id):
                image.rename(event.source.name)

    def _on_data(self, event: Any) -> None:
        layer = event.source
        array = layer.data[0] if layer.multiscale else layer.data
        for key, image in self._session.images.items():
            if key[0] == str(layer.unique_id) and image.state.source.array is not array:
                self._session.close(key)
        self._update()

    def _on_removed(self, event: Any) -> None:
        uid = str(event.value.unique_id)
        self._watched.discard(uid)
        for key in list(self._session.images):
            if key[0] == uid:
                self._session.close(key)
        self._update()
        # whoever removes several layers at once is not to find them gone
        QTimer.singleShot(0, self._remove_orphans)

    def _remove_orphans(self) -> None:
        """Remove what was drawn on images that are gone; objects stay, and what the network saw."""
        from napari_samstar._widgets.outputs import OBJECTS, VIEW  # which needs this module

        viewer = self._viewer()
        if viewer is None:
            return
        there = {str(layer.unique_id) for layer in viewer.layers}
        for layer in list(viewer.layers):
            role, parent = layer.metadata.get(ROLE), layer.metadata.get(OF)
            if role not in (None, OBJECTS, VIEW) and parent not in there:
                viewer.layers.remove(layer)
