"""Masks as a COCO document, with COCO's compressed run lengths."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.atomic import write_text_atomic
from napari_samstar.labels import index_labels, label_runs
from napari_samstar.types import Micrograph, SamStarError, Selection

__all__ = ["coco_document", "decode_counts", "encode_counts", "write_coco"]


def write_coco(
    path: str | Path,
    masks: Selection | NDArray[Any],
    micrograph: Micrograph,
    categories: Mapping[int, str] | None = None,
) -> None:
    """Write masks as COCO JSON, one annotation each; masks of a selection may overlap.

    Parameters
    ----------
    path : str or Path
        ``<stem>.coco.json`` by custom.
    masks : Selection, or (H, W) int
        A selection, or a label image (0 is background).
    micrograph : Micrograph
        What was segmented.
    categories : mapping of int to str, or None
        Names of the materials of a boosted selection; by default "material 1" and so on. Without
        materials every mask is of category 1, "object".

    Raises
    ------
    SamStarError
        If the masks are not of the micrograph's size, or the disk refuses.
    """
    write_text_atomic(path, json.dumps(coco_document(masks, micrograph, categories)) + "\n")


def coco_document(
    masks: Selection | NDArray[Any],
    micrograph: Micrograph,
    categories: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """Build what `write_coco` writes.

    ``score`` is what ranked the mask, where there is a selection; ``label`` is the value in a label
    image. Scores that are not numbers are left out, as JSON has none.
    """
    extras: list[dict[str, Any]]
    if isinstance(masks, Selection):
        runs = masks.runs
        classes = np.ones(len(masks), np.int64) if masks.material is None else masks.material
        named = {1: "object"} if masks.material is None else _materials(masks.material)
        extras = [
            {
                name: float(values[i])
                for name, values in (
                    ("score", masks.score),
                    ("predicted_iou", masks.predicted_iou),
                    ("stability_score", masks.stability),
                )
                if np.isfinite(values[i])
            }
            for i in range(len(masks))
        ]
    else:
        index, ids = index_labels(masks)
        runs = label_runs(index, ids.size)
        classes = np.ones(ids.size, np.int64)
        named = {1: "object"}
        extras = [{"label": int(value)} for value in ids]
    if runs.shape != micrograph.shape:
        raise SamStarError(
            f"Masks of {runs.shape[1]} x {runs.shape[0]} px do not belong to "
            f"'{micrograph.name}', which is {micrograph.shape[1]} x {micrograph.shape[0]} px."
        )
    height, width = runs.shape
    areas, boxes = runs.areas(), runs.boxes()
    annotations = []
    for i, extra in enumerate(extras):
        x0, y0, x1, y1 = (int(v) for v in boxes[i])
        annotations.append(
            {
                "id": i + 1,
                "image_id": 1,
                "category_id": int(classes[i]),
                "segmentation": {"size": [height, width], "counts": encode_counts(runs.row(i))},
                "area": int(areas[i]),
                "bbox": [x0, y0, x1 - x0 + 1, y1 - y0 + 1] if areas[i] else [0, 0, 0, 0],
                "iscrowd": 0,
                **extra,
            }
        )
    return {
        "info": {"description": f"Masks of {micrograph.name}", "version": "1"},
        "images": [
            {
                "id": 1,
                "file_name": micrograph.name,
                "height": height,
                "width": width,
                "pixel_size": list(micrograph.pixel_size) if micrograph.pixel_size else None,
                "unit": micrograph.unit,
            }
        ],
        "categories": [{"id": k, "name": v} for k, v in {**named, **(categories or {})}.items()],
        "annotations": annotations,
    }


def encode_counts(counts: NDArray[np.uint32]) -> str:
    """COCO's text for run lengths.

    From the fourth run on, a run is written as its difference to the one two before; numbers are
    cut into groups of five bits, lowest first, each shifted into printable characters.
    """
    return bytes(_encode(np.ascontiguousarray(counts, np.uint32))).decode("ascii")


def decode_counts(text: str) -> NDArray[np.uint32]:
    """Run lengths from COCO's text.

    Raises
    ------
    SamStarError
        If `text` is not such a text.
    """
    runs: list[int] = []
    value = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64 or shift > 40:
            raise SamStarError("The masks are not COCO's compressed run lengths: write them anew.")
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            value -= (1 << shift) if group & 16 else 0
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    if shift or any(run < 0 for run in runs):
        raise SamStarError("The masks are not COCO's compressed run lengths: write them anew.")
    return np.array(runs, np.uint32)


def _materials(material: NDArray[np.int32]) -> dict[int, str]:
    return {int(value): f"material {int(value)}" for value in np.unique(material)}


@njit(cache=True, nogil=True)
def _encode(counts: NDArray[np.uint32]) -> NDArray[np.uint8]:
    out = np.empty(counts.size * 7 + 1, np.uint8)  # a signed 33-bit number takes seven groups
    n = 0
    for i in range(counts.size):
        rest = np.int64(counts[i])  # signed: differences may be negative
        if i > 2:
            rest -= np.int64(counts[i - 2])
        while True:
            group = rest & 31
            rest >>= 5
            # the last group's highest bit is the sign
            last = rest == (-1 if group & 16 else 0)
            out[n] = (group if last else group | 32) + 48
            n += 1
            if last:
                break
    return out[:n].copy()
