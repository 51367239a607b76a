"""The official SAM image encoders ViT-B, ViT-L and ViT-H, as `segment_anything` builds them.

A. Kirillov et al., "Segment Anything", ICCV 2023 (arXiv:2304.02643).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["VIT_WIDTHS", "build_sam_vit"]

#: Width of the encoder's tokens, by which a checkpoint tells which of the three it is.
VIT_WIDTHS = {"vit_b": 768, "vit_l": 1024, "vit_h": 1280}
# the only values that a checkpoint does not hold: ImageNet's, as in segment_anything's build_sam.py
_BUFFERS = {"pixel_mean": (123.675, 116.28, 103.53), "pixel_std": (58.395, 57.12, 57.375)}


def build_sam_vit(architecture: str, state: Mapping[str, Tensor] | None = None) -> Any:
    """SAM in eval mode, with the weights of `state`, else random ones.

    Parameters
    ----------
    architecture : str
        "vit_b", "vit_l" or "vit_h".
    state : mapping of str to tensor, optional
        State dict of that architecture, float32. The model takes the tensors themselves: without
        drawing random weights first, ViT-H is ready ten seconds sooner and never twice in memory.

    Returns
    -------
    segment_anything.modeling.Sam

    Raises
    ------
    RuntimeError
        If `state` has other names or shapes than the architecture (from `load_state_dict`).
    """
    from segment_anything import sam_model_registry

    if architecture not in VIT_WIDTHS:
        raise ValueError(f"{architecture} is not one of {', '.join(VIT_WIDTHS)}.")
    build = sam_model_registry[architecture]
    if state is None:
        return build().eval()
    with torch.device("meta"):
        sam = build()
    sam.load_state_dict(dict(state), strict=True, assign=True)
    for name, values in _BUFFERS.items():
        setattr(sam, name, torch.tensor(values).view(-1, 1, 1))
    return sam.eval()
