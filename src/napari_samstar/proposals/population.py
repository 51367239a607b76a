"""What a mask has in common with the likely objects of its image, and how it lies among them.

Objects of one micrograph resemble each other, and they share its pixels out among them. So a first
opinion of every mask by itself names likely objects that do not overlap; from them follow a
population (its sizes, shapes and gray values) and a map, and every mask is described anew by its
distance from the population and by the likely objects that it holds, cuts, or lies in: context from
a first classifier's answers, as in auto-context (Tu and Bai, IEEE TPAMI 32, 1744 (2010)).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.chunks import in_chunks
from napari_samstar.proposals.evidence import NAMES as EVIDENCE
from napari_samstar.proposals.overlaps import blocks_steps, keep, neighbors
from napari_samstar.types import Proposals

__all__ = ["NAMES", "population_steps"]

_LEAST = 0.15  # first opinion of a likely object
_OVERLAP = 0.3  # share of the smaller of two likely objects that both may cover
_FAR = 8.0  # most distance from the population, in its spreads
_ROWS = 256  # described at once

#: Columns of `evidence` that are compared with the population, and their smallest spread.
_COMPARED = {
    "log_area": 0.15,
    "circularity": 0.02,
    "solidity": 0.01,
    "aspect_ratio": 0.03,
    "boundary_smoothness": 0.02,
    "feret_ratio": 0.02,
    "step": 0.05,
    "spread": 0.05,
    "ring_spread": 0.05,
    "rank": 0.05,
    "ring_rank": 0.05,
    "edge": 0.05,
    "flux": 0.05,
    "support": 0.05,
    "near_0.25": 0.05,
    "wide_0.5": 0.05,
    "inner_edge": 0.05,
    "outline_over_inside": 0.05,
}

#: What is known of a mask's place among the likely objects. It holds those with more than half
#: their pixels in it; it meets the one of largest IoU; the second has the next largest share of it.
_PLACE = (
    "holds",
    "holds_worth",
    "holds_best",
    "holds_share",
    "met_iou",
    "met_inside",
    "met_worth",
    "met_size",
    "second_share",
    "second_worth",
    "free_share",
)

#: What the columns are.
NAMES = (
    "first",
    *(f"off_{name}" for name in _COMPARED),
    "population_log_area_spread",
    "population_count",
    "population_worth",
    "population_cover",
    "chosen",
    *_PLACE,
)


def population_steps(
    proposals: Proposals,
    rows: NDArray[np.int64],
    evidence: NDArray[np.float32],
    first: NDArray[np.float32],
) -> Generator[int, None, NDArray[np.float32]]:
    """Describe masks among the likely objects of their image, (K, F) float32; F are `NAMES`.

    Parameters
    ----------
    proposals : Proposals
        N masks.
    rows : (K,) int64
        Those that may be objects.
    evidence : (K, E) float32
        What `evidence.evidence` knows of them.
    first : (K,) float32
        The first opinion of each, 0 to 1.

    Yields
    ------
    int
        Masks done.
    """
    yield from blocks_steps(proposals)
    neighbors(proposals)
    yield 0
    order = np.argsort(-first, kind="stable")
    opinion = np.zeros(len(proposals), np.float32)
    opinion[rows] = first
    chosen = keep(proposals, rows[order[first[order] >= _LEAST]], _OVERLAP)
    yield 0
    place = np.full(len(proposals), -1, np.int32)
    place[chosen] = np.arange(chosen.size, dtype=np.int32)
    worth = opinion[chosen]
    weight = worth.astype(np.float64) ** 2
    mine = np.flatnonzero(place[rows] >= 0)
    mine = mine[np.argsort(place[rows[mine]])]  # the chosen ones among `rows`, best first
    likeness, log_spread = _likeness(evidence, evidence[mine], weight)
    map_ = _Map.of(proposals, chosen, place, worth)
    height, width = proposals.shape
    whole = (
        log_spread,
        np.log2(1 + weight.sum()),
        weight.sum() / max(float(worth.sum()), 1e-9),
        float((worth * map_.areas[chosen]).sum()) / (height * width),
    )

    def work(start: int, stop: int) -> NDArray[np.float32]:
        return map_.describe(rows[start:stop])

    parts = yield from in_chunks(rows.size, work, _ROWS)
    return np.concatenate(
        [
            first[:, None],
            likeness,
            np.tile(np.array(whole, np.float32), (rows.size, 1)),
            (place[rows] >= 0)[:, None].astype(np.float32),
            np.concatenate([np.zeros((0, len(_PLACE)), np.float32), *parts]),
        ],
        axis=1,
    )


def _likeness(
    evidence: NDArray[np.float32], chosen: NDArray[np.float32], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float32], float]:
    """Distance of each mask from the population, (K, compared), and the spread of log area."""
    columns = []
    log_spread = float("nan")
    for name, floor in _COMPARED.items():
        k = EVIDENCE.index(name)
        center, spread = _middle(chosen[:, k], weight)
        columns.append(np.clip((evidence[:, k] - center) / (spread + floor), -_FAR, _FAR))
        if name == "log_area":
            log_spread = spread
    return np.stack(columns, axis=1).astype(np.float32), log_spread


def _middle(values: NDArray[np.float32], weight: NDArray[np.float64]) -> tuple[float, float]:
    """Weighted median, and that of the distances from it; NaN where nothing is known."""
    known = ~np.isnan(values)
    if not known.any():
        return float("nan"), float("nan")
    center = _median(values[known], weight[known])
    return center, _median(np.abs(values[known] - center), weight[known])


def _median(values: NDArray[np.float32], weight: NDArray[np.float64]) -> float:
    order = np.argsort(values, kind="stable")
    sums = np.cumsum(weight[order])
    return float(values[order[min(int(np.searchsorted(sums, sums[-1] / 2)), order.size - 1)]])


@dataclass(frozen=True)
class _Map:
    """Which likely object each pixel belongs to, and what its masks share with them.

    Parameters
    ----------
    owner, ends : (P,) int32
        Of each pixel, column by column, the best likely object there, -1 for none, and where the
        stretch of one owner ends.
    chosen : (C,) int64
        Rows of the likely objects, best first.
    place : (N,) int32
        Place of each mask in `chosen`, or -1.
    worth : (C,) float32
        First opinion of the likely objects.
    """

    counts: NDArray[np.uint32]
    offsets: NDArray[np.int64]
    areas: NDArray[np.int64]
    owner: NDArray[np.int32]
    ends: NDArray[np.int32]
    chosen: NDArray[np.int64]
    place: NDArray[np.int32]
    worth: NDArray[np.float32]

    @classmethod
    def of(
        cls,
        proposals: Proposals,
        chosen: NDArray[np.int64],
        place: NDArray[np.int32],
        worth: NDArray[np.float32],
    ) -> _Map:
        height, width = proposals.shape
        runs = proposals.runs
        owner = np.full(height * width, -1, np.int32)
        paint: Any = _paint
        paint(owner, chosen, runs.counts, runs.offsets)
        ends: Any = _ends
        return cls(
            runs.counts, runs.offsets, runs.areas(), owner, ends(owner), chosen, place, worth
        )

    def describe(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the columns `_PLACE` of `rows`."""
        out = np.full((rows.size, len(_PLACE)), np.nan, np.float32)
        describe: Any = _describe
        describe(
            rows,
            self.counts,
            self.offsets,
            self.areas,
            self.owner,
            self.ends,
            self.chosen,
            self.place,
            self.worth,
            out,
        )
        return out


@njit(cache=True, nogil=True)
def _paint(owner: Any, chosen: Any, counts: Any, offsets: Any) -> None:
    """Give every pixel its best object: the best ones are painted last."""
    for n in range(chosen.size - 1, -1, -1):
        position = 0
        i = chosen[n]
        for k in range(offsets[i], offsets[i + 1]):
            length = int(counts[k])
            if (k - offsets[i]) % 2 == 1:
                owner[position : position + length] = n
            position += length


@njit(cache=True, nogil=True)
def _ends(owner: Any) -> Any:
    """Where each stretch of one owner ends."""
    ends = np.empty(owner.size, np.int32)
    end = owner.size
    for p in range(owner.size - 1, -1, -1):
        if p + 1 < owner.size and owner[p] != owner[p + 1]:
            end = p + 1
        ends[p] = end
    return ends


@njit(cache=True, nogil=True)
def _describe(
    rows: Any,
    counts: Any,
    offsets: Any,
    areas: Any,
    owner: Any,
    ends: Any,
    chosen: Any,
    place: Any,
    worth: Any,
    out: Any,
) -> None:
    """How each mask lies among the likely objects other than itself; see `_PLACE`."""
    shared = np.zeros(chosen.size, np.int64)
    met = np.empty(chosen.size, np.int64)
    for r in range(rows.size):
        i = rows[r]
        if areas[i] == 0:
            continue
        n = 0
        free = 0
        position = 0
        for k in range(offsets[i], offsets[i + 1]):
            stop = position + int(counts[k])
            if (k - offsets[i]) % 2 == 1:
                p = position
                while p < stop:
                    end = min(stop, ends[p])
                    j = owner[p]
                    if j < 0 or j == place[i]:
                        free += end - p
                    else:
                        if shared[j] == 0:
                            met[n] = j
                            n += 1
                        shared[j] += end - p
                    p = end
            position = stop
        held, held_px = 0, 0
        held_worth, held_best = 0.0, 0.0
        best, best_iou = -1, 0.0
        for m in range(n):
            j = met[m]
            size = areas[chosen[j]]
            if 2 * shared[j] > size:
                held += 1
                held_px += shared[j]
                held_worth += worth[j]
                held_best = max(held_best, worth[j])
            iou = shared[j] / (areas[i] + size - shared[j])
            if iou > best_iou:
                best_iou, best = iou, j
        second, second_px = -1, 0
        for m in range(n):
            j = met[m]
            if j != best and shared[j] > second_px:
                second_px, second = shared[j], j
        out[r, 0] = np.log2(1 + held)
        out[r, 1] = held_worth
        out[r, 2] = held_best
        out[r, 3] = held_px / areas[i]
        out[r, 4] = best_iou
        if best >= 0:
            out[r, 5] = shared[best] / areas[i]
            out[r, 6] = worth[best]
            out[r, 7] = np.log2(areas[chosen[best]] / areas[i])
        out[r, 8] = second_px / areas[i]
        if second >= 0:
            out[r, 9] = worth[second]
        out[r, 10] = free / areas[i]
        for m in range(n):
            shared[met[m]] = 0
