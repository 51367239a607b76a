"""What commands share that take a finished label image: its materials and its micrograph."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_samstar.cli.options import pixel_size

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_samstar.types import Micrograph

__all__ = ["add_inputs", "read_inputs"]

_LABELS, _MATERIALS = ".labels.tif", ".materials.tif"


def add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `read_inputs` reads."""
    parser.add_argument("labels", metavar="LABELS", help="label image: TIFF, PNG, NPY, ...")
    parser.add_argument(
        "--materials",
        metavar="FILE",
        help="image of materials; <stem>.materials.tif beside <stem>.labels.tif is found by itself",
    )
    parser.add_argument(
        "--pixel-size", type=pixel_size, metavar="SIZE", help='such as "0.5 nm"; else the file\'s'
    )


def read_inputs(
    args: argparse.Namespace, image: str | None
) -> tuple[NDArray[np.generic], dict[int, int] | None, Micrograph]:
    """Read the labels, the material of each where it is known, and the micrograph `image`.

    Where that is None, the file of the labels stands in, as it is calibrated as well.

    Raises
    ------
    SamStarError
        If a file cannot be read, or the images differ in height or width.
    """
    from napari_samstar.io.labels import label_materials, load_labels
    from napari_samstar.io.read import load_micrograph
    from napari_samstar.labels import check_labels
    from napari_samstar.runs import MaskRuns
    from napari_samstar.types import SamStarError

    labels: Any = load_labels(args.labels)
    if isinstance(labels, MaskRuns):
        raise SamStarError(f"{args.labels} is a stack of masks: give a label image.")
    size, unit = args.pixel_size or (None, None)
    micrograph = load_micrograph(image or args.labels, pixel_size=size, unit=unit)
    check_labels(labels, micrograph)
    path = args.materials
    beside = Path(str(args.labels).removesuffix(_LABELS) + _MATERIALS)
    if path is None and str(args.labels).endswith(_LABELS) and beside.exists():
        path = beside
    if path is None:
        return labels, None, micrograph
    materials = load_labels(path)
    if isinstance(materials, MaskRuns):
        raise SamStarError(f"{path} is a stack of masks: give one image of materials.")
    return labels, label_materials(labels, materials), micrograph
