"""Commands that find materials, as steps like those of `steps`."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.edits.values import SetMaterials
from napari_samstar.session import searching, steps
from napari_samstar.session.materials import examples, sureness
from napari_samstar.session.tools import Tools, import_engine
from napari_samstar.settings import BoostSettings
from napari_samstar.settings.boosting import LEAST_SIDE
from napari_samstar.types import Progress, SamStarError

if TYPE_CHECKING:
    from napari_samstar.booster.materials import Materials
    from napari_samstar.runs import MaskRuns
    from napari_samstar.session.image import ImageState

__all__ = ["boost", "sort", "sort_like"]

_Changes = Generator[Progress, None, Mapping[str, Any]]


def boost(state: ImageState, tools: Tools) -> _Changes:
    """Clean up the masks of the result, and find materials; returns `result`."""
    if state.result is None:
        raise SamStarError("There are no masks to clean up yet: press Segment first.")
    settings = state.settings.model_copy(update={"boost": state.settings.boost or BoostSettings()})
    state = replace(state, settings=settings)
    if state.candidate is not None and state.front is not None:
        return searching.take(state, boosted=True)
    quick = settings.model_copy(update={"search": None})
    return steps.segment(replace(state, settings=quick), tools)


def sort(state: ImageState, tools: Tools) -> _Changes:
    """Find the materials of the present objects by their texture; their outlines stay.

    Returns `edit`, to be done as a correction, and `sureness`.
    """
    labels = _copy(state)

    def work() -> _Changes:
        yield Progress("reading", 0, 1)
        import_engine()
        from napari_samstar.booster.materials import materials_steps
        from napari_samstar.pipeline.encoders import encoders_steps

        gray, runs, ids, settings, pixel_nm = _inputs(state, labels)
        texture, sam = settings.texture, None
        if "sam" in texture.encoders:
            sam = yield from tools.model_steps(state.model, state.device)
        view = state.settings.view or state.settings.preprocess
        encoders = yield from encoders_steps(
            texture, state.source.micrograph, view, sam, tools.store
        )
        found = yield from materials_steps(gray, runs, settings, encoders, pixel_nm)
        return _changes(found, ids)

    return work()


def sort_like(state: ImageState) -> _Changes:
    """Find materials as the examples show them: the objects that a person gave one, click by click.

    Returns `edit`, to be done as a correction, and `sureness`.
    """
    labels, shown = _copy(state), examples(state.corrections)
    if len(set(shown.values())) < 2:
        raise SamStarError(
            "Show an example of two materials at least: choose one, and click objects of it."
        )

    def work() -> _Changes:
        yield Progress("reading", 0, 1)
        import_engine()
        from napari_samstar.booster.crops import crop_side, cut_crops, fitting_side
        from napari_samstar.booster.supervised import classify_masks, few_shot
        from napari_samstar.pipeline.encoders import encoders_steps

        gray, runs, ids, settings, pixel_nm = _inputs(state, labels)
        if "sam" in settings.texture.encoders:
            raise SamStarError(
                "The texture encoder 'sam' cannot learn from examples: leave it out of "
                "boost.texture.encoders."
            )
        side = settings.crops.side
        if not side:
            side = crop_side(gray, settings.crops, pixel_nm)
            side = fitting_side(runs, side, settings.crops)
        if side < LEAST_SIDE:
            raise SamStarError(
                f"The image is only {min(gray.shape)} px across, too little to show a texture: "
                f"it takes {LEAST_SIDE} px at least."
            )
        fixed = settings.model_copy(
            update={"crops": settings.crops.model_copy(update={"side": side})}
        )
        marked = np.flatnonzero(np.isin(ids, list(shown)))
        yield Progress("looking at the examples", 0, 1)
        crops = cut_crops(gray, runs.take(marked), fixed.crops, side)
        names = [f"{shown[int(ids[marked[k]])]:09d}" for k in crops.mask]
        if len(set(names)) < 2:
            raise SamStarError("The examples are too small to show a texture: click larger ones.")
        encoders = yield from encoders_steps(
            fixed.texture, state.source.micrograph, state.settings.preprocess
        )
        learned = few_shot(crops.pixels, names, encoders)
        yield Progress("looking at the others", 0, 1)
        found = classify_masks(gray, runs, learned, fixed, pixel_nm)
        number = np.array([0, *map(int, learned.names)], np.int32)
        labels_found = number[found.labels]
        labels_found[marked] = [shown[int(ids[k])] for k in marked]
        return _changes(replace(found, labels=labels_found), ids)

    return work()


def _copy(state: ImageState) -> NDArray[np.int32]:
    if state.result is None:
        raise SamStarError("There is nothing to sort by materials yet: press Segment first.")
    corrections = state.corrections
    labels = state.result.segmentation.labels if corrections is None else corrections.labels
    if not labels.any():
        raise SamStarError("There is no object to find the material of.")
    return labels.copy()


def _inputs(
    state: ImageState, labels: NDArray[np.int32]
) -> tuple[NDArray[Any], MaskRuns, NDArray[np.int64], BoostSettings, float | None]:
    from napari_samstar.io.preprocess import to_gray
    from napari_samstar.labels import index_labels, label_runs
    from napari_samstar.pipeline.boosting import pixel_nm, with_count

    micrograph = state.source.micrograph
    index, ids = index_labels(labels)
    settings = with_count(state.settings.boost or BoostSettings(), state.settings.prior)
    gray = to_gray(micrograph, state.settings.preprocess)
    return gray, label_runs(index, ids.size), ids, settings, pixel_nm(micrograph)


def _changes(found: Materials, ids: NDArray[np.int64]) -> Mapping[str, Any]:
    of = {int(label): int(m) for label, m in zip(ids, found.labels, strict=True)}
    return {"edit": SetMaterials(of), "sureness": sureness(found, found.labels, ids)}
