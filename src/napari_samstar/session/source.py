"""An image as the viewer holds it, before its pixels are read and converted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samstar.types import Micrograph, SamStarError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["SMALLEST", "ImageSource"]

#: Below this many pixels along a side there is nothing to segment.
SMALLEST = 16


@dataclass(frozen=True, eq=False)
class ImageSource:
    """One frame of an array, with its calibration.

    Parameters
    ----------
    array : array-like
        (..., H, W), or (..., H, W, C) where `color`; numpy, dask or zarr, as the viewer has it.
    name : str
        What to call it in tables and file names.
    index : tuple of int
        Which frame, one number for each leading axis.
    color : bool
        The last axis holds colors.
    pixel_size : (y, x) or None
        In `unit`.
    unit : str
        A length, or "px" where the size is unknown.
    metadata : mapping
        What is known besides.
    """

    array: Any
    name: str = "micrograph"
    index: tuple[int, ...] = ()
    color: bool = False
    pixel_size: tuple[float, float] | None = None
    unit: str = "px"
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        height, width = self.array.shape[len(self.index) :][:2]
        return int(height), int(width)

    @property
    def frames(self) -> tuple[int, ...]:
        """How many frames there are along each leading axis; empty for a single image."""
        return tuple(int(n) for n in self.array.shape[: len(self.index)])

    @property
    def dtype(self) -> str:
        """Type of the pixels in the file, where that is known, as numpy calls it."""
        return str(self.metadata.get("value_type") or self.array.dtype)

    @cached_property
    def micrograph(self) -> Micrograph:
        """The frame, read and converted: slow for a large image, and only the first time.

        Raises
        ------
        SamStarError
            If it is no image of numbers, or too small to hold anything.
        """
        from napari_samstar.io.array import micrograph_from_array

        if min(self.shape) < SMALLEST:
            height, width = self.shape
            raise SamStarError(
                f"'{self.name}' is {width} x {height} px: an image needs at least "
                f"{SMALLEST} px along each side."
            )
        frame: NDArray[Any] = np.asarray(self.array[self.index])
        known = self.pixel_size is not None
        return micrograph_from_array(
            frame, self.pixel_size, self.unit if known else None, self.name, self.metadata
        )

    def renamed(self, name: str) -> ImageSource:
        """Return the same pixels under another name; nothing is read again."""
        made = replace(self, name=name)
        read = self.__dict__.get("micrograph")
        if read is not None:
            made.__dict__["micrograph"] = replace(read, name=name)
        return made

    def calibrated(self, pixel_size: tuple[float, float] | None, unit: str) -> ImageSource:
        """Return the same pixels with another pixel size; nothing is read again."""
        made = replace(self, pixel_size=pixel_size, unit=unit)
        read = self.__dict__.get("micrograph")
        if read is not None:
            made.__dict__["micrograph"] = replace(read, pixel_size=pixel_size, unit=unit)
        return made
