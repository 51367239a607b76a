"""Clicks and strokes into the picture, for a tool that takes them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_samstar._widgets.clicks import STILL, tool_in_hand
from napari_samstar._widgets.highlight import camera_of

__all__ = ["Taker", "watch"]


class Taker(Protocol):
    """Who is told of clicks and strokes; positions are in the world."""

    def grabs(self) -> bool:
        """Whether a stroke draws; else it moves the picture, as ever."""
        ...

    def clicked(self, position: NDArray[np.float64], plain: bool) -> None:
        """Take a click; it is not `plain` with Shift or the right button."""
        ...

    def drawing(self, line: NDArray[np.float64]) -> None:
        """See where the stroke has come, (N, D)."""
        ...

    def drawn(self, line: NDArray[np.float64]) -> None:
        """Take the whole stroke."""
        ...


def watch(viewer: Any, taker: Taker) -> Callable[[], None]:
    """Tell `taker` of clicks and strokes, until the function returned is called.

    Those for a tool of napari, such as a brush, are left to it.
    """

    def pressed(_: Any, event: Any) -> Iterator[None]:
        modifiers = {str(getattr(one, "name", one)) for one in event.modifiers}
        if event.button not in (1, 2) or modifiers - {"Shift"} or tool_in_hand(viewer):
            return
        draws = event.button == 1 and not modifiers and taker.grabs()
        camera = camera_of(viewer)[0]
        panned = camera.mouse_pan
        start, line = np.asarray(event.pos, float), [np.asarray(event.position, float)]
        moved = False
        try:
            if draws:
                camera.mouse_pan = False
            yield
            while event.type == "mouse_move":
                moved = moved or bool(np.abs(np.asarray(event.pos, float) - start).max() > STILL)
                if draws:
                    line.append(np.asarray(event.position, float))
                    if moved:
                        taker.drawing(np.array(line))
                yield
        finally:
            if draws:
                camera.mouse_pan = panned
        if draws and moved:
            taker.drawn(np.array(line))
        elif not moved:
            taker.clicked(line[0], event.button == 1 and not modifiers)

    def end() -> None:
        with contextlib.suppress(ValueError):
            viewer.mouse_drag_callbacks.remove(pressed)

    viewer.mouse_drag_callbacks.append(pressed)
    return end
