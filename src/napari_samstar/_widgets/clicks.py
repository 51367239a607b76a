"""Clicks into the picture, told from drags."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

__all__ = ["STILL", "on_click", "tool_in_hand"]

STILL = 4.0  # screen px that a hand may tremble


def on_click(
    viewer: Any, callback: Callable[[tuple[float, ...]], None], plain: bool = False
) -> Callable[[], None]:
    """Call `callback` with the position in the world of each click of the left button.

    Parameters
    ----------
    viewer : napari.Viewer
        The viewer.
    callback : callable
        Given the position.
    plain : bool
        Leave clicks alone that a tool of the selected layer takes, such as a brush.

    Returns
    -------
    callable
        Ends it.
    """

    def clicked(_: Any, event: Any) -> Iterator[None]:
        if event.button not in (None, 1) or (plain and tool_in_hand(viewer)):
            return
        start = np.asarray(event.pos, float)
        position = tuple(event.position)
        yield
        while event.type == "mouse_move":
            if np.abs(np.asarray(event.pos, float) - start).max() > STILL:
                return
            yield
        callback(position)

    def end() -> None:
        with contextlib.suppress(ValueError):
            viewer.mouse_drag_callbacks.remove(clicked)

    viewer.mouse_drag_callbacks.append(clicked)
    return end


def tool_in_hand(viewer: Any) -> bool:
    """Whether clicks belong to a tool of the selected layer, such as napari's brush."""
    layer = viewer.layers.selection.active
    return layer is not None and str(getattr(layer, "mode", "pan_zoom")) != "pan_zoom"
