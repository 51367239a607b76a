"""Small real SAMs for tests: Meta's own classes with random weights."""

from __future__ import annotations

import torch
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)


def small_sam(seed: int = 0, size: int = 128) -> Sam:
    """Meta's architecture at a hundredth of its size; its masks are neither full nor empty."""
    torch.manual_seed(seed)
    dim, grid = 16, size // 8
    sam = Sam(
        image_encoder=ImageEncoderViT(
            img_size=size, patch_size=8, embed_dim=16, depth=1, num_heads=2, out_chans=dim
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=dim,
            image_embedding_size=(grid, grid),
            input_image_size=(size, size),
            mask_in_chans=4,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=3,
            transformer=TwoWayTransformer(depth=1, embedding_dim=dim, mlp_dim=32, num_heads=2),
            transformer_dim=dim,
            iou_head_depth=2,
            iou_head_hidden_dim=16,
        ),
    )
    with torch.no_grad():
        for mlp in sam.mask_decoder.output_hypernetworks_mlps:
            mlp.layers[-1].weight.mul_(60.0)
        sam.mask_decoder.iou_prediction_head.layers[-1].weight.mul_(0.5)
        sam.mask_decoder.iou_prediction_head.layers[-1].bias.fill_(0.5)
        sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.mul_(2.0)
    for parameter in sam.parameters():
        parameter.requires_grad_(False)
    return sam.eval()
