"""Label images and masks from files, with their values as they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.io.formats import Format
from napari_samstar.io.read import _opened, _plain_errors
from napari_samstar.io.stack import Stack
from napari_samstar.labels import check_labels, index_labels
from napari_samstar.masks import mask_runs
from napari_samstar.runs import MaskRuns
from napari_samstar.types import SamStarError

__all__ = ["label_materials", "load_labels"]


def load_labels(path: str | Path) -> NDArray[Any] | MaskRuns:
    """Read a label image, or a stack of masks.

    Parameters
    ----------
    path : str or Path
        A file of any format that keeps values as they are: TIFF, PNG, NPY, ... A palette's colors
        do not matter, its indices are the labels.

    Returns
    -------
    (H, W) int or bool, or MaskRuns
        The label image; masks, which may overlap, where the file holds several images of one
        value besides 0 each.

    Raises
    ------
    SamStarError
        If the file cannot be read, or holds anything else; the message says what.
    """
    path = Path(path)
    with _opened(path, None) as (stack, kind):
        if kind.name == "JPEG":
            raise SamStarError(
                f"{path.name} is a JPEG, whose compression changes labels: save it as TIFF or PNG."
            )
        if stack.channels > 1:
            raise SamStarError(f"{path.name} has {stack.channels} channels: a label image has one.")
        with _plain_errors(path, kind):
            if stack.frames == 1:
                return _labels(path, stack, kind, 0)
            rows = [_mask_row(path, stack, kind, k) for k in range(stack.frames)]
            return MaskRuns.from_rows([row for row, _ in rows], rows[0][1])


def label_materials(labels: NDArray[Any], materials: NDArray[Any]) -> dict[int, int]:
    """Find the material of each label: the value that most of its pixels have.

    Parameters
    ----------
    labels : (H, W) int
        0 is background.
    materials : (H, W) int
        0 where none or uncertain.

    Raises
    ------
    SamStarError
        If either is no label image, or they differ in height or width.
    """
    index, ids = index_labels(labels)
    values, numbers = index_labels(materials)
    if values.shape != index.shape:
        raise SamStarError(
            f"The labels are {index.shape[1]} x {index.shape[0]} px and the materials "
            f"{values.shape[1]} x {values.shape[0]} px: they must belong together."
        )
    pairs, counts = np.unique(
        index.astype(np.int64) * (numbers.size + 1) + values, return_counts=True
    )
    found: dict[int, int] = {}
    # the most frequent last, so that it stays
    for pair in pairs[np.argsort(counts, kind="stable")].tolist():
        region, value = divmod(pair, numbers.size + 1)
        if region:
            found[int(ids[region - 1])] = int(numbers[value - 1]) if value else 0
    return found


def _labels(path: Path, stack: Stack, kind: Format, frame: int) -> NDArray[Any]:
    plane = _palette_indices(path) if kind.name == "PNG" else None
    if plane is None:
        plane = stack.plane(path.name, frame)
    if plane.ndim == 3:
        gray = plane[..., 0]
        if not all(np.array_equal(gray, plane[..., k]) for k in range(min(plane.shape[2], 3))):
            if kind.name not in ("PNG", "JPEG") and np.unique(plane).size <= 2:
                high, wide, n = plane.shape
                raise SamStarError(
                    f"{path.name} is {high} x {wide} x {n} with two values: if these are "
                    f"{n} masks, save them as (N, H, W), the number of masks first."
                )
            raise SamStarError(
                f"{path.name} is a picture in color, not a label image: save whole numbers, one "
                "per object."
            )
        plane = gray
    if plane.dtype.kind == "f":
        whole = np.isfinite(plane) & (plane == np.floor(plane))
        if not whole.all():
            raise SamStarError(
                f"{path.name} holds {plane[~whole][0]:g}: labels are whole numbers, 0 is "
                "background."
            )
        plane = plane.astype(np.int64)
    return check_labels(plane)


def _palette_indices(path: Path) -> NDArray[np.uint8] | None:
    from PIL import PngImagePlugin

    with path.open("rb") as file:
        image = PngImagePlugin.PngImageFile(file)
        return np.asarray(image) if image.mode == "P" else None


def _mask_row(
    path: Path, stack: Stack, kind: Format, frame: int
) -> tuple[NDArray[np.uint32], tuple[int, int]]:
    plane = _labels(path, stack, kind, frame)
    top = plane.max(initial=0)
    if ((plane != 0) & (plane != top)).any():
        raise SamStarError(
            f"{path.name} holds {stack.frames} label images: give one, or a stack of masks."
        )
    runs = mask_runs([plane])
    return runs.row(0), runs.shape
