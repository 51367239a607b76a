"""The candidates of a search as one layer with a slider, and the slider's say in what is shown."""

from __future__ import annotations

import weakref
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QObject

from napari_samstar._widgets.agreement import AGREEMENT
from napari_samstar._widgets.context import Context
from napari_samstar._widgets.layers import (
    INDEX,
    OF,
    ROLE,
    STEP,
    label_colors,
    placed_over,
    same_selection,
)
from napari_samstar._widgets.outputs import OBJECTS
from napari_samstar._widgets.tool_overlays import when_taken
from napari_samstar.session import OpenImage
from napari_samstar.session.found import Found, Stack

__all__ = ["CANDIDATES", "Candidates"]

#: Role of the layer.
CANDIDATES = "candidates"


class Candidates(QObject):
    """Shows a front as a layer (K, h, w), one step of the slider for each candidate.

    While it is looked at, the candidates are seen in place of the result, and the slider, wherever
    it is moved, chooses.

    Parameters
    ----------
    context : Context
        Of the viewer.
    """

    def __init__(self, context: Context, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._context = context
        self._order: tuple[Any, ...] = ()
        self._shown: tuple[weakref.ref[Found], str] | None = None
        self._open = False
        self._silent = False
        context.viewer.dims.events.current_step.connect(self._on_step)
        context.viewer.layers.events.inserted.connect(self._on_inserted)

    def show(self, image: OpenImage | None, objective: str) -> None:
        """Bring layer and slider to what `image` has found, sorted by `objective`."""
        found = None if image is None else image.state.front
        if image is None:
            self._order = ()
            return
        if found is None or not found.front.candidates:
            self._order, self._shown = (), None
            self._context.outputs.hide(image, CANDIDATES)
            self._context.outputs.hide(image, AGREEMENT)
            return
        self._silent = True
        try:
            known = self._shown is not None and self._shown[0]() is found
            known = known and self._shown is not None and self._shown[1] == objective
            if not known or self._layer(image) is None:
                self._order = found.along(objective)
                self._shown = weakref.ref(found), objective
                self._put(image, found)
            self._turn(image)
            self.look(self._open)
        finally:
            self._silent = False

    def look(self, opened: bool) -> None:
        """Let the candidates be seen in place of the result, or the result again."""
        self._open = opened
        image = self._context.image
        if image is None:
            return
        layer = self._layer(image)
        for other in self._context.viewer.layers:
            if other.metadata.get(ROLE) == CANDIDATES and other is not layer and other.visible:
                self._swap(other, False)  # of another image
        if layer is not None:
            self._swap(layer, opened and image.state.candidate is not None)

    def _swap(self, layer: Any, seen: bool) -> None:
        """Let a layer of candidates be seen, or the result that it stands for."""
        _set_visible(layer, seen)
        wanted = layer.metadata[OF], layer.metadata[INDEX], OBJECTS
        for other in self._context.viewer.layers:
            if tuple(other.metadata.get(part) for part in (OF, INDEX, ROLE)) == wanted:
                _set_visible(other, not seen)

    def step(self, by: int) -> None:
        """Show the next candidate along the front, or one before."""
        image = self._context.image
        if image is not None and self._order:
            at = self._at(image)
            image.show(self._order[min(max(at + by, 0), len(self._order) - 1)])

    def _layer(self, image: OpenImage) -> Any:
        return self._context.outputs.layer(image, CANDIDATES)

    def _at(self, image: OpenImage) -> int:
        candidate = image.state.candidate
        numbers = [c.index for c in self._order]
        if candidate is None or candidate.index not in numbers:
            return 0
        return numbers.index(candidate.index)

    def _put(self, image: OpenImage, found: Found) -> None:
        outputs, viewer = self._context.outputs, self._context.viewer
        parent = outputs.image_layer(image)
        if parent is None:
            return
        planes = [found.planes[c.index] for c in self._order]
        layer = self._layer(image)
        if layer is not None:
            layer.data = Stack(planes, lead=layer.ndim - 3)
            layer.editable = False
            return
        key = outputs.key(image)
        assert key is not None
        layer = Labels(
            Stack(planes, lead=len(key[1])),
            name=f"SAM* candidates of {image.state.source.name}",
            opacity=0.5,
            colormap=label_colors(),
            metadata={**outputs.metadata(key, CANDIDATES), STEP: found.step},
            visible=self._open and image.state.candidate is not None,
            **placed_over(parent, key[1], found.step),
        )
        with same_selection(viewer):
            viewer.add_layer(when_taken(layer))
        layer.editable = False

    def _turn(self, image: OpenImage) -> None:
        """Turn the slider to the candidate that is shown."""
        viewer, layer = self._context.viewer, self._layer(image)
        if layer is None or not self._order:
            return
        axis = viewer.dims.ndim - layer.ndim
        wanted = self._at(image)
        if axis >= 0 and viewer.dims.current_step[axis] != wanted:
            viewer.dims.set_current_step(axis, wanted)

    def _on_inserted(self, event: Any) -> None:
        if event.value.metadata.get(ROLE) == OBJECTS and self._open:
            self.look(True)

    def _on_step(self, event: Any = None) -> None:
        image = self._context.image
        if self._silent or not self._open or image is None or not self._order:
            return
        layer = self._layer(image)
        if layer is None or not layer.visible:
            return
        viewer = self._context.viewer
        at = int(viewer.dims.current_step[viewer.dims.ndim - layer.ndim])
        last = len(self._order) - 1
        if min(at, last) != self._at(image):
            image.show(self._order[min(at, last)])
        if at > last:  # the slider is as long as the longest front of all images
            self._silent = True
            try:
                self._turn(image)
            finally:
                self._silent = False


def _set_visible(layer: Any, visible: bool) -> None:
    """Draw nothing anew where nothing changes."""
    if layer.visible != visible:
        layer.visible = visible
