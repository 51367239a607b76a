"""The slow stage: the image encoder, once for each crop, cached by content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_samstar.cache import content_key
from napari_samstar.sam.device import run_batched
from napari_samstar.types import Embedding

if TYPE_CHECKING:
    from napari_samstar.cache import Store

__all__ = ["embed", "is_embedded", "move"]


def embed(
    sam: Any,
    rgb: NDArray[np.uint8],
    crop_box: tuple[int, int, int, int],
    *,
    model_hash: str,
    store: Store | None = None,
) -> Embedding:
    """Encode one crop exactly as `segment_anything.SamPredictor.set_image` does.

    Parameters
    ----------
    sam : Sam
        A `segment_anything`-compatible model.
    rgb : (H, W, 3) uint8
        The whole preprocessed image.
    crop_box : tuple of int
        x0, y0, x1, y1 of the crop, last row and column excluded, px.
    model_hash : str
        Identity of the weights, part of the cache key.
    store : Store, optional
        Where embeddings are kept; without one, nothing is.

    Returns
    -------
    Embedding
        Features on the model's device.
    """
    from segment_anything import SamPredictor

    x0, y0, x1, y1 = crop_box
    crop = np.ascontiguousarray(rgb[y0:y1, x0:x1])
    predictor = SamPredictor(sam)
    original_size = (int(crop.shape[0]), int(crop.shape[1]))
    input_size = predictor.transform.get_preprocess_shape(
        *original_size, predictor.transform.target_length
    )
    key = ""
    if store is not None:
        key = _key(crop, model_hash)
        cached = store.get(key)
        if cached is not None:
            features = _unpack(cached, sam.device)
            return Embedding(features, crop_box, original_size, input_size)
    # one item: a GPU without memory for it hands over to the CPU, with one warning
    (features,) = run_batched(
        lambda _, device: _encode(predictor, crop, device), [crop], 1, sam.device
    )
    if store is not None:
        store.put(key, _pack(features))
    return Embedding(features, crop_box, original_size, input_size)


def is_embedded(
    rgb: NDArray[np.uint8],
    crop_box: tuple[int, int, int, int],
    *,
    model_hash: str,
    store: Store | None,
) -> bool:
    """Whether `embed` would find this crop in the store."""
    if store is None:
        return False
    x0, y0, x1, y1 = crop_box
    return store.get(_key(np.ascontiguousarray(rgb[y0:y1, x0:x1]), model_hash)) is not None


def _key(crop: NDArray[np.uint8], model_hash: str) -> str:
    return content_key("embedding", model_hash, repr(crop.shape), crop.tobytes())


def _encode(predictor: Any, crop: NDArray[np.uint8], device: torch.device) -> Any:
    if predictor.model.device.type != device.type:
        predictor.model.to(device)
    with torch.inference_mode():
        predictor.set_image(crop)
    return predictor.features


def move(features: Any, device: torch.device) -> Any:
    """Bring the encoder's output, a tensor or a tuple of tensors, to a device."""
    if isinstance(features, (tuple, list)):
        return tuple(t.to(device) for t in features)
    return features.to(device)


def _pack(features: Any) -> bytes:
    from safetensors.torch import save

    flat = features if isinstance(features, (tuple, list)) else (features,)
    tensors = {f"{i:03d}": t.detach().cpu().contiguous() for i, t in enumerate(flat)}
    kind = "tensor" if isinstance(features, torch.Tensor) else "tuple"
    return bytes(save(tensors, metadata={"kind": kind}))


def _unpack(data: bytes, device: Any) -> Any:
    from safetensors.torch import load

    tensors = load(data)
    flat = tuple(tensors[name] for name in sorted(tensors))
    return move(flat[0] if b'"kind":"tensor"' in data[:4096] else flat, device)
