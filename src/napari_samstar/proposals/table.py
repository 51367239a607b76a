"""The columnar table of proposals: made, joined, filtered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.proposals.logits import PackedLogits
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import DecodeSettings
from napari_samstar.types import SOURCES, Proposals

__all__ = ["empty", "from_masks", "has_source", "join"]


def whole(shape: tuple[int, int]) -> NDArray[np.int32]:
    """Crop box of the whole image, (1, 4)."""
    return np.array([[0, 0, shape[1], shape[0]]], np.int32)


def empty(gray: NDArray[np.uint8], provenance: Mapping[str, Any] | None = None) -> Proposals:
    """Table without rows for the image `gray` (H, W) uint8."""
    return from_masks(
        MaskRuns.empty((int(gray.shape[0]), int(gray.shape[1]))),
        gray,
        "regions",
        np.zeros(0, np.float32),
        provenance=provenance,
    )


def from_masks(
    runs: MaskRuns,
    gray: NDArray[np.uint8],
    source: str,
    stability: NDArray[np.float32],
    *,
    provenance: Mapping[str, Any] | None = None,
) -> Proposals:
    """Table of masks that no network made, such as regions.

    Parameters
    ----------
    runs : MaskRuns
        The N masks.
    gray : (H, W) uint8
        The preprocessed image.
    source : str
        One of `SOURCES`.
    stability : (N,) float32
        How persistent each mask is, 0 to 1.
    """
    n = len(runs)
    boxes = runs.boxes()
    return Proposals(
        runs=runs,
        boxes=boxes,
        predicted_iou=np.full(n, np.nan, np.float32),
        stability=np.asarray(stability, np.float32),
        points=(boxes[:, :2] + boxes[:, 2:]).astype(np.float64) / 2,
        crop=np.zeros(n, np.int32),
        source=np.full(n, SOURCES.index(source), np.uint8),
        crop_boxes=whole(runs.shape),
        crop_layers=np.zeros(1, np.int32),
        gray=gray,
        provenance=dict(provenance or {}),
    )


def join(tables: Sequence[Proposals], decode: DecodeSettings | None = None) -> Proposals:
    """Rows of all tables of one image, one table below the other.

    Tables whose rows carry logits must stand first; the logits of the others are not needed.
    """
    first = tables[0]
    crop_boxes = np.concatenate([t.crop_boxes for t in tables])
    shifts = np.cumsum([0] + [len(t.crop_boxes) for t in tables[:-1]])
    runs = first.runs
    for table in tables[1:]:
        runs = runs + table.runs
    provenance: dict[str, Any] = {}
    for table in tables:
        provenance.update(table.provenance)
    return replace(
        first,
        runs=runs,
        boxes=np.concatenate([t.boxes for t in tables]),
        predicted_iou=np.concatenate([t.predicted_iou for t in tables]),
        stability=np.concatenate([t.stability for t in tables]),
        points=np.concatenate([t.points for t in tables]),
        crop=np.concatenate([t.crop + s for t, s in zip(tables, shifts, strict=True)]).astype(
            np.int32
        ),
        source=np.concatenate([t.source for t in tables]),
        crop_boxes=crop_boxes,
        crop_layers=np.concatenate([t.crop_layers for t in tables]),
        decode=decode if decode is not None else first.decode,
        complete=all(t.complete for t in tables),
        provenance=provenance,
        logits=_join_logits([t for t in tables if t.logits is not None]),
        columns={},
    )


def has_source(proposals: Proposals, source: str) -> bool:
    """Whether proposals of `source` were asked for when the table was made."""
    made = proposals.provenance.get("sources")
    if made is not None:
        return source in made
    return bool((proposals.source == SOURCES.index(source)).any())


def grid_logits(proposals: Proposals) -> PackedLogits | None:
    """Packed logits of the table's first rows, where SAM's grid made them."""
    logits = proposals.logits
    return logits if isinstance(logits, PackedLogits) else None


def _join_logits(tables: Sequence[Proposals]) -> PackedLogits | None:
    """Packed logits of several crops' tables as one, crops numbered in order."""
    parts = [t.logits for t in tables]
    if not parts:
        return None
    return PackedLogits(
        np.concatenate([p.windows for p in parts]),
        np.concatenate([p.runs for p in parts]),
        np.concatenate([p.values for p in parts]),
        np.concatenate([p.ladder for p in parts]),
        _chain([p.run_offsets for p in parts]),
        _chain([p.value_offsets for p in parts]),
        parts[0].threshold,
        np.concatenate([np.full(len(p), i, np.int32) for i, p in enumerate(parts)]),
        tuple(u for p in parts for u in p.upsamplings),
    )


def _chain(offsets: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    chained = [np.zeros(1, np.int64)]
    last = 0
    for part in offsets:
        chained.append(part[1:] + last)
        last += int(part[-1])
    return np.concatenate(chained)
