"""Everything that one result leaves on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_samstar.types import SamStarError

if TYPE_CHECKING:
    from napari_samstar.pipeline import RunResult

__all__ = ["write_result"]

_ENDINGS = {
    "labels": "labels.tif",
    "table": "table.csv",
    "summary": "summary.json",
    "coco": "coco.json",
    "overlay": "overlay.png",
    "recipe": "recipe.json",
}
# not of every result; the table of materials is written by the session, after all this
_MATERIALS, _CONFIDENCE, _MATERIAL_TABLE = "materials.tif", "confidence.tif", "materials.csv"


def write_result(result: RunResult, folder: str | Path, stem: str) -> dict[str, Path]:
    """Write label image, table, summary, COCO masks, overlay, recipe, and what the search found.

    What an earlier result left under `stem` and this one has not, such as the front of a search,
    is removed: the files of one stem are of one result.

    Parameters
    ----------
    result : RunResult
        What the pipeline found.
    folder : path
        Made if absent.
    stem : str
        Start of the file names.

    Returns
    -------
    dict
        Kind to path: ``labels``, ``table``, ``summary``, ``coco``, ``overlay``, ``recipe``, where
        materials were found ``materials``, and after a search ``confidence``, ``front``,
        ``front_picture``, ``front_page``. Each file stands under its name only once it is complete.

    Raises
    ------
    SamStarError
        If the disk refuses.
    """
    import json

    from napari_samstar.atomic import write_text_atomic
    from napari_samstar.io.preprocess import to_rgb
    from napari_samstar.io.write import (
        write_coco,
        write_image_tiff,
        write_labels_tiff,
        write_overlay_png,
        write_table_csv,
    )
    from napari_samstar.measurements.summary import summarize
    from napari_samstar.report.front import ENDINGS, write_front

    folder = _made(Path(folder))
    paths = {kind: folder / f"{stem}.{ending}" for kind, ending in _ENDINGS.items()}
    labels, micrograph = result.segmentation.labels, result.segmentation.micrograph
    rgb = to_rgb(micrograph, result.recipe.preprocess)
    write_labels_tiff(paths["labels"], labels, micrograph, result.recipe)
    materials = result.segmentation.materials
    if materials is not None:
        paths["materials"] = folder / f"{stem}.{_MATERIALS}"
        write_labels_tiff(paths["materials"], materials, micrograph, result.recipe)
    write_table_csv(paths["table"], result.table)
    write_text_atomic(paths["summary"], json.dumps(summarize(result.table), indent=2) + "\n")
    write_coco(paths["coco"], labels if result.selection is None else result.selection, micrograph)
    write_overlay_png(paths["overlay"], rgb, labels, micrograph.pixel_size, micrograph.unit)
    result.recipe.write(paths["recipe"])
    if result.agreement is not None:
        paths["confidence"] = folder / f"{stem}.{_CONFIDENCE}"
        confidence = result.agreement.confidence(labels)
        write_image_tiff(paths["confidence"], confidence, micrograph, result.recipe)
    paths |= write_front(result, folder, stem)
    for ending in (_MATERIALS, _CONFIDENCE, _MATERIAL_TABLE, *ENDINGS.values()):
        left = folder / f"{stem}.{ending}"
        if left not in paths.values():
            _remove(left)
    return paths


def _made(folder: Path) -> Path:
    """Make a folder where it is missing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as err:
        ways = (folder, *folder.parents)
        file = next((way for way in ways if way.exists() and not way.is_dir()), folder)
        raise SamStarError(f"{file} is a file: choose a folder to write into.") from err
    except OSError as err:
        raise SamStarError(
            f"The folder {folder} could not be made ({err.strerror or err}): choose one that you "
            "may write to."
        ) from err
    return folder


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as err:
        raise SamStarError(
            f"{file} is of an earlier result and could not be removed ({err.strerror or err}): "
            "close what has it open, and export again."
        ) from err
