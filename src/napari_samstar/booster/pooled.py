"""Texture from the embedding that SAM has made of the image already: free."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_samstar.sam.tiny_encoder import LEVELS, unpack_maps
from napari_samstar.types import Embedding

__all__ = ["PooledEncoder"]

_CELLS = 4  # each box is sampled on so many cells along each side
_PACKED = sum(channels * 256 // stride**2 for stride, channels in LEVELS)


class PooledEncoder:
    """Texture encoder that pools SAM's features over each crop's place: mean and spread.

    Parameters
    ----------
    embedding : Embedding or sequence of Embedding
        Of the whole image, and of crops of it where there are some; each box is pooled from the
        smallest crop that holds it, where the features are finest.
    """

    name = "sam"

    def __init__(self, embedding: Embedding | Sequence[Embedding]) -> None:
        several = [embedding] if isinstance(embedding, Embedding) else list(embedding)
        self._embeddings = sorted(several, key=lambda e: _area(e.crop_box))

    def __call__(
        self, crops: NDArray[np.generic], boxes: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Describe boxes (N, 4) of the image by rows (N, D); the pixels are not looked at.

        Raises
        ------
        ValueError
            If there are no boxes, or one that no embedding holds.
        """
        if boxes is None:
            raise ValueError("Pooling needs to know where the crops were cut: boxes.")
        home = np.full(len(boxes), -1)
        for k in reversed(range(len(self._embeddings))):
            x0, y0, x1, y1 = self._embeddings[k].crop_box
            inside = (boxes[:, :2] >= (x0, y0)).all(1) & (boxes[:, 2:] <= (x1, y1)).all(1)
            home[inside] = k
        if (home < 0).any():
            raise ValueError(f"No embedding holds the box {boxes[np.argmin(home)].tolist()}.")
        rows: dict[int, NDArray[np.float32]] = {}
        for k in np.unique(home).tolist():
            mine = np.flatnonzero(home == k)
            rows |= dict(zip(mine.tolist(), _pool(self._embeddings[k], boxes[mine]), strict=True))
        return np.stack([rows[i] for i in range(len(boxes))]).astype(np.float32)


def _area(box: tuple[int, int, int, int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _pool(embedding: Embedding, boxes: NDArray[np.int32]) -> NDArray[np.float32]:
    from torchvision.ops import roi_align

    x0, y0, _, _ = embedding.crop_box
    scale = embedding.input_size[1] / embedding.original_size[1]
    places = torch.from_numpy((boxes - (x0, y0, x0, y0)) * scale).float()
    parts = []
    for level in _levels(embedding.features):
        # SAM pads the input to a square whose longest side the image fills
        ratio = level.shape[-1] / max(embedding.input_size)
        cells = roi_align(level.float().cpu(), [places], _CELLS, ratio, aligned=True).flatten(2)
        parts += [cells.mean(2), cells.std(2)]
    return np.asarray(torch.cat(parts, 1).numpy(), np.float32)


def _levels(features: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    if not isinstance(features, Tensor):
        return [level for level in features if level.ndim == 4]
    if features.shape[1] == _PACKED:  # samstar-tiny keeps its pyramid as one tensor
        return unpack_maps(features)[:4]
    return [features]
