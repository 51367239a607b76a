"""MRC images and stacks, by mrcfile."""

from __future__ import annotations

import contextlib
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

from napari_samstar.io.stack import Stack
from napari_samstar.types import SamStarError

__all__ = ["open_stack"]

# bits of a value in each mode of MRC2014
_BITS = {0: 8, 1: 16, 2: 32, 4: 64, 6: 16, 12: 16, 101: 4}
_AXES = {2: "YX", 3: "TYX", 4: "TZYX"}


@contextlib.contextmanager
def open_stack(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open an MRC file; sections of a volume count as frames. Its lengths are in Angstrom."""
    import mrcfile

    if not _fits(path):
        raise SamStarError(f"{path.name} is not a complete MRC file: its pixels are missing.")
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


def _fits(path: Path) -> bool:
    """Whether the file is as long as its header says: what is not there must not be allocated."""
    with path.open("rb") as file:
        head = file.read(1024)
    if len(head) < 1024:
        return False
    for order in "<>":
        columns, rows, sections, mode = struct.unpack_from(f"{order}4i", head)
        (extended,) = struct.unpack_from(f"{order}i", head, 92)
        if mode in _BITS and min(columns, rows, sections) > 0 and extended >= 0:
            pixels = columns * rows * sections * _BITS[mode] // 8
            return bool(1024 + extended + pixels <= path.stat().st_size)
    return False
