"""FENet: a ResNet-18 whose texture statistics are fractal dimensions, written from its description.

The names of the parameters are those of the public checkpoints, so that their weights load.

References
----------
Xu, Li, Chen, Liang and Quan, "Encoding spatial distribution of convolutional features for texture
representation", NeurIPS 34 (2021).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["FractalNet"]

_CODES = 15  # density classes, and so lengths of a channel's histogram
_CHANNELS = 3
_WINDOWS = 6  # densities are measured in windows of 1 to 6 px
_BOXES = (2, 3, 4, 5, 6)  # px, of the box counting


class FractalNet(nn.Module):
    """Crops (N, S, S) to unit vectors (N, 128).

    Two branches end in 45 numbers each: pooled features say what is there, fractal dimensions say
    how it is distributed; their outer product is embedded. Unlike the published code each crop is
    scaled by its own extremes, so that it does not matter which crops share a batch.

    Parameters
    ----------
    classes : int
        Of the last linear form, which only `classify` uses; 47 in the checkpoint for the
        Describable Textures Dataset.
    """

    dimension = 128

    def __init__(self, classes: int = 47) -> None:
        super().__init__()
        from torchvision.models import resnet18

        size = _CODES * _CHANNELS
        self.backbone = resnet18(weights=None)
        self.UP = nn.ConvTranspose2d(512, 512, 3, 2, groups=512)
        self.conv_before_mfs = nn.Sequential(
            nn.Conv2d(512, _CHANNELS, 1), nn.BatchNorm2d(_CHANNELS), nn.ReLU()
        )
        self.mfs = _Fractal()
        self.pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, size), nn.BatchNorm1d(size)
        )
        self.fc = nn.Sequential(
            _Unit(), nn.Linear(size * size, self.dimension), _Unit(), nn.Linear(128, classes)
        )

    def forward(self, crops: Tensor) -> Tensor:
        """Embed (N, S, S) crops with values from 0 to 1."""
        return functional.normalize(self.fc[1](self.fc[0](self.product(crops))), dim=1)

    def classify(self, crops: Tensor) -> Tensor:
        """Scores (N, classes) of crops (N, S, S) with values from 0 to 1."""
        scores: Tensor = self.fc(self.product(crops))
        return scores

    def product(self, crops: Tensor) -> Tensor:
        """Outer product of both branches, (N, 2025)."""
        maps = self._maps(_as_photograph(crops))
        pooled = self.pool(maps)
        fractal = self.mfs(self.conv_before_mfs(self.UP(maps)))
        return torch.einsum("nj,ni->nji", fractal, pooled).flatten(1)

    def _maps(self, x: Tensor) -> Tensor:
        net = self.backbone
        x = net.maxpool(net.relu(net.bn1(net.conv1(x))))
        out: Tensor = net.layer4(net.layer3(net.layer2(net.layer1(x))))
        return out


def _as_photograph(crops: Tensor) -> Tensor:
    """Three equal channels of 224 px, with the mean and spread that ResNets expect."""
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    spread = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    x = functional.interpolate(
        crops[:, None], (224, 224), mode="bilinear", align_corners=False, antialias=True
    )
    return (x.expand(-1, 3, -1, -1) - mean) / spread


class _Unit(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return functional.normalize(x, dim=1)


class _Fractal(nn.Module):
    """Maps (N, 3, H, W) to the box-counting dimensions (N, 45) of 15 density classes each."""

    def __init__(self) -> None:
        super().__init__()
        self.deepmfs = nn.Sequential(_Density(), nn.BatchNorm2d(1))
        self.deephist = nn.Sequential(_Grouping(), nn.BatchNorm2d(_CODES))

    def forward(self, x: Tensor) -> Tensor:
        low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        x = 1 + 255 * (x - low) / (high - low).clamp(min=1e-6)
        channels = [
            _dimension(self.deephist(self.deepmfs(x[:, k : k + 1]))) for k in range(_CHANNELS)
        ]
        return torch.cat(channels, 1)


class _Density(nn.Module):
    """Local dimension: slope of log mass against log size of growing windows."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.ModuleList(
            nn.Conv2d(1, 1, size, bias=False) for size in range(1, _WINDOWS + 1)
        )
        for size, conv in enumerate(self.conv, start=1):
            conv.weight.data = _gaussian(size, size / 2)[None, None]
            conv.weight.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        masses = []
        for size, conv in enumerate(self.conv, start=1):
            before, after = (size - 1) // 2, size // 2
            padded = functional.pad(x, (before, after, before, after))
            masses.append(torch.log2(functional.relu(conv(padded) * size**2) + 1))
        sizes = torch.log2(torch.arange(1, _WINDOWS + 1, dtype=x.dtype, device=x.device))
        return _slope(sizes, torch.cat(masses, 1)[:, None]).squeeze(2)


def _gaussian(size: int, sigma: float) -> Tensor:
    """Window (size, size) of sum 1."""
    at = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    window = torch.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * sigma**2))
    return window / window.sum()


class _Grouping(nn.Module):
    """How far each pixel's density belongs to each of 15 learned values."""

    def __init__(self) -> None:
        super().__init__()
        bound = 1 / math.sqrt(_CODES)
        self.codewords = nn.Parameter(torch.empty(_CODES, 1).uniform_(-bound, bound))
        self.scale = nn.Parameter(torch.empty(_CODES).uniform_(-1, 0))

    def forward(self, density: Tensor) -> Tensor:
        distance = (density - self.codewords.view(1, -1, 1, 1)) ** 2
        return torch.softmax(self.scale.view(1, -1, 1, 1) * distance, dim=1)


def _dimension(maps: Tensor) -> Tensor:
    """Box-counting dimension (N, C) of each map: counts in boxes of 2 to 6 px."""
    counts = [functional.max_pool2d(maps, size, max(size // 2, 1)).sum((2, 3)) for size in _BOXES]
    logs = torch.log2(functional.relu(torch.stack(counts, 2)) + 1)
    sizes = -torch.log2(torch.tensor(_BOXES, dtype=maps.dtype, device=maps.device))
    return _slope(sizes, logs[..., None, None]).flatten(1)


def _slope(x: Tensor, y: Tensor) -> Tensor:
    """Least-squares slope of `y` (N, C, K, H, W) against `x` (K,), (N, C, 1, H, W)."""
    centered = (x - x.mean()).view(1, 1, -1, 1, 1)
    return (centered * y).sum(2, keepdim=True) / (centered**2).sum()
