"""The decoder over all prompts of one crop, once; masks become rows as they come."""

from __future__ import annotations

import os
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_samstar.proposals.logits import Packed, pack, pack_one, stability_score
from napari_samstar.proposals.scan import scan
from napari_samstar.proposals.upsample import Upsampling, make_upsampling
from napari_samstar.runs import MaskRuns
from napari_samstar.sam.device import run_batched
from napari_samstar.sam.embed import move
from napari_samstar.types import SOURCES, Embedding, Progress, Proposals

__all__ = ["Prompts", "decode_prompts", "point_prompts"]

_STABILITY_OFFSET = 1.0  # Meta's default; any other offset follows from the packed logits


@dataclass(frozen=True)
class Prompts:
    """Prompts of one crop, in the crop's own pixels.

    Parameters
    ----------
    points : (P, K, 2) float64
        x, y; K points for each prompt.
    labels : (P, K) int64
        1 inside, 0 outside.
    boxes : (P, 4) float64 or None
        x0, y0, x1, y1.
    """

    points: NDArray[np.float64]
    labels: NDArray[np.int64]
    boxes: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return int(self.points.shape[0])

    def content(self) -> bytes:
        """All prompts as bytes, for a cache key."""
        boxes = b"" if self.boxes is None else b"boxes" + self.boxes.tobytes()
        return (
            repr(self.points.shape).encode() + self.points.tobytes() + self.labels.tobytes() + boxes
        )


def point_prompts(points: NDArray[np.float64]) -> Prompts:
    """One foreground point (P, 2) for each prompt, as Meta's automatic generator asks."""
    return Prompts(points[:, None, :], np.ones((len(points), 1), np.int64))


def decode_prompts(
    sam: Any,
    embedding: Embedding,
    prompts: Prompts,
    gray: NDArray[np.uint8],
    *,
    source: str,
    layer: int = 0,
    batch_size: int = 64,
    keep_logits: bool = True,
    inner_only: bool = False,
) -> Generator[Progress, None, Proposals]:
    """Decode all prompts of one crop; yields after each batch with the rows so far.

    The network is called with the batches that `SamAutomaticMaskGenerator` makes, so that its
    outputs agree to the bit; its full-size upsampling is replaced by `upsample.scan`.

    Parameters
    ----------
    sam : Sam
        A `segment_anything`-compatible model.
    embedding : Embedding
        The crop's.
    prompts : Prompts
        P prompts; each gives the model's several masks (three).
    gray : (H, W) uint8
        The whole preprocessed image.
    source : str
        What to call the rows, one of `SOURCES`.
    layer : int
        Crop layer, for `Proposals.crop_layers`.
    batch_size : int
        Prompts decoded at once.
    keep_logits : bool
        Whether to pack logits, for stability at any offset.
    inner_only : bool
        Drop masks that the crop's border cuts (for tiles), and empty ones.

    Yields
    ------
    Progress
        `partial` is a function that makes the table of what was decoded so far; closing the
        generator keeps what it gave.

    Returns
    -------
    Proposals
        3 P rows in the order of prompts, unless `inner_only` drops some.
    """
    frame = (int(gray.shape[0]), int(gray.shape[1]))
    rows = _Rows(embedding, frame, gray, source, layer, float(sam.mask_threshold), inner_only)
    upsampling: Upsampling | None = None
    with ThreadPoolExecutor(max_workers=max(1, min(4, os.cpu_count() or 1))) as pool:
        results = run_batched(
            lambda chosen, device: (chosen, *_run_decoder(sam, embedding, prompts, chosen, device)),
            np.arange(len(prompts)),
            batch_size,
            sam.device,
        )
        for chosen, low, iou in results:
            if upsampling is None:
                upsampling = make_upsampling(
                    (int(low.shape[2]), int(low.shape[3])),
                    int(sam.image_encoder.img_size),
                    embedding.input_size,
                    embedding.original_size,
                )
            rows.add(low, iou, prompts.points[chosen, 0], upsampling, pool, keep_logits)
            done = int(chosen[-1]) + 1
            yield Progress("decoding", done, len(prompts), partial=rows.table)
    return rows.table()


def _run_decoder(
    sam: Any,
    embedding: Embedding,
    prompts: Prompts,
    part: NDArray[np.intp],
    device: torch.device,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Low-resolution logits (B, M, h, w) and predicted IoU (B, M) of one batch."""
    from segment_anything.utils.transforms import ResizeLongestSide

    transform = ResizeLongestSide(sam.image_encoder.img_size)
    if sam.device.type != device.type:
        sam.to(device)
    size = embedding.original_size
    # as Meta's code has it, but for MPS, which knows no double precision
    kind = torch.float32 if device.type == "mps" else torch.float64
    points = transform.apply_coords(prompts.points[part], size)
    coordinates = torch.as_tensor(points, dtype=kind, device=device)
    labels = torch.as_tensor(prompts.labels[part], dtype=torch.int, device=device)
    boxes = None
    if prompts.boxes is not None:
        corners = transform.apply_boxes(prompts.boxes[part], size)
        boxes = torch.as_tensor(corners, dtype=kind, device=device)
    with torch.inference_mode():
        sparse, dense = sam.prompt_encoder(points=(coordinates, labels), boxes=boxes, masks=None)
        low, iou = sam.mask_decoder(
            image_embeddings=move(embedding.features, device),
            image_pe=sam.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
    return low.float().cpu().numpy(), iou.float().cpu().numpy()


class _Rows:
    """Rows of one crop as they are decoded."""

    def __init__(
        self,
        embedding: Embedding,
        frame: tuple[int, int],
        gray: NDArray[np.uint8],
        source: str,
        layer: int,
        threshold: float,
        inner_only: bool,
    ) -> None:
        self._crop = embedding.crop_box
        self._frame = frame
        self._gray = gray
        self._source = source
        self._layer = layer
        self._threshold = threshold
        self._inner_only = inner_only
        self._runs: list[NDArray[np.uint32]] = []
        self._boxes: list[NDArray[np.int64]] = []
        self._stability: list[np.float32] = []
        self._iou: list[np.float32] = []
        self._points: list[NDArray[np.float64]] = []
        self._packed: list[Packed] = []
        self._upsampling: Upsampling | None = None

    def add(
        self,
        low: NDArray[np.float32],
        iou: NDArray[np.float32],
        points: NDArray[np.float64],
        upsampling: Upsampling,
        pool: ThreadPoolExecutor,
        keep_logits: bool,
    ) -> None:
        """Append one batch."""
        self._upsampling = upsampling
        x0, y0 = self._crop[:2]
        flat = low.reshape(-1, *low.shape[2:])
        per_prompt = low.shape[1]

        def cut(index: int) -> tuple[NDArray[np.uint32], NDArray[np.int64], Packed | None]:
            runs, stats, ladder = scan(
                flat[index],
                (0, 0),
                upsampling,
                self._threshold,
                _STABILITY_OFFSET,
                self._frame,
                (y0, x0),
            )
            packed = pack_one(flat[index], self._threshold, ladder) if keep_logits else None
            return runs, stats, packed

        origin = np.array([x0, y0, x0, y0])
        for index, (runs, stats, packed) in enumerate(pool.map(cut, range(len(flat)))):
            box = stats[3:] + origin
            if self._inner_only and (stats[0] == 0 or self._is_cut(box)):
                continue
            self._runs.append(runs)
            self._boxes.append(box)
            self._stability.append(np.float32(stability_score(stats[1], stats[2])))
            self._iou.append(iou.reshape(-1)[index])
            self._points.append(points[index // per_prompt] + origin[:2])
            if packed is not None:
                self._packed.append(packed)

    def _is_cut(self, box: NDArray[np.int64]) -> bool:
        """Whether the crop's border, not the image's, stops the mask."""
        x0, y0, x1, y1 = self._crop
        height, width = self._frame
        return bool(
            (box[0] <= x0 and x0 > 0)
            or (box[1] <= y0 and y0 > 0)
            or (box[2] >= x1 - 1 and x1 < width)
            or (box[3] >= y1 - 1 and y1 < height)
        )

    def table(self) -> Proposals:
        """Proposals of all rows so far."""
        n = len(self._runs)
        table = Proposals(
            runs=MaskRuns.from_rows(self._runs, self._frame),
            boxes=np.array(self._boxes, np.int32).reshape(-1, 4),
            predicted_iou=np.array(self._iou, np.float32),
            stability=np.array(self._stability, np.float32),
            points=np.array(self._points, np.float64).reshape(-1, 2),
            crop=np.zeros(n, np.int32),
            source=np.full(n, SOURCES.index(self._source), np.uint8),
            crop_boxes=np.array([self._crop], np.int32),
            crop_layers=np.array([self._layer], np.int32),
            gray=self._gray,
            stability_offset=_STABILITY_OFFSET,
        )
        if not self._packed or self._upsampling is None:
            return table
        logits = pack(self._packed, self._threshold, np.zeros(n, np.int32), (self._upsampling,))
        return replace(table, logits=logits)
