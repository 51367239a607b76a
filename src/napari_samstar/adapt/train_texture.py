"""Train a texture encoder: crops of one material attract, of other materials repel.

The objective is Eq. 2 of Abebe et al., "SAM-I-Am: semantic boosting for zero-shot atomic-scale
electron micrograph segmentation" (2024), in the form of the supervised contrastive loss of Khosla
et al. (NeurIPS 33, 18661, 2020): on unit vectors Euclidean distance and cosine say the same.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from napari_samstar.adapt.fitting import HELD_OUT, fit
from napari_samstar.adapt.texture_data import TextureBatch, make_texture_batch
from napari_samstar.settings import TrainTextureSettings
from napari_samstar.types import Progress

__all__ = ["contrastive_loss", "nearest_accuracy", "train"]

_HELD_OUT_BATCHES = 6


def contrastive_loss(embeddings: Tensor, batch: TextureBatch, temperature: float) -> Tensor:
    """Mean over crops of the cross-entropy of finding its material's crops in its image.

    Only materials of the same image repel: the same crystal may well come up in another one.

    Parameters
    ----------
    embeddings : (B, D) tensor
        Unit vectors.
    batch : TextureBatch
        Which crop is of which material and image.
    temperature : float
        Divides the cosines.
    """
    similarity = embeddings @ embeddings.T / temperature
    itself = torch.eye(len(embeddings), dtype=torch.bool)
    together = (batch.image[:, None] == batch.image[None]) & ~itself
    same = (batch.material[:, None] == batch.material[None]) & ~itself
    rest = torch.where(together, similarity, -torch.inf).logsumexp(1)
    gain = (similarity - rest[:, None]) * same
    return -(gain.sum(1) / same.sum(1).clamp(min=1)).mean()


def nearest_accuracy(embeddings: Tensor, batch: TextureBatch) -> float:
    """Share of crops whose nearest other crop of the same image is of the same material."""
    similarity = embeddings @ embeddings.T
    itself = torch.eye(len(embeddings), dtype=torch.bool)
    together = (batch.image[:, None] == batch.image[None]) & ~itself
    nearest = torch.where(together, similarity, -torch.inf).argmax(1)
    return float((batch.material[nearest] == batch.material).float().mean())


def train(
    model: nn.Module,
    settings: TrainTextureSettings,
    out: Path,
    progress: Callable[[Progress], None] | None = None,
    resume: bool = False,
) -> Path:
    """Train `model`, write weights, `curve.csv` and a checkpoint to go on from.

    Everything follows from the seed and the step: a resumed run goes on as the interrupted one
    would have.

    Parameters
    ----------
    model : Module
        Crops (N, S, S) to unit vectors (N, D); trained in place.
    settings : TrainTextureSettings
        How long and from what seed.
    out : Path
        Folder for the results; made if missing.
    progress : callable, optional
        Told after every step; what it raises ends the training. Where the checkpoint is at its
        last step already, it is told once, in stage "trained" and with a sentence.
    resume : bool
        Go on from the checkpoint in `out`, where there is one.

    Returns
    -------
    Path
        The weights, safetensors: matrices in half, statistics and biases in full precision.

    Raises
    ------
    SamStarError
        If the checkpoint belongs to another network or other settings, or the loss is no number
        any more.
    """

    def loss_at(step: int) -> Tensor:
        batch = make_texture_batch(step, settings)
        return contrastive_loss(model(_stretched(batch)), batch, settings.temperature)

    def nearest() -> float:
        batches = [make_texture_batch(HELD_OUT + k, settings) for k in range(_HELD_OUT_BATCHES)]
        return float(np.mean([nearest_accuracy(model(_stretched(b)), b) for b in batches]))

    weights = out / "samstar-texture.safetensors"
    return fit(model, settings, weights, loss_at, ("nearest", nearest), progress, resume)


def _stretched(batch: TextureBatch) -> Tensor:
    """Crops in the units in which encoders get them: 0 to 1 over the range of their image."""
    out = torch.empty_like(batch.crops)
    for image in range(int(batch.image.max()) + 1):
        rows = batch.image == image
        crops = batch.crops[rows]
        # the limits of `in_gray_levels`, which is above this module
        low, high = (float(v) for v in np.percentile(crops.numpy(), (0.1, 99.9)))
        out[rows] = (crops - low) / max(high - low, 1e-12)
    return out
