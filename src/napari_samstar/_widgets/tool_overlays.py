"""What napari draws its brush and its polygon with, made when somebody takes them."""

from __future__ import annotations

from functools import partial
from typing import Any

__all__ = ["when_taken"]

_TOOLS = ("polygon", "brush_stroke")  # of napari 0.9; the brush's is not there before


def when_taken(layer: Any) -> Any:
    """Put off what the tools of a labels layer are drawn with; returns the layer.

    To be called before the layer is added to a viewer: napari makes what is to be seen, and there
    is nothing to be seen of a tool that is not in use. It takes as long as all else of adding a
    layer, and the first time twice as long, for which the window would stand still.
    """
    overlays = getattr(layer, "_overlays", {})
    for name in _TOOLS:
        overlay = overlays.get(name)
        if overlay is not None and not overlay.enabled:
            overlay.visible = False
            overlay.events.enabled.connect(partial(_on_enabled, overlay))
    return layer


def _on_enabled(overlay: Any, *_: Any) -> None:
    if overlay.enabled:
        overlay.visible = True
