"""From a micrograph to its label image, its table and the recipe to repeat them."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_samstar.cache import Store
from napari_samstar.measurements.table import measure
from napari_samstar.pipeline.driving import run
from napari_samstar.pipeline.proposing import propose_steps
from napari_samstar.proposals.select import select
from napari_samstar.recipe import ImageRecord, ModelRecord, Recipe
from napari_samstar.sam.base import model_hash
from napari_samstar.settings import Prior, RunSettings, SelectSettings
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

__all__ = ["RunResult", "segment", "segment_steps"]


@dataclass(frozen=True)
class RunResult:
    """All that one run gives.

    Parameters
    ----------
    segmentation : Segmentation
        Label image without overlaps.
    table : DataFrame
        One row for each label, in physical units.
    selection : Selection
        The masks, which may overlap a little, best first.
    proposals : Proposals
        All masks that were on offer.
    recipe : Recipe
        How to repeat it.
    """

    segmentation: Segmentation
    table: pd.DataFrame
    selection: Selection
    proposals: Proposals
    recipe: Recipe


def segment(micrograph: Micrograph, sam: Any = None, **options: Any) -> RunResult:
    """Segment and measure one micrograph; see `segment_steps`."""
    return run(segment_steps(micrograph, sam, **options))


def segment_steps(
    micrograph: Micrograph,
    sam: Any = None,
    settings: RunSettings | None = None,
    *,
    store: Store | None = None,
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
        Cache of embeddings and decoded grids.

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
    prior = _prior_in_pixels(settings.prior, micrograph)
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
    chosen = _with_prior(settings.select, prior)
    sources = [s for s in chosen.sources if s in made.provenance["sources"]]
    yield Progress("selecting", 0, 1)
    selection = select(made, chosen.model_copy(update={"sources": tuple(sources)}))
    labels = selection.labels()
    yield Progress("measuring", 0, 1)
    recipe = _recipe(micrograph, sam, settings)
    segmentation = Segmentation(labels, micrograph, recipe=recipe.model_dump(mode="json"))
    return RunResult(segmentation, measure(labels, micrograph), selection, made, recipe)


def _prior_in_pixels(prior: Prior, micrograph: Micrograph) -> Prior:
    """Sizes in pixels; a pixel that is not square counts with its mean side."""
    size = micrograph.pixel_size
    try:
        return prior.in_pixels(
            None if size is None else (size[0] * size[1]) ** 0.5, micrograph.unit
        )
    except ValueError as err:
        raise SamStarError(str(err)) from err


def _with_prior(settings: SelectSettings, prior: Prior) -> SelectSettings:
    if settings.reward_layer is None:
        return settings
    layer = settings.reward_layer.model_copy(update={"prior": prior})
    return settings.model_copy(update={"reward_layer": layer})


def _recipe(micrograph: Micrograph, sam: Any, settings: RunSettings) -> Recipe:
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
        prior=settings.prior,
        model=model,
        seed=settings.seed,
    )
