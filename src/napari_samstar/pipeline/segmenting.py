"""From a micrograph to its label image, its table and the recipe to repeat them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_samstar.cache import Store
from napari_samstar.measurements.table import measure, with_agreement
from napari_samstar.pipeline.agreeing import Agreement, agreement
from napari_samstar.pipeline.boosting import boost_or_keep_steps, with_count
from napari_samstar.pipeline.driving import run
from napari_samstar.pipeline.encoders import check_encoders
from napari_samstar.pipeline.optimizing import (
    Event,
    SelectionFront,
    objectives_of,
    optimize_steps,
    prior_in_pixels,
    with_prior,
)
from napari_samstar.pipeline.proposing import propose_steps
from napari_samstar.pipeline.slow import SlowStage, slow_stage_steps, told_setting
from napari_samstar.proposals.select import select
from napari_samstar.recipe import ImageRecord, ModelRecord, Recipe
from napari_samstar.rewards.base import RewardTerm
from napari_samstar.rewards.priors import terms_for
from napari_samstar.rewards.registry import make
from napari_samstar.sam.base import model_hash
from napari_samstar.search.events import SettingEvent
from napari_samstar.search.pareto import Candidate
from napari_samstar.search.schedule import journals
from napari_samstar.settings import RunSettings, SelectSettings
from napari_samstar.types import (
    Micrograph,
    Progress,
    Proposals,
    SamStarError,
    Segmentation,
    Selection,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "RunResult",
    "candidate_steps",
    "journal_folder",
    "rewards_of",
    "segment",
    "segment_steps",
]


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
        All masks that were on offer, to the candidate that was chosen.
    recipe : Recipe
        How to repeat it.
    front : SelectionFront or None
        What the search found; None where there was no search.
    candidate : Candidate or None
        The one of the front that made the selection.
    agreement : Agreement or None
        How far the search's best candidates agree; ``agreement`` is a column of the table, too.
    """

    segmentation: Segmentation
    table: pd.DataFrame
    selection: Selection | None
    proposals: Proposals
    recipe: Recipe
    front: SelectionFront | None = None
    candidate: Candidate | None = None
    agreement: Agreement | None = None


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
        If the prior is in physical units and the pixel size is unknown, an importance is that of
        nothing which the search goes by, or a texture encoder lacks what it needs.

    Warns
    -----
    BoostWarning
        If the booster failed; the masks are as they were selected then.
    """
    settings = settings or RunSettings()
    prior = prior_in_pixels(settings.prior, micrograph)
    rewards = _rewards_to_search(settings, micrograph)
    if settings.boost is not None:
        check_encoders(settings.boost.texture, sam)
    made = proposals
    searches = journal_folder(store)
    if store is None and settings.search is not None and settings.search.slow_seconds:
        store = Store(disk_bytes=0)  # for this run: slow settings share what they can
    if made is None:
        made = yield from propose_steps(
            micrograph,
            sam,
            settings.decode,
            preprocess=settings.preprocess,
            view=settings.view,
            regions=settings.regions,
            prompts=settings.prompts,
            prior=prior,
            store=store,
        )
    chosen = with_prior(settings.select, prior)
    sources = [s for s in chosen.sources if s in made.provenance["sources"]]
    chosen = chosen.model_copy(update={"sources": tuple(sources)})
    front, candidate = None, None
    wanted = settings.search
    if wanted is not None and len(made):
        slow = None
        if wanted.slow_seconds:
            slow = yield from slow_stage_steps(micrograph, sam, settings, prior, made, store)
            settings = slow.settings  # with the pace: the recipe says what could be afforded
        search = optimize_steps(
            made,
            micrograph,
            rewards,
            wanted,
            prior=settings.prior,
            base=chosen,
            journal=searches,
            slow=slow,
        )
        front = yield from _counted(search, wanted.budget, slow)
        candidate = front.preferred(dict(settings.importances))
        for journal in journals(front.journal):  # what is complete needs no way back
            journal.unlink(missing_ok=True)
        chosen, made = front.settings(candidate), front.proposals(candidate)
    return (yield from _finished(made, micrograph, sam, settings, chosen, front, candidate, store))


def candidate_steps(
    micrograph: Micrograph,
    sam: Any,
    settings: RunSettings,
    front: SelectionFront,
    candidate: Candidate,
) -> Generator[Progress, None, RunResult]:
    """Make a result of one candidate of a search, whoever chose it.

    Parameters
    ----------
    micrograph, sam
        The image that was searched, and its model or None.
    settings : RunSettings
        Of the search. The recipe repeats the search where it came to its end and prefers this
        candidate, or else goes straight to the candidate's own settings.
    front : SelectionFront
        What the search found, or has found so far.
    candidate : Candidate
        One of it.
    """
    if settings.boost is not None:
        check_encoders(settings.boost.texture, sam)
    made, chosen = front.proposals(candidate), front.settings(candidate)
    importances = {k: v for k, v in settings.importances if k in front.objectives}
    repeats = settings.search is not None and bool(front.finished)
    if not repeats or front.preferred(importances).index != candidate.index:
        settings = settings.model_copy(update={"search": None, "select": chosen})
    return (yield from _finished(made, micrograph, sam, settings, chosen, front, candidate))


def _finished(
    made: Proposals,
    micrograph: Micrograph,
    sam: Any,
    settings: RunSettings,
    chosen: SelectSettings,
    front: SelectionFront | None,
    candidate: Candidate | None,
    store: Store | None = None,
) -> Generator[Progress, None, RunResult]:
    yield Progress("selecting", 0, 1)
    selection = select(made, chosen)
    materials = None
    if settings.boost is not None:
        boosting = with_count(settings.boost, prior_in_pixels(settings.prior, micrograph))
        selection = yield from boost_or_keep_steps(
            selection,
            micrograph,
            boosting,
            preprocess=settings.preprocess,
            view=settings.view,
            sam=sam,
            store=store,
        )
        if selection.material is None:  # it failed: the recipe repeats what is delivered
            settings = settings.model_copy(update={"boost": None})
        else:
            materials = selection.materials()
    labels = selection.labels()
    yield Progress("measuring", 0, 1)
    recipe = _recipe(micrograph, sam, settings, front, candidate)
    record = recipe.model_dump(mode="json")
    segmentation = Segmentation(labels, micrograph, materials, recipe=record)
    table = measure(labels, micrograph, materials)
    agreed = None
    if front is not None:
        importances = {k: v for k, v in settings.importances if k in front.objectives}
        agreed = agreement(front, importances)
        with_agreement(table, agreed.of_objects(labels))
    return RunResult(segmentation, table, selection, made, recipe, front, candidate, agreed)


def rewards_of(settings: RunSettings, micrograph: Micrograph) -> list[RewardTerm]:
    """Rewards that a search goes by: the prior's and the others, less those that do not count.

    Raises
    ------
    SamStarError
        As `rewards.priors.terms_for` and `rewards.registry.make`.
    """
    extra = [make(name, **parameters) for name, parameters in settings.rewards]
    terms = terms_for(settings.prior, micrograph, extra)
    return [term for term in terms if term.name not in settings.without]


def _rewards_to_search(settings: RunSettings, micrograph: Micrograph) -> list[RewardTerm]:
    """Rewards of the search, none without one; refuse what could not end well before it begins."""
    if settings.search is None:
        return []
    rewards = rewards_of(settings, micrograph)
    known = objectives_of(rewards, settings.search.objectives == "families")
    for name, _ in settings.importances:
        if name not in known:
            raise SamStarError(
                f"There is no objective '{name}' to be important: this search goes by "
                f"{', '.join(known)}."
            )
    return rewards


def journal_folder(store: Store | None) -> Path | None:
    """Folder in which searches are recorded while they last; none where nothing is kept."""
    if store is None:
        return None
    folder = store.folder / "searches"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:  # as for the rest of the store: a disk that refuses costs no result
        return None
    return folder


def _counted(
    search: Generator[Event, None, SelectionFront], budget: int, slow: SlowStage | None
) -> Generator[Progress, None, SelectionFront]:
    """Tell of each candidate as of any other step; `partial` is the search's own event."""
    done = 0
    while True:
        try:
            event = next(search)
        except StopIteration as stop:
            front: SelectionFront = stop.value
            return front
        if isinstance(event, Progress):
            yield event
        elif isinstance(event, SettingEvent):
            message = "" if slow is None else told_setting(event, slow)
            yield Progress("searching", done, budget, message, event)
        else:
            done = event.evaluated
            message = f"{event.front_size} on the front"
            yield Progress("searching", done, event.budget, message, event)


def _recipe(
    micrograph: Micrograph,
    sam: Any,
    settings: RunSettings,
    front: SelectionFront | None,
    candidate: Candidate | None,
) -> Recipe:
    chosen: dict[str, Any] = {}
    if front is not None and candidate is not None:
        chosen["chosen"] = front.settings(candidate)
        if front.slow is not None and not front.slow.is_first(candidate.genes):
            chosen["chosen_decode"] = front.slow.decode(candidate.genes)
            chosen["chosen_view"] = front.slow.view(candidate.genes)
    loaded = getattr(sam, "samstar", None)
    name = loaded.name if loaded is not None else type(sam).__name__
    model = None if sam is None else ModelRecord(name=name, hash=model_hash(sam))
    return Recipe(
        image=ImageRecord.of(micrograph),
        preprocess=settings.preprocess,
        view=settings.view,
        decode=settings.decode if sam is not None else None,
        regions=settings.regions,
        prompts=settings.prompts if sam is not None else None,
        select=settings.select,
        search=settings.search,
        rewards=() if front is None else tuple((t.name, t.values()) for t in front.terms),
        without=settings.without,
        importances=settings.importances,
        boost=settings.boost,
        prior=settings.prior,
        model=model,
        seed=settings.seed,
        **chosen,
    )
