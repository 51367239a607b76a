"""From a micrograph to its label image, its table and the recipe to repeat them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_samstar.cache import Store
from napari_samstar.measurements.table import measure
from napari_samstar.pipeline.boosting import boost_steps, with_count
from napari_samstar.pipeline.driving import run
from napari_samstar.pipeline.optimizing import (
    Event,
    SelectionFront,
    optimize_steps,
    prior_in_pixels,
    with_prior,
)
from napari_samstar.pipeline.proposing import propose_steps
from napari_samstar.proposals.select import select
from napari_samstar.recipe import ImageRecord, ModelRecord, Recipe
from napari_samstar.rewards.priors import terms_for
from napari_samstar.rewards.registry import make
from napari_samstar.sam.base import model_hash
from napari_samstar.search.pareto import Candidate
from napari_samstar.settings import RunSettings, SelectSettings
from napari_samstar.types import (
    Micrograph,
    Progress,
    Proposals,
    Segmentation,
    Selection,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RunResult", "segment", "segment_steps"]


@dataclass(frozen=True)
class RunResult:
    """All that one run gives.

    Parameters
    ----------
    segmentation : Segmentation
        Label image without overlaps, and one that is merged by material where it was boosted.
    table : DataFrame
        One row for each label, in physical units.
    selection : Selection or None
        The masks, best first; a `Boosted` one, or one whose masks may overlap a little; None once
        the labels were corrected.
    proposals : Proposals
        All masks that were on offer.
    recipe : Recipe
        How to repeat it.
    front : SelectionFront or None
        What the search found; None where there was no search.
    candidate : Candidate or None
        The one of the front that made the selection.
    """

    segmentation: Segmentation
    table: pd.DataFrame
    selection: Selection | None
    proposals: Proposals
    recipe: Recipe
    front: SelectionFront | None = None
    candidate: Candidate | None = None


def segment(micrograph: Micrograph, sam: Any = None, **options: Any) -> RunResult:
    """Segment and measure one micrograph; see `segment_steps`."""
    return run(segment_steps(micrograph, sam, **options))


def segment_steps(
    micrograph: Micrograph,
    sam: Any = None,
    settings: RunSettings | None = None,
    *,
    store: Store | None = None,
    proposals: Proposals | None = None,
) -> Generator[Progress, None, RunResult]:
    """From a micrograph to its label image and table.

    Parameters
    ----------
    micrograph : Micrograph
        The image.
    sam : Sam, optional
        A `segment_anything`-compatible model; without one, classical regions alone serve.
    settings : RunSettings, optional
        All settings of the run.
    store : Store, optional
        Cache of embeddings and decoded grids; an interrupted search is recorded there, too, and the
        same run goes on with it.
    proposals : Proposals, optional
        Made before of this image by `propose_steps`, with these settings; nothing is proposed then.

    Yields
    ------
    Progress
        As `propose_steps`.

    Returns
    -------
    RunResult
        Label image, table, and what they came from.

    Raises
    ------
    SamStarError
        If the prior is in physical units and the pixel size is unknown.
    """
    settings = settings or RunSettings()
    prior = prior_in_pixels(settings.prior, micrograph)
    made = proposals
    if made is None:
        made = yield from propose_steps(
            micrograph,
            sam,
            settings.decode,
            preprocess=settings.preprocess,
            regions=settings.regions,
            prompts=settings.prompts,
            prior=prior,
            store=store,
        )
    chosen = with_prior(settings.select, prior)
    sources = [s for s in chosen.sources if s in made.provenance["sources"]]
    chosen = chosen.model_copy(update={"sources": tuple(sources)})
    front, candidate = None, None
    if settings.search is not None and len(made):
        extra = [make(name, **parameters) for name, parameters in settings.rewards]
        search = optimize_steps(
            made,
            micrograph,
            terms_for(settings.prior, micrograph, extra),
            settings.search,
            prior=settings.prior,
            base=chosen,
            journal=_journals(store),
        )
        front = yield from _counted(search)
        if front.journal is not None:  # what is complete needs no way back
            front.journal.unlink(missing_ok=True)
        candidate = front.preferred(dict(settings.importances))
        chosen = front.settings(candidate)
    yield Progress("selecting", 0, 1)
    selection = select(made, chosen)
    materials = None
    if settings.boost is not None:
        boosting = with_count(settings.boost, prior)
        selection = yield from boost_steps(
            selection, micrograph, boosting, preprocess=settings.preprocess
        )
        materials = selection.materials()
    labels = selection.labels()
    yield Progress("measuring", 0, 1)
    recipe = _recipe(micrograph, sam, settings, front, chosen)
    record = recipe.model_dump(mode="json")
    segmentation = Segmentation(labels, micrograph, materials, recipe=record)
    table = measure(labels, micrograph, materials)
    return RunResult(segmentation, table, selection, made, recipe, front, candidate)


def _journals(store: Store | None) -> Path | None:
    """Folder in which searches are recorded while they last; none where nothing is kept."""
    if store is None:
        return None
    folder = store.folder / "searches"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # as for the rest of the store: a disk that refuses costs no result
        return None
    return folder


def _counted(search: Generator[Event, None, SelectionFront]) -> Generator[Progress, None, Any]:
    """Tell of each candidate as of any other step; `partial` is the search's own event."""
    while True:
        try:
            event = next(search)
        except StopIteration as stop:
            return stop.value
        message = f"{event.front_size} on the front"
        yield Progress("searching", event.evaluated, event.budget, message, event)


def _recipe(
    micrograph: Micrograph,
    sam: Any,
    settings: RunSettings,
    front: SelectionFront | None,
    chosen: SelectSettings,
) -> Recipe:
    loaded = getattr(sam, "samstar", None)
    name = loaded.name if loaded is not None else type(sam).__name__
    model = None if sam is None else ModelRecord(name=name, hash=model_hash(sam))
    return Recipe(
        image=ImageRecord.of(micrograph),
        preprocess=settings.preprocess,
        decode=settings.decode if sam is not None else None,
        regions=settings.regions,
        prompts=settings.prompts if sam is not None else None,
        select=settings.select,
        search=settings.search,
        rewards=() if front is None else tuple((t.name, t.values()) for t in front.terms),
        importances=settings.importances,
        chosen=None if front is None else chosen,
        boost=settings.boost,
        prior=settings.prior,
        model=model,
        seed=settings.seed,
    )
