"""Train a texture encoder: crops of one material attract, of other materials repel.

The objective is Eq. 2 of Abebe et al., "SAM-I-Am: semantic boosting for zero-shot atomic-scale
electron micrograph segmentation" (2024), in the form of the supervised contrastive loss of Khosla
et al. (NeurIPS 33, 18661, 2020): on unit vectors Euclidean distance and cosine say the same.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_samstar.adapt.texture_data import HELD_OUT, TextureBatch, make_texture_batch
from napari_samstar.settings import TrainTextureSettings
from napari_samstar.types import Progress, SamStarError

__all__ = ["contrastive_loss", "nearest_accuracy", "train"]

_CURVE = ("step", "loss", "nearest")
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
    out.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(
        model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    checkpoint, weights = out / "checkpoint.pt", out / "samstar-texture.safetensors"
    first = 0
    if resume and checkpoint.exists():
        first = _load(checkpoint, settings, model, optimizer)
        if first >= settings.steps and progress is not None:
            sentence = (
                f"{checkpoint} is already at step {first}, the last of {settings.steps}: nothing "
                "was trained. Train into another folder to begin anew."
            )
            progress(Progress("trained", first, settings.steps, sentence))
    else:
        (out / "curve.csv").unlink(missing_ok=True)
    losses: list[float] = []
    for step in range(first, settings.steps):
        batch = make_texture_batch(step, settings)
        model.train()
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step, settings)
        loss = contrastive_loss(model(_stretched(batch)), batch, settings.temperature)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        recent = float(loss.detach())
        losses.append(recent)
        if not np.isfinite(recent):
            raise SamStarError(
                f"Training diverged at step {step}: lower the learning rate and train again."
            )
        done = step + 1
        if done % settings.evaluate_every == 0 or done == settings.steps:
            # first what was learned: measuring a large network takes a minute
            _save(checkpoint, done, settings, model, optimizer)
            _export(model, weights)
            _append(out / "curve.csv", done, float(np.mean(losses)), _evaluate(model, settings))
            losses.clear()
        if progress is not None:
            progress(Progress("training", done, settings.steps, f"loss {recent:.3f}"))
    return weights


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


@torch.no_grad()
def _evaluate(model: nn.Module, settings: TrainTextureSettings) -> float:
    model.eval()
    batches = [make_texture_batch(HELD_OUT + k, settings) for k in range(_HELD_OUT_BATCHES)]
    return float(np.mean([nearest_accuracy(model(_stretched(batch)), batch) for batch in batches]))


def _schedule(step: int, settings: TrainTextureSettings) -> float:
    """Warm up, then fall as a half cosine."""
    warm = max(settings.steps // 20, 1)
    if step < warm:
        return (step + 1) / warm
    share = (step - warm) / max(settings.steps - warm, 1)
    return float(0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * share)))


def _export(model: nn.Module, path: Path) -> None:
    state = {
        name: value.detach().to(torch.float16 if value.ndim >= 2 else value.dtype).contiguous()
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    part = path.with_suffix(f".{os.getpid()}.part")
    save_file(state, part)
    part.replace(path)


def _save(
    path: Path,
    step: int,
    settings: TrainTextureSettings,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    state = {
        "step": step,
        "settings": settings.key(),
        "network": type(model).__name__,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    part = path.with_suffix(f".{os.getpid()}.part")
    torch.save(state, part)
    part.replace(path)


def _load(
    path: Path,
    settings: TrainTextureSettings,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> int:
    state = torch.load(path, map_location="cpu", weights_only=True)
    mine = type(model).__name__
    theirs = state.get("network")
    if theirs is None:  # older ones do not say
        theirs = mine if state["model"].keys() == model.state_dict().keys() else "another network"
    if theirs != mine:
        raise SamStarError(
            f"{path} holds {theirs}, not {mine}: resume with the same --model, or train into "
            "another folder."
        )
    if state["settings"] != settings.key():
        raise SamStarError(
            f"{path} was trained with other settings: resume with the same, or train into another "
            "folder."
        )
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def _append(path: Path, step: int, loss: float, nearest: float) -> None:
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(_CURVE)
        writer.writerow([step, round(loss, 4), round(nearest, 4)])
