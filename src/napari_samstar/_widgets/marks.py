"""What a tool draws over the picture: outlines of the chosen objects, clicks, strokes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_samstar._widgets.context import Context
from napari_samstar._widgets.highlight import camera_of
from napari_samstar._widgets.layers import INDEX, OF, ROLE, placed_like, same_selection
from napari_samstar.edits.delta import Box
from napari_samstar.session import OpenImage

__all__ = ["MARKS", "Marks", "look_at", "window_outlines"]

#: Role of the layer that shows them.
MARKS = "marks"

_CHOSEN, _FIRST = "#f0e442", "#ffffff"  # the yellow of Okabe and Ito; white leads
_NEW, _INSIDE, _OUTSIDE = "#56b4e9", "#009e73", "#d55e00"
_WIDTH = 3.0  # screen px
# arms of a click's mark from its middle, screen px: what was clicked is seen between them
_ARMS = (3.0, 8.0)
_ZOOMED = 1.25  # by how much the picture may grow or shrink before marks are drawn anew
_FILL = 0.25  # share of the canvas's shorter side that an object looked at fills


class _Lines:
    """Straight lines to draw at once: napari draws many of them faster than few shapes."""

    def __init__(self) -> None:
        self.starts: list[NDArray[np.float64]] = []
        self.steps: list[NDArray[np.float64]] = []
        self.colors: list[NDArray[np.float32]] = []

    def add(self, corners: NDArray[np.float64], color: str, closed: bool = True) -> None:
        """Join corners (N, 2) of y, x in turn, and the last to the first where it is closed."""
        steps = np.roll(corners, -1, axis=0) - corners
        if not closed:
            corners, steps = corners[:-1], steps[:-1]
        rgb = [int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        self.starts.append(corners)
        self.steps.append(steps)
        self.colors.append(np.tile(np.array([*rgb, 1.0], np.float32), (len(corners), 1)))

    def vectors(self, axes: int) -> NDArray[np.float64]:
        """Give starts and steps, (N, 2, D), as napari wants them."""
        count = sum(map(len, self.starts))
        out = np.zeros((count, 2, axes))
        if count:
            out[:, 0, -2:] = np.concatenate(self.starts)
            out[:, 1, -2:] = np.concatenate(self.steps)
        return out


class Marks:
    """Draws for one viewer, in one layer that comes and goes.

    Parameters
    ----------
    context : Context
        The viewer's.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._drawn: tuple[Any, ...] | None = None
        self._zoom = 1.0
        # they have their size on the screen; many come nearer to look at what is suggested
        camera_of(context.viewer)[0].events.zoom.connect(self._on_zoom)

    def draw(
        self,
        image: OpenImage,
        chosen: list[list[NDArray[np.float64]]],
        new: list[NDArray[np.float64]] | None = None,
        points: list[tuple[float, float, bool]] | None = None,
        line: NDArray[np.float64] | None = None,
        box: tuple[float, float, float, float] | None = None,
    ) -> None:
        """Draw all of this and nothing else, in px of the image.

        Parameters
        ----------
        image : OpenImage
            What it lies on.
        chosen : list of outlines
            Of each chosen object, (N, 2) of y, x; the first leads.
        new : list of outlines, optional
            Of a mask that is suggested.
        points : list of (x, y, inside), optional
            Clicks.
        line : (N, 2) of x, y, optional
            A stroke.
        box : (x0, y0, x1, y1), optional
            A box drawn.
        """
        layer = self._layer(image, make=bool(chosen or new or points) or line is not None)
        if layer is None:
            return
        self._drawn = image, chosen, new, points, line, box
        self._zoom = camera_of(self._context.viewer)[0].zoom
        scale = self._zoom * float(layer.scale[-1])
        lines = _Lines()
        for place, rings in enumerate(chosen):
            for ring in rings:
                lines.add(ring, _CHOSEN if place else _FIRST)
        for ring in new or []:
            lines.add(ring, _NEW)
        if box is not None:
            x0, y0, x1, y1 = box
            lines.add(np.array([[y0, x0], [y0, x1], [y1, x1], [y1, x0]], np.float64), _NEW)
        if line is not None and len(line) > 1:
            lines.add(line[:, ::-1], _FIRST, closed=False)
        for x, y, inside in points or []:  # + for inside, x for outside
            arms = [[0, 1], [1, 0]] if inside else [[0.7, 0.7], [0.7, -0.7]]
            at, reach = np.array([y, x]), np.array(_ARMS)[:, None] / scale
            for way in np.array([*arms, *(-np.array(arms))]):
                color = _INSIDE if inside else _OUTSIDE
                lines.add(at + reach * way, color, closed=False)
        self._replace(layer, lines, _WIDTH / scale)

    def clear(self, image: OpenImage | None) -> None:
        """Draw nothing."""
        self._drawn = None
        layer = None if image is None else self._layer(image, make=False)
        if layer is not None and len(layer.data):
            self._replace(layer, _Lines(), float(layer.edge_width))

    def remove(self, image: OpenImage | None) -> None:
        """Take the layer away."""
        self._drawn = None
        if image is not None:
            self._context.outputs.hide(image, MARKS)

    def _on_zoom(self, event: Any = None) -> None:
        if self._drawn is None or self._context.is_closed:
            return
        grown = camera_of(self._context.viewer)[0].zoom / self._zoom
        if 1 / _ZOOMED < grown < _ZOOMED:
            return
        if self._layer(self._drawn[0], make=False) is None:
            self._drawn = None
        else:
            self.draw(*self._drawn)

    def _replace(self, layer: Any, lines: _Lines, width: float) -> None:
        if not lines.starts and not len(layer.data):
            return
        # napari makes the picture of them anew at each of these: here once, after the last; they
        # lie within the image, so the viewer need not ask all layers how far they reach
        events = layer.events
        with _no_refresh(layer), events.edge_color.blocker(), events.data.blocker():
            layer.data = lines.vectors(layer.ndim)
            if lines.starts:
                layer.edge_color = np.concatenate(lines.colors)
                if not 0.9 < layer.edge_width / width < 1.1:
                    layer.edge_width = width
        layer.refresh(thumbnail=False, extent=False)

    def _layer(self, image: OpenImage, make: bool) -> Any:
        outputs, viewer = self._context.outputs, self._context.viewer
        layer, parent = outputs.layer(image, MARKS), outputs.image_layer(image)
        if layer is not None or parent is None or not make:
            return layer
        index = image.state.source.index
        with same_selection(viewer):
            return viewer.add_vectors(
                ndim=2 + len(index),
                vector_style="line",
                name=f"{image.state.source.name} marks",
                metadata={OF: str(parent.unique_id), INDEX: index, ROLE: MARKS},
                **placed_like(parent, index),
            )


def _no_refresh(layer: Any) -> AbstractContextManager[None]:
    """Let a layer's picture be while its data change, where this napari can."""
    block = getattr(layer, "_block_refresh", nullcontext)
    return cast("AbstractContextManager[None]", block())


def window_outlines(window: NDArray[np.bool_], box: Box) -> list[NDArray[np.float64]]:
    """Outlines (N, 2) of a mask that is `window` at `box`, y and x in px."""
    from napari_samstar.io.outline import outline

    polygons = outline(window, box[0], box[1], tolerance=0.7)
    return [ring[:, ::-1] for polygon in polygons for ring in polygon]


def look_at(viewer: Any, layer: Any, box: Box) -> None:
    """Bring an object into the middle, near enough to judge it."""
    camera, canvas = camera_of(viewer)
    x0, y0, x1, y1 = box
    lead = (0.0,) * (layer.ndim - 2)
    center = layer.data_to_world((*lead, (y0 + y1) / 2, (x0 + x1) / 2))[-2:]
    side = max((y1 - y0 + 1) * abs(layer.scale[-2]), (x1 - x0 + 1) * abs(layer.scale[-1]))
    camera.center = (*tuple(camera.center)[:-2], *center)
    camera.zoom = _FILL * float(canvas.min()) / float(side)
