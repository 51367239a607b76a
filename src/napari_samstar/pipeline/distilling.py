"""A laboratory's own small model: `samstar-tiny` learns from what a large SAM sees in its images.

No label is needed. The teacher is prompted as for any segmentation, the learned quality of masks
keeps its best ones (see `proposals.quality`), and the student is trained on them as on synthetic
scenes (Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015; for SAM, C.
Zhang et al., "Faster Segment Anything", 2023).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.adapt.tiny_data import make_batch, scene_path
from napari_samstar.adapt.train_tiny import train
from napari_samstar.adapt.trainee import MEASURED, Trainee, measured
from napari_samstar.atomic import write_bytes_atomic, write_text_atomic
from napari_samstar.cache import Store, content_key
from napari_samstar.io.preprocess import to_gray
from napari_samstar.io.read import load_micrograph
from napari_samstar.pipeline.proposing import propose_steps
from napari_samstar.proposals.select import select
from napari_samstar.sam.cards import BUNDLED, find_card
from napari_samstar.settings import (
    DecodeSettings,
    PreprocessSettings,
    RewardLayerSettings,
    SelectSettings,
    TrainTinySettings,
)
from napari_samstar.types import Micrograph, Progress, SamStarError

__all__ = ["Lessons", "agreement", "learn", "lessons_steps", "scenes_of"]

_LEAST_QUALITY = 0.3  # of a teacher's mask that is taught
_KEEP_BACK = 8  # every so many-th scene only measures
_SMALLEST = 64  # px; a square needs an object of this area at least
_BATCHES = 24  # that compare student and teacher
_LEAST = 8  # scenes; fewer would be learned by heart


@dataclass(frozen=True)
class Lessons:
    """What a teacher said of some micrographs.

    Parameters
    ----------
    folder : Path
        Scenes to learn from and to measure with, as `adapt.tiny_data.load_scene` finds them.
    taught, kept_back : int
        How many of each; those kept back have the next seed.
    objects : int
        Masks in all of them.
    failed : tuple of str
        A sentence for each file that could not be read.
    """

    folder: Path
    taught: int
    kept_back: int
    objects: int
    failed: tuple[str, ...] = ()


def lessons_steps(
    paths: Sequence[Path],
    teacher: Any,
    folder: Path,
    settings: TrainTinySettings,
    decode: DecodeSettings | None = None,
    store: Store | None = None,
) -> Generator[Progress, None, Lessons]:
    """Let a teacher segment micrographs, and cut what it found into scenes.

    What was done is kept in `folder`: a second call goes on where the first was stopped.

    Parameters
    ----------
    paths : sequence of Path
        Micrographs; of a stack the first frame.
    teacher : Sam
        The model to learn from.
    folder : Path
        Where the scenes go.
    settings : TrainTinySettings
        Seed and side of the scenes.
    decode : DecodeSettings, optional
        How the teacher is prompted.
    store : Store, optional
        Cache of the teacher's work.

    Raises
    ------
    SamStarError
        If there is nothing to learn from.
    """
    folder.mkdir(parents=True, exist_ok=True)
    decode = decode or DecodeSettings()
    about = content_key(
        "distil-1",
        getattr(getattr(teacher, "samstar", None), "hash", ""),
        decode.key(),
        str(settings.scene_size),
    )
    scenes: list[NDArray[np.uint16]] = []
    failed = []
    for number, path in enumerate(paths):
        yield Progress("teacher", number, len(paths), path.name)
        state = path.stat()
        kept = (
            folder
            / f"{content_key(about, path.name, str(state.st_size), str(state.st_mtime_ns))}.npz"
        )
        if kept.exists():
            found = list(np.load(kept, allow_pickle=False)["scenes"])
        else:
            try:
                micrograph = load_micrograph(path)
            except SamStarError as err:
                failed.append(str(err))
                continue
            found = yield from scenes_of(micrograph, teacher, settings.scene_size, decode, store)
            buffer = io.BytesIO()
            np.savez_compressed(buffer, scenes=np.array(found, np.uint16))
            write_bytes_atomic(kept, buffer.getvalue())
        scenes += found
    held = [s for i, s in enumerate(scenes) if i % _KEEP_BACK == _KEEP_BACK - 1]
    taught = [s for i, s in enumerate(scenes) if i % _KEEP_BACK != _KEEP_BACK - 1]
    if len(taught) < _LEAST:
        side = settings.scene_size
        problems = " ".join(failed[:2])
        raise SamStarError(
            f"The teacher found objects in {len(scenes)} parts of {side} x {side} px, too few to "
            f"learn from: give more or larger images of the same kind. {problems}".strip()
        )
    for seed, group in ((settings.seed, taught), (settings.seed + 1, held)):
        for index, scene in enumerate(group):
            buffer = io.BytesIO()
            np.save(buffer, scene)
            write_bytes_atomic(scene_path(folder, seed, index), buffer.getvalue())
    objects = sum(int(np.unique(scene[1]).size) - 1 for scene in scenes)
    lessons = Lessons(folder, len(taught), len(held), objects, tuple(failed))
    told = {"taught": len(taught), "kept_back": len(held), "objects": objects, "failed": failed}
    write_text_atomic(folder / "lessons.json", json.dumps(told, indent=1))
    return lessons


def scenes_of(
    micrograph: Micrograph,
    teacher: Any,
    side: int,
    decode: DecodeSettings,
    store: Store | None = None,
) -> Generator[Progress, None, list[NDArray[np.uint16]]]:
    """Squares of `side` px with objects, (3, side, side) each: gray values, labels, labels again.

    An image smaller than a square is continued by its mirror image.
    """
    made = yield from propose_steps(micrograph, teacher, decode, store=store)
    by_teacher = tuple(s for s in made.provenance["sources"] if s != "regions")
    layer = RewardLayerSettings(threshold=_LEAST_QUALITY)
    kept = select(made, SelectSettings(sources=by_teacher, reward_layer=layer))
    # the best on top
    labels = kept.runs.paint(np.arange(len(kept))[::-1])
    gray = to_gray(micrograph, PreprocessSettings())
    height, width = labels.shape
    grow = [(0, max(side - height, 0)), (0, max(side - width, 0))]
    gray, labels = np.pad(gray, grow, "symmetric"), np.pad(labels, grow, "symmetric")
    found = []
    for y in _starts(labels.shape[0], side):
        for x in _starts(labels.shape[1], side):
            part = labels[y : y + side, x : x + side]
            names, inside, areas = np.unique(part, return_inverse=True, return_counts=True)
            if areas[names > 0].max(initial=0) < _SMALLEST:
                continue
            if names[0] > 0:  # no background in this square
                inside = inside + 1
            numbered = inside.reshape(part.shape)
            square = gray[y : y + side, x : x + side]
            found.append(np.stack([square, numbered, numbered]).astype(np.uint16))
    return found


def _starts(length: int, side: int) -> list[int]:
    """Where squares begin that cover `length` px with as little overlap as can be."""
    count = -(-length // side)
    return [round(i * (length - side) / max(count - 1, 1)) for i in range(count)]


def _bundled() -> Path:
    path = find_card(BUNDLED).bundled_path
    assert path is not None
    return path


def learn(
    lessons: Lessons,
    settings: TrainTinySettings,
    out: Path,
    start: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> Path:
    """Train a student on what was taught; goes on where an earlier call was stopped.

    What belongs to other lessons or start weights is neither gone on from nor written over.

    Parameters
    ----------
    lessons : Lessons
        What a teacher said.
    settings : TrainTinySettings
        How long and how fast.
    out : Path
        Folder for weights, curve and checkpoint.
    start : Path, optional
        Weights to begin with; the bundled ones by default.
    progress : callable, optional
        Told after every step, see `adapt.train_tiny.train`; what it raises ends the training.

    Returns
    -------
    Path
        The weights file, which `load_model` reads.

    Raises
    ------
    SamStarError
        If `out` holds the training of another student, or the loss is no number any more.
    """
    settings = settings.model_copy(update={"scenes": lessons.taught})
    start = start or _bundled()
    return train(settings, out, progress, True, lessons.folder, start, _taught(lessons, settings))


def _taught(lessons: Lessons, settings: TrainTinySettings) -> str:
    """Key of the contents of all scenes that are learned from."""
    paths = (scene_path(lessons.folder, settings.seed, i) for i in range(lessons.taught))
    return content_key(*(content_key(path.read_bytes()) for path in paths))


def agreement(
    lessons: Lessons, settings: TrainTinySettings, weights: Path | None = None
) -> dict[str, float]:
    """Compare a student with its teacher on the scenes kept back, see `adapt.trainee.measured`.

    Parameters
    ----------
    lessons : Lessons
        What the teacher said.
    settings : TrainTinySettings
        As for `learn`.
    weights : Path, optional
        Of the student; the bundled ones by default.
    """
    if lessons.kept_back == 0:
        return dict.fromkeys(MEASURED, float("nan"))
    student = Trainee()
    student.begin_with(weights or _bundled())
    update = {"seed": settings.seed + 1, "scenes": lessons.kept_back, "workers": 1}
    settings = settings.model_copy(update=update)
    return measured(student, (make_batch(k, settings, lessons.folder) for k in range(_BATCHES)))
