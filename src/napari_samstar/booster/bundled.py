"""The bundled texture encoder: a small network for crops of any size."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from napari_samstar.booster.blocks import Residual, with_weights

__all__ = ["BundledEncoder", "TextureNet", "bundled_path"]

_WIDTHS = (32, 64, 128)


def _down(wide: int, width: int, side: int) -> nn.Sequential:
    conv = nn.Conv2d(wide, width, side, stride=2, padding=side // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU())


class TextureNet(nn.Module):
    """Crops (N, S, S) of any intensity to unit vectors (N, 128); no positions, any side from 16 px.

    Three levels of convolutions; of each the mean and the spread over the crop, which say what is
    there and not where (orderless pooling), then one linear form.
    """

    dimension = 128

    def __init__(self) -> None:
        super().__init__()
        first, second, third = _WIDTHS
        self.stem = nn.Sequential(_down(1, first, 5), nn.Conv2d(first, first, 3, padding=1))
        self.middle = nn.Sequential(_down(first, second, 3), Residual(second))
        self.top = nn.Sequential(_down(second, third, 3), Residual(third))
        self.head = nn.Linear(2 * sum(_WIDTHS), self.dimension)

    def forward(self, crops: Tensor) -> Tensor:
        """Embed (N, S, S) float crops; brightness and contrast of each are divided out."""
        x = crops[:, None]
        x = x - x.mean((2, 3), keepdim=True)
        x = x / (x.std((2, 3), keepdim=True) + 1e-6)
        first = self.stem(x)
        second = self.middle(first)
        third = self.top(second)
        pooled = [
            part
            for level in (first, second, third)
            for part in (level.mean((2, 3)), torch.sqrt(level.var((2, 3)) + 1e-4))
        ]
        return functional.normalize(self.head(torch.cat(pooled, 1)), dim=1)


def bundled_path() -> Path:
    """Where the weights lie that come with the package."""
    return Path(__file__).resolve().parents[1] / "weights" / "samstar-texture.safetensors"


@cache
def _load(path: Path) -> TextureNet:
    return with_weights(TextureNet(), path)


class BundledEncoder:
    """Texture encoder with the weights of the package (see the model card beside them).

    Parameters
    ----------
    path : Path, optional
        Other weights, as `samstar train-texture` writes them.
    batch : int
        Crops embedded at once.
    """

    name = "bundled"
    usual = np.full(TextureNet.dimension, 0.077)  # what 50 textures of `synth` differ by

    def __init__(self, path: Path | None = None, batch: int = 64) -> None:
        self._net = _load(path or bundled_path())
        self._batch = batch

    def __call__(
        self, crops: NDArray[np.generic], boxes: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Embed crops (N, S, S) as unit vectors (N, 128)."""
        parts = []
        with torch.inference_mode():
            for start in range(0, len(crops), self._batch):
                part = np.ascontiguousarray(crops[start : start + self._batch], np.float32)
                parts.append(self._net(torch.from_numpy(part)).numpy())
        return np.concatenate(parts) if parts else np.zeros((0, TextureNet.dimension), np.float32)
