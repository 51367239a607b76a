"""PNG, JPEG and BMP, by pillow. Their resolution is meant for print and is no calibration."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_samstar.io.stack import Stack
from napari_samstar.types import SamStarError

__all__ = ["open_stack"]

# pillow's mode -> the mode to read it as, its samples and their type
_MODES: dict[str, tuple[str, int, str]] = {
    "1": ("L", 1, "u1"),
    "L": ("L", 1, "u1"),
    "LA": ("LA", 2, "u1"),
    "I": ("I", 1, "i4"),
    "I;16": ("I;16", 1, "u2"),
    "I;16B": ("I;16", 1, "u2"),
    "F": ("F", 1, "f4"),
    "RGB": ("RGB", 3, "u1"),
    "RGBA": ("RGBA", 4, "u1"),
    "P": ("RGBA", 4, "u1"),
    "PA": ("RGBA", 4, "u1"),
    "CMYK": ("RGB", 3, "u1"),
    "YCbCr": ("RGB", 3, "u1"),
    "LAB": ("RGB", 3, "u1"),
}


@contextlib.contextmanager
def open_stack(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open a PNG, JPEG or BMP."""
    from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin

    with path.open("rb") as file:
        head = file.read(8)
        file.seek(0)
        # not Image.open: its limit on the size is one for the whole process, ours looks closer
        if head.startswith(b"\x89PNG"):
            image: Any = PngImagePlugin.PngImageFile(file)
        elif head.startswith(b"BM"):
            image = BmpImagePlugin.BmpImageFile(file)
        else:
            image = JpegImagePlugin.JpegImageFile(file)
        if image.mode not in _MODES:
            raise SamStarError(
                f"{path.name} has pixels of the kind {image.mode}, which is not read."
            )
        mode, samples, dtype = _MODES[image.mode]

        def read(index: tuple[int | slice, ...]) -> Any:
            values = np.asarray(image if image.mode == mode else image.convert(mode))
            if samples == 2:  # as RGBA, so that transparency is treated in one place
                values = values[..., (0, 0, 0, 1)]
            return values[index]

        shape = (image.height, image.width, 4 if samples == 2 else samples)
        axes = "YXS" if samples > 1 else "YX"
        yield Stack(shape[: len(axes)], axes, np.dtype(dtype), read)
