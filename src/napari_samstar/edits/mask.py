"""One mask as a value: text that can be compared, kept and written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_samstar.io.coco import decode_counts, encode_counts
from napari_samstar.runs import MaskRuns, encode_window
from napari_samstar.types import SamStarError

__all__ = ["Mask", "checked_mask", "checked_masks"]


@dataclass(frozen=True)
class Mask:
    """One mask as text: COCO's compressed run lengths.

    Parameters
    ----------
    counts : str
        Run lengths, column by column, as `napari_samstar.io.coco.encode_counts` writes them.
    shape : tuple of int
        Height and width of the image, px.
    """

    counts: str
    shape: tuple[int, int]

    @classmethod
    def of(
        cls, window: ArrayLike, y0: int = 0, x0: int = 0, shape: tuple[int, int] | None = None
    ) -> Mask:
        """Mask that is `window` (h, w) at row `y0`, column `x0` of an image of `shape`, else empty.

        Raises
        ------
        SamStarError
            If the window is not two-dimensional, holds something else than numbers or truth
            values, or does not lie in the image.
        """
        given = np.asarray(window)
        if given.ndim != 2:
            raise SamStarError(f"A mask has two dimensions; this one has {given.ndim}.")
        if given.dtype.kind not in "biuf" or (given.dtype.kind == "f" and np.isnan(given).any()):
            raise SamStarError(
                "A mask is true or false at every pixel; this one holds "
                f"{'NaN' if given.dtype.kind == 'f' else given.dtype}."
            )
        dense = np.ascontiguousarray(given, dtype=bool)
        height, width = shape or dense.shape
        if not (0 <= y0 <= height - dense.shape[0] and 0 <= x0 <= width - dense.shape[1]):
            raise SamStarError("The mask reaches beyond the image: choose one inside it.")
        return cls(encode_counts(encode_window(dense, y0, x0, height, width)), (height, width))

    def runs(self) -> MaskRuns:
        """Run lengths as numbers.

        Raises
        ------
        SamStarError
            If the text is none, or is of another size than `shape`.
        """
        try:
            counts = decode_counts(self.counts)
        except OverflowError as err:
            raise SamStarError(
                "A run of the mask is longer than any image: write it anew."
            ) from err
        if int(counts.sum(dtype=np.uint64)) != self.shape[0] * self.shape[1]:
            raise SamStarError(
                f"The mask's run lengths do not fill {self.shape[1]} x {self.shape[0]} px: "
                "write it anew."
            )
        return MaskRuns.from_rows([counts], self.shape)

    def window(self) -> tuple[NDArray[np.bool_], tuple[int, int, int, int]]:
        """Mask inside its box, and the box: x0, y0, x1, y1, last row and column included, px."""
        runs = self.runs()
        x0, y0, x1, y1 = (int(v) for v in runs.boxes()[0])
        return runs.window(0, (x0, y0, x1, y1)), (x0, y0, x1, y1)

    def record(self) -> dict[str, Any]:
        """Write the mask as COCO does; `from_record` gives it back."""
        return {"size": list(self.shape), "counts": self.counts}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Mask:
        """Give back the mask that `record` was called on."""
        height, width = record["size"]
        return cls(str(record["counts"]), (int(height), int(width)))


def checked_mask(value: Any) -> Mask:
    """Return a mask, made of an array (H, W) of the image's size if it is none, or raise."""
    if isinstance(value, Mask):
        return value
    if not isinstance(value, np.ndarray):
        raise SamStarError(
            "A mask is a Mask or an array of true and false of the image's size, not "
            f"{str(value)[:60]}."
        )
    return Mask.of(value)


def checked_masks(values: Any) -> tuple[Mask, ...]:
    """Return one mask or several, as `checked_mask` takes them, or raise SamStarError."""
    one = isinstance(values, Mask) or (isinstance(values, np.ndarray) and values.ndim == 2)
    several = values if isinstance(values, Iterable) and not one else (values,)
    return tuple(checked_mask(value) for value in several)
