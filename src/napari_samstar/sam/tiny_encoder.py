"""Image encoder of `samstar-tiny`: a small convolutional pyramid that knows no absolute position.

Blocks are large-kernel depthwise convolutions between pointwise ones (Liu et al., ConvNeXt, CVPR
2022; Qin et al., MobileNetV4, ECCV 2024), with batch normalization, which folds away in inference.
Levels are joined from coarse to fine (Lin et al., Feature pyramid networks, CVPR 2017).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["LEVELS", "Maps", "TinyEncoder", "pack_maps", "unpack_maps"]

#: (stride in px at the input, channels) of each map the encoder returns.
LEVELS = ((4, 40), (8, 64), (16, 96), (32, 96), (64, 96))

#: The maps of a batch of images, in the order of `LEVELS`, each (B, channels, H/stride, W/stride).
Maps = tuple[Tensor, ...]

_WIDTHS = (40, 80, 144, 192, 192)
_DEPTHS = (1, 2, 5, 3, 2)
_KERNELS = (5, 5, 7, 7, 5)
_EXPANSION = (2, 2, 2, 3, 2)


class _Conv(nn.Module):
    """Convolution and batch normalization."""

    def __init__(
        self, width_in: int, width_out: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            width_in, width_out, kernel, stride, kernel // 2, groups=groups, bias=False
        )
        self.norm = nn.BatchNorm2d(width_out)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(x))
        return out


class _Block(nn.Module):
    """Depthwise convolution, then a pointwise bottleneck, around a residual path."""

    def __init__(self, width: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.spatial = _Conv(width, width, kernel, groups=width)
        self.expand = _Conv(width, width * expansion)
        self.project = _Conv(width * expansion, width)
        # starts as the identity, so that deep stacks train at once
        nn.init.zeros_(self.project.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        inner = functional.hardswish(self.expand(self.spatial(x)))
        out: Tensor = x + self.project(inner)
        return out


class TinyEncoder(nn.Module):
    """Maps at strides 4 to 64 of a normalized image.

    The receptive field is relative throughout: a network trained on crops of 256 px gives the same
    features inside an image of 1024 px.

    Parameters
    ----------
    img_size : int
        Side of the padded image that `forward` is given by `segment_anything`, px.
    """

    def __init__(self, img_size: int = 1024) -> None:
        super().__init__()
        self.img_size = img_size
        self.stem = nn.Sequential(
            _Conv(3, 16, 3, 2), nn.Hardswish(), _Conv(16, _WIDTHS[0], 3, 2), nn.Hardswish()
        )
        self.stages = nn.ModuleList()
        for i, width in enumerate(_WIDTHS):
            down: nn.Module = nn.Identity() if i == 0 else _Conv(_WIDTHS[i - 1], width, 3, 2)
            if i >= 3:  # dense 3x3 convolutions would hold most of the weights here
                down = nn.Sequential(
                    _Conv(_WIDTHS[i - 1], _WIDTHS[i - 1], 3, 2, groups=_WIDTHS[i - 1]),
                    _Conv(_WIDTHS[i - 1], width),
                )
            blocks = [_Block(width, _KERNELS[i], _EXPANSION[i]) for _ in range(_DEPTHS[i])]
            self.stages.append(nn.Sequential(down, *blocks))
        self.lateral = nn.ModuleList(_Conv(w, c) for w, (_, c) in zip(_WIDTHS, LEVELS, strict=True))
        self.top_down = nn.ModuleList(
            _Conv(LEVELS[i + 1][1], LEVELS[i][1]) for i in range(len(LEVELS) - 1)
        )
        self.smooth = nn.ModuleList(_Block(c, 5, 2) for _, c in LEVELS)
        self.out = nn.ModuleList(nn.Conv2d(c, c, 1) for _, c in LEVELS)

    def maps(self, x: Tensor) -> Maps:
        """Compute the pyramid.

        Parameters
        ----------
        x : (B, 3, H, W) float tensor
            Normalized image; H and W multiples of 64.

        Returns
        -------
        tuple of tensor
            One map for each of `LEVELS`.
        """
        x = self.stem(x)
        stages = []
        for stage in self.stages:
            x = stage(x)
            stages.append(x)
        out: list[Tensor] = []
        above: Tensor | None = None
        for i in reversed(range(len(LEVELS))):
            level = self.lateral[i](stages[i])
            if above is not None:
                finer = self.top_down[i](above)
                level = level + functional.interpolate(
                    finer, size=level.shape[-2:], mode="bilinear", align_corners=False
                )
            above = self.smooth[i](level)
            out.append(self.out[i](above))
        return tuple(reversed(out))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the pyramid as the one tensor that `SamPredictor` keeps, see `pack_maps`."""
        return pack_maps(self.maps(x))


def pack_maps(maps: Maps) -> Tensor:
    """Put the maps of a square image behind each other in one (B, C, side/16, side/16) tensor.

    The values of each map keep their order, only the shape is another: `unpack_maps` gives views.
    """
    side = maps[2].shape[-1]
    return torch.cat([m.contiguous().reshape(m.shape[0], -1, side, side) for m in maps], dim=1)


def unpack_maps(packed: Tensor) -> Maps:
    """Give back what `pack_maps` was given."""
    batch, side = packed.shape[0], packed.shape[-1]
    out = []
    start = 0
    for stride, channels in LEVELS:
        here = side * 16 // stride
        planes = channels * here * here // (side * side)
        out.append(packed[:, start : start + planes].reshape(batch, channels, here, here))
        start += planes
    return tuple(out)
