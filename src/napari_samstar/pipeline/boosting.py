"""From masks that overlap to instances that do not, each of a material."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.io.preprocess import to_gray
from napari_samstar.pipeline.driving import run
from napari_samstar.pipeline.encoders import encoders_steps
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import (
    BoostSettings,
    FallbackSettings,
    PreprocessSettings,
    Prior,
)
from napari_samstar.settings.boosting import LEAST_SIDE
from napari_samstar.types import SOURCES, Micrograph, Progress, SamStarError, Selection
from napari_samstar.units import length_unit, meters_per_unit

if TYPE_CHECKING:
    from napari_samstar.booster.texture import TextureEncoder
    from napari_samstar.cache import Store

__all__ = [
    "BoostWarning",
    "Boosted",
    "boost",
    "boost_or_keep_steps",
    "boost_steps",
    "pixel_nm",
    "with_count",
]

_LOG = logging.getLogger(__name__)

_ROWS = ("predicted_iou", "points", "source", "crops", "rows", "score")


@dataclass(frozen=True)
class Boosted(Selection):
    """A selection without overlaps, and what each of its masks is made of.

    ``material`` (K,) counts from 1, by falling area; 0 where uncertain. Regions that were added
    where no mask lay have ``rows`` of -1.

    Parameters
    ----------
    confidence : (K,) float32
        From 0 to 1: how much nearer a mask is to its material than to the next one.
    count : int
        Number of materials, vacuum not counted.
    background : int
        Material of vacuum and empty background; 0 where none was found.
    given_up : int
        Pixels that the given masks covered and these do not, px.
    removed : int
        Number of given masks that are not among these.
    evidence : mapping
        What the number of materials rests on, and how many were ``asked`` for; see
        `booster.materials.Materials`.
    boost : BoostSettings or None
        The settings that made it.
    """

    confidence: NDArray[np.float32] | None = None
    count: int = 0
    background: int = 0
    given_up: int = 0
    removed: int = 0
    evidence: Mapping[str, Any] = field(default_factory=dict)
    boost: BoostSettings | None = None


def boost(
    selection: Selection,
    micrograph: Micrograph,
    settings: BoostSettings | None = None,
    report: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Boosted:
    """Find instances without overlaps, and their materials; see `boost_steps`."""
    return run(boost_steps(selection, micrograph, settings, **options), report)


def boost_steps(
    selection: Selection,
    micrograph: Micrograph,
    settings: BoostSettings | None = None,
    *,
    preprocess: PreprocessSettings | None = None,
    encoders: Sequence[TextureEncoder] | None = None,
) -> Generator[Progress, None, Boosted]:
    """Remove ambiguous masks, give each pixel to one, and find what each is made of.

    Where no mask lies, regions of even texture are added, unless ``settings.fallback`` is None;
    wide masks that the network itself is not stable in, or that lie across a border of materials
    which the network for borders is sure of, give way to them.
    In an image less than 12 px high or wide no texture shows: no region is added, and all masks
    count as one material.

    Parameters
    ----------
    selection : Selection
        Masks that may overlap.
    micrograph : Micrograph
        Their image.
    settings : BoostSettings, optional
        Rules of removal, crops, encoders, number of materials, overlaps.
    preprocess : PreprocessSettings, optional
        How intensities become the 8 bits that textures are looked at in.
    encoders : sequence of TextureEncoder, optional
        In place of those that the settings name, for one that needs an embedding or weights.

    Yields
    ------
    Progress
        To cancel, close the generator.

    Returns
    -------
    Boosted
        A `Selection`: ``labels()`` keeps the instances, ``materials()`` merges them.

    Raises
    ------
    SamStarError
        If masks and image differ in size, or an encoder lacks what it needs.

    Warns
    -----
    BoostWarning
        If there are fewer materials than ``settings.materials.count``.

    References
    ----------
    Abebe et al., "SAM-I-Am: Semantic Boosting for Zero-shot Atomic-Scale Electron Micrograph
    Segmentation", 2024.
    """
    from napari_samstar.booster.crops import crop_side
    from napari_samstar.booster.elements import ground
    from napari_samstar.booster.fallback import uncovered_regions, untrusted
    from napari_samstar.booster.materials import materials_steps
    from napari_samstar.booster.mosaicnet import vectors_steps
    from napari_samstar.booster.overlaps import resolve_overlaps
    from napari_samstar.booster.parts import parts_of
    from napari_samstar.booster.removal import removal

    settings = settings or BoostSettings()
    if selection.shape != micrograph.shape:
        raise SamStarError(
            f"The masks are of an image of {selection.shape[1]} x {selection.shape[0]} px and "
            f"'{micrograph.name}' has {micrograph.shape[1]} x {micrograph.shape[0]} px: they must "
            "belong together."
        )
    yield Progress("boosting", 0, 4, "removing ambiguous masks")
    gray = to_gray(micrograph, preprocess)
    fills = settings.fallback if min(gray.shape) >= LEAST_SIDE else None
    runs, trusted = selection.runs, np.arange(len(selection))
    vectors = parts = None
    if fills is not None:
        if fills.apart is not None:
            vectors = yield from vectors_steps(gray)
            parts = parts_of(vectors, selection.shape, fills.apart)
        iou, stability = selection.predicted_iou, selection.stability
        trusted = trusted[~untrusted(gray, runs, iou, stability, fills, settings.crops, parts)]
        runs = runs.take(trusted)
    stays = removal(runs, selection.score[trusted], settings)
    runs, rows = _with_residuals(
        runs, stays.kept, stays.residuals, stays.residual_of, settings.crop_size**2
    )
    rows = trusted[rows]
    yield Progress("boosting", 1, 4, "looking where no mask lies")
    covered = _painted(selection.runs)
    before = selection
    if fills is not None:
        lies = ground(runs, crop_side(gray, settings.crops))
        regions = uncovered_regions(gray, lies, fills, settings.crops, parts=parts)
        rows = np.concatenate([rows, len(selection) + np.arange(len(regions))])
        runs, selection = runs + regions, _extended(selection, regions)
    score, stability = selection.score[rows], selection.stability[rows]
    yield Progress("boosting", 2, 4, "taking overlaps apart")
    apart = resolve_overlaps(runs, predicted_iou=score, stability=stability, settings=settings)
    yield Progress("boosting", 3, 4, "finding materials")
    found = yield from materials_steps(
        gray, apart.runs, settings, encoders, pixel_nm(micrograph), vectors
    )
    asked = settings.materials.count
    if asked is not None and 0 < found.count < asked:
        sentence = (
            f"{found.count} of the {asked} materials that were asked for could be found in "
            f"'{micrograph.name}': there are too few masks that differ."
        )
        warnings.warn(sentence, BoostWarning, stacklevel=2)
        yield Progress("materials", 1, 1, sentence)
    # once more, now that it is known how sure each mask is of its material
    seen = apart.rows
    last = resolve_overlaps(
        runs.take(seen), found.labels, found.margin, score[seen], stability[seen], settings
    )
    rows = rows[seen[last.rows]]
    given = {name: getattr(selection, name)[rows] for name in _ROWS}
    return Boosted(
        runs=last.runs,
        boxes=last.runs.boxes(),
        stability_scores=selection.stability[rows],
        **given,
        settings=selection.settings,
        material=last.material,
        confidence=found.confidence[last.rows],
        count=found.count,
        background=found.background,
        given_up=int((covered & (last.labels == 0)).sum()),
        removed=len(before) - np.unique(rows[rows < len(before)]).size,
        evidence={**found.evidence, "runner_up": found.runner_up},
        boost=settings,
    )


class BoostWarning(UserWarning):
    """The booster failed, or found fewer materials than were asked for."""


def boost_or_keep_steps(
    selection: Selection,
    micrograph: Micrograph,
    settings: BoostSettings,
    *,
    preprocess: PreprocessSettings,
    view: PreprocessSettings | None = None,
    sam: Any = None,
    store: Store | None = None,
) -> Generator[Progress, None, Selection]:
    """Boost a selection; where that fails, whatever the reason, give it back as it is.

    Parameters
    ----------
    selection, micrograph, settings, preprocess
        As for `boost_steps`.
    view, sam, store
        As for `encoders.encoders_steps`.

    Warns
    -----
    BoostWarning
        Why it failed; the last `Progress` says it, too.
    """
    try:
        encoders = yield from encoders_steps(
            settings.texture, micrograph, view or preprocess, sam, store
        )
        return (
            yield from boost_steps(
                selection, micrograph, settings, preprocess=preprocess, encoders=encoders
            )
        )
    except SamStarError as err:
        reason = str(err)
    except Exception as err:  # a finished segmentation is worth more than its materials
        _LOG.exception("The booster failed on '%s'.", micrograph.name)
        reason = f"something unexpected happened ({type(err).__name__}: {err}); please report it."
    sentence = (
        f"No materials were found in '{micrograph.name}', and the masks stay as they were "
        f"selected: {' '.join(reason.split())}"
    )
    warnings.warn(sentence, BoostWarning, stacklevel=2)
    yield Progress("boosting", 4, 4, sentence)
    return selection


def with_count(settings: BoostSettings, prior: Prior) -> BoostSettings:
    """Give the settings the number of materials that the prior knows, where they have none.

    Who knows it asks for materials, not for objects: what no mask covers is one of them, too.
    """
    if prior.materials is None:
        return settings
    count = settings.materials.count or prior.materials
    known = settings.materials.model_copy(update={"count": count})
    fallback = settings.fallback or FallbackSettings()
    return settings.model_copy(update={"materials": known, "fallback": fallback})


def _with_residuals(
    runs: MaskRuns,
    kept: NDArray[np.int64],
    residuals: MaskRuns,
    parents: NDArray[np.int64],
    least: int,
) -> tuple[MaskRuns, NDArray[np.int64]]:
    """Join kept masks and what dissolved ones leave, if texture can judge it, in their order."""
    wide = np.flatnonzero(residuals.areas() >= least)
    rows = np.concatenate([kept, parents[wide]])
    order = np.argsort(rows, kind="stable")
    return (runs.take(kept) + residuals.take(wide)).take(order), rows[order]


def _painted(runs: MaskRuns) -> NDArray[np.bool_]:
    return np.asarray(runs.paint(np.arange(len(runs))) > 0)


def _extended(selection: Selection, regions: MaskRuns) -> Selection:
    """Add regions that nothing proposed, behind all masks."""
    n = len(regions)
    boxes = regions.boxes()
    height, width = regions.shape
    zeros = np.zeros(n, np.float32)
    frames = np.tile(np.array([0, 0, width, height], np.int32), (n, 1))
    regional = np.full(n, SOURCES.index("regions"), np.uint8)
    return replace(
        selection,
        runs=selection.runs + regions,
        boxes=np.concatenate([selection.boxes, boxes]),
        predicted_iou=np.concatenate([selection.predicted_iou, zeros + np.float32(np.nan)]),
        stability_scores=np.concatenate([selection.stability, zeros]),
        points=np.concatenate([selection.points, (boxes[:, :2] + boxes[:, 2:]) / 2]),
        source=np.concatenate([selection.source, regional]),
        crops=np.concatenate([selection.crops, frames]),
        rows=np.concatenate([selection.rows, np.full(n, -1, np.int64)]),
        score=np.concatenate([selection.score, zeros]),
        measured=None,
    )


def pixel_nm(micrograph: Micrograph) -> float | None:
    """Size of a pixel, nm; None where it is not known as a length."""
    size, unit = micrograph.pixel_size, length_unit(micrograph.unit)
    if size is None or unit is None:
        return None
    return meters_per_unit(unit) * 1e9 * float(np.sqrt(size[0] * size[1]))
