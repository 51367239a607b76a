"""Train `samstar-tiny` on synthetic micrographs, from nothing or from earlier weights."""

from __future__ import annotations

import copy
import csv
import os
import pickle
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from segment_anything.modeling import Sam
from torch import nn

from napari_samstar.adapt.batches import batches
from napari_samstar.adapt.team import Team
from napari_samstar.adapt.tiny_data import Batch
from napari_samstar.adapt.trainee import MEASURED, Trainee, held_out, measured, step_loss
from napari_samstar.cache import content_key
from napari_samstar.sam.device import choose_device
from napari_samstar.settings import TrainTinySettings
from napari_samstar.synth import KINDS
from napari_samstar.types import Progress, SamStarError

__all__ = ["CURVE", "export", "train"]

#: Columns of `curve.csv`.
CURVE = ("step", "loss", *MEASURED)


@dataclass(frozen=True)
class _Job:
    """What all processes of one training are given."""

    settings: TrainTinySettings
    out: Path
    folder: Path
    start: Path | None
    resume: bool
    origin: dict[str, str]  # see `_origin`

    @property
    def checkpoint(self) -> Path:
        return self.out / "checkpoint.pt"

    @property
    def weights(self) -> Path:
        return self.out / "samstar-tiny.safetensors"


def train(
    settings: TrainTinySettings,
    out: Path,
    progress: Callable[[Progress], None] | None = None,
    resume: bool = False,
    scenes: Path | None = None,
    start: Path | None = None,
    lessons: str = "",
) -> Path:
    """Train, write `samstar-tiny.safetensors`, `curve.csv` and a checkpoint to go on from.

    Everything follows from the seed and the step, so two runs on one machine agree, and a resumed
    run goes on as the interrupted one would have.

    Parameters
    ----------
    settings : TrainTinySettings
        How long and from what seed.
    out : Path
        Folder for the results; made if missing.
    progress : callable, optional
        Told after every step; what it raises ends the training. Where the checkpoint is at its
        last step already, it is told once, in stage "trained" and with a sentence.
    resume : bool
        Go on from the checkpoint in `out`, where there is one. `settings.steps` may differ.
    scenes : Path, optional
        Folder that keeps the generated scenes; `out`/scenes if not given.
    start : Path, optional
        Weights (safetensors of a `samstar-tiny`) to begin with; random ones if not given.
    lessons : str
        Key of the contents of `scenes` where they are not synthetic. A checkpoint goes on with
        the same lessons and start weights only.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    SamStarError
        If the device cannot be used, the checkpoint belongs to other settings, lessons or start
        weights, the start weights cannot be read, the shares of scenes name none or come with
        lessons, or the loss is no number any more.
    """
    _check_mix(settings, lessons)
    device = choose_device(settings.device)
    workers = settings.workers if device.type == "cpu" else 1
    settings = settings.model_copy(update={"device": str(device), "workers": workers})
    out.mkdir(parents=True, exist_ok=True)
    folder = out / "scenes" if scenes is None else scenes
    folder.mkdir(parents=True, exist_ok=True)
    job = _Job(settings, out, folder, start, resume, _origin(start, lessons))
    if resume and job.checkpoint.exists():
        state = _read(job)
        if state["step"] >= settings.steps:
            _finished(job, state, progress)
            return job.weights
    with Team(settings.workers, _work, (job,)) as team:
        _run(team, job, progress)
    return job.weights


def _finished(
    job: _Job, state: dict[str, Any], progress: Callable[[Progress], None] | None
) -> None:
    """Say that nothing is left to do, and see that the weights are there."""
    if not job.weights.exists():
        model = Trainee()
        model.load_state_dict(state["average"])
        export(model.sam, job.weights)
    if progress is not None:
        sentence = (
            f"{job.checkpoint} is already at step {state['step']}, the last of "
            f"{job.settings.steps}: nothing was trained. Ask for more steps to go on, or train "
            "into another folder."
        )
        progress(Progress("trained", job.settings.steps, job.settings.steps, sentence))


def _work(team: Team, job: _Job) -> None:
    _run(team, job, None)


def _run(team: Team, job: _Job, progress: Callable[[Progress], None] | None) -> None:
    """Do one worker's part; the first also measures and writes."""
    settings = job.settings
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    device = torch.device(settings.device)
    model = Trainee()
    if job.start is not None:
        model.begin_with(job.start)
    model = model.to(device)
    average = copy.deepcopy(model).eval()
    optimizer = _optimizer(model, settings)
    first = 0
    if job.resume and job.checkpoint.exists():
        state = _read(job)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first = int(state["step"])
    elif team.rank == 0:
        (job.out / "curve.csv").unlink(missing_ok=True)
    losses: list[float] = []
    tests: list[Batch] = []  # made when first asked for
    loaders = 0 if device.type == "cpu" else settings.loaders
    with closing(batches(first, settings, job.folder, team.rank, loaders)) as made:
        for step, batch in made:
            late = step >= settings.steps * (1 - settings.frozen)
            model.train()
            if late:  # crops are few and large from now on: their statistics would be noise
                model.sam.image_encoder.eval()
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * _schedule(step, settings)
            loss = step_loss(model, batch, step, settings, team.rank)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            team.share(model)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if team.rank > 0:
                continue
            _follow(average, model, min(settings.average, (1 + step) / (10 + step)))
            value = float(loss.detach())
            losses.append(value)
            if not np.isfinite(value):
                raise SamStarError(
                    f"Training diverged at step {step}: lower the learning rate and resume from "
                    f"{job.out}."
                )
            done = step + 1
            if done % settings.evaluate_every == 0 or done == settings.steps:
                tests = tests or held_out(settings)
                row = {"step": done, "loss": float(np.mean(losses)), **measured(average, tests)}
                losses.clear()
                _append(job.out / "curve.csv", row)
            if done % settings.checkpoint_every == 0 or done == settings.steps:
                _save(job, done, model, average, optimizer)
                export(average.sam, job.weights)
            if progress is not None:
                progress(Progress("training", done, settings.steps, f"loss {value:.3f}"))


def export(sam: Sam, path: Path) -> None:
    """Write weights as safetensors: half precision, statistics and biases in full."""
    state = {
        name: value.detach().cpu().to(torch.float16 if value.ndim >= 2 else value.dtype)
        for name, value in sam.state_dict().items()
    }
    part = path.with_suffix(f".{os.getpid()}.part")
    save_file({name: value.contiguous() for name, value in state.items()}, part)
    part.replace(path)


def _schedule(step: int, settings: TrainTinySettings) -> float:
    """Warm up, hold, fall as a half cosine: the end may be moved while training holds."""
    if step < settings.warmup:
        return (step + 1) / settings.warmup
    start = settings.steps * (1 - settings.decay)
    if step < start:
        return 1.0
    share = (step - start) / max(settings.steps - start, 1.0)
    return float(0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * share)))


def _optimizer(model: nn.Module, settings: TrainTinySettings) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the averaged weights towards the trained ones."""
    pairs = zip(average.state_dict().values(), model.state_dict().values(), strict=True)
    for kept, new in pairs:
        if kept.dtype.is_floating_point:
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)


def _save(job: _Job, step: int, *parts: Any) -> None:
    model, average, optimizer = parts
    state = {
        "step": step,
        "stream": _stream(job.settings),
        "origin": job.origin,
        "model": model.state_dict(),
        "average": average.state_dict(),
        "optimizer": optimizer.state_dict(),
    }
    part = job.checkpoint.with_suffix(f".{os.getpid()}.part")
    torch.save(state, part)
    part.replace(job.checkpoint)


def _read(job: _Job) -> dict[str, Any]:
    """Read the checkpoint, and see that this training may go on from it."""
    path = job.checkpoint
    try:
        state: dict[str, Any] = torch.load(
            path, map_location=job.settings.device, weights_only=True
        )
    except (RuntimeError, EOFError, pickle.UnpicklingError) as err:
        raise SamStarError(
            f"{path} is damaged and cannot be gone on from: delete it to train anew."
        ) from err
    if (reason := _unlike(state.get("origin"), job)) is not None:
        raise SamStarError(
            f"{path} {reason}: choose another folder, or delete that file to train anew in this "
            "one."
        )
    if state["stream"] != _stream(job.settings):
        raise SamStarError(
            f"{path} was trained with other settings: resume with the same seed and sizes, "
            "or train into another folder."
        )
    return state


def _origin(start: Path | None, lessons: str) -> dict[str, str]:
    """Name what was learned from and begun with; synthetic scenes and random weights are ""."""
    try:
        begun = "" if start is None else content_key(start.read_bytes())
    except OSError as err:
        raise SamStarError(
            f"The weights {start} cannot be read ({err.strerror}): give the safetensors file of a "
            "samstar-tiny."
        ) from err
    return {"lessons": lessons, "start": begun}


def _unlike(kept: dict[str, str] | None, job: _Job) -> str | None:
    """Say why a checkpoint of origin `kept` is not this job's, None if it is."""
    if kept is None:  # earlier versions did not note it
        if job.origin["lessons"]:
            return "does not say which lessons it has learned from"
        return None
    if kept["lessons"] != job.origin["lessons"]:
        return "has learned from other images or from another teacher"
    # --resume alone goes on, whatever was begun with
    if kept["start"] != job.origin["start"] and (job.start is not None or job.origin["lessons"]):
        return "has begun with other weights"
    return None


def _check_mix(settings: TrainTinySettings, lessons: str) -> None:
    """Say at once, not in a process of the training, that shares of scenes cannot be meant."""
    if not settings.weights:
        return
    if lessons:
        raise SamStarError("weights are shares of synthetic scenes: leave them out with images.")
    unknown = sorted({name for name, _ in settings.weights} - set(KINDS))
    if unknown or sum(share for _, share in settings.weights) <= 0:
        found = f"not {', '.join(unknown)}" if unknown else "and a share of one is above 0"
        raise SamStarError(f"weights name kinds of scenes ({', '.join(KINDS)}), {found}.")


def _stream(settings: TrainTinySettings) -> str:
    """Name what must not change when a run is resumed."""
    kept = {"seed", "scenes", "joining", "scene_size", "pixels", "prompts", "workers"}
    if settings.weights:  # named only where given: checkpoints of before have none
        kept.add("weights")
    return settings.model_dump_json(include=kept)


def _append(path: Path, row: dict[str, float]) -> None:
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, CURVE)
        if fresh:
            writer.writeheader()
        writer.writerow({k: v if k == "step" else round(v, 4) for k, v in row.items()})
