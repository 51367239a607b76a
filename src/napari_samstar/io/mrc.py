"""MRC images and stacks, by mrcfile."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

from napari_samstar.io.stack import Stack
from napari_samstar.types import SamStarError

__all__ = ["open_stack"]

_AXES = {2: "YX", 3: "TYX", 4: "TZYX"}


@contextlib.contextmanager
def open_stack(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open an MRC file; sections of a volume count as frames. Its lengths are in Angstrom."""
    import mrcfile

    with warnings.catch_warnings():
        # of headers that break the letter of the standard, as those of many microscopes do
        warnings.simplefilter("ignore", RuntimeWarning)
        opened = mrcfile.mmap(path, mode="r", permissive=True)
    with opened as mrc:
        data = mrc.data
        if data is None or data.ndim not in _AXES:
            raise SamStarError(f"{path.name} is not a complete MRC file: its pixels are missing.")
        scale = (float(mrc.voxel_size.y), float(mrc.voxel_size.x))
        yield Stack(
            data.shape, _AXES[data.ndim], data.dtype, lambda i: data[i].copy(), scale, "angstrom"
        )
