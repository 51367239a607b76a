"""A network that sees where one material ends: an image to vectors, near where it is one."""

from __future__ import annotations

from collections.abc import Generator
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from napari_samstar.booster.blocks import Residual, with_weights
from napari_samstar.types import Progress

__all__ = ["CELL", "MosaicNet", "evened", "mosaic_path", "vectors_steps"]

#: Side of a cell, px: there is one vector for each.
CELL = 4

_WIDTHS = (24, 48, 96, 128, 160)  # at 1/2, 1/4, ... 1/32 of the size
_MULTIPLE = 2 ** len(_WIDTHS)
_TILE, _MARGIN = 768, 128  # px: larger images are looked at in parts that overlap by twice that


def _conv(wide: int, width: int, side: int = 3, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(wide, width, side, stride=stride, padding=side // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU())


class MosaicNet(nn.Module):
    """Images (N, H, W) to vectors (N, 16, H / 4, W / 4); H and W are multiples of 32.

    Cells whose vectors are nearer than 1 are rather of one material, those farther apart rather of
    two. A U-Net (Ronneberger, Fischer and Brox, MICCAI 2015) whose last two levels are left out.
    """

    dimension = 16

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList()
        wide = 1
        for k, width in enumerate(_WIDTHS):
            level: list[nn.Module] = [_conv(wide, width, 5 if k == 0 else 3, 2)]
            if k:
                level.append(Residual(width))
            self.down.append(nn.Sequential(*level))
            wide = width
        self.narrow, self.mix = nn.ModuleList(), nn.ModuleList()
        for width in _WIDTHS[-2:0:-1]:
            self.narrow.append(nn.Conv2d(wide, width, 1))
            self.mix.append(_conv(2 * width, width))
            wide = width
        self.head = nn.Sequential(_conv(wide, wide), nn.Conv2d(wide, self.dimension, 1))

    def forward(self, images: Tensor) -> Tensor:
        """See the class; images as `evened` makes them."""
        x = images[:, None]
        seen = []
        for level in self.down:
            x = level(x)
            seen.append(x)
        for narrow, mix, skip in zip(self.narrow, self.mix, seen[-2:0:-1], strict=True):
            x = functional.interpolate(narrow(x), scale_factor=2.0, mode="bilinear")
            x = mix(torch.cat([x, skip], 1))
        out: Tensor = self.head(x)
        return out


def evened(image: NDArray[np.generic]) -> NDArray[np.float32]:
    """Give an image (H, W) the brightness and contrast that the network knows: 0 and 1."""
    gray = np.ascontiguousarray(image, np.float32)
    return np.asarray((gray - gray.mean()) / (gray.std() + 1e-6), np.float32)


def mosaic_path() -> Path:
    """Where the weights lie that come with the package."""
    return Path(__file__).resolve().parents[1] / "weights" / "samstar-mosaic.safetensors"


@cache
def _load(path: Path) -> MosaicNet:
    return with_weights(MosaicNet(), path)


def vectors_steps(
    image: NDArray[np.generic], path: Path | None = None
) -> Generator[Progress, None, NDArray[np.float32]]:
    """Look at an image, a part a step.

    Parameters
    ----------
    image : (H, W) array
        Intensities.
    path : Path, optional
        Other weights, as `samstar train-mosaic` writes them.

    Returns
    -------
    (h, w, 16) float32
        A vector for each cell; h and w are H / 4 and W / 4, rounded up.
    """
    net = _load(path or mosaic_path())
    gray = evened(image)
    height, width = gray.shape
    out = np.empty((-(-height // CELL), -(-width // CELL), net.dimension), np.float32)
    corners = [(y, x) for y in range(0, height, _TILE) for x in range(0, width, _TILE)]
    for turn, (y, x) in enumerate(corners):
        yield Progress("borders", turn, len(corners), "looking for borders of materials")
        top, left = max(y - _MARGIN, 0), max(x - _MARGIN, 0)
        part = gray[top : y + _TILE + _MARGIN, left : x + _TILE + _MARGIN]
        rest = [-n % _MULTIPLE for n in part.shape]
        padded = np.pad(part, ((0, rest[0]), (0, rest[1])), "symmetric")
        with torch.inference_mode():
            found = net(torch.from_numpy(padded)[None])[0].permute(1, 2, 0).numpy()
        rows = slice(y // CELL, min((y + _TILE) // CELL, out.shape[0]))
        columns = slice(x // CELL, min((x + _TILE) // CELL, out.shape[1]))
        above, beside = (y - top) // CELL, (x - left) // CELL
        out[rows, columns] = found[
            above : above + rows.stop - rows.start, beside : beside + columns.stop - columns.start
        ]
    return out
