"""From any array of numbers to a micrograph: finite float32, gray or RGB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_samstar.types import Micrograph, SamStarError
from napari_samstar.units import user_calibration

__all__ = ["blocks", "finite_gray_or_rgb", "micrograph_from_array"]

_ROWS_PER_BLOCK = 1 << 22  # pixels, so that temporary arrays stay at tens of megabytes


def micrograph_from_array(
    array: ArrayLike,
    pixel_size: float | tuple[float, float] | None = None,
    unit: str | None = None,
    name: str = "array",
    metadata: Mapping[str, Any] | None = None,
) -> Micrograph:
    """Make a micrograph of an array in memory.

    Parameters
    ----------
    array : (H, W) or (H, W, C) array
        Booleans, integers, floats or complex numbers (their magnitude is kept). C is 1 to 4: gray,
        gray and a second channel that is dropped, RGB, RGBA. Colors that are all gray become
        (H, W). An opaque alpha channel is dropped, another one composed over black. NaN and minus
        infinity become the finite minimum, plus infinity the finite maximum.
    pixel_size : float or (y, x), optional
        Size of a pixel in `unit`.
    unit : str, optional
        A unit of length, any usual spelling.
    name : str
        What to call it in tables and file names.
    metadata : mapping, optional
        JSON values to keep; what was changed in the pixels is added.

    Returns
    -------
    Micrograph
        Its pixels never share memory with `array`.

    Raises
    ------
    SamStarError
        If the array is not an image, is empty or holds no finite number, or the calibration is
        not a length.
    """
    data, changes = finite_gray_or_rgb(np.asarray(array), name)
    if np.shares_memory(data, array):
        data = data.copy()
    size = None
    if pixel_size is not None:
        y, x = (pixel_size, pixel_size) if isinstance(pixel_size, int | float) else pixel_size
        (y, _), unit = user_calibration(y, unit)
        size = (y, user_calibration(x, unit)[0][0])
    elif unit not in (None, "px"):
        raise SamStarError(f"The unit {unit} needs a pixel size as well.")
    unit = "px" if size is None or unit is None else unit
    return Micrograph(data, size, unit, name, {**(metadata or {}), **changes})


def finite_gray_or_rgb(
    array: NDArray[Any], name: str
) -> tuple[NDArray[np.float32], dict[str, int | str]]:
    """Finite float32 (H, W) or (H, W, 3) of `array`, and what had to be changed, in words.

    Raises
    ------
    SamStarError
        If the array is not an image, is empty or holds no finite number.
    """
    if array.dtype.kind not in "buifc":
        raise SamStarError(f"{name} holds {array.dtype} values, not numbers, and is not an image.")
    if array.ndim not in (2, 3) or (array.ndim == 3 and not 1 <= array.shape[2] <= 4):
        raise SamStarError(
            f"{name} has the shape {array.shape}, not (height, width) with 1 to 4 color channels: "
            "choose one frame of it."
        )
    if 0 in array.shape:
        raise SamStarError(f"{name} has no pixels: its shape is {array.shape}.")
    changes: dict[str, int | str] = {}
    with np.errstate(over="ignore", invalid="ignore"):
        if array.dtype.kind == "c":
            changes["complex"] = "magnitude"
            array = np.abs(array)
        if array.ndim == 3:
            array = _gray_or_rgb(array, changes)
        data = np.ascontiguousarray(array, dtype=np.float32)
    if array.dtype.kind == "f":
        data = _finite(data, array, name, changes)
    return data, changes


def blocks(height: int, width: int) -> list[slice]:
    """Slices of whole rows that cover an image, each of bounded size."""
    step = max(1, _ROWS_PER_BLOCK // max(1, width))
    return [slice(top, min(height, top + step)) for top in range(0, height, step)]


def _gray_or_rgb(array: NDArray[Any], changes: dict[str, int | str]) -> NDArray[Any]:
    channels = array.shape[2]
    if channels == 1:
        return array[..., 0]
    if channels == 2:
        changes["channels"] = "first of 2"
        return array[..., 0]
    if channels == 4:
        array = _without_alpha(array[..., :3], array[..., 3], changes)
    for rows in blocks(*array.shape[:2]):
        part = array[rows]
        same = np.array_equal(part[..., 0], part[..., 1]) and np.array_equal(
            part[..., 0], part[..., 2]
        )
        if not same:
            return array
    changes["color"] = "gray in three channels"
    return array[..., 0]


def _without_alpha(
    color: NDArray[Any], alpha: NDArray[Any], changes: dict[str, int | str]
) -> NDArray[Any]:
    if alpha.min() == alpha.max():
        changes["alpha"] = "dropped"
        return color
    changes["alpha"] = "composed over black"
    full = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "ui" else 1
    weight = np.clip(np.nan_to_num(alpha.astype(np.float32)) / np.float32(full), 0, 1)
    return np.asarray(color * weight[..., None])


def _finite(
    data: NDArray[np.float32], source: NDArray[Any], name: str, changes: dict[str, int | str]
) -> NDArray[np.float32]:
    low, high, bad = np.inf, -np.inf, 0
    parts = blocks(*data.shape[:2])
    for rows in parts:
        part = data[rows]
        good = np.isfinite(part)
        bad += good.size - int(np.count_nonzero(good))
        low = min(low, float(part.min(where=good, initial=np.inf)))
        high = max(high, float(part.max(where=good, initial=-np.inf)))
    if not bad:
        return data
    if low > high:
        raise SamStarError(f"{name} holds no finite number: every pixel is NaN or infinite.")
    changes["non_finite_pixels"] = bad
    if np.shares_memory(data, source):
        data = data.copy()
    for rows in parts:
        np.nan_to_num(data[rows], copy=False, nan=low, posinf=high, neginf=low)
    return data
