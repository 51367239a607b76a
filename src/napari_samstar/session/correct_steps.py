"""Commands around corrections, as steps like those of `steps`."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.edits.delta import looks_of
from napari_samstar.session import steps
from napari_samstar.session.corrections import KEEP, Corrections, begin, bring_back, materials_of
from napari_samstar.session.materials import sureness_of
from napari_samstar.session.repeating import settings_of
from napari_samstar.session.tools import NO_MODEL, Tools, import_engine
from napari_samstar.types import Progress, SamStarError, Segmentation

if TYPE_CHECKING:
    from napari_samstar.edits.recovery import Recoverable
    from napari_samstar.session.image import ImageState

__all__ = [
    "Snapshot",
    "begin_steps",
    "bring_back_steps",
    "export",
    "measure",
    "offers",
    "prompter",
]

_Changes = Generator[Progress, None, Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Corrections at one moment, for another thread.

    Parameters
    ----------
    labels : (H, W) int32
        A copy.
    materials : mapping of label to int
        A copy.
    names, colors : mapping of material to str
        How materials are called, and in which colors they are shown.
    """

    labels: NDArray[np.int32]
    materials: Mapping[int, int]
    names: Mapping[int, str]
    colors: Mapping[int, str]

    @classmethod
    def of(cls, corrections: Corrections) -> Snapshot:
        """Copy what there is now."""
        labels = corrections.labels.copy()
        return cls(labels, corrections.materials, corrections.names, corrections.colors)


def begin_steps(state: ImageState) -> _Changes:
    """Begin to correct the result; returns `corrections`, and how sure its materials are."""
    if state.result is None:
        raise SamStarError("There is nothing to correct yet: press Segment first.")
    yield Progress("opening", 0, 1)
    # kept from now on: what is corrected knows no masks any more
    made = begin(state.result, looks=looks_of(state.material_names, state.material_colors))
    return {"corrections": made, "sureness": sureness_of(state)}


def measure(state: ImageState, now: Snapshot) -> _Changes:
    """Measure what was corrected; returns `result`, and that it is of the same objects."""
    if state.result is None:
        raise SamStarError("There is nothing to measure yet: press Segment first.")
    yield Progress("measuring", 0, 1)
    from napari_samstar.measurements.table import measure as measured
    from napari_samstar.measurements.table import with_agreement

    micrograph = state.source.micrograph
    materials = materials_of(now.labels, now.materials)
    segmentation = replace(
        state.result.segmentation, labels=now.labels, micrograph=micrograph, materials=materials
    )
    table = measured(now.labels, micrograph, materials)
    if state.result.agreement is not None:
        with_agreement(table, state.result.agreement.of_objects(now.labels))
    elif "agreement" in state.result.table:  # as read with an export; objects made since have none
        known = state.result.table.set_index("label")["agreement"]
        with_agreement(table, known.reindex(table["label"]).to_numpy(np.float64))
    recipe = state.result.recipe.calibrated(micrograph)
    result = replace(
        state.result, segmentation=segmentation, table=table, selection=None, recipe=recipe
    )
    return {"result": result, "corrections": KEEP}


def export(
    state: ImageState, now: Snapshot, folder: str | Path
) -> Generator[Progress, None, dict[str, Path]]:
    """Write what was corrected, whether it has been measured or not; returns the files."""
    result = state.result
    if result is None or not _is_of(result.segmentation, now):
        changes = yield from measure(state, now)
        state = replace(state, result=changes["result"])
    shown = replace(state, material_names=now.names, material_colors=now.colors)
    return (yield from steps.export(shown, folder))


def _is_of(segmentation: Segmentation, now: Snapshot) -> bool:
    """Whether this is what was corrected, objects and materials."""
    if not np.array_equal(segmentation.labels, now.labels):
        return False
    materials = materials_of(now.labels, now.materials)
    if segmentation.materials is None or materials is None:
        return segmentation.materials is materials
    return np.array_equal(segmentation.materials, materials)


def offers(state: ImageState) -> Generator[Progress, None, list[Recoverable]]:
    """List the journals of this image that hold what was not exported, the latest first."""
    yield Progress("looking for corrections", 0, 1)
    from napari_samstar.edits.recovery import journals_folder, recover, sweep

    sweep(journals_folder())
    found = [one for one in recover(journals_folder()) if one.image is not None and one.image.hash]
    if not found:
        return []
    try:
        hashed = state.source.micrograph.content_hash
    except SamStarError:  # no image to correct: whoever prepares it is told why
        return []
    return [one for one in found if one.image is not None and one.image.hash == hashed]


def bring_back_steps(state: ImageState, path: str | Path) -> _Changes:
    """Open a journal of this image; returns `settings`, `model`, `result` and `corrections`."""
    yield Progress("reading", 0, 1)
    micrograph = state.source.micrograph
    import_engine()
    from napari_samstar.io.preprocess import to_gray
    from napari_samstar.measurements.table import measure as measured
    from napari_samstar.pipeline import RunResult
    from napari_samstar.proposals.table import empty
    from napari_samstar.recipe import Recipe

    corrections, context = bring_back(path)
    try:
        if corrections.labels.shape != micrograph.shape:
            raise SamStarError(f"The corrections in {path} belong to an image of another size.")
        recipe = Recipe.model_validate(context.get("recipe"))
        labels = corrections.labels.copy()
        materials = materials_of(labels, corrections.materials)
        table = measured(labels, micrograph, materials)
        segmentation = Segmentation(labels, micrograph, materials, recipe.model_dump(mode="json"))
        none = empty(to_gray(micrograph, recipe.preprocess))
    except BaseException:
        corrections.close()
        raise
    return {
        "settings": settings_of(recipe),
        "model": recipe.model.name if recipe.model else NO_MODEL,
        "result": RunResult(segmentation, table, None, none, recipe),
        "corrections": corrections,
    }


def prompter(state: ImageState, tools: Tools) -> _Changes:
    """Make the image ready to be clicked at; returns `prompter`."""
    yield Progress("reading", 0, 1)
    micrograph = state.source.micrograph
    sam = yield from tools.model_steps(state.model, state.device)
    from napari_samstar.io.preprocess import to_gray, to_rgb
    from napari_samstar.proposals.clicked import Prompter
    from napari_samstar.sam.base import model_hash

    yield Progress("looking at the image", 0, 1)
    settings = state.settings
    seen = settings.view or settings.preprocess
    rgb, gray = to_rgb(micrograph, seen), to_gray(micrograph, seen)
    hashed = "" if sam is None else model_hash(sam)
    made = Prompter(sam, rgb, gray, hashed, tools.store, settings.prompts.zoom_below)
    return {"prompter": made, "prompts_from": state.inputs}
