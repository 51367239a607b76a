"""From masks to materials: how many there are, which mask is which, and how surely."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_samstar.booster.background import find_background
from napari_samstar.booster.crops import (
    Crops,
    crop_side,
    cut_crops,
    fitting_side,
    in_gray_levels,
    width,
)
from napari_samstar.booster.descriptors import describe_steps
from napari_samstar.booster.elements import at_home, closed, surroundings_steps
from napari_samstar.booster.light import leveled, leveled_alike
from napari_samstar.booster.mosaicnet import vectors_steps
from napari_samstar.booster.parts import mask_vectors
from napari_samstar.booster.study import Study, lead
from napari_samstar.booster.texture import TextureEncoder, texture_encoders
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import BoostSettings, MaterialSettings
from napari_samstar.settings.boosting import LEAST_SIDE
from napari_samstar.types import Progress

__all__ = ["Materials", "find_materials", "materials_steps"]

_NONE = -1  # no crops, or vacuum
_EASIER = 0.75  # of the distance that a small mask needs to be a material, if it is seen to be one
_CLEARLY = 1.5  # times the distance up to which two are seen as one
_MOST_COMPARED = 32  # thin or small masks, largest first, by texture; the others by brightness


@dataclass(frozen=True)
class Materials:
    """What each of K masks is made of.

    Parameters
    ----------
    labels : (K,) int32
        Materials from 1, by falling area; 0 where uncertain; `background` for vacuum.
    confidence : (K,) float32
        From 0 to 1: how much nearer a mask is to its material than to the next one.
    margin : (K,) float32
        Votes of the mask's crops for its material less those for the next one, share of all.
    count : int
        Number of materials, vacuum not counted.
    background : int
        Label of vacuum and empty background, ``count + 1``; 0 where there is none.
    runner_up : int
        Number of materials that was nearly chosen; `count` where nothing came near.
    evidence : mapping
        What the choice rests on: crop ``side``, the number that was ``asked`` for or None, heights
        of the tree's merges, silhouette, stability.
    """

    labels: NDArray[np.int32]
    confidence: NDArray[np.float32]
    margin: NDArray[np.float32]
    count: int
    background: int = 0
    runner_up: int = 0
    evidence: Mapping[str, Any] = field(default_factory=dict)


def find_materials(
    image: NDArray[np.generic],
    runs: MaskRuns,
    settings: BoostSettings | None = None,
    encoders: Sequence[TextureEncoder] | None = None,
    pixel_nm: float | None = None,
) -> Materials:
    """Find the material of every mask by its texture.

    In an image less than 12 px high or wide no texture shows: all masks count as one material.

    Parameters
    ----------
    image : (H, W) array
        Intensities. NaN and minus infinity count as the finite minimum, plus infinity as the
        finite maximum.
    runs : MaskRuns
        K masks, best without overlaps.
    settings : BoostSettings, optional
        Crops, encoders, number of materials.
    encoders : sequence of TextureEncoder, optional
        In place of those that the settings name, for one that needs an embedding or weights.
    pixel_nm : float, optional
        Size of a pixel, nm.

    Raises
    ------
    SamStarError
        If an encoder lacks what it needs, or no pixel is finite.
    """
    steps = materials_steps(image, runs, settings, encoders, pixel_nm)
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            found: Materials = stop.value
            return found


def materials_steps(
    image: NDArray[np.generic],
    runs: MaskRuns,
    settings: BoostSettings | None = None,
    encoders: Sequence[TextureEncoder] | None = None,
    pixel_nm: float | None = None,
    vectors: NDArray[np.float32] | None = None,
) -> Generator[Progress, None, Materials]:
    """Find the material of every mask, a few crops a step; see `find_materials`.

    `vectors` (h, w, D) are those of `mosaicnet.vectors_steps`, where they are at hand.
    """
    settings = settings or BoostSettings()
    if encoders is None:
        encoders = texture_encoders(settings.texture)
    yield Progress("materials", 0, 1, "cutting crops")
    image = in_gray_levels(_finite(image))
    side = crop_side(image, settings.crops, pixel_nm)
    if side < LEAST_SIDE:  # too small an image: nothing tells its masks apart
        return _one_material(runs, side, settings.materials)
    if settings.crops.side == 0:
        side = fitting_side(runs, side, settings.crops)
    whole, host = closed(runs, side)
    crops = cut_crops(image, whole, settings.crops, side)
    chosen = settings.materials
    areas = runs.areas()
    empty = find_background(crops, runs) if chosen.background else np.zeros(len(runs), bool)
    given = full = crops.take(~empty[crops.mask])
    doubt = np.zeros(2)
    if chosen.level_light:
        full, doubt = leveled(given, runs.shape, areas)
    light = partial(leveled_alike, given=given, even=full)
    labels = np.full(len(runs), _NONE, np.int64)
    confidence, margin = np.zeros(len(runs)), np.zeros(len(runs))
    facts: dict[str, Any] = {"side": side, "asked": chosen.count}
    strong = _evident(full, areas, chosen)
    if strong.size:
        known = full.take(np.isin(full.mask, strong))
        texture, sight = settings.texture, None
        # to the network a turned lattice is the same
        if chosen.count is None and chosen.told_apart is not None and texture.rotation != "keep":
            if vectors is None:
                vectors = yield from vectors_steps(image)
            sight = mask_vectors(vectors, runs)
        described = yield from describe_steps(
            known, encoders, texture.dimensions, texture.rotation, chosen.seed, doubt
        )
        seen = None if sight is None else sight[strong]
        study = Study(known, encoders, described, areas[strong], settings, seen)
        inside, around = yield from surroundings_steps(image, whole, host, light, study)
        # of a known number, small masks may be the ones that large ones are not
        for spare in (True, False) if chosen.count and chosen.grouping == "linkage" else (False,):
            groups, found = study.grouped(spare)
            labels[:] = _NONE
            labels[strong] = groups
            confidence[strong], margin[strong] = study.certainty(groups)
            home = at_home(inside, around, labels[host[inside]], study, groups, chosen)
            yield from _join_weak(
                full, study, groups, runs, settings, home, labels, confidence, margin, sight
            )
            facts |= found
            if int(labels.max()) + 1 == chosen.count:
                break
    else:  # nothing speaks for more than one
        labels[np.unique(full.mask)] = 0
    return _finished(labels, confidence, margin, empty, areas, chosen, facts)


def _finite(image: NDArray[np.generic]) -> NDArray[np.generic]:
    if np.isfinite(np.asarray(image, np.float32)).all():
        return image
    from napari_samstar.io.array import micrograph_from_array

    return micrograph_from_array(image, name="The image").data  # filled as when it is read


def _one_material(runs: MaskRuns, side: int, chosen: MaterialSettings) -> Materials:
    labels = (runs.areas() > 0).astype(np.int32)
    none, count = np.zeros(len(runs), np.float32), int(labels.max(initial=0))
    facts = {"side": side, "asked": chosen.count}
    return Materials(labels, none, none, count, runner_up=count, evidence=facts)


def _evident(crops: Crops, areas: NDArray[np.int64], chosen: MaterialSettings) -> NDArray[np.intp]:
    """Masks that found the materials: those of whole crops.

    Where there are none, texture cannot tell how many materials there are; a known number is found
    among the best covered.
    """
    masks = np.unique(crops.mask)
    if masks.size == 0:
        return masks.astype(np.intp)
    sizes = np.bincount(crops.mask)[masks]
    cover = np.bincount(crops.mask, crops.coverage())[masks] / sizes
    strong = np.asarray(masks[cover >= chosen.evident], np.intp)
    needed = min(chosen.count or 0, masks.size)
    if strong.size >= needed:
        return strong
    order = np.lexsort((-areas[masks], -cover))
    return np.asarray(np.sort(masks[order[:needed]]), np.intp)


def _join_weak(
    crops: Crops,
    study: Study,
    groups: NDArray[np.int64],
    runs: MaskRuns,
    settings: BoostSettings,
    home: Mapping[int, tuple[int, float]],
    labels: NDArray[np.int64],
    confidence: NDArray[np.float64],
    margin: NDArray[np.float64],
    sight: NDArray[np.float64] | None,
) -> Generator[Progress, None, None]:
    """Give thin and small masks, largest first, the group they resemble, or a new one.

    Elements of a texture, the bright or dark spots of it, need not resemble the whole: those that
    resemble nothing are at `home` where they lie. None is a material of its own that is hardly
    unlike a mask with one in `sight`.
    """
    chosen, least = settings.materials, settings.crops.least_side
    areas, owner = runs.areas(), runs.paint(np.arange(len(runs)))
    weak = np.setdiff1d(crops.mask, study.masks)
    weak = weak[np.argsort(-areas[weak], kind="stable")]
    founded: list[NDArray[np.float64]] = []  # by masks that resemble no group
    founders = study.masks.tolist()
    clearly = _CLEARLY * (chosen.told_apart or 0.0)
    count = int(groups.max()) + 1
    new = chosen.surely_different  # one small mask has no tree whose gap could decide
    # cracks and seams resemble nothing either, but are thin
    thin = max(chosen.founding * crops.side, least)
    most = chosen.count or chosen.most
    compared = weak[:_MOST_COMPARED] if count > 1 or most > 1 else weak[:0]
    for turn, k in enumerate(compared.tolist()):
        yield Progress("materials", turn, len(compared), "looking at small masks")
        own = crops.take(crops.mask == k)
        distances, vector = study.compare(own, int(areas[k]), groups, turn)
        if founded:
            one, many = np.ones(1), np.ones(len(founded))
            fresh = study.metric.distances(vector[None], np.stack(founded), one, many)[0]
            distances = np.concatenate([distances, fresh])
        away = _seen(sight, k, founders)
        needed = new * _EASIER if away >= clearly else new
        free = count + len(founded) < most and areas[k] >= crops.side**2 / 2
        free = free and distances.min() > needed and width(runs, k) >= thin
        free = free and not away < clearly
        if free:  # a scrap across a border is a mixture of what it borders on
            beside = labels[_neighbors(runs, owner, k, crops.side)]
            around = np.unique(beside[(beside >= 0) & (beside < count)])
            around = around if around.size else np.arange(count)
            free = study.mixture(vector, int(areas[k]), groups, around) > needed
        if free:
            labels[k] = count + len(founded)
            confidence[k] = margin[k] = lead(np.append(distances, 1.0), distances.size)
            founded.append(vector)
            founders.append(k)
        else:  # as it looks itself, or as what surrounds it looks, whichever says more
            seen = int(distances.argmin()), lead(distances, int(distances.argmin()))
            labels[k], confidence[k] = max(home.get(k, seen), seen, key=lambda found: found[1])
            margin[k] = confidence[k]
    rest = weak[len(compared) :]
    for k in np.intersect1d(rest, list(home)).tolist():
        labels[k], confidence[k] = home[k]
        margin[k] = confidence[k]
    _join_by_brightness(crops, rest[labels[rest] == _NONE], labels, confidence, margin)


def _seen(sight: NDArray[np.float64] | None, k: int, others: list[int]) -> float:
    """How near the nearest of the others is to mask `k` to the network for borders.

    NaN, which is neither less nor more than anything, where it was not asked or saw hardly a cell.
    """
    if sight is None or not np.isfinite(sight[k]).all():
        return float("nan")
    away = np.linalg.norm(sight[others] - sight[k], axis=1)
    return float(np.nanmin(away)) if np.isfinite(away).any() else float("nan")


def _neighbors(runs: MaskRuns, owner: NDArray[np.int32], k: int, side: int) -> NDArray[np.intp]:
    """Masks that lie within a quarter of a crop of mask `k`."""
    height, width = runs.shape
    near = max(side // 4, 1)
    x0, y0, x1, y1 = runs.boxes()[k].tolist()
    x0, y0 = max(x0 - near, 0), max(y0 - near, 0)
    x1, y1 = min(x1 + near, width - 1), min(y1 + near, height - 1)
    mask = runs.window(k, (x0, y0, x1, y1))
    around = ndimage.distance_transform_edt(~mask) <= near
    found = np.unique(owner[y0 : y1 + 1, x0 : x1 + 1][around & ~mask])
    return np.asarray(found[(found > 0) & (found != k + 1)] - 1, np.intp)


def _join_by_brightness(
    crops: Crops,
    rest: NDArray[np.int32],
    labels: NDArray[np.int64],
    confidence: NDArray[np.float64],
    margin: NDArray[np.float64],
) -> None:
    """Give masks the group of the mask that is as bright, in place."""
    if rest.size == 0:
        return
    sums = np.bincount(crops.mask, (crops.pixels * crops.inside).sum((1, 2)), len(labels))
    mean = sums / np.maximum(np.bincount(crops.mask, crops.inside.sum((1, 2)), len(labels)), 1)
    names = np.unique(labels[labels != _NONE])
    apart = np.stack([np.abs(mean[rest, None] - mean[labels == n]).min(1) for n in names], 1)
    labels[rest] = names[apart.argmin(1)]
    if names.size > 1:
        near = np.sort(apart, 1)
        sure = (near[:, 1] - near[:, 0]) / np.maximum(near[:, 1] + near[:, 0], 1e-9)
        confidence[rest] = margin[rest] = sure
    else:
        confidence[rest] = margin[rest] = 1.0


def _finished(
    labels: NDArray[np.int64],
    confidence: NDArray[np.float64],
    margin: NDArray[np.float64],
    empty: NDArray[np.bool_],
    areas: NDArray[np.int64],
    chosen: MaterialSettings,
    facts: dict[str, Any],
) -> Materials:
    """Count materials by falling area; leave open what is not clear."""
    given = labels != _NONE
    names = np.unique(labels[given])
    total = [-int(areas[labels == name].sum()) for name in names]
    new = {int(name): i for i, name in enumerate(names[np.argsort(total, kind="stable")], start=1)}
    out = np.array([new.get(int(label), 0) for label in labels], np.int32)
    count = len(new)
    if count > 1:
        out[given & (confidence < chosen.min_margin) & (margin < chosen.min_margin)] = 0
    if empty.any():
        out[empty] = count + 1
        confidence[empty] = margin[empty] = 1.0
    second = int(facts.pop("runner_up", count)) if count else 0
    return Materials(
        out,
        confidence.astype(np.float32),
        margin.astype(np.float32),
        count,
        count + 1 if empty.any() else 0,
        second,
        facts,
    )
