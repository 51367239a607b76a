"""Gwyddion's files: the Simple Field (.gsf) and its own container (.gwy).

Both are described at http://gwyddion.net/documentation/user-guide-en/gwyfile-format.html and
gsf.html. Containers of version 1 (magic GWYO) differ in the type codes of the outermost items.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.io.stack import Stack, choose
from napari_samstar.types import SamStarError
from napari_samstar.units import length_unit

__all__ = ["open_gsf", "open_gwy"]

_GSF = b"Gwyddion Simple Field 1.0\n"
_LARGEST_HEADER = 2**20
_DEPTH = 16

_ATOMS = {"b": "<?", "c": "<c", "i": "<i", "q": "<q", "d": "<d"}
_ARRAYS = {"C": "u1", "I": "<i4", "Q": "<i8", "D": "<f8"}
# GLib's fundamental types, which version 1 wrote instead of letters
_VERSION_1 = {0x10: "c", 0x14: "i", 0x18: "i", 0x28: "q", 0x3C: "d", 0x40: "s", 0x50: "o"}


@contextlib.contextmanager
def open_gsf(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open a Gwyddion Simple Field: a text header, NUL to a multiple of 4, float32 values."""
    with path.open("rb") as file:
        head = file.read(_LARGEST_HEADER)
    end = head.find(b"\0")
    if not head.startswith(_GSF) or end < 0:
        raise SamStarError(f"{path.name} is not a complete Gwyddion Simple Field.")
    lines = head[len(_GSF) : end].decode("utf-8", "replace").splitlines()
    fields = {k.strip(): v.strip() for k, _, v in (line.partition("=") for line in lines)}
    try:
        width, height = int(fields["XRes"]), int(fields["YRes"])
    except (KeyError, ValueError) as err:
        raise SamStarError(f"{path.name} does not say how many pixels it has.") from err
    if width < 1 or height < 1:
        raise SamStarError(f"{path.name} has no pixels: its size is {height} x {width}.")
    start = end + 4 - end % 4
    if path.stat().st_size < start + 4 * width * height:
        raise SamStarError(f"{path.name} is cut short: its last pixels are missing.")

    def read(index: tuple[int | slice, ...]) -> Any:
        return np.array(np.memmap(path, "<f4", "r", start, (height, width))[index])

    sizes = [_number(fields.get("YReal")), _number(fields.get("XReal"))]
    yield Stack(
        (height, width),
        "YX",
        np.dtype("<f4"),
        read,
        [s / n if s else None for s, n in zip(sizes, (height, width), strict=True)],
        fields.get("XYUnits"),
        {"title": fields.get("Title", ""), "value_unit": fields.get("ZUnits", "")},
    )


@contextlib.contextmanager
def open_gwy(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open a Gwyddion container; `channel` counts its data fields (height, phase, ...)."""
    data = path.read_bytes()
    version_1 = data[:4] == b"GWYO"
    try:
        items = _container(data, version_1)
    except (struct.error, ValueError, KeyError, IndexError, RecursionError) as err:
        raise SamStarError(f"{path.name} is a damaged or incomplete Gwyddion file.") from err
    fields = {
        key: value
        for key, value in items.items()
        if key.endswith("/data") and isinstance(value, dict) and "xres" in value
    }
    if not fields:
        raise SamStarError(f"{path.name} holds no image.")
    names = [str(items.get(f"{key}/title", key)) for key in fields]
    picked = choose(names, 0, channel, path.name)
    field = list(fields.values())[picked]
    height, width = int(field["yres"]), int(field["xres"])
    values: Any = field.get("data")
    fits = isinstance(values, np.ndarray) and min(height, width) > 0
    if not fits or values.size != height * width:
        raise SamStarError(f"{path.name} is damaged: its size and its number of pixels disagree.")
    image: NDArray[Any] = values.reshape(height, width)
    unit = field.get("si_unit_xy", {}).get("unitstr", "")
    yield Stack(
        (height, width),
        "YX",
        image.dtype,
        lambda i: image[i],
        [float(field.get("yreal", 0)) / height, float(field.get("xreal", 0)) / width],
        # version 1 says um and nm of lengths that it keeps in meters
        "m" if version_1 and length_unit(unit) else unit,
        {"title": names[picked], "images": names},
    )


def _container(data: bytes, version_1: bool) -> dict[str, Any]:
    """Items of the outermost container."""
    _, position = _text(data, 4)
    (size,) = struct.unpack_from("<I", data, position)
    position += 4
    return _items(data, position, position + size, 0, version_1)


def _items(data: bytes, position: int, end: int, depth: int, version_1: bool) -> dict[str, Any]:
    if end > len(data) or depth > _DEPTH:
        raise ValueError("an object reaches past the end")
    items: dict[str, Any] = {}
    while position < end:
        if version_1:  # type as a number, then the name
            (number,) = struct.unpack_from("<I", data, position)
            name, position = _text(data, position + 4)
            kind = _VERSION_1[number]
        else:  # name, then the type as a letter
            name, position = _text(data, position)
            kind, position = chr(data[position]), position + 1
        items[name], position = _value(data, position, kind, depth)
    return items


def _value(data: bytes, position: int, kind: str, depth: int) -> tuple[Any, int]:
    if kind in _ATOMS:
        return (
            struct.unpack_from(_ATOMS[kind], data, position)[0],
            position + struct.calcsize(_ATOMS[kind]),
        )
    if kind == "s":
        return _text(data, position)
    if kind == "o":
        _, position = _text(data, position)
        (size,) = struct.unpack_from("<I", data, position)
        position += 4
        return _items(data, position, position + size, depth + 1, False), position + size
    (count,) = struct.unpack_from("<I", data, position)
    position += 4
    if kind in _ARRAYS:
        dtype = np.dtype(_ARRAYS[kind])
        return np.frombuffer(data, dtype, count, position), position + count * dtype.itemsize
    if kind not in "SO" or count > len(data):
        raise ValueError(f"unknown type {kind!r}")
    values = []
    for _ in range(count):
        value, position = _value(data, position, kind.lower(), depth)
        values.append(value)
    return values, position


def _text(data: bytes, position: int) -> tuple[str, int]:
    end = data.index(b"\0", position)
    raw = data[position:end]
    try:
        return raw.decode("utf-8"), end + 1
    except UnicodeDecodeError:  # version 1
        return raw.decode("latin-1"), end + 1


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
