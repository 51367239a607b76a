"""TinyViT-5M as an image encoder of SAM, with the parameter names of MobileSAM's checkpoints.

The network is the one of K. Wu et al., "TinyViT: Fast Pretraining Distillation for Small Vision
Transformers", ECCV 2022 (arXiv:2207.10666), as C. Zhang et al., "Faster Segment Anything: Towards
Lightweight SAM for Mobile Applications" (arXiv:2306.14289), put it in SAM's place of ViT-H: a
convolutional stem, one stage of inverted bottlenecks, three stages of windowed attention whose
biases depend on the distance between two pixels, and SAM's neck. The last stage keeps the
resolution of the third, so that the embedding is (256, 64, 64) for a 1024 px view.

The layout of the keys is described in ``docs/checkpoints.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from segment_anything.modeling import MaskDecoder, PromptEncoder, Sam, TwoWayTransformer
from segment_anything.modeling.common import LayerNorm2d
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["TinyViT", "build_sam_vit_t"]

_VIEW = 1024  # px, side of what the encoder sees
_DIMS = (64, 128, 160, 320)
_DEPTHS = (2, 2, 6, 2)
_HEADS = (2, 4, 5, 10)
_WINDOWS = (7, 7, 14, 7)
_STRIDES = (2, 2, 1)  # between the stages; in the classifier the last is 2 as well
_EXPANSION = 4  # of the hidden layers, both convolutional and linear
_EMBEDDING = 256  # channels that SAM's decoder takes
_CLASSES = 1000  # of the classifier that the checkpoints still carry


class ConvNorm(nn.Sequential):
    """Convolution without bias, then batch normalization: ``c`` and ``bn`` in the checkpoint."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        convolution = nn.Conv2d(
            inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False
        )
        self.add_module("c", convolution)
        self.add_module("bn", nn.BatchNorm2d(outputs))


class PatchEmbed(nn.Module):
    """Stem: two strided convolutions, (B, 3, H, W) to (B, `dim`, H / 4, W / 4)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(
            ConvNorm(3, dim // 2, 3, 2), nn.GELU(), ConvNorm(dim // 2, dim, 3, 2)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Embed patches of 4 px."""
        out: Tensor = self.seq(image)
        return out


class InvertedBottleneck(nn.Module):
    """MBConv: widen, depthwise 3x3, narrow, add the input; (B, `dim`, H, W) to the same."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = dim * _EXPANSION
        self.conv1 = ConvNorm(dim, hidden)
        self.conv2 = ConvNorm(hidden, hidden, 3, groups=hidden)
        self.conv3 = ConvNorm(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        inner = functional.gelu(self.conv2(functional.gelu(self.conv1(x))))
        return functional.gelu(x + self.conv3(inner))


class Merge(nn.Module):
    """Step between two stages: new width, and half the resolution where `stride` is 2."""

    def __init__(self, dim: int, out_dim: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(dim, out_dim)
        self.conv2 = ConvNorm(out_dim, out_dim, 3, stride, groups=out_dim)
        self.conv3 = ConvNorm(out_dim, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, `dim`, H, W) to (B, `out_dim`, H / `stride`, W / `stride`)."""
        out: Tensor = self.conv3(functional.gelu(self.conv2(functional.gelu(self.conv1(x)))))
        return out


def offset_index(side: int) -> Tensor:
    """Which learned bias stands between any two pixels of a window of `side` x `side` px.

    Returns
    -------
    (side**2, side**2) int64
        ``abs(dy) * side + abs(dx)``: pixels in row-major order, one bias per absolute distance.
        The checkpoints number the distances in the order in which the first pixel meets them,
        which is this one.
    """
    along = torch.arange(side)
    y, x = along.repeat_interleave(side), along.repeat(side)
    dy, dx = (y[:, None] - y[None]).abs(), (x[:, None] - x[None]).abs()
    return dy * side + dx


class WindowAttention(nn.Module):
    """Attention among the pixels of one window, (B, `side`**2, `dim`) to the same."""

    bias_index: Tensor

    def __init__(self, dim: int, heads: int, side: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.attention_biases = nn.Parameter(torch.zeros(heads, side * side))
        self.register_buffer("bias_index", offset_index(side), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Attend."""
        batch, pixels, dim = x.shape
        # head by head the checkpoint's projection gives query, key and value in turn
        qkv = self.qkv(self.norm(x)).view(batch, pixels, self.heads, 3, dim // self.heads)
        query, key, value = qkv.permute(3, 0, 2, 1, 4)
        # gathered anew each time: a kept copy would be stale after weights are loaded
        bias = self.attention_biases[:, self.bias_index].to(query.dtype)
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, pixels, dim))
        return out


class Mlp(nn.Module):
    """Normalize, widen, narrow; acts on the last axis."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, dim * _EXPANSION)
        self.fc2 = nn.Linear(dim * _EXPANSION, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the two layers."""
        out: Tensor = self.fc2(functional.gelu(self.fc1(self.norm(x))))
        return out


class Block(nn.Module):
    """Windowed attention, depthwise 3x3 convolution, perceptron; (B, `dim`, H, W) to the same."""

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(dim, heads, window)
        self.mlp = Mlp(dim)
        self.local_conv = ConvNorm(dim, dim, 3, groups=dim)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block; the image is padded with zeros to whole windows."""
        batch, dim, height, width = x.shape
        side = self.window
        rows, columns = -(-height // side), -(-width // side)
        padded = functional.pad(x, (0, columns * side - width, 0, rows * side - height))
        windows = padded.view(batch, dim, rows, side, columns, side).permute(0, 2, 4, 3, 5, 1)
        mixed: Tensor = self.attn(windows.reshape(-1, side * side, dim))
        whole = mixed.view(batch, rows, columns, side, side, dim).permute(0, 5, 1, 3, 2, 4)
        whole = whole.reshape(batch, dim, rows * side, columns * side)[..., :height, :width]
        local: Tensor = self.local_conv(x + whole)
        mixed = self.mlp(local.permute(0, 2, 3, 1))
        return local + mixed.permute(0, 3, 1, 2)


class Stage(nn.Module):
    """Blocks of one resolution and the step to the next."""

    def __init__(self, blocks: list[nn.Module], downsample: Merge | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Apply blocks and step."""
        for block in self.blocks:
            x = block(x)
        if self.downsample is not None:
            x = self.downsample(x)
        return x


class TinyViT(nn.Module):
    """Image encoder of MobileSAM: (B, 3, 1024, 1024) float to (B, 256, 64, 64).

    The input is normalized as SAM normalizes it. ``norm_head`` and ``head`` belong to the
    classifier that the network was distilled from; they are here because the checkpoints carry
    them, and are not used.
    """

    def __init__(self) -> None:
        super().__init__()
        self.img_size = _VIEW
        self.patch_embed = PatchEmbed(_DIMS[0])
        self.layers = nn.ModuleList()
        for i, (dim, depth) in enumerate(zip(_DIMS, _DEPTHS, strict=True)):
            blocks: list[nn.Module] = [
                InvertedBottleneck(dim) if i == 0 else Block(dim, _HEADS[i], _WINDOWS[i])
                for _ in range(depth)
            ]
            step = Merge(dim, _DIMS[i + 1], _STRIDES[i]) if i < len(_STRIDES) else None
            self.layers.append(Stage(blocks, step))
        self.norm_head = nn.LayerNorm(_DIMS[-1])
        self.head = nn.Linear(_DIMS[-1], _CLASSES)
        self.neck = nn.Sequential(
            nn.Conv2d(_DIMS[-1], _EMBEDDING, 1, bias=False),
            LayerNorm2d(_EMBEDDING),
            nn.Conv2d(_EMBEDDING, _EMBEDDING, 3, padding=1, bias=False),
            LayerNorm2d(_EMBEDDING),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Embed a batch of images."""
        x = self.patch_embed(image)
        for stage in self.layers:
            x = stage(x)
        out: Tensor = self.neck(x)
        return out


def build_sam_vit_t(state: Mapping[str, Tensor] | None = None) -> Any:
    """SAM with `TinyViT` as its encoder, in eval mode.

    Parameters
    ----------
    state : mapping of str to tensor, optional
        State dict of MobileSAM; random weights if not given.

    Returns
    -------
    segment_anything.modeling.Sam
        Prompt encoder and mask decoder are those of the official models, as in MobileSAM.

    Raises
    ------
    RuntimeError
        If `state` has other names or shapes than the architecture (from `load_state_dict`).
    """
    grid = _VIEW // 16
    sam = Sam(
        image_encoder=TinyViT(),
        prompt_encoder=PromptEncoder(
            embed_dim=_EMBEDDING,
            image_embedding_size=(grid, grid),
            input_image_size=(_VIEW, _VIEW),
            mask_in_chans=16,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(
                depth=2, embedding_dim=_EMBEDDING, mlp_dim=2048, num_heads=8
            ),
            transformer_dim=_EMBEDDING,
            iou_head_depth=3,
            iou_head_hidden_dim=256,
        ),
        pixel_mean=[123.675, 116.28, 103.53],
        pixel_std=[58.395, 57.12, 57.375],
    )
    if state is not None:
        sam.load_state_dict(dict(state), strict=True)
    return sam.eval()
