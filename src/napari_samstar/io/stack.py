"""What every reader gives: planes on demand and what the header says; and the bounds on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.types import SamStarError

__all__ = ["Stack", "choose", "guess_axes"]

_MAX_PIXELS = 4 * 10**9
# deflate cannot shrink below 1/1032, and no detector's image comes near: noise does not compress
_BOMB_BYTES = 256 * 2**20
_BOMB_RATIO = 100

_Index = tuple[int | slice, ...]


@dataclass(frozen=True)
class Stack:
    """One image of a file, not yet read.

    Parameters
    ----------
    shape : tuple of int
        Size along each axis.
    axes : str
        One letter an axis: Y, X, C (channels), S (color samples), any other counts frames.
    dtype : numpy dtype
        Of the values as read.
    read : callable
        Takes one index (int or full slice) an axis, returns the array.
    scale : (y, x), float or None
        Size of a pixel as the file says it, unchecked.
    unit : object
        As the file spells it; two of them for (y, x) where they differ.
    metadata : mapping
        JSON values worth keeping.
    chunk : tuple of int
        Shape of what has to be unpacked at once; empty where nothing is compressed.
    """

    shape: tuple[int, ...]
    axes: str
    dtype: np.dtype[Any]
    read: Callable[[_Index], Any]
    scale: float | Sequence[float | None] | None = None
    unit: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    chunk: tuple[int, ...] = ()

    @property
    def frames(self) -> int:
        """Planes along all axes that are not Y, X, channel or color."""
        return math.prod(self._leading)

    @property
    def channels(self) -> int:
        """Channels to choose from."""
        return self.shape[self.axes.index("C")] if "C" in self.axes else 1

    @property
    def _leading(self) -> tuple[int, ...]:
        return tuple(n for n, a in zip(self.shape, self.axes, strict=True) if a not in "YXCS")

    def check(self, name: str, stored: int) -> None:
        """Refuse what cannot be an image or would not fit into memory, before any is read.

        Parameters
        ----------
        name : str
            What to call the file in errors.
        stored : int
            Bytes of the file.

        Raises
        ------
        SamStarError
            If there are no rows or columns, no pixels, or far more than the file can hold.
        """
        if "Y" not in self.axes or "X" not in self.axes:
            raise SamStarError(f"{name} holds no image: its shape is {self.shape}.")
        if min(self.shape) < 1:
            raise SamStarError(f"{name} has no pixels: its shape is {self.shape}.")
        height, width = (self.shape[self.axes.index(a)] for a in "YX")
        if height * width > _MAX_PIXELS:
            raise SamStarError(
                f"{name} claims {height} x {width} pixels, more than the {_MAX_PIXELS // 10**9} "
                "gigapixels that are read: it is damaged, or must be cut first."
            )
        samples = self.shape[self.axes.index("S")] if "S" in self.axes else 1
        values = max(height * width * samples, math.prod(self.chunk))
        size = values * self.dtype.itemsize
        if size > max(_BOMB_BYTES, _BOMB_RATIO * stored):
            raise SamStarError(
                f"{name} would unpack {stored / 1e6:.3g} MB to {size / 1e9:.3g} GB, which no "
                "micrograph does: it is damaged or made to fill the memory."
            )

    def plane(self, name: str, frame: int = 0, channel: int = 0) -> NDArray[Any]:
        """Read one frame of one channel as (H, W) or (H, W, S).

        Raises
        ------
        SamStarError
            If there is no such frame or channel.
        """
        if not 0 <= frame < self.frames:
            raise SamStarError(f"{name} has {self.frames} frames, numbered from 0: no {frame}.")
        if not 0 <= channel < self.channels:
            raise SamStarError(
                f"{name} has {self.channels} channels, numbered from 0: no {channel}."
            )
        places = iter(np.unravel_index(frame, self._leading) if self._leading else ())
        index: _Index = tuple(
            slice(None) if a in "YXS" else channel if a == "C" else int(next(places))
            for a in self.axes
        )
        plane = np.asarray(self.read(index))
        left = [a for a in self.axes if a in "YXS"]
        return plane.transpose([left.index(a) for a in "YXS" if a in left])


def guess_axes(shape: Sequence[int], name: str) -> str:
    """Axes of an array that does not say: (H, W), (H, W, 3 or 4), (N, H, W), (N, H, W, 3 or 4).

    Raises
    ------
    SamStarError
        If the array has another number of axes.
    """
    color = "S" if len(shape) >= 3 and shape[-1] <= 4 else ""
    frames = len(shape) - 2 - len(color)
    if not 0 <= frames <= 1:
        raise SamStarError(
            f"{name} has {len(shape)} axes, {tuple(shape)}, and does not say which are rows and "
            "columns: save one image or one stack of images."
        )
    return "T" * frames + "YX" + color


def choose(names: Sequence[str], preferred: int, channel: int | None, name: str) -> int:
    """Index of one of several images in a file: `channel` where given, else `preferred`.

    Raises
    ------
    SamStarError
        If there is no such image.
    """
    if channel is None:
        return preferred
    if not 0 <= channel < len(names):
        known = ", ".join(f"{i} {n}".strip() for i, n in enumerate(names))
        raise SamStarError(f"{name} has no channel {channel}; it has: {known}.")
    return channel
