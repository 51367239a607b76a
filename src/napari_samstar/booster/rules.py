"""The rules of removal, as `napari_samstar.booster.removal` explains them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from enum import StrEnum
from itertools import count

import numpy as np
from numpy.typing import NDArray

from napari_samstar.booster.containment import MaskSpans, Pairs, nested_pairs
from napari_samstar.settings import BoostSettings

__all__ = ["Fate", "literal_rules", "robust_rules"]

_TURNS = 8  # after which the rules are taken to contradict each other


class Fate(StrEnum):
    """What became of a mask, and by which rule."""

    KEPT = "kept"
    EMPTY = "empty"
    TINY = "tiny"
    COMPOUND = "compound"
    DUPLICATE = "duplicate"
    ISLAND = "island"


def literal_rules(
    masks: MaskSpans, settings: BoostSettings
) -> tuple[list[Fate], NDArray[np.int64]]:
    """Judge as the paper's program or its Algorithm 1 does.

    All rules look at all masks; where several hold, the last of tiny, compound and duplicate names
    the fate, as in the program.

    Parameters
    ----------
    masks : MaskSpans
        N masks.
    settings : BoostSettings
        Limits, and ``removal``, "paper" or "code".

    Returns
    -------
    fates : list of Fate
        Of each mask.
    because_of : (N,) int64
        As in `Removal`.
    """
    paper = settings.removal == "paper"
    areas = masks.areas
    small, large, shared = pairs = nested_pairs(masks, settings.child_percent)
    inside = 100 * shared > settings.child_percent * areas[small]
    of_larger, limit = 100 * shared, settings.child_percent * areas[large]
    child, alike = inside & (of_larger < limit), inside & (of_larger > limit)

    # the program measures a child by what it shares with the parent, the paper by its area
    part = areas[small] if paper else shared
    tiny_limit = settings.tiny_percent * areas[large]
    tiny = child & (100 * part < tiny_limit)
    counted = child if paper else child & (100 * part > tiny_limit)
    parts = np.zeros(len(masks), np.int64)
    np.add.at(parts, large[counted], part[counted])

    fates = [Fate.KEPT] * len(masks)
    because = np.full(len(masks), -1)
    for i, parent in zip(small[tiny][::-1], large[tiny][::-1], strict=True):
        fates[i], because[i] = Fate.TINY, parent  # at last the smallest such parent
    for i in np.flatnonzero(100 * parts > settings.compound_percent * areas):
        fates[i], because[i] = Fate.COMPOUND, -1
    best = _largest_alike(areas, pairs.where(alike), of_group=paper)
    for i in np.flatnonzero(best != np.arange(len(masks))):
        fates[i], because[i] = Fate.DUPLICATE, best[i]
    return fates, because


def _largest_alike(areas: NDArray[np.int64], alike: Pairs, of_group: bool) -> NDArray[np.int64]:
    """Largest duplicate of each mask, or itself; of equal areas the first.

    `of_group`: the largest in any group that the mask is in, where a group is a mask with all of
    its duplicates.
    """
    order = np.lexsort([-np.arange(areas.size), areas])
    rank = np.argsort(order)
    best = rank.copy()
    np.maximum.at(best, alike.small, rank[alike.large])
    if of_group:
        own = best.copy()
        np.maximum.at(best, alike.small, own[alike.large])
        np.maximum.at(best, alike.large, own[alike.small])
    return order[best]


def robust_rules(
    masks: MaskSpans, scores: NDArray[np.floating], settings: BoostSettings
) -> tuple[list[Fate], NDArray[np.int64]]:
    """Judge so that every removal is borne out by what stays.

    Parameters
    ----------
    masks : MaskSpans
        N masks.
    scores : (N,) float
        Of two duplicates the one of higher score stays.
    settings : BoostSettings
        Limits.

    Returns
    -------
    fates, because_of
        As for `literal_rules`.
    """
    areas = masks.areas
    fates = [Fate.KEPT if area else Fate.EMPTY for area in areas]
    because = np.full(len(masks), -1)
    if len(masks) and not areas.any():  # nothing but empty masks: they are all the same
        fates = [Fate.KEPT, *[Fate.DUPLICATE] * (len(masks) - 1)]
        because[1:] = 0
        return fates, because

    pairs = nested_pairs(masks, min(settings.child_percent, settings.duplicate_iou_percent))
    small, large, shared = pairs
    joint = areas[small] + areas[large] - shared
    alike = (100 * shared > settings.child_percent * areas[large]) | (
        100 * shared >= settings.duplicate_iou_percent * joint
    )
    _drop_duplicates(masks, scores, pairs.where(alike), fates, because)
    nested = pairs.where(~alike & (100 * shared > settings.child_percent * areas[small]))
    detail = 100 * nested.shared < settings.tiny_percent * areas[nested.large]
    details, parts = nested.where(detail), _Parts(masks, nested.where(~detail), settings)
    dissolved: frozenset[int] = frozenset()
    for turn in count():
        # a detail that goes dissolves nothing, and nothing is a detail of what is dissolved
        gone = _details(details, fates, dissolved)
        found = parts.dissolve(fates, gone.keys())
        if turn >= _TURNS:  # in a circle: what is only parts, and parts of parts, goes altogether
            found |= dissolved
        if found == dissolved:
            break
        dissolved = found
    for i in dissolved:
        fates[i] = Fate.COMPOUND
    for i, parent in gone.items():
        fates[i], because[i] = Fate.TINY, parent
    return fates, because


def _drop_duplicates(
    masks: MaskSpans,
    scores: NDArray[np.floating],
    alike: Pairs,
    fates: list[Fate],
    because: NDArray[np.int64],
) -> None:
    """Best first, each mask that is still there ends its duplicates."""
    partners = defaultdict(list)
    for i, j in zip(alike.small.tolist(), alike.large.tolist(), strict=True):
        partners[i].append(j)
        partners[j].append(i)

    def worth(i: int) -> tuple[float, int, bytes, bytes, int]:
        # the pixels themselves settle ties: the order of the masks is no reason
        spans = masks[i]
        return (
            -float(scores[i]),
            -int(masks.areas[i]),
            spans.starts.astype(">i8").tobytes(),
            spans.ends.astype(">i8").tobytes(),
            i,
        )

    for i in sorted(partners, key=worth):
        if fates[i] is Fate.KEPT:
            for j in partners[i]:
                if fates[j] is Fate.KEPT:
                    fates[j], because[j] = Fate.DUPLICATE, i


class _Parts:
    """Which masks are only their children put together, details left out."""

    def __init__(self, masks: MaskSpans, nested: Pairs, settings: BoostSettings) -> None:
        self._masks, self._percent = masks, settings.compound_percent
        self._children: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for child, parent, shared in zip(*(column.tolist() for column in nested), strict=True):
            self._children[parent].append((child, shared))
        self._order = sorted(self._children, key=lambda i: int(masks.areas[i]))
        self._known: dict[tuple[int, tuple[int, ...]], bool] = {}

    def dissolve(self, fates: Sequence[Fate], gone: Collection[int]) -> frozenset[int]:
        """Find, smallest first, each parent of which its children that stay cover too much.

        Children are smaller, so that their own fate as parents is settled by then.
        """
        found: set[int] = set()
        for parent in self._order:
            if fates[parent] is Fate.KEPT:
                staying = [
                    (child, shared)
                    for child, shared in self._children[parent]
                    if fates[child] is Fate.KEPT and child not in found and child not in gone
                ]
                if self._cover(parent, staying):
                    found.add(parent)
        return frozenset(found)

    def _cover(self, parent: int, staying: Sequence[tuple[int, int]]) -> bool:
        limit = self._percent * int(self._masks.areas[parent])
        shares = [100 * shared for _, shared in staying]
        if sum(shares) <= limit:
            return False
        if max(shares) > limit:
            return True
        key = parent, tuple(child for child, _ in staying)
        if key not in self._known:
            joined = self._masks[parent] & self._masks.together(key[1])
            self._known[key] = 100 * joined.area > limit
        return self._known[key]


def _details(details: Pairs, fates: Sequence[Fate], dissolved: Collection[int]) -> dict[int, int]:
    """Find, largest first, each child that is a detail of a parent that stays; give the parent.

    Parents are larger, so that their own fate as details is settled by then.
    """
    found: dict[int, int] = {}
    pairs = zip(details.small[::-1].tolist(), details.large[::-1].tolist(), strict=True)
    for child, parent in pairs:
        there = (fates[i] is Fate.KEPT and i not in dissolved for i in (child, parent))
        if all(there) and parent not in found:
            found[child] = parent  # a smaller parent that stays is the better reason
    return found
