"""Igor Pro's binary waves (.ibw), as Asylum's microscopes write them, by igor2 where installed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_samstar.io.stack import Stack, choose
from napari_samstar.types import SamStarError

__all__ = ["open_stack"]


@contextlib.contextmanager
def open_stack(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open an Igor wave (columns, rows[, layers]); `channel` counts the layers."""
    from igor2 import binarywave

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
    steps, units = _calibration(wave["wave_header"], wave)
    yield Stack(
        image.shape,
        "YX",
        image.dtype,
        lambda i: image[i].copy(),
        steps,
        units,
        {"title": titles[picked], "images": titles},
    )


def _titles(wave: Any, layers: int) -> list[str]:
    labels = wave.get("labels") or []
    texts = [
        text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        for text in (labels[2] if len(labels) > 2 else [])
    ]
    # the first label names the axis itself
    texts = texts[1:] if len(texts) == layers + 1 else texts
    return texts if len(texts) == layers else [str(i) for i in range(layers)]


def _calibration(header: Any, wave: Any) -> tuple[Any, Any]:
    if "sfA" not in header:  # versions 2 and 3 know no images
        return None, None
    units = [b"".join(bytes(letter) for letter in axis) for axis in header["dimUnits"][:2]]
    return [float(header["sfA"][1]), float(header["sfA"][0])], [units[1], units[0]]
