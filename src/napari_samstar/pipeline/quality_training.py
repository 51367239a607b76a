"""How the mask quality is learned: from synthetic micrographs and their exact truth alone."""

from __future__ import annotations

import io
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.atomic import write_bytes_atomic, write_text_atomic
from napari_samstar.io.preprocess import to_gray
from napari_samstar.metrics.instances import instance_overlaps
from napari_samstar.pipeline.driving import run
from napari_samstar.pipeline.proposing import propose_steps
from napari_samstar.proposals.columns import column
from napari_samstar.proposals.evidence import NAMES, evidence
from napari_samstar.proposals.forest import Forest, save_forest
from napari_samstar.settings import (
    DecodeSettings,
    Prior,
    PromptSettings,
    TrainQualitySettings,
)
from napari_samstar.synth import KINDS, Scene, generate
from napari_samstar.types import Micrograph, Progress, Proposals, SamStarError

__all__ = ["fit", "prior_of", "scene_rows", "train_quality_steps", "training_scene"]

# kinds of the scenes after the first, even ones: those with many objects, about as often as usual
_MIX = (
    *("particles_tem", "particles_sem", "powder", "precipitates", "grains", "carbides", "nuclei"),
    *("cells", "bacteria", "melt_pools", "crystals", "gamma_prime", "cells", "nuclei", "bacteria"),
    *("particles_sem", "tissue", "topography", "melt_pools", "spinodal"),
)
# and of those after these: where objects touch, and two of them look as whole as one
_CROWDED = ("bacteria", "cells", "bacteria", "powder", "bacteria", "nuclei", "cells", "melt_pools")
_MIX_SEED = 1000
_CROWDED_SEED = 2000

_LEAST_WEIGHT = 0.3  # of a mask that shows no object, where a perfect one counts 1.3


def training_scene(number: int, settings: TrainQualitySettings) -> Scene:
    """Scene `number`: first all kinds in turn, then those of many objects, then crowded ones."""
    place, seed, kinds = number, number, KINDS
    for count, next_seed, next_kinds in (
        (settings.even_scenes, _MIX_SEED, _MIX),
        (settings.mix_scenes, _CROWDED_SEED, _CROWDED),
    ):
        if place < count:
            break
        place -= count
        seed, kinds = next_seed + place, next_kinds
    kind = kinds[seed % len(kinds)]
    rng = np.random.default_rng(seed + 77_000)
    low, high = np.log(settings.smallest_side), np.log(settings.largest_side)
    side = int(np.exp(rng.uniform(low, high)))
    width = int(min(max(side * rng.uniform(0.75, 1.35), 220), 700))
    return generate(kind, (side, width), seed=900_000 + seed)


def prior_of(labels: NDArray[np.int32], gray: NDArray[np.uint8]) -> Prior:
    """Return what an operator would say of an image: true ranges, a quarter wider at either end."""
    from skimage import measure

    regions: Any = measure.regionprops

    areas = np.bincount(labels.ravel())[1:]
    diameters = np.sqrt(4 / np.pi * areas[areas > 0])
    low, high = np.percentile(diameters, (1, 99))
    large = [p for p in regions(labels)[:300] if p.area >= 30]
    circularity = [min(1.0, 4 * np.pi * p.area / p.perimeter_crofton**2) for p in large]
    round_ = float(np.median(circularity)) if large else 0.8
    solid = float(np.median([p.solidity for p in large])) if large else 0.9
    inside = labels > 0
    coverage = float(inside.mean())
    bright = gray[inside].mean() > gray[~inside].mean() if not inside.all() else None
    return Prior(
        diameter=(max(low / 1.25, 1.0), high * 1.25),
        shape="round" if round_ > 0.87 else "compact" if solid > 0.88 else "irregular",
        coverage=(0.75 * coverage, min(1.25 * coverage, 1.0)),
        polarity=None if bright is None else "bright" if bright else "dark",
    )


def _partly(prior: Prior, rng: np.random.Generator) -> Prior:
    """Forget parts of a prior by chance, as people leave them out."""
    parts = ("polarity", "coverage", "shape", "diameter")
    return prior.model_copy(update={name: None for name in parts if rng.random() < 0.5})


def scene_rows(
    proposals: Proposals, labels: NDArray[np.int32], seed: int, count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Draw masks of one scene to learn from.

    Parameters
    ----------
    proposals : Proposals
        The scene's masks.
    labels : (H, W) int32
        Its truth.
    seed : int
        Seeds the choice.
    count : int
        Masks drawn with the whole prior, half of them with an IoU over 0.4 where there are as many;
        half as many more are drawn with a part of it.

    Returns
    -------
    evidence : (K, F) float32
        See `proposals.evidence`.
    iou : (K,) float32
        Each mask's largest IoU with an object.
    weight : (K,) float32
        Square root of how many masks each stands for.
    """
    rng = np.random.default_rng(seed)
    first, _, iou, _, _ = instance_overlaps(proposals.runs, labels)
    best = np.zeros(len(proposals), np.float32)
    filled = np.flatnonzero(proposals.runs.areas() > 0)
    np.maximum.at(best, filled[first], iou.astype(np.float32))
    whole = prior_of(labels, proposals.gray)
    parts = []
    for prior, wanted in ((whole, count), (_partly(whole, rng), count // 2)):
        rows, weight = _drawn(proposals, prior, best, wanted, rng)
        parts.append((evidence(proposals, prior)[rows], best[rows], weight))
    x, y, w = (np.concatenate(column) for column in zip(*parts, strict=True))
    return x, y, w


def _drawn(
    proposals: Proposals,
    prior: Prior,
    best: NDArray[np.float32],
    count: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows within the prior's sizes, as many good as bad ones, and their weights."""
    diameter = column(proposals, "equivalent_diameter")
    low, high = prior.diameter or (0.1, np.inf)
    rows = np.flatnonzero((diameter >= low) & (diameter <= high))
    good, bad = rows[best[rows] > 0.4], rows[best[rows] <= 0.4]
    some = rng.choice(good, min(good.size, count // 2), replace=False)
    others = rng.choice(bad, min(bad.size, count - some.size), replace=False)
    stand_for = [
        np.full(part.size, np.sqrt(of.size / max(part.size, 1)))
        for part, of in ((some, good), (others, bad))
    ]
    weight = np.concatenate(stand_for).astype(np.float32)
    return np.concatenate([some, others]), weight / max(
        float(weight.mean()), 1e-9
    ) if rows.size else weight


def fit(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    w: NDArray[np.float32],
    settings: TrainQualitySettings,
) -> Forest:
    """Boost regression trees (Friedman, Ann. Stat. 29, 1189 (2001)) by scikit-learn.

    Good masks count more: it is among them that one is chosen.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    x = np.where(np.isnan(x).all(axis=0), np.float32(0), x)  # a column of nothing cannot be binned
    model = HistGradientBoostingRegressor(
        max_iter=settings.trees,
        learning_rate=settings.learning_rate,
        max_leaf_nodes=settings.leaves,
        min_samples_leaf=80,
        l2_regularization=2.0,
        max_features=0.4,
        early_stopping=False,
        random_state=settings.seed,
    ).fit(x, y, w * (_LEAST_WEIGHT + y))
    nodes = [predictor[0].nodes for predictor in model._predictors]
    starts = np.cumsum([0] + [n.size for n in nodes[:-1]])
    every = np.concatenate(nodes)
    shift = np.repeat(starts, [n.size for n in nodes])
    leaf = every["is_leaf"].astype(bool)
    forest = Forest(
        names=NAMES,
        base=float(model._baseline_prediction.item()),
        roots=starts.astype(np.int32),
        feature=np.where(leaf, -1, every["feature_idx"]).astype(np.int16),
        threshold=_not_above(every["num_threshold"]),
        left=(every["left"] + shift).astype(np.int32),
        right=(every["right"] + shift).astype(np.int32),
        missing_left=every["missing_go_to_left"].astype(np.uint8),
        value=every["value"].astype(np.float32),
    )
    sample = x[:: max(len(x) // 2000, 1)]
    if not np.allclose(forest(sample), model.predict(sample), atol=1e-4):
        raise SamStarError("scikit-learn's trees have another form than this program reads.")
    return forest


def _not_above(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round down to single precision: `x <= threshold` stays the same for single x."""
    rounded = values.astype(np.float32)
    above = rounded.astype(np.float64) > values
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded


def train_quality_steps(
    sam: Any, folder: Path, settings: TrainQualitySettings | None = None
) -> Generator[Progress, None, Path]:
    """Learn the mask quality; what is done of it is kept in `folder`, and a second call goes on.

    Parameters
    ----------
    sam : Sam
        The bundled model, whose masks are judged beside the regions.
    folder : Path
        Where scenes, weights and the log go.
    settings : TrainQualitySettings, optional
        How many scenes and trees, and the seed.

    Yields
    ------
    Progress
        After each scene.

    Returns
    -------
    Path
        The weights, `samstar-quality.safetensors`.
    """
    settings = settings or TrainQualitySettings()
    folder.mkdir(parents=True, exist_ok=True)
    total = settings.even_scenes + settings.mix_scenes + settings.crowded_scenes
    parts = []
    for number in range(total):
        path = folder / f"scene-{number:04d}.npz"
        if not path.exists():
            yield Progress("scenes", number, total)
            _write_scene(path, sam, number, settings)
        with np.load(path, allow_pickle=False) as stored:
            parts.append((stored["x"], stored["y"], stored["w"]))
    yield Progress("learning", total, total)
    x, y, w = (np.concatenate(column) for column in zip(*parts, strict=True))
    held = np.concatenate([np.full(len(p[1]), n % 5 == 0) for n, p in enumerate(parts)])
    trial = fit(x[~held], y[~held], w[~held], settings)
    found = trial(x[held])
    log = {
        "settings": settings.model_dump(mode="json"),
        "masks": len(y),
        "held_out_r2": 1 - float(((found - y[held]) ** 2).mean() / max(y[held].var(), 1e-9)),
    }
    path = folder / "samstar-quality.safetensors"
    save_forest(path, fit(x, y, w, settings))
    write_text_atomic(folder / "samstar-quality.json", json.dumps(log, indent=2) + "\n")
    return path


def _write_scene(path: Path, sam: Any, number: int, settings: TrainQualitySettings) -> None:
    scene = training_scene(number, settings)
    micrograph = Micrograph((255 * scene.image).astype(np.float32), name=f"scene {number}")
    x, y, w = (
        np.zeros((0, len(NAMES)), np.float32),
        np.zeros(0, np.float32),
        np.zeros(0, np.float32),
    )
    if scene.labels.max() >= 2:  # one object has no size range
        proposals = _proposed(sam, micrograph, scene.labels)
        x, y, w = scene_rows(proposals, scene.labels, number, settings.masks)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=x, y=y, w=w)
    write_bytes_atomic(path, buffer.getvalue())


def _proposed(sam: Any, micrograph: Micrograph, labels: NDArray[np.int32]) -> Proposals:
    """Masks of a scene, with fewer prompts than usual: scenes count for more than masks."""
    prior = prior_of(labels, to_gray(micrograph))
    decode, prompts = DecodeSettings(points_per_side=18), PromptSettings(max_crops=5)
    return run(propose_steps(micrograph, sam, decode, prompts=prompts, prior=prior))
