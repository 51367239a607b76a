"""Elements of a texture: masks of the columns, spots and laths that it consists of."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_samstar.booster.crops import Crops, crops_at
from napari_samstar.booster.study import Study, lead
from napari_samstar.labels import label_runs
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import MaterialSettings
from napari_samstar.types import Progress

__all__ = ["at_home", "closed", "elements", "ground", "surroundings_steps"]

_NONE = -1  # no mask around it
_MOST = 256  # elements, largest first, that are looked at
_BATCH = 16  # crops between two steps


def elements(runs: MaskRuns, side: int) -> NDArray[np.bool_]:
    """Which of K masks a crop of `side` would hold, with room for as much again, (K,)."""
    x0, y0, x1, y1 = runs.boxes().T
    extent = np.maximum(x1 - x0, y1 - y0) + 1
    return np.asarray((extent <= side) & (runs.areas() < side**2 / 2))


def ground(runs: MaskRuns, side: int) -> NDArray[np.bool_]:
    """Where masks lie that are no elements of what is around them, (H, W).

    Elements that fill more than half of what other masks leave are no part of anything, and count.

    Parameters
    ----------
    runs : MaskRuns
        K masks.
    side : int
        Of the crops, px.
    """
    small = elements(runs, side)
    large = runs.paint(np.flatnonzero(~small)) > 0
    both = large | (runs.paint(np.flatnonzero(small)) > 0)
    crowded = 2 * int((both & ~large).sum()) > large.size - int(large.sum())
    return np.asarray(both if crowded else large)


def closed(runs: MaskRuns, side: int) -> tuple[MaskRuns, NDArray[np.int64]]:
    """Close the holes that elements leave in the masks around them.

    A network gives columns of a lattice, spots and laths masks of their own. They are part of the
    texture nevertheless: crops without them would not show it. Where they are more than what they
    leave, they are no part of it.

    Parameters
    ----------
    runs : MaskRuns
        K masks without overlaps.
    side : int
        Of the crops, px.

    Returns
    -------
    whole : MaskRuns
        The same K masks; those that are no elements now lie under elements, too.
    host : (K,) int64
        The mask that lies under each element; -1 where none does, and of the others.
    """
    host = np.full(len(runs), _NONE, np.int64)
    small = elements(runs, side)
    if not small.any() or small.all():
        return runs, host
    large = runs.paint(np.flatnonzero(~small))
    inner = runs.paint(np.flatnonzero(small))
    hole = inner > 0
    nearest = ndimage.distance_transform_edt(hole, return_distances=False, return_indices=True)
    around, base = large[tuple(nearest)], len(runs) + 1
    free = np.bincount(inner[hole & (around == 0)], minlength=base)
    enclosed = 2 * free < np.bincount(inner[hole], minlength=base)  # not only touched
    hole &= enclosed[inner]
    filled, left = (np.bincount(part, minlength=base) for part in (around[hole], large[~hole]))
    hole &= (filled <= left)[around]
    large = np.where(hole, around, large)
    pairs, sizes = np.unique(inner[hole] * np.int64(base) + large[hole], return_counts=True)
    pairs = pairs[np.argsort(sizes, kind="stable")]  # the host of most pixels stands
    host[pairs // base - 1] = pairs % base - 1
    rows = np.arange(len(runs))
    whole = label_runs(large, len(runs)) + runs
    return whole.take(np.where(small, rows + len(runs), rows)), host


def surroundings_steps(
    image: NDArray[np.float32],
    whole: MaskRuns,
    host: NDArray[np.int64],
    light: Callable[[Crops], Crops],
    study: Study,
) -> Generator[Progress, None, tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Embed a crop of what lies around each element, the largest ones first.

    Parameters
    ----------
    image : (H, W) float32
        Intensities.
    whole, host : MaskRuns and (K,) int64
        As from `closed`.
    light : callable
        Evens out the light of crops, as it was done for those of `study`.
    study : Study
        Of the masks that may found materials; elements in others are left out.

    Returns
    -------
    inside : (E,) int64
        Which masks they are.
    vectors : (E, D) float64
        One row each.
    """
    inside = np.flatnonzero(np.isin(host, study.masks))
    inside = inside[np.argsort(-whole.areas()[inside], kind="stable")][:_MOST]
    side = study.crops.side
    x0, y0, x1, y1 = whole.boxes()[inside].T
    corners = np.stack([(y0 + y1 + 1 - side) // 2, (x0 + x1 + 1 - side) // 2], 1)
    found = []
    for start in range(0, inside.size, _BATCH):
        yield Progress("materials", start, inside.size, "looking at elements of textures")
        some = slice(start, start + _BATCH)
        found.append(
            study.embed(light(crops_at(image, whole, host[inside[some]], corners[some], side)))
        )
    return inside, np.concatenate(found) if found else np.zeros((0, 0))


def at_home(
    inside: NDArray[np.int64],
    vectors: NDArray[np.float64],
    own: NDArray[np.int64],
    study: Study,
    groups: NDArray[np.int64],
    settings: MaterialSettings,
) -> Mapping[int, tuple[int, float]]:
    """Find elements around which the texture looks as it does elsewhere.

    Parameters
    ----------
    inside, vectors : (E,) int64 and (E, D) float64
        As from `surroundings_steps`.
    own : (E,) int64
        Material of the mask around each, from 0.
    study : Study
        Of the masks whose materials are known.
    groups : (S,) int64
        Those materials.
    settings : MaterialSettings
        What is surely different.

    Returns
    -------
    mapping
        Of each such element, by its number: the material around it, and how surely, 0 to 1.
    """
    if inside.size == 0:
        return {}
    away = study.likeness(vectors, groups)
    near = (away.argmin(1) == own) & (away.min(1) < settings.surely_different)
    return {
        k: (group, lead(distances, group))
        for k, group, distances in zip(
            inside[near].tolist(), own[near].tolist(), away[near], strict=True
        )
    }
