"""A part of a labels layer painted anew, not all of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.edits.delta import Box, Delta

__all__ = ["pixels_of", "write"]


def pixels_of(layer: Any, shape: tuple[int, int]) -> NDArray[np.int32] | None:
    """Return the layer's pixels as (H, W), so that writing into them writes into the layer.

    None where they are no such array: somebody gave the layer other data.
    """
    data = layer.data
    if (
        isinstance(data, np.ndarray)
        and data.dtype == np.int32
        and data.shape[-2:] == shape
        and data.size == shape[0] * shape[1]
        and data.flags.c_contiguous
    ):
        return data.reshape(shape)
    return None


def write(layer: Any, pixels: NDArray[np.int32], delta: Delta) -> None:
    """Make a change in the pixels that `pixels_of` gave, and paint what has changed."""
    delta.write(pixels)
    if delta.box is not None and not _refresh_part(layer, delta.box):
        layer.refresh()


def _refresh_part(layer: Any, box: Box) -> bool:
    """As napari's brush does after a stroke; False where this napari does it otherwise."""
    x0, y0, x1, y1 = box
    window = slice(y0, y1 + 1), slice(x0, x1 + 1)
    try:
        displayed = tuple(layer._slice_input.displayed)
        if displayed != (layer.ndim - 2, layer.ndim - 1) or layer.contour:
            return False
        image = layer._slice.image
        if image.raw.shape != image.view.shape or image.raw.shape != layer.data.shape[-2:]:
            return False
        image.view[window] = layer.colormap._data_to_texture(image.raw[window])
        layer._updated_slice = (*(slice(0, 1) for _ in range(layer.ndim - 2)), *window)
        layer._partial_labels_refresh()
    except (AttributeError, TypeError, ValueError, IndexError):
        return False
    return True
