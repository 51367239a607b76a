"""What `samstar-tiny` is trained for.

Three masks compete for an ambiguous prompt, as in Kirillov et al., Segment anything, ICCV 2023; a
small share of their mean keeps the two that lose from drifting away. Dense terms on the finest map
teach outlines and centers from every object in view, not only from those that were asked for.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from napari_samstar.sam.tiny_decoder import VOTE_SCALE

__all__ = ["box_losses", "dense_loss", "mask_losses", "prompt_loss", "true_iou"]


def _extent(target: Tensor) -> Tensor:
    """Boxes (..., 4) of masks (..., h, w) as center and half size, in pixels of the mask."""
    sides = []
    for dim in (-2, -1):
        line = target.amax(dim=dim) > 0.25
        index = torch.arange(line.shape[-1], device=target.device)
        low = torch.where(line, index, line.shape[-1]).amin(-1)
        high = torch.where(line, index, -1).amax(-1) + 1
        sides.append((low.float(), high.float()))
    (x0, x1), (y0, y1) = sides
    half = torch.stack([x1 - x0, y1 - y0], -1).clamp(min=1.0) / 2
    return torch.cat([torch.stack([x1 + x0, y1 + y0], -1) / 2, half], -1)


def mask_losses(logits: Tensor, target: Tensor, extent: Tensor) -> Tensor:
    """Cross-entropy, mostly around the object, and dice loss of each mask.

    Parameters
    ----------
    logits : (..., M, h, w) tensor
        What was drawn.
    target : (..., h, w) tensor
        Share of each pixel that belongs to the object.
    extent : (..., 4) tensor
        Box of the target, pixels of the mask.

    Returns
    -------
    (..., M) tensor
    """
    height, width = target.shape[-2:]
    y = torch.arange(height, device=target.device).view(-1, 1) + 0.5
    x = torch.arange(width, device=target.device) + 0.5
    cx, cy, hx, hy = (e[..., None, None] for e in extent.unbind(-1))
    near = ((x - cx).abs() < 1.5 * hx + 2) & ((y - cy).abs() < 1.5 * hy + 2)
    inside = near.flatten(-2).sum(-1, keepdim=True).unsqueeze(-1).float()
    outside = (height * width - inside).clamp(min=1.0)
    weight = torch.where(near, 1 / inside.clamp(min=1.0), 0.3 / outside).unsqueeze(-3)
    truth = target.unsqueeze(-3)
    logits = _tame(logits)
    entropy = functional.binary_cross_entropy_with_logits(
        logits, truth.expand_as(logits), reduction="none"
    )
    entropy = (entropy * weight).sum((-2, -1))
    drawn = logits.sigmoid()
    both = (drawn * truth).sum((-2, -1))
    dice = 1 - (2 * both + 1) / (drawn.sum((-2, -1)) + truth.sum((-2, -1)) + 1)
    return entropy + dice


def _tame(logits: Tensor) -> Tensor:
    """Let large logits grow as their logarithm: a form far from its object is steep."""
    size = logits.abs()
    return torch.where(size > 8, logits.sign() * (8 + torch.log1p((size - 8).clamp(min=0))), logits)


def box_losses(boxes: Tensor, extent: Tensor) -> Tensor:
    """Error of the guessed boxes (..., M, 4), relative to the size of the true one (..., 4)."""
    truth = extent.unsqueeze(-2)
    place = (boxes[..., :2] - truth[..., :2]).abs() / truth[..., 2:]
    size = (torch.log(boxes[..., 2:]) - torch.log(truth[..., 2:])).abs()
    return (place.clamp(max=3) + size).sum(-1)


def true_iou(logits: Tensor, target: Tensor) -> Tensor:
    """IoU (B, P, M) of (B, P, M, h, w) logits with (B, P, H, W) masks, at half the resolution."""
    drawn = functional.interpolate(
        logits.flatten(1, 2), scale_factor=2, mode="bilinear", align_corners=False
    ).view(*logits.shape[:3], 2 * logits.shape[3], 2 * logits.shape[4])
    truth = (functional.avg_pool2d(target, target.shape[-1] // drawn.shape[-1]) > 0.5).unsqueeze(2)
    mask = drawn > 0
    both = (mask & truth).sum((-2, -1))
    either = (mask | truth).sum((-2, -1))
    return both / either.clamp(min=1)


def prompt_loss(
    logits: Tensor, predicted: Tensor, boxes: Tensor, target: Tensor, clear: bool
) -> tuple[Tensor, Tensor]:
    """Loss of all prompts, and the true IoU of their masks.

    Parameters
    ----------
    logits, predicted, boxes : tensor
        What the decoder returned, see `sam.tiny_decoder.Decoded`.
    target : (B, P, H, W) float tensor
        Masks at the resolution of the input; empty ones ask for a low predicted IoU alone.
    clear : bool
        Whether the prompt leaves no doubt about the object: then the first mask answers.

    Returns
    -------
    tuple of tensor
        A number, and (B, P, 4).
    """
    coarse = functional.avg_pool2d(target, 4)
    asked = (target.flatten(-2).amax(-1) > 0).float()
    extent = _extent(coarse)
    losses = mask_losses(logits, coarse, extent)
    box = box_losses(boxes, extent * 4)
    best = losses[..., 1:].detach().argmin(-1, keepdim=True) + 1
    several = losses.gather(-1, best).squeeze(-1) + 0.3 * losses[..., 1:].mean(-1)
    single = (1.0 if clear else 0.4) * losses[..., 0]
    both = box[..., 0] * (1.0 if clear else 0.4) + box.gather(-1, best).squeeze(-1)
    drawing = ((several + single + 0.25 * both) * asked).sum() / asked.sum().clamp(min=1)
    with torch.no_grad():
        iou = true_iou(logits, target)
    return drawing + 2.5 * functional.mse_loss(predicted, iou), iou


def dense_loss(finest: Tensor, heads: Tensor, centers: Tensor, edges: Tensor) -> Tensor:
    """Loss of the votes for centers, and of insides and outlines.

    Parameters
    ----------
    finest : (B, C, h, w) tensor
        Finest map of the encoder; its last two channels vote.
    heads : (B, 2, h, w) tensor
        Logits of inside and outline.
    centers, edges : tensor
        As in `adapt.tiny_data.Batch`.
    """
    height, width = finest.shape[-2:]
    y = (torch.arange(height, device=finest.device).view(-1, 1) * 4 + 2.0).expand(height, width)
    x = (torch.arange(width, device=finest.device) * 4 + 2.0).expand(height, width)
    place = torch.stack([x, y])
    inside = (centers[:, 2] > 0).float()
    vote = place + finest[:, -2:] * VOTE_SCALE - centers[:, :2]
    miss = (vote.abs() / centers[:, 2:].clamp(min=2.0)).clamp(max=5).sum(1)
    votes = (miss * inside).sum() / inside.sum().clamp(min=1)
    weight = torch.tensor([1.0, 3.0], device=finest.device).view(1, 2, 1, 1)
    entropy = functional.binary_cross_entropy_with_logits(heads, edges, pos_weight=weight)
    return 0.3 * votes + entropy
