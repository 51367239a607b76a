"""Train the network for borders: cells of one material attract, those of two repel.

As Fathi et al., "Semantic instance segmentation via deep metric learning" (2017), learn vectors of
pixels: the chance of two being of one thing is a function of their distance.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from napari_samstar.adapt.fitting import HELD_OUT, fit
from napari_samstar.adapt.mosaic_data import MosaicBatch, make_mosaic_batch
from napari_samstar.settings import TrainMosaicSettings
from napari_samstar.types import Progress

__all__ = ["mosaic_loss", "train"]

_HELD_OUT_BATCHES = 8
_STEEP = 4.0  # how fast doubt falls around a distance of 1
_NEAR = 24.0  # cells over which near ones count more than others
_FAR_WEIGHT = 0.2
_AT_BORDERS = 5  # cells wide is what half of the samples are drawn from
_AHEAD = 2  # batches made while the network learns


def mosaic_loss(vectors: Tensor, materials: Tensor, cells: int, seed: int) -> Tensor:
    """Mean cross-entropy of saying of two cells of an image whether they are of one material.

    Pairs of one material count as much as those of two, near ones more than far ones. The chance
    that two are of one material is the logistic function of 1 less their distance, steepened.

    Parameters
    ----------
    vectors : (B, D, h, w) tensor
        What the network gives.
    materials : (B, h, w) int64
        The truth.
    cells : int
        Compared with each other, of each image; half of them are drawn near borders.
    seed : int
        Seeds the draw.
    """
    rng = np.random.default_rng([seed, 5])
    total = vectors.new_zeros(())
    for image, truth, edge in zip(vectors, materials, _edges(materials), strict=True):
        rows = _draw(rng, edge.numpy().ravel(), cells)
        flat, mine = image.flatten(1).T[rows], truth.flatten()[rows]
        y, x = rows // truth.shape[1], rows % truth.shape[1]
        # not the square root itself, whose slope at 0 has no limit
        distance = torch.sqrt((flat[:, None] - flat[None]).square().sum(2) + 1e-4)
        same = mine[:, None] == mine[None]
        away = torch.sqrt(((y[:, None] - y) ** 2 + (x[:, None] - x) ** 2).float())
        weight = _FAR_WEIGHT + torch.exp(-away / _NEAR)
        weight.fill_diagonal_(0)
        wrong = functional.softplus(torch.where(same, distance - 1, 1 - distance) * _STEEP)
        parts = [(wrong * weight)[w].sum() / weight[w].sum() for w in (same, ~same) if w.any()]
        total = total + torch.stack(parts).mean()
    return total / len(vectors)


def _edges(materials: Tensor) -> Tensor:
    """Which cells lie near borders, (B, h, w)."""
    there = materials[:, None].float()
    pad = _AT_BORDERS // 2
    high = functional.max_pool2d(there, _AT_BORDERS, 1, pad)
    low = -functional.max_pool2d(-there, _AT_BORDERS, 1, pad)
    return (high != low)[:, 0]


def _draw(rng: np.random.Generator, edge: NDArray[np.bool_], cells: int) -> Tensor:
    """Rows of cells, as many near borders as anywhere."""
    at = np.flatnonzero(edge)
    half = min(cells // 2, at.size)
    rows = [rng.choice(at, half, replace=False)] if half else []
    rows.append(rng.choice(edge.size, min(cells - half, edge.size), replace=False))
    return torch.from_numpy(np.concatenate(rows))


def train(
    model: nn.Module,
    settings: TrainMosaicSettings,
    out: Path,
    progress: Callable[[Progress], None] | None = None,
    resume: bool = False,
) -> Path:
    """Train `model`, write weights, `curve.csv` and a checkpoint to go on from; see `fitting.fit`.

    Parameters
    ----------
    model : Module
        Images (B, S, S) to vectors (B, D, S / 4, S / 4); trained in place.
    settings : TrainMosaicSettings
        How long and from what seed.
    out : Path
        Folder for the results; made if missing.
    progress : callable, optional
        Told after every step; what it raises ends the training.
    resume : bool
        Go on from the checkpoint in `out`, where there is one.

    Returns
    -------
    Path
        The weights, safetensors.

    Raises
    ------
    SamStarError
        As `fitting.fit`.
    """
    model.to(memory_format=torch.channels_last)

    def loss_of(step: int, batch: MosaicBatch) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=settings.bfloat16):
            vectors = model(batch.images)
        return mosaic_loss(vectors.float(), batch.materials, settings.cells, step)

    def held_out() -> float:
        steps = range(HELD_OUT, HELD_OUT + _HELD_OUT_BATCHES)
        return float(np.mean([float(loss_of(k, make_mosaic_batch(k, settings))) for k in steps]))

    coming: dict[int, Future[MosaicBatch]] = {}
    with ThreadPoolExecutor(1) as pool:

        def loss_at(step: int) -> Tensor:
            for k in range(step, min(step + 1 + _AHEAD, settings.steps)):
                if k not in coming:
                    coming[k] = pool.submit(make_mosaic_batch, k, settings)
            return loss_of(step, coming.pop(step).result())

        weights = out / "samstar-mosaic.safetensors"
        return fit(model, settings, weights, loss_at, ("held_out", held_out), progress, resume)
