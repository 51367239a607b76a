"""Where SAM is asked: Meta's point grids and crops, and tiles for large images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import DecodeSettings

__all__ = ["TILE_LAYER", "crop_points", "grid_crops", "tile_crops"]

#: Stands in `Proposals.crop_layers` for a tile, which is no layer of Meta's.
TILE_LAYER = -1


def grid_crops(
    shape: tuple[int, int], decode: DecodeSettings
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Crops of all of Meta's layers, the whole image first.

    Returns
    -------
    boxes : (C, 4) int32
        x0, y0, x1, y1, last row and column excluded, px.
    layers : (C,) int32
        0 for the whole image, then 1 and 2.
    """
    from segment_anything.utils.amg import generate_crop_boxes

    boxes, layers = generate_crop_boxes(shape, decode.crop_n_layers, decode.crop_overlap_ratio)
    return np.array(boxes, np.int32).reshape(-1, 4), np.array(layers, np.int32)


def tile_crops(shape: tuple[int, int], view: int, decode: DecodeSettings) -> NDArray[np.int32]:
    """Overlapping tiles (T, 4) that show a large image at full resolution; none if it is small.

    Parameters
    ----------
    shape : tuple of int
        (H, W) of the image, px.
    view : int
        Side of the network's input, px.
    decode : DecodeSettings
        `tiles` "auto" adds tiles where the longer side is over twice `view`.
    """
    size = decode.tile_size or view
    large = max(shape) > 2 * view
    if decode.tiles == "off" or (decode.tiles == "auto" and not large) or max(shape) <= size:
        return np.zeros((0, 4), np.int32)
    step = max(1, size * 3 // 4)
    rows, columns = (_starts(side, size, step) for side in shape)
    return np.array(
        [(x, y, min(x + size, shape[1]), min(y + size, shape[0])) for y in rows for x in columns],
        np.int32,
    )


def _starts(side: int, size: int, step: int) -> list[int]:
    """Tile origins along one side, evenly spread, the last flush with the end."""
    if side <= size:
        return [0]
    count = -(-(side - size) // step) + 1
    return [round(i * (side - size) / (count - 1)) for i in range(count)]


def crop_points(layer: int, size: tuple[int, int], decode: DecodeSettings) -> NDArray[np.float64]:
    """Prompt points (P, 2) as x, y in a crop of `size` (H, W), px, in Meta's order.

    A tile has half the grid of the whole image along each side.
    """
    from segment_anything.utils.amg import build_point_grid

    if layer == TILE_LAYER:
        side = decode.points_per_side // 2
    else:
        side = int(decode.points_per_side / decode.crop_n_points_downscale_factor**layer)
    grid = build_point_grid(max(1, side))  # Meta's code fails where nothing is left of the grid
    points: NDArray[np.float64] = grid * np.array(size)[None, ::-1]
    return points
