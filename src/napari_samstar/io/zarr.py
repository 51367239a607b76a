"""OME-Zarr images (versions 0.1 to 0.5) and plain Zarr arrays, by zarr."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_samstar.io.stack import Stack, guess_axes
from napari_samstar.types import SamStarError

__all__ = ["open_stack"]


@contextlib.contextmanager
def open_stack(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open a Zarr folder; of an OME-Zarr image the finest level of the first multiscale."""
    import zarr

    node: Any = zarr.open(store=str(path), mode="r")
    if isinstance(node, zarr.Array):
        yield _stack(node, guess_axes(node.shape, path.name), None, None, {}, path.name)
        return
    attributes: dict[str, Any] = dict(node.attrs)
    multiscales = attributes.get("ome", attributes).get("multiscales")
    if multiscales:
        yield _ome(node, multiscales[0], path.name)
        return
    arrays = [array for _, array in sorted(node.arrays())]
    if not arrays:
        raise SamStarError(f"{path.name} is a Zarr folder that holds no image.")
    array = max(arrays, key=lambda a: a.size)
    yield _stack(array, guess_axes(array.shape, path.name), None, None, {}, path.name)


def _ome(node: Any, multiscale: Mapping[str, Any], name: str) -> Stack:
    level = multiscale["datasets"][0]
    place = str(level["path"])
    if ".." in place.split("/"):
        raise SamStarError(f"{name} points to an image outside of its own folder.")
    array = node[place]
    axes = multiscale.get("axes")
    if axes is None:  # versions 0.1 and 0.2 always had these five
        axes = list("tczyx")
    axes = [{"name": axis} if isinstance(axis, str) else axis for axis in axes]
    letters = "".join(_letter(axis) for axis in axes)
    if len(letters) != array.ndim:
        raise SamStarError(f"{name} names {len(letters)} axes for an image that has {array.ndim}.")
    steps = _scale(level, array.ndim)
    for i, factor in enumerate(_scale(multiscale, array.ndim)):
        steps[i] *= factor
    calibrated = any("coordinateTransformations" in part for part in (level, multiscale))
    yx = [letters.index(a) for a in "YX" if a in letters]
    scale = [steps[i] for i in yx] if calibrated and len(yx) == 2 else None
    units = [axes[i].get("unit") for i in yx] if len(yx) == 2 else None
    return _stack(array, letters, scale, units, {"kind": "OME-Zarr"}, name)


def _letter(axis: Mapping[str, Any]) -> str:
    name = str(axis.get("name", "")).lower()
    return name.upper() if name in ("y", "x", "c") else "T"


def _scale(part: Mapping[str, Any], ndim: int) -> list[float]:
    for step in part.get("coordinateTransformations", ()):
        values = step.get("scale")
        if step.get("type") == "scale" and isinstance(values, Sequence) and len(values) == ndim:
            return [float(value) for value in values]
    return [1.0] * ndim


def _stack(
    array: Any, axes: str, scale: Any, unit: Any, metadata: dict[str, Any], name: str
) -> Stack:
    def read(index: tuple[int | slice, ...]) -> Any:
        # Zarr shows missing chunks as an even gray
        if array.nchunks_initialized == 0:
            raise SamStarError(f"{name} holds no pixels: all of its chunks are missing.")
        return array[index]

    return Stack(array.shape, axes, array.dtype, read, scale, unit, metadata, array.chunks)
