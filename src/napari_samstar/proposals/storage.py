"""One crop's decoded table as bytes, for the cache."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.proposals.logits import PackedLogits
from napari_samstar.proposals.upsample import make_upsampling
from napari_samstar.runs import MaskRuns
from napari_samstar.types import Proposals

__all__ = ["from_bytes", "to_bytes"]

_COLUMNS = ("boxes", "predicted_iou", "stability", "points", "crop", "source")
_TABLES = ("crop_boxes", "crop_layers")
_PACKED = ("windows", "runs", "values", "ladder", "run_offsets", "value_offsets", "crop")


class _Pieces(io.RawIOBase):
    """A file that keeps the pieces that are written to it as they are.

    `io.BytesIO` copies each one and, as it grows, all that it has, while no other thread can run.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        self.pieces.append(bytes(piece))
        return len(self.pieces[-1])


def to_bytes(proposals: Proposals) -> bytes:
    """Everything but the image, uncompressed."""
    arrays: dict[str, Any] = {name: getattr(proposals, name) for name in (*_COLUMNS, *_TABLES)}
    arrays["counts"] = proposals.runs.counts
    arrays["offsets"] = proposals.runs.offsets
    arrays["stability_offset"] = np.float64(proposals.stability_offset)
    logits = proposals.logits
    if isinstance(logits, PackedLogits):
        arrays |= {f"logits_{name}": getattr(logits, name) for name in _PACKED}
        arrays["logits_threshold"] = np.float64(logits.threshold)
        arrays["logits_sizes"] = np.array([u.sizes for u in logits.upsamplings], np.int64)
    file = _Pieces()
    np.savez(file, **arrays)
    return b"".join(file.pieces)


def from_bytes(data: bytes, gray: NDArray[np.uint8]) -> Proposals:
    """Read what `to_bytes` wrote for the image `gray` (H, W) uint8."""
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    shape = (int(gray.shape[0]), int(gray.shape[1]))
    table = Proposals(
        runs=MaskRuns(arrays["counts"], arrays["offsets"], shape),
        gray=gray,
        stability_offset=float(arrays["stability_offset"]),
        **{name: arrays[name] for name in (*_COLUMNS, *_TABLES)},
    )
    if "logits_windows" not in arrays:
        return table
    upsamplings = tuple(
        make_upsampling((s[0], s[1]), s[2], (s[3], s[4]), (s[5], s[6]))
        for s in arrays["logits_sizes"].tolist()
    )
    logits = PackedLogits(
        **{name: arrays[f"logits_{name}"] for name in _PACKED},
        threshold=float(arrays["logits_threshold"]),
        upsamplings=upsamplings,
    )
    return replace(table, logits=logits)
