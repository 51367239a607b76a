"""Weights and an image that a seed determines, so that a comparison needs no stored weights.

The numbers of ``data/mobile_sam_vector.npz`` were made by MobileSAM's own implementation
(github.com/ChaoningZhang/MobileSAM, commit 34bbbfd) in double precision: its ``build_sam_vit_t``,
loaded with ``weights``, switched to ``eval()`` after loading, given ``image``, and prompted with a
click at ``CLICK``.

- ``keys``: its state dict, "name shape dtype" each
- ``index``, ``embedding``: places in the flat embedding and its values there
- ``logits_index``, ``logits``, ``iou``: the same of the decoder's low-resolution logits
"""

from __future__ import annotations

import numpy as np
import torch

CLICK = (300.0, 400.0)


def weights(state: dict[str, torch.Tensor], seed: int = 7) -> dict[str, torch.Tensor]:
    """Numbers for every entry of `state`, drawn in the order of the sorted names.

    `RandomState` is frozen by NumPy's promise, so that they are the same everywhere. Matrices
    keep the variance, biases and running means are not zero, so that a wrong index shows.
    """
    draw = np.random.RandomState(seed)
    out = {}
    for name in sorted(state):
        old = state[name]
        if not old.dtype.is_floating_point:
            out[name] = torch.zeros_like(old)
            continue
        x = draw.standard_normal(old.numel()).reshape(tuple(old.shape))
        if name.endswith("running_var"):
            x = 0.5 + np.abs(x)
        elif name.endswith(("bias", "biases", "running_mean")):
            x = 0.5 * x
        elif old.ndim == 1:
            x = 1 + 0.3 * x
        else:
            x = x / np.sqrt(np.prod(old.shape[1:]))
        out[name] = torch.from_numpy(np.ascontiguousarray(x)).to(old.dtype)
    return out


def image() -> torch.Tensor:
    """Noise (1, 3, 1024, 1024) as the encoder takes it."""
    draw = np.random.RandomState(11)
    return torch.from_numpy(draw.standard_normal((1, 3, 1024, 1024)).astype(np.float32))
