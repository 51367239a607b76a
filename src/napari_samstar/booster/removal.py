"""Ambiguous masks go: what is there twice, what is only parts put together, what is only a detail.

Three readings of one idea. All compare whole numbers of pixels, so that a mask exactly at a limit
is judged as the limit says. A *child* lies in another mask, its parent, by more than
`child_percent`; a *detail* is a child smaller than `tiny_percent` of its parent.

``code``
    What the paper's published program does, with one repair: where two duplicates are equally
    large the program drops both, here the first stays.
``paper``
    Algorithm 1 as printed. Details count towards dissolving a parent as well, and of each group
    of duplicates, a mask with all of its own, the largest stays.
``robust``
    What both mean. They add up the areas of children that overlap, drop details of a parent that
    does not stay, and end chains of near-duplicates altogether. Here

    1. duplicates go first: of any two the one of higher score stays, then the larger one;
    2. a parent is dissolved where those of its children that stay cover most of it, each pixel
       counted once, details left out;
    3. a detail goes only where a parent of it stays, and dissolves nothing then.

    Where the last two run in a circle (a whole of parts, each with a core that is a detail of the
    whole), all that is only parts is dissolved: the cores stay.

    What is kept does not depend on the order of the masks, holds no two that these rules would set
    against each other, and is never empty. What dissolved parents leave uncovered is handed back
    as residuals: candidates for the texture to judge, a ring around a core for instance.

References
----------
Abebe et al., "SAM-I-Am: Semantic Boosting for Zero-shot Atomic-Scale Electron Micrograph
Segmentation", 2024, Algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_samstar.booster.containment import MaskSpans, Spans
from napari_samstar.booster.rules import Fate, literal_rules, robust_rules
from napari_samstar.masks import Masks, mask_runs
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import BoostSettings
from napari_samstar.types import SamStarError

__all__ = ["Fate", "Removal", "removal", "remove_ambiguous"]


@dataclass(frozen=True)
class Removal:
    """What was kept of N masks, and what was given up.

    Parameters
    ----------
    kept : (K,) int64
        Masks that stay, ascending.
    fates : tuple of Fate
        What became of each mask.
    because_of : (N,) int64
        The duplicate that was preferred, or the parent of a detail; -1 for all others.
    islands : (N,) bool
        Small masks that touch neither a kept mask nor the border of the image; they go only where
        the settings say so, for isolated particles are often what is looked for.
    area_lost : int
        Pixels of the given masks that no kept mask holds, px.
    fraction_lost : float
        The same as a share of all pixels of the given masks.
    residuals : MaskRuns
        What dissolved parents leave uncovered, unless it is a mere detail of them. Residuals
        overlap neither each other nor a kept mask; their pixels count as lost.
    residual_of : (R,) int64
        The dissolved parent of each residual.
    """

    kept: NDArray[np.int64]
    fates: tuple[Fate, ...]
    because_of: NDArray[np.int64]
    islands: NDArray[np.bool_]
    area_lost: int
    fraction_lost: float
    residuals: MaskRuns
    residual_of: NDArray[np.int64]


def remove_ambiguous(
    masks: Masks,
    mode: Literal["robust", "paper", "code"] = "robust",
    settings: BoostSettings | None = None,
) -> NDArray[np.int64]:
    """Choose the masks that are not ambiguous.

    Parameters
    ----------
    masks : sequence of (H, W) bool, (N, H, W) bool, or MaskRuns
        Masks that may overlap.
    mode : {"robust", "paper", "code"}
        By which rules, see `napari_samstar.booster.removal`; stands above ``settings.removal``.
    settings : BoostSettings, optional
        Limits; the paper's by default.

    Returns
    -------
    (K,) int64
        Indices of the masks that stay, ascending.

    Raises
    ------
    SamStarError
        If the masks differ in size, or there is no such mode.
    """
    if mode not in ("robust", "paper", "code"):
        raise SamStarError(f"There is no way of removal called {mode!r}: robust, paper or code.")
    settings = (settings or BoostSettings()).model_copy(update={"removal": mode})
    return removal(mask_runs(masks), settings=settings).kept


def removal(
    runs: MaskRuns,
    scores: NDArray[np.floating[Any]] | None = None,
    settings: BoostSettings | None = None,
) -> Removal:
    """Choose the masks that are not ambiguous, and say why the others go.

    Parameters
    ----------
    runs : MaskRuns
        N masks that may overlap.
    scores : (N,) float, optional
        How good each mask is, such as predicted IoU times stability; decides between duplicates
        in ``robust`` mode. NaN counts as worst.
    settings : BoostSettings, optional
        Mode and limits.
    """
    settings = settings or BoostSettings()
    masks = MaskSpans.of(runs)
    if settings.removal == "robust":
        given = np.zeros(len(runs)) if scores is None else np.asarray(scores, np.float64)
        worth = np.where(np.isnan(given), -np.inf, given)
        fates, because = robust_rules(masks, worth, settings)
    else:
        fates, because = literal_rules(masks, settings)
    islands = _islands(masks, _kept(fates), runs.shape, settings.crop_size)
    if settings.removal == "robust" and settings.drop_islands and set(_kept(fates)) - set(islands):
        for i in islands:
            fates[i] = Fate.ISLAND
    kept = _kept(fates)

    everything, staying = masks.together(range(len(masks))), masks.together(kept)
    lost = everything.area - staying.area
    residuals, parents = _residuals(masks, fates, staying, settings.tiny_percent)
    size = runs.shape[0] * runs.shape[1]
    return Removal(
        kept=np.array(kept, np.int64),
        fates=tuple(fates),
        because_of=because,
        islands=np.isin(np.arange(len(runs)), islands),
        area_lost=lost,
        fraction_lost=lost / max(everything.area, 1),
        residuals=MaskRuns.from_rows([r.run_lengths(size) for r in residuals], runs.shape),
        residual_of=np.array(parents, np.int64),
    )


def _kept(fates: Sequence[Fate]) -> list[int]:
    return [i for i, fate in enumerate(fates) if fate is Fate.KEPT]


def _islands(
    masks: MaskSpans, kept: Sequence[int], shape: tuple[int, int], crop_size: int
) -> list[int]:
    """Kept masks too small for a crop of texture, with nothing but bare ground around them."""
    height, width = shape
    limit = max(crop_size**2, 3 * height * width // 1000)
    boxes = masks.boxes.astype(np.int64)
    near = boxes[kept] + (-1, -1, 1, 1)  # reach of each kept mask's neighborhood
    found = []
    for i in kept:
        x0, y0, x1, y1 = boxes[i]
        if masks.areas[i] >= limit or min(x0, y0) < 1 or x1 > width - 2 or y1 > height - 2:
            continue
        rim = masks[i].grown(height)
        meeting = (near[:, :2] <= (x1, y1)).all(axis=1) & (near[:, 2:] >= (x0, y0)).all(axis=1)
        others = (kept[int(k)] for k in np.flatnonzero(meeting))
        if not any((rim & masks[k]).area for k in others if k != i):
            found.append(i)
    return found


def _residuals(
    masks: MaskSpans, fates: Sequence[Fate], staying: Spans, tiny_percent: int
) -> tuple[list[Spans], list[int]]:
    """Give what dissolved parents, smallest first, hold beyond kept masks and earlier residuals."""
    dissolved = [i for i, fate in enumerate(fates) if fate is Fate.COMPOUND]
    residuals, parents = [], []
    for i in sorted(dissolved, key=lambda i: int(masks.areas[i])):
        rest = masks[i].without(staying)
        if rest.area and 100 * rest.area >= tiny_percent * int(masks.areas[i]):
            residuals.append(rest)
            parents.append(i)
            staying = Spans.united(
                np.append(staying.starts, rest.starts), np.append(staying.ends, rest.ends)
            )
    return residuals, parents
