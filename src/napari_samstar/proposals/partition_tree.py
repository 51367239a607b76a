"""Basins merged pair by pair, weakest border first: all coarser partitions as one tree.

Every depth of the hierarchy is a node of the tree (Salembier and Garrido, "Binary partition tree",
IEEE TIP 9, 561, 2000), so no watershed needs to be run again at another scale.
"""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.hashing import place, table_size
from napari_samstar.proposals.watershed import neighbor

__all__ = ["BY_BORDER", "BY_DEPTH", "BY_MEAN", "merge_tree"]

#: Which basins merge first: the lowest pass, the weakest mean border, the closest means.
BY_DEPTH, BY_BORDER, BY_MEAN = 0, 1, 2


@njit(cache=True, nogil=True)
def _key(a: int, b: int, count: int) -> int:
    return min(a, b) * count + max(a, b)


@njit(cache=True, nogil=True)
def _borders(
    labels: NDArray[np.int32], relief: NDArray[np.float32], edge: NDArray[np.float32], count: int
) -> tuple[Any, Any, Any, Any, Any]:
    """Pairs of touching basins: first, second, sides, sum of edge strength, lowest pass."""
    height, width = labels.shape
    size = table_size(16 * count)
    keys = np.full(size, -1, np.int64)
    value = np.empty(size, np.int32)
    room = 8 * count + 16
    first = np.empty(room, np.int32)
    second = np.empty(room, np.int32)
    sides = np.zeros(room, np.int32)
    total = np.zeros(room, np.float64)
    low = np.full(room, np.inf, np.float32)
    n = 0
    for y in range(height):
        for x in range(width):
            a = labels[y, x]
            if a < 0:
                continue
            for d in range(2):
                v = y + d
                u = x + 1 - d
                if v >= height or u >= width:
                    continue
                b = labels[v, u]
                if b < 0 or b == a:
                    continue
                key = _key(a, b, count)
                s = place(keys, key)
                if keys[s] == -1:
                    keys[s] = key
                    value[s] = n
                    first[n] = min(a, b)
                    second[n] = max(a, b)
                    n += 1
                e = value[s]
                sides[e] += 1
                total[e] += 0.5 * (edge[y, x] + edge[v, u])
                low[e] = min(low[e], max(relief[y, x], relief[v, u]))
    return first[:n], second[:n], sides[:n], total[:n], low[:n]


@njit(cache=True, nogil=True)
def _weight(
    mode: int,
    a: int,
    b: int,
    e: int,
    sides: NDArray[np.int32],
    total: NDArray[np.float64],
    low: NDArray[np.float32],
    area: NDArray[np.int64],
    value: NDArray[np.float64],
    floor: NDArray[np.float32],
) -> float:
    if mode == 0:
        return float(low[e] - max(floor[a], floor[b]))
    mean = total[e] / sides[e]
    if mode == 1:
        return float(mean)
    step = value[a] / area[a] - value[b] / area[b]
    small = min(area[a], area[b])
    return float(step * step * np.sqrt(small) * mean)


@njit(cache=True, nogil=True)
def merge_tree(
    labels: NDArray[np.int32],
    count: int,
    relief: NDArray[np.float32],
    edge: NDArray[np.float32],
    gray: NDArray[np.float32],
    mode: int,
) -> tuple[Any, Any, Any, Any, Any, Any, Any]:
    """Merge touching basins, cheapest border first, until none touch.

    Returns
    -------
    parent : (M,) int32
        Parent of each node, -1 for roots; parents come before children.
    area, outline : (M,) int32
        Pixels, and pixel sides on the outline (without the image's frame).
    strength : (M,) float32
        Mean edge strength along the outline.
    birth, death : (M,) float32
        Weight at which the node arose and at which it was merged away (infinite for roots).
    leaf : (count,) int32
        Node of each basin.
    """
    first, second, sides, total, low = _borders(labels, relief, edge, count)
    n_edges = first.size
    area = np.zeros(count, np.int64)
    value = np.zeros(count, np.float64)
    floor = np.full(count, np.inf, np.float32)
    outline = np.zeros(count, np.int64)
    strong = np.zeros(count, np.float64)
    height, width = labels.shape
    for y in range(height):
        for x in range(width):
            a = labels[y, x]
            if a >= 0:
                area[a] += 1
                value[a] += gray[y, x]
                floor[a] = min(floor[a], relief[y, x])
                for d in range(4):  # sides on the mask's rim belong to the outline for good
                    q = neighbor(y * width + x, x, y, d, height, width)
                    if q >= 0 and labels[q // width, q % width] < 0:
                        outline[a] += 1
                        strong[a] += 0.5 * (edge[y, x] + edge[q // width, q % width])
    size = table_size(8 * (n_edges + 1))
    keys = np.full(size, -1, np.int64)
    where = np.empty(size, np.int32)
    # each region holds a chain of border records, two per border (one for either side)
    chain = np.full(count, -1, np.int32)
    last = np.full(count, -1, np.int32)
    degree = np.zeros(count, np.int32)
    link = np.full(2 * n_edges, -1, np.int32)
    alive = np.ones(n_edges, np.bool_)
    heap = [(0.0, -1, 0)]
    heap.pop()
    stamp = np.zeros(n_edges, np.int64)
    for e in range(n_edges):
        a, b = first[e], second[e]
        s = place(keys, _key(a, b, count))
        keys[s] = _key(a, b, count)
        where[s] = e
        for side in range(2):
            r = a if side == 0 else b
            record = 2 * e + side
            if chain[r] < 0:
                chain[r] = record
            else:
                link[last[r]] = record
            last[r] = record
            degree[r] += 1
            outline[r] += sides[e]
            strong[r] += total[e]
        heap.append((_weight(mode, a, b, e, sides, total, low, area, value, floor), e, 0))
    heapq.heapify(heap)
    top = 2 * count
    up = np.full(top, -1, np.int32)
    areas = np.zeros(top, np.int32)
    lengths = np.zeros(top, np.int32)
    strength = np.zeros(top, np.float32)
    birth = np.zeros(top, np.float32)
    death = np.full(top, np.inf, np.float32)
    at = np.arange(count).astype(np.int32)  # tree node of each live region
    for i in range(count):
        areas[i] = area[i]
        lengths[i] = outline[i]
        if outline[i] > 0:
            strength[i] = strong[i] / outline[i]
    nodes = count
    reached = 0.0
    used = n_edges
    while len(heap) > 0:
        w, e, version = heapq.heappop(heap)
        if not alive[e] or stamp[e] != version:
            continue
        a, b = first[e], second[e]
        now = _weight(mode, a, b, e, sides, total, low, area, value, floor)
        if now > w * 1.0001 + 1e-12:
            stamp[e] += 1
            heapq.heappush(heap, (now, e, stamp[e]))
            continue
        reached = max(reached, w)
        if degree[a] < degree[b]:
            a, b = b, a
        # a swallows b
        alive[e] = False
        outline[a] += outline[b] - 2 * sides[e]
        strong[a] += strong[b] - 2 * total[e]
        area[a] += area[b]
        value[a] += value[b]
        floor[a] = min(floor[a], floor[b])
        record = chain[b]
        while record >= 0:
            following = link[record]
            g = record // 2
            if alive[g]:
                other = second[g] if first[g] == b else first[g]
                key = _key(a, other, count)
                s = place(keys, key)
                if keys[s] == key and alive[where[s]]:
                    h = where[s]
                    sides[h] += sides[g]
                    total[h] += total[g]
                    low[h] = min(low[h], low[g])
                    alive[g] = False
                    changed = h
                else:
                    used += keys[s] == -1
                    keys[s] = key
                    where[s] = g
                    if first[g] == b:
                        first[g] = a
                    else:
                        second[g] = a
                    link[record] = -1
                    if chain[a] < 0:
                        chain[a] = record
                    else:
                        link[last[a]] = record
                    last[a] = record
                    degree[a] += 1
                    changed = g
                stamp[changed] += 1
                heapq.heappush(
                    heap,
                    (
                        _weight(mode, a, other, changed, sides, total, low, area, value, floor),
                        changed,
                        stamp[changed],
                    ),
                )
            record = following
        if 2 * used > size:  # forget the borders of regions that are gone
            keys[:] = -1
            used = 0
            for g in range(n_edges):
                if alive[g]:
                    key = _key(first[g], second[g], count)
                    s = place(keys, key)
                    keys[s] = key
                    where[s] = g
                    used += 1
        new = nodes
        nodes += 1
        up[at[a]] = new
        up[at[b]] = new
        death[at[a]] = reached
        death[at[b]] = reached
        birth[new] = reached
        areas[new] = area[a]
        lengths[new] = outline[a]
        if outline[a] > 0:
            strength[new] = strong[a] / outline[a]
        at[a] = new
    # turn the numbering round, so that parents come first
    parent = np.full(nodes, -1, np.int32)
    for i in range(nodes):
        if up[i] >= 0:
            parent[nodes - 1 - i] = nodes - 1 - up[i]
    leaf = (nodes - 1 - np.arange(count)).astype(np.int32)
    return (
        parent,
        areas[:nodes][::-1].copy(),
        lengths[:nodes][::-1].copy(),
        strength[:nodes][::-1].copy(),
        birth[:nodes][::-1].copy(),
        death[:nodes][::-1].copy(),
        leaf,
    )
