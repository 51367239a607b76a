"""Everything that one result leaves on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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


def write_result(result: RunResult, folder: str | Path, stem: str) -> dict[str, Path]:
    """Write label image, table, summary, COCO masks, overlay, recipe, and what the search found.

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
    from napari_samstar.report.front import write_front

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {kind: folder / f"{stem}.{ending}" for kind, ending in _ENDINGS.items()}
    labels, micrograph = result.segmentation.labels, result.segmentation.micrograph
    rgb = to_rgb(micrograph, result.recipe.preprocess)
    write_labels_tiff(paths["labels"], labels, micrograph, result.recipe)
    materials = result.segmentation.materials
    if materials is not None:
        paths["materials"] = folder / f"{stem}.materials.tif"
        write_labels_tiff(paths["materials"], materials, micrograph, result.recipe)
    write_table_csv(paths["table"], result.table)
    write_text_atomic(paths["summary"], json.dumps(summarize(result.table), indent=2) + "\n")
    write_coco(paths["coco"], labels if result.selection is None else result.selection, micrograph)
    write_overlay_png(paths["overlay"], rgb, labels, micrograph.pixel_size, micrograph.unit)
    result.recipe.write(paths["recipe"])
    if result.agreement is not None:
        paths["confidence"] = folder / f"{stem}.confidence.tif"
        confidence = result.agreement.confidence(labels)
        write_image_tiff(paths["confidence"], confidence, micrograph, result.recipe)
    return paths | write_front(result, folder, stem)
