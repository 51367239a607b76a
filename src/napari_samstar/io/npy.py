"""NumPy's NPY files; pickled objects are refused."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from napari_samstar.io.stack import Stack, guess_axes
from napari_samstar.types import SamStarError

__all__ = ["open_stack"]


@contextlib.contextmanager
def open_stack(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open an NPY file of one image or a stack (N, H, W), either with 3 or 4 colors last."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read_header(file)
        start = file.tell()
    if dtype.hasobject:
        raise SamStarError(
            f"{path.name} holds pickled Python objects, which could run code and are never read: "
            "save the numbers alone."
        )
    axes = guess_axes(shape, path.name)
    expected = int(np.prod([dtype.itemsize, *shape], dtype=object))
    if 0 not in shape and path.stat().st_size - start < expected:
        raise SamStarError(
            f"{path.name} is cut short: {expected} bytes of pixels are announced, "
            f"{path.stat().st_size - start} are there."
        )
    yield Stack(
        shape, axes, dtype, lambda i: np.array(np.load(path, mmap_mode="r", allow_pickle=False)[i])
    )
