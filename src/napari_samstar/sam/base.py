"""What a model must offer, and what is known of one that was loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
import xxhash
from torch import Tensor

__all__ = ["LoadedModel", "SamLike", "model_hash"]


@runtime_checkable
class SamLike(Protocol):
    """A model that ``segment_anything.SamPredictor`` runs: its calls and nothing more.

    The parts are called as in `segment_anything.modeling.Sam`, whose result of one is passed on
    untouched to the next; so a model may embed an image as one map or as several.
    """

    mask_threshold: float
    image_format: str

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        ...

    @property
    def image_encoder(self) -> Any:
        """Preprocessed images (B, 3, S, S) to features; has `img_size` S, px."""
        ...

    @property
    def prompt_encoder(self) -> Any:
        """``(points, boxes, masks)`` to sparse and dense features; has ``get_dense_pe()``."""
        ...

    @property
    def mask_decoder(self) -> Any:
        """Features and prompts to low-resolution logits and predicted IoUs."""
        ...

    def preprocess(self, x: Tensor) -> Tensor:
        """Normalize and pad (B, 3, H, W) in 0 to 255 to the encoder's view."""
        ...

    def postprocess_masks(
        self, masks: Tensor, input_size: tuple[int, ...], original_size: tuple[int, ...]
    ) -> Tensor:
        """Low-resolution logits to logits of the image's size."""
        ...


@dataclass(frozen=True)
class LoadedModel:
    """What a recipe records of a model; `load_model` leaves it as the model's `samstar`.

    Parameters
    ----------
    name : str
        Name in the zoo, or of the file.
    hash : str
        "xxh128:" and the digest of the checkpoint file.
    licence : str
        SPDX name of the weights' licence, "unknown" for a file of one's own.
    architecture : str
        "vit_b", "vit_l", "vit_h", "vit_t" or "samstar-tiny".
    """

    name: str
    hash: str
    licence: str
    architecture: str


def model_hash(sam: Any) -> str:
    """Identity of a model's weights, for cache keys and recipes.

    Returns
    -------
    str
        What `load_model` recorded, else "xxh128-state:" and a digest of the state dict: names,
        types, shapes and values. The two kinds never meet, so a mistaken hit is not possible.
    """
    loaded = getattr(sam, "samstar", None)
    if isinstance(loaded, LoadedModel):
        return loaded.hash
    digest = xxhash.xxh3_128()
    for name, value in sorted(sam.state_dict().items()):
        tensor = value.detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy())
    return f"xxh128-state:{digest.hexdigest()}"
