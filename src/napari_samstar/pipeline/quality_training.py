"""How the mask quality is learned: from synthetic micrographs and their exact truth alone."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.atomic import write_bytes_atomic, write_text_atomic
from napari_samstar.io.preprocess import to_gray
from napari_samstar.pipeline.driving import run
from napari_samstar.pipeline.proposing import propose_steps
from napari_samstar.pipeline.quality_scenes import TrainingScene, prior_of, training_scene
from napari_samstar.proposals.chunks import at_once
from napari_samstar.proposals.evidence import NAMES
from napari_samstar.proposals.forest import Forest, save_forests
from napari_samstar.proposals.population import NAMES as POPULATION
from napari_samstar.proposals.population import population_steps
from napari_samstar.settings import DecodeSettings, PromptSettings, TrainQualitySettings
from napari_samstar.types import Micrograph, Progress, Proposals, SamStarError

__all__ = ["fit", "train_quality_steps"]

_LEAST_WEIGHT = 0.3  # of a mask that shows no object, where a perfect one counts 1.3


def fit(
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    w: NDArray[np.float32],
    settings: TrainQualitySettings,
    names: tuple[str, ...] = NAMES,
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
        names=names,
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
    total = settings.scenes
    scenes = [(number, folder / f"scene-{number:04d}.npz") for number in range(total)]
    for number, path in scenes:
        if not path.exists():
            yield Progress("scenes", number, total)
            write_bytes_atomic(path, _made(sam, number, settings))
    yield Progress("first opinion", total, total)
    first, halves, found = _first_opinion(scenes, settings)
    yield Progress("second opinion", total, total)
    second, found_second = _second_opinion(scenes, halves, settings)
    log = {"settings": settings.model_dump(mode="json"), "first": found, "second": found_second}
    path = folder / "samstar-quality.safetensors"
    save_forests(path, {"first": first, "second": second})
    write_text_atomic(folder / "samstar-quality.json", json.dumps(log, indent=2) + "\n")
    return path


def _made(sam: Any, number: int, settings: TrainQualitySettings) -> bytes:
    """One scene as bytes; nothing where it has no two objects: one has no size range."""
    scene = training_scene(number, settings)
    if scene.labels.max() < 2:
        return b""
    micrograph = Micrograph((255 * scene.image).astype(np.float32), name=f"scene {number}")
    proposals = _proposed(sam, micrograph, scene.labels)
    return TrainingScene.of(number, proposals, scene.labels).to_bytes()


def _read(scenes: Sequence[tuple[int, Path]]) -> Iterator[TrainingScene]:
    for number, path in scenes:
        data = path.read_bytes()
        if data:
            yield TrainingScene.from_bytes(number, data)


_Rows = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]


def _first_opinion(
    scenes: Sequence[tuple[int, Path]], settings: TrainQualitySettings
) -> tuple[Forest, tuple[Forest, Forest], dict[str, Any]]:
    """Learn from masks by themselves: from all scenes, and from either half of them.

    The halves learn twice, for the second time also from what the other half likes.
    """
    halves = None
    for _ in range(2):
        x, y, w, number = _together(_alone(scenes, halves, settings))
        even = number % 2 == 0
        halves = (
            fit(x[even], y[even], w[even], settings),
            fit(x[~even], y[~even], w[~even], settings),
        )
    assert halves is not None
    other = np.where(even, halves[1](x), halves[0](x))
    return fit(x, y, w, settings), halves, {"masks": len(y), "held_out_r2": _r2(other, y)}


def _alone(
    scenes: Sequence[tuple[int, Path]],
    halves: tuple[Forest, Forest] | None,
    settings: TrainQualitySettings,
) -> Iterator[_Rows]:
    """Masks by themselves: drawn by chance, and liked by the half that did not see the scene."""
    for scene in _read(scenes):
        for drawn in scene.drawn(settings.masks):
            x = drawn.evidence[drawn.rows]
            if halves is not None:
                drawn = drawn.with_liked(np.clip(halves[1 - scene.number % 2](x), 0, 1))
            iou = scene.iou[drawn.rows[drawn.some]]
            yield x[drawn.some], iou, drawn.weight, np.full(iou.size, scene.number)


def _second_opinion(
    scenes: Sequence[tuple[int, Path]],
    halves: tuple[Forest, Forest],
    settings: TrainQualitySettings,
) -> tuple[Forest, dict[str, Any]]:
    """Learn from masks among those that the first opinion likes, learned from other scenes."""

    def rows() -> Iterator[_Rows]:
        for scene in _read(scenes):
            other = halves[1 - scene.number % 2]
            for drawn in scene.drawn(settings.masks):
                x = drawn.evidence[drawn.rows]
                first = np.clip(other(x), 0, 1)
                among = at_once(population_steps(scene.proposals, drawn.rows, x, first))
                more = drawn.with_liked(first)
                described = np.concatenate([x, among], axis=1)[more.some]
                iou = scene.iou[drawn.rows[more.some]]
                yield described, iou, more.weight, np.full(iou.size, scene.number)

    x, y, w, number = _together(rows())
    names = NAMES + POPULATION
    even = number % 2 == 0
    trial = fit(x[even], y[even], w[even], settings, names)
    found = {"masks": len(y), "held_out_r2": _r2(trial(x[~even]), y[~even])}
    return fit(x, y, w, settings, names), found


def _together(parts: Iterable[_Rows]) -> _Rows:
    x, y, w, number = (np.concatenate(column) for column in zip(*parts, strict=True))
    return x, y, w, number


def _r2(found: NDArray[np.float32], true: NDArray[np.float32]) -> float:
    """Share of the variance that is explained."""
    return 1 - float(((found - true) ** 2).mean() / max(float(true.var()), 1e-9))


def _proposed(sam: Any, micrograph: Micrograph, labels: NDArray[np.int32]) -> Proposals:
    """Masks of a scene, with fewer prompts than usual: scenes count for more than masks."""
    prior = prior_of(labels, to_gray(micrograph))
    decode, prompts = DecodeSettings(points_per_side=18), PromptSettings(max_crops=5)
    return run(propose_steps(micrograph, sam, decode, prompts=prompts, prior=prior))
