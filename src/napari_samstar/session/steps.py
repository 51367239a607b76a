"""The commands of an image as steps: they read a frozen state and return the fields to change."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Generator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.session.corrections import KEEP
from napari_samstar.session.material_file import ENDING, read_colors, read_names, write_rows
from napari_samstar.session.materials import material_rows
from napari_samstar.session.overall import expected, overall
from napari_samstar.session.repeating import settings_of
from napari_samstar.session.tools import NO_MODEL, Tools, import_engine
from napari_samstar.types import Progress, SamStarError, Segmentation

if TYPE_CHECKING:
    from napari_samstar.session.image import ImageState
    from napari_samstar.session.source import ImageSource
    from napari_samstar.settings import Prior

__all__ = [
    "export",
    "measure",
    "prepare",
    "prior_of",
    "recalibrate",
    "reopen",
    "seconds_to_prepare",
    "segment",
    "stem_of",
    "view",
]

_Changes = Generator[Progress, None, Mapping[str, Any]]


def prepare(state: ImageState, tools: Tools) -> _Changes:
    """Propose all masks; returns `prepared`."""
    from napari_samstar.session.image import Prepared

    yield Progress("reading", 0, 1)
    micrograph = state.source.micrograph
    sam = yield from tools.model_steps(state.model, state.device)
    from napari_samstar.pipeline import propose_steps

    settings, prior = state.settings, prior_of(state)
    proposing = propose_steps(
        micrograph,
        sam,
        settings.decode,
        preprocess=settings.preprocess,
        view=settings.view,
        regions=settings.regions,
        prompts=settings.prompts,
        prior=prior,
        store=tools.store,
    )
    view = None if sam is None else int(sam.image_encoder.img_size)
    plan = expected(micrograph.shape, settings, view)
    began = time.perf_counter()
    proposals = yield from overall(proposing, plan)
    pace = (time.perf_counter() - began) / plan.total
    # what came from the cache took no time: the slowest run says most
    which = (state.model, state.device)
    tools.pace[which] = (view, max(pace, tools.pace.get(which, (view, 0.0))[1]))
    prepared = Prepared(proposals, sam, state.inputs, prior)
    return {"prepared": prepared, "front": None, "candidate": None, "pinned": False}


def segment(state: ImageState, tools: Tools) -> _Changes:
    """Segment as `samstar run` does with the same settings; returns `result`."""
    yield Progress("reading", 0, 1)
    micrograph = state.source.micrograph
    sam = yield from tools.model_steps(state.model, state.device)
    from napari_samstar.pipeline import segment_steps
    from napari_samstar.session.image import Prepared

    prior = prior_of(state)
    made = state.prepared if state.ready else None
    if made is not None and made.prior != prior:
        made = None  # what is known also chooses where the network is asked
    segmenting = segment_steps(
        micrograph,
        sam,
        state.settings,
        store=tools.store,
        proposals=None if made is None else made.proposals,
    )
    if made is None:
        view = None if sam is None else int(sam.image_encoder.img_size)
        segmenting = overall(segmenting, expected(micrograph.shape, state.settings, view))
    result = yield from segmenting
    prepared = made or Prepared(result.proposals, sam, state.inputs, prior)
    changes = {"prepared": prepared, "result": result, "candidate": None, "pinned": False}
    return changes if made is not None else {**changes, "front": None}


def measure(state: ImageState, labels: NDArray[Any]) -> _Changes:
    """Measure corrected labels; returns `result` without a selection, which they no longer are."""
    if state.result is None:
        raise SamStarError("There is nothing to measure yet: press Segment first.")
    yield Progress("measuring", 0, 1)
    from napari_samstar.measurements.table import measure as measured

    labels = np.ascontiguousarray(labels, np.int32)
    segmentation = replace(
        state.result.segmentation, labels=labels, micrograph=state.source.micrograph
    )
    table = measured(labels, state.source.micrograph, segmentation.materials)
    return {"result": replace(state.result, segmentation=segmentation, table=table, selection=None)}


def recalibrate(state: ImageState) -> _Changes:
    """Measure the same labels in the present unit; returns `result`."""
    if state.result is None:
        return {}
    yield Progress("measuring", 0, 1)
    from napari_samstar.measurements.table import measure as measured

    micrograph = state.source.micrograph
    segmentation = replace(state.result.segmentation, micrograph=micrograph)
    table = measured(segmentation.labels, micrograph, segmentation.materials)
    recipe = state.result.recipe.calibrated(micrograph)
    result = replace(state.result, segmentation=segmentation, table=table, recipe=recipe)
    return {"result": result, "corrections": KEEP}


def reopen(state: ImageState, recipe_path: str | Path) -> _Changes:
    """Read an export of this image again; returns `settings`, `model`, `result` and names."""
    yield Progress("reading", 0, 1)
    from napari_samstar.recipe import Recipe

    recipe = Recipe.read(recipe_path)
    micrograph = state.source.micrograph
    stem = Path(recipe_path).name.removesuffix(".recipe.json")
    labels = _read_labels(Path(recipe_path).with_name(f"{stem}.labels.tif"))
    beside = Path(recipe_path).with_name(f"{stem}.materials.tif")
    materials = _read_labels(beside) if beside.exists() else None
    import_engine()
    from napari_samstar.io.preprocess import to_gray
    from napari_samstar.measurements.table import measure as measured
    from napari_samstar.measurements.table import with_agreement
    from napari_samstar.pipeline import RunResult
    from napari_samstar.proposals.table import empty

    table = measured(labels, micrograph, materials)
    agreed = _read_agreement(Path(recipe_path).with_name(f"{stem}.table.csv"))
    if agreed:
        shares = [agreed.get(int(label), np.nan) for label in table["label"]]
        with_agreement(table, np.array(shares, np.float64))
    record = recipe.model_dump(mode="json")
    segmentation = Segmentation(labels, micrograph, materials, recipe=record)
    none = empty(to_gray(micrograph, recipe.preprocess))
    looks = Path(recipe_path).with_name(f"{stem}.{ENDING}")
    model = recipe.model.name if recipe.model else NO_MODEL
    return {
        "settings": settings_of(recipe),
        "model": model,
        "result": RunResult(segmentation, table, None, none, recipe),
        "material_names": read_names(looks),
        "material_colors": read_colors(looks),
    }


def view(state: ImageState) -> Generator[Progress, None, NDArray[np.uint8]]:
    """Return what the network will see, (H, W, 3) uint8."""
    yield Progress("preprocessing", 0, 1)
    from napari_samstar.io.preprocess import to_rgb

    return to_rgb(state.source.micrograph, state.settings.preprocess)


def export(state: ImageState, folder: str | Path) -> Generator[Progress, None, dict[str, Path]]:
    """Write everything that belongs to the result; returns the files by their kind."""
    if state.result is None:
        raise SamStarError("There is nothing to export yet: press Segment first.")
    yield Progress("writing", 0, 1)
    from napari_samstar.results import write_result

    stem = stem_of(state.source)
    _refuse_anothers(Path(folder) / f"{stem}.recipe.json", state)
    paths = write_result(state.result, folder, stem)
    # what is in the result is of this moment; corrections go on in the window meanwhile
    rows = material_rows(replace(state, corrections=None))
    if rows:
        paths["material_table"] = Path(folder) / f"{stem}.{ENDING}"
        write_rows(paths["material_table"], rows)
    return paths


def stem_of(source: ImageSource) -> str:
    """Start of the names of an export's files; each frame of a stack, from 1, has its own."""
    name = re.sub(r"[^\w.+-]+", "_", source.name).strip("._") or "micrograph"
    frame = "-".join(f"{at + 1:04d}" for at in source.index)
    return f"{name}_frame{frame}" if frame else name


def seconds_to_prepare(state: ImageState, tools: Tools) -> float | None:
    """How long `prepare` may take, from how long it took before; None where it never did."""
    known = tools.pace.get((state.model, state.device))
    if known is None:
        return None
    view, pace = known
    return pace * expected(state.source.shape, state.settings, view).total


def _refuse_anothers(recipe_path: Path, state: ImageState) -> None:
    """Leave the files of another image of the same name alone."""
    from napari_samstar.recipe import Recipe

    try:
        there = Recipe.read(recipe_path).image.hash
    except SamStarError:  # none, or one that nobody can repeat
        return
    if there and there != state.source.micrograph.content_hash:
        raise SamStarError(
            f"{recipe_path} belongs to another image of this name, whose files would be "
            f"overwritten: choose another folder, or rename the layer '{state.source.name}'."
        )


def _read_labels(path: Path) -> NDArray[np.int32]:
    import tifffile

    try:
        return np.asarray(tifffile.imread(path), np.int32)
    except (OSError, ValueError) as err:
        raise SamStarError(
            f"{path.name} could not be read: choose a recipe that lies beside its label image."
        ) from err


def _read_agreement(path: Path) -> dict[int, float]:
    """Read how many of the search's best candidates hold each object, by label, where it is told.

    It is what the search found, which is not kept; so what stands in the table counts.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
        return {int(row["label"]): float(row["agreement"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}


def prior_of(state: ImageState) -> Prior:
    """Return what is known, lengths in pixels.

    Raises
    ------
    SamStarError
        If sizes are physical and the pixel size is unknown.
    """
    from napari_samstar.pipeline.optimizing import prior_in_pixels

    prior = state.settings.prior
    given = (prior.diameter, prior.size_unit), (prior.spacing, prior.spacing_unit)
    physical = next((unit for pair, unit in given if pair is not None and unit != "px"), None)
    if physical is not None and state.source.pixel_size is None:
        raise SamStarError(
            f"Sizes are given in {physical}, but the pixel size of '{state.source.name}' is not "
            "known: give it on the page Image, or give the sizes in px."
        )
    return prior_in_pixels(state.settings.prior, state.source.micrograph)
