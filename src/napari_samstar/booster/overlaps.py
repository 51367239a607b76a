"""One label image without overlaps, from masks that overlap."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.booster.containment import MaskSpans, nested_pairs
from napari_samstar.labels import index_labels, label_runs
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import BoostSettings

__all__ = ["Resolved", "resolve_overlaps", "without_specks"]


@dataclass(frozen=True)
class Resolved:
    """Masks that share no pixel.

    Parameters
    ----------
    labels : (H, W) int32
        Mask i as i + 1; 0 where there is none.
    runs : MaskRuns
        The same K masks as run lengths.
    rows : (K,) int64
        Which of the given masks each was, ascending; masks of which nothing stayed in sight are
        left out.
    areas : (K,) int64
        Pixels of each, px.
    material : (K,) int32 or None
        Material of each.
    """

    labels: NDArray[np.int32]
    runs: MaskRuns
    rows: NDArray[np.int64]
    areas: NDArray[np.int64]
    material: NDArray[np.int32] | None = None

    def materials(self) -> NDArray[np.int32]:
        """Label image (H, W) merged by material: the material of each pixel, 0 where none is.

        Raises
        ------
        ValueError
            If no materials were given.
        """
        if self.material is None:
            raise ValueError("Materials were not given to resolve_overlaps.")
        return np.append(np.int32(0), self.material)[self.labels]


def resolve_overlaps(
    runs: MaskRuns,
    material: NDArray[np.int32] | None = None,
    margin: NDArray[np.floating[Any]] | None = None,
    predicted_iou: NDArray[np.floating[Any]] | None = None,
    stability: NDArray[np.floating[Any]] | None = None,
    settings: BoostSettings | None = None,
) -> Resolved:
    """Give each pixel to one mask.

    A child stands above its parent, for it says more about its pixels. Otherwise the pixels that
    masks share go to the one of greater vote margin, then of greater predicted IoU, then of greater
    stability, then to the smaller one. Scraps of a mask that this leaves go to the mask that they
    touch most; its largest piece stays, however small. Then masks grow into pixels of none, each
    pixel going to the nearest.

    Parameters
    ----------
    runs : MaskRuns
        N masks.
    material : (N,) int, optional
        Material of each mask, from 1; 0 where it is uncertain.
    margin, predicted_iou, stability : (N,) float, optional
        How sure each mask is of its material, and how good it is; NaN counts as worst.
    settings : BoostSettings, optional
        ``child_percent``, ``min_speck`` and ``grow``.
    """
    settings = settings or BoostSettings()
    order = _painting_order(runs, (margin, predicted_iou, stability), settings.child_percent)
    labels = runs.paint(order)
    if settings.min_speck > 1:
        labels = without_specks(labels, settings.min_speck)
    if settings.grow > 0:
        labels = _grown(labels, settings.grow)
    labels, ids = index_labels(labels)
    apart = label_runs(labels, ids.size)
    rows = ids - 1
    return Resolved(
        labels=labels,
        runs=apart,
        rows=rows,
        areas=apart.areas(),
        material=None if material is None else np.asarray(material, np.int32)[rows],
    )


def _painting_order(
    runs: MaskRuns, qualities: tuple[NDArray[np.floating[Any]] | None, ...], child_percent: int
) -> NDArray[np.int64]:
    """Masks from the lowest to the highest: the worst first, but no child before its parents."""
    masks = MaskSpans.of(runs)
    keys: list[NDArray[Any]] = [-masks.areas]  # the last key leads
    for quality in reversed(qualities):
        if quality is not None:
            keys.append(np.where(np.isnan(quality), -np.inf, quality))
    rank = np.argsort(np.lexsort(keys))

    pairs = nested_pairs(masks, child_percent)
    child = 100 * pairs.shared > child_percent * masks.areas[pairs.small]
    # two that hold each other are alike: neither is the other's child
    child &= 100 * pairs.shared <= child_percent * masks.areas[pairs.large]
    children: list[list[int]] = [[] for _ in range(len(runs))]
    waiting = np.zeros(len(runs), np.int64)  # parents that are not painted yet
    for small, large in zip(pairs.small[child], pairs.large[child], strict=True):
        children[large].append(int(small))
        waiting[small] += 1

    ready = [(int(rank[i]), i) for i in np.flatnonzero(waiting == 0).tolist()]
    heapify(ready)
    order = []
    while ready:
        _, i = heappop(ready)
        order.append(i)
        for k in children[i]:
            waiting[k] -= 1
            if waiting[k] == 0:
                heappush(ready, (int(rank[k]), k))
    return np.array(order, np.int64)


def without_specks(labels: NDArray[np.int32], min_speck: int) -> NDArray[np.int32]:
    """Give pieces below `min_speck` px, except each label's largest, to what they touch most."""
    from scipy.ndimage import find_objects
    from skimage import measure

    skimage_label: Any = measure.label
    pieces = skimage_label(labels, connectivity=1, background=0)
    sizes = np.bincount(pieces.ravel())
    owner = np.zeros(sizes.size, np.int32)
    owner[pieces] = labels
    by_size = np.lexsort([-np.arange(sizes.size), sizes])
    largest = np.zeros(int(owner.max(initial=0)) + 1, np.int64)
    largest[owner[by_size]] = by_size  # the last one stands
    speck = sizes < min_speck
    speck[largest] = speck[0] = False
    if not speck.any():
        return labels
    out = np.where(speck[pieces], 0, labels)
    places = find_objects(pieces)
    settled = out.copy()
    for piece in np.flatnonzero(speck):
        ys, xs = places[piece - 1]
        around = (
            slice(max(ys.start - 1, 0), ys.stop + 1),
            slice(max(xs.start - 1, 0), xs.stop + 1),
        )
        settled[around][pieces[around] == piece] = _neighbor(pieces[around] == piece, out[around])
    return settled


def _neighbor(piece: NDArray[np.bool_], labels: NDArray[np.int32]) -> int:
    """Label that `piece` shares most of its outline with; 0 only where it touches none."""
    from scipy.ndimage import binary_dilation

    ring = labels[binary_dilation(piece) & ~piece]
    return int(np.bincount(ring[ring > 0], minlength=1).argmax())


def _grown(labels: NDArray[np.int32], distance: int) -> NDArray[np.int32]:
    """Give each pixel of none within `distance` px of a mask to the nearest one."""
    from scipy.ndimage import distance_transform_edt

    if not labels.any():
        return labels
    away, (ys, xs) = distance_transform_edt(labels == 0, return_indices=True)
    return np.where(away <= distance, labels[ys, xs], 0)
