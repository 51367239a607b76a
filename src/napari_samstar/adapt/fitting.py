"""Fit a small network step by step; what was stopped goes on as if it had not been."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from napari_samstar.settings import FitSettings
from napari_samstar.types import Progress, SamStarError

__all__ = ["HELD_OUT", "fit"]

#: Steps from this number on are never trained on.
HELD_OUT = 10_000_000


def fit(
    model: nn.Module,
    settings: FitSettings,
    weights: Path,
    loss_at: Callable[[int], Tensor],
    measure: tuple[str, Callable[[], float]],
    progress: Callable[[Progress], None] | None = None,
    resume: bool = False,
) -> Path:
    """Train `model`, write weights, and beside them `curve.csv` and a checkpoint to go on from.

    Everything follows from the settings and the step, if `loss_at` does: a resumed run goes on as
    the interrupted one would have.

    Parameters
    ----------
    model : Module
        Trained in place.
    settings : FitSettings
        How long and how fast: AdamW, a warm-up, then half a cosine.
    weights : Path
        Where the weights go, safetensors: matrices in half, statistics and biases in full
        precision. Its folder is made if missing.
    loss_at : callable
        The loss of a step, from 0.
    measure : tuple of str and callable
        Name and value of what is measured on held-out data, for the curve.
    progress : callable, optional
        Told after every step; what it raises ends the training. Where the checkpoint is at its
        last step already, it is told once, in stage "trained" and with a sentence.
    resume : bool
        Go on from the checkpoint in the folder, where there is one.

    Raises
    ------
    SamStarError
        If the checkpoint belongs to another network or other settings, or the loss is no number
        any more.
    """
    out = weights.parent
    out.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(
        model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    checkpoint, curve = out / "checkpoint.pt", out / "curve.csv"
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
        curve.unlink(missing_ok=True)
    losses: list[float] = []
    name, value = measure
    for step in range(first, settings.steps):
        model.train()
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step, settings.steps)
        loss = loss_at(step)
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
            model.eval()
            with torch.no_grad():
                _append(curve, name, done, float(np.mean(losses)), value())
            losses.clear()
        if progress is not None:
            progress(Progress("training", done, settings.steps, f"loss {recent:.3f}"))
    return weights


def _schedule(step: int, steps: int) -> float:
    """Warm up, then fall as a half cosine."""
    warm = max(steps // 20, 1)
    if step < warm:
        return (step + 1) / warm
    share = (step - warm) / max(steps - warm, 1)
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
    settings: FitSettings,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    state: dict[str, Any] = {
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
    path: Path, settings: FitSettings, model: nn.Module, optimizer: torch.optim.Optimizer
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


def _append(path: Path, name: str, done: int, loss: float, value: float) -> None:
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if fresh:
            writer.writerow(("step", "loss", name))
        writer.writerow([done, round(loss, 4), round(value, 4)])
