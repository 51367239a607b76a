"""Igor Pro's binary waves (.ibw), as Asylum's microscopes write them, by igor2 where installed."""

from __future__ import annotations

import contextlib
import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_samstar.io.stack import Stack, choose
from napari_samstar.types import SamStarError

__all__ = ["open_stack"]

# version 5 begins with two headers of 64 and 320 bytes (WaveMetrics, Technical Note 003)
_HEADERS = 384
_POINTS, _DIMS = 64 + 12, 64 + 68


@contextlib.contextmanager
def open_stack(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open an Igor wave (columns, rows[, layers]); `channel` counts the layers."""
    from igor2 import binarywave

    _check(path)
    wave = binarywave.load(str(path))["wave"]
    data = wave["wData"]
    if data.ndim not in (2, 3):
        raise SamStarError(f"{path.name} holds a curve, not an image.")
    layers = data.shape[2] if data.ndim == 3 else 1
    titles = _titles(wave, layers)
    picked = choose(titles, 0, channel, path.name)
    image = data[..., picked] if data.ndim == 3 else data
    # Igor counts x first and its origin is at the lower left
    image = image.T[::-1]
    steps, units = _calibration(wave["wave_header"])
    yield Stack(
        image.shape,
        "YX",
        image.dtype,
        lambda i: image[i].copy(),
        steps,
        units,
        {"title": titles[picked], "images": titles},
    )


def _check(path: Path) -> None:
    """Refuse headers that claim more than the file holds; igor2 would allocate it."""
    with path.open("rb") as file:
        head = file.read(_HEADERS)
    order = "<" if head[:2] == b"\x05\0" else ">"
    if struct.unpack_from(f"{order}h", head)[0] != 5:
        raise SamStarError(f"{path.name} holds a curve, not an image: waves of version 5 do.")
    if len(head) < _HEADERS:
        raise SamStarError(f"{path.name} is cut short: its header is not complete.")
    sizes = struct.unpack_from(f"{order}13i", head, 4)
    (points,) = struct.unpack_from(f"{order}i", head, _POINTS)
    dims = [n for n in struct.unpack_from(f"{order}4i", head, _DIMS) if n]
    length = path.stat().st_size
    whole = all(0 <= size <= length for size in sizes) and points == math.prod(dims) <= length
    # all numbers of both headers add up to zero
    if not whole or sum(struct.unpack(f"{order}192h", head)) % 2**16:
        raise SamStarError(f"{path.name} is damaged: its header contradicts itself.")


def _titles(wave: Any, layers: int) -> list[str]:
    labels = wave.get("labels") or []
    texts = [
        text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        for text in (labels[2] if len(labels) > 2 else [])
    ]
    # the first label names the axis itself
    texts = texts[1:] if len(texts) == layers + 1 else texts
    return texts if len(texts) == layers else [str(i) for i in range(layers)]


def _calibration(header: Any) -> tuple[Any, Any]:
    units = [b"".join(bytes(letter) for letter in axis) for axis in header["dimUnits"][:2]]
    return [float(header["sfA"][1]), float(header["sfA"][0])], [units[1], units[0]]
