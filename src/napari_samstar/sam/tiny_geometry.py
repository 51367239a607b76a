"""Where `samstar-tiny` looks: the places at which the decoder samples the image."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from napari_samstar.sam.tiny_encoder import LEVELS

__all__ = ["CLICK_SIZE", "first_box", "fovea", "monomials", "over", "sample", "unit_grid"]

#: Half a side of the box first assumed around a click, px.
CLICK_SIZE = 32.0

_ROI_EXTENT = 1.4
_RINGS = ((4.0, 0), (8.0, 0), (16.0, 0), (16.0, 1), (32.0, 1), (64.0, 2), (128.0, 3), (256.0, 4))


def sample(level: Tensor, xy: Tensor, size: tuple[int, int]) -> Tensor:
    """Sample (B, C, h, w) at (B, Q, 2) x, y in px of the (H, W) input: (B, Q, C)."""
    scale = xy.new_tensor([2.0 / size[1], 2.0 / size[0]])
    grid = (xy * scale - 1.0).unsqueeze(2)
    out = functional.grid_sample(level, grid, mode="bilinear", align_corners=False)
    return out.squeeze(3).transpose(1, 2)


def fovea() -> tuple[Tensor, list[tuple[int, int]]]:
    """Offsets (T, 2), px, and how many of them, in order, belong to which level."""
    offsets = [(0.0, 0.0)] * len(LEVELS)
    counts = [(i, 1) for i in range(len(LEVELS))]
    for radius, level in _RINGS:
        offsets += [
            (radius * math.cos(k * math.pi / 4), radius * math.sin(k * math.pi / 4))
            for k in range(8)
        ]
        counts.append((level, 8))
    return torch.tensor(offsets), counts


def unit_grid(side: int) -> Tensor:
    """(side^2, 2) x, y over a box of half size 1, somewhat beyond its edges."""
    line = torch.linspace(-_ROI_EXTENT, _ROI_EXTENT, side)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1)


def over(boxes: Tensor, grid: Tensor) -> Tensor:
    """Lay a (T, 2) grid over (B, Q, 4) boxes: (B, Q, T, 2), px."""
    return boxes[..., None, :2] + boxes[..., None, 2:] * grid


def monomials(xy: Tensor) -> Tensor:
    """(B, 5, H, W): x, y, x^2, x y, y^2."""
    x, y = xy[:, :1], xy[:, 1:]
    return torch.cat([x, y, x * x, x * y, y * y], dim=1)


def first_box(points: Tensor, boxes: Tensor | None) -> Tensor:
    """Where to look first, (B, P, 4) center and half size: the box, else the object clicks."""
    if boxes is not None:
        half = ((boxes[..., 2:] - boxes[..., :2]) / 2).clamp(min=1.0)
        return torch.cat([(boxes[..., 2:] + boxes[..., :2]) / 2, half], dim=-1)
    labels = points[..., 2]
    inside = (labels == 1).to(points.dtype)
    # with no click on the object the others must do
    weight = torch.where(inside.sum(-1, keepdim=True) > 0, inside, (labels >= 0).to(points.dtype))
    total = weight.sum(-1, keepdim=True).clamp(min=1.0)
    center = (points[..., :2] * weight.unsqueeze(-1)).sum(2) / total
    return torch.cat([center, torch.full_like(center, CLICK_SIZE)], dim=-1)
