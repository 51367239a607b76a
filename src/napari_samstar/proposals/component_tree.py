"""Component trees: the connected components of all thresholds at once, as one tree.

Every component of every global threshold is a node of the tree, so thresholds need not be chosen
beforehand: each object takes the level at which its own outline is sharpest.

Union-find construction after Berger et al., "Effective component tree computation with application
to pattern recognition in astronomical imaging", ICIP 2007; stable nodes are the idea of Matas et
al., "Robust wide baseline stereo from maximally stable extremal regions", BMVC 2002.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["max_tree", "select_nodes", "subtree_layout"]


@njit(cache=True, nogil=True)
def _sorted_pixels(flat: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Pixel indices by falling gray level (counting sort, stable)."""
    start = np.zeros(257, np.int64)
    for i in range(flat.size):
        start[255 - flat[i] + 1] += 1
    for v in range(256):
        start[v + 1] += start[v]
    order = np.empty(flat.size, np.int32)
    for i in range(flat.size):
        v = 255 - flat[i]
        order[start[v]] = i
        start[v] += 1
    return order


@njit(cache=True, nogil=True)
def _find(links: NDArray[np.int32], p: int) -> int:
    root = p
    while links[root] != root:
        root = links[root]
    while links[p] != root:
        above = links[p]
        links[p] = root
        p = above
    return root


@njit(cache=True, nogil=True)
def max_tree(
    image: NDArray[np.uint8], edge: NDArray[np.float32]
) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Tree of the bright 4-connected components of all thresholds.

    Parameters
    ----------
    image : (H, W) uint8
        Gray levels; negate them for the dark components.
    edge : (H, W) float32
        Edge strength, averaged along every component's outline.

    Returns
    -------
    parent : (M,) int32
        Parent of each node; the root is node 0 and its own parent; parents come before children.
    level : (M,) uint8
        Gray level at which the component appears.
    area, outline : (M,) int32
        Pixels, and pixel sides on the outline (without the image's frame).
    strength : (M,) float32
        Mean edge strength along the outline.
    node : (H * W,) int32
        Smallest component that holds each pixel.
    """
    height, width = image.shape
    flat = image.ravel()
    grad = edge.ravel()
    n = flat.size
    order = _sorted_pixels(flat)
    above = np.empty(n, np.int32)
    links = np.full(n, -1, np.int32)
    for k in range(n):
        p = order[k]
        above[p] = p
        links[p] = p
        y = p // width
        x = p - y * width
        for d in range(4):
            if d == 0:
                if x == 0:
                    continue
                q = p - 1
            elif d == 1:
                if x == width - 1:
                    continue
                q = p + 1
            elif d == 2:
                if y == 0:
                    continue
                q = p - width
            else:
                if y == height - 1:
                    continue
                q = p + width
            if links[q] >= 0:
                r = _find(links, q)
                if r != p:
                    above[r] = p
                    links[r] = p
    # from the root to the leaves: let every pixel point at its component's representative
    node = links  # not needed any more
    count = 0
    for k in range(n - 1, -1, -1):
        p = order[k]
        q = above[p]
        if flat[above[q]] == flat[q]:
            above[p] = above[q]
            q = above[p]
        if p == q or flat[q] != flat[p]:
            node[p] = count
            count += 1
        else:
            node[p] = -1
    parent = np.empty(count, np.int32)
    level = np.empty(count, np.uint8)
    for k in range(n - 1, -1, -1):
        p = order[k]
        if node[p] >= 0:
            parent[node[p]] = node[above[p]]
            level[node[p]] = flat[p]
        else:
            node[p] = node[above[p]]
    area = np.zeros(count, np.int32)
    outline = np.zeros(count, np.int32)
    total = np.zeros(count, np.float64)
    for y in range(height):
        for x in range(width):
            p = y * width + x
            a = node[p]
            area[a] += 1
            # of two neighbors the darker one's component holds the other, so their common side
            # is on the outline of every component from the brighter one's up to there
            for d in range(2):
                if d == 0:
                    if x + 1 == width:
                        continue
                    q = p + 1
                else:
                    if y + 1 == height:
                        continue
                    q = p + width
                b = node[q]
                if a != b:
                    w = 0.5 * (grad[p] + grad[q])
                    if flat[p] > flat[q]:
                        outline[a] += 1
                        outline[b] -= 1
                        total[a] += w
                        total[b] -= w
                    else:
                        outline[b] += 1
                        outline[a] -= 1
                        total[b] += w
                        total[a] -= w
    for i in range(count - 1, 0, -1):
        up = parent[i]
        area[up] += area[i]
        outline[up] += outline[i]
        total[up] += total[i]
    strength = np.zeros(count, np.float32)
    for i in range(count):
        if outline[i] > 0:
            strength[i] = total[i] / outline[i]
    return parent, level, area, outline, strength, node


@njit(cache=True, nogil=True)
def select_nodes(
    parent: NDArray[np.int32],
    area: NDArray[np.int32],
    quality: NDArray[np.float32],
    min_area: int,
    max_area: int,
    ratio: float,
) -> NDArray[np.int32]:
    """Nodes that are the best of all that resemble them on their branch.

    Two nested components have the IoU of their areas; a node goes if another on its branch within
    `ratio` of its area has a better quality. Parents must come before children.
    """
    n = parent.size
    keep = np.zeros(n, np.bool_)
    for i in range(n):
        keep[i] = min_area <= area[i] <= max_area and quality[i] > 0
    for i in range(n - 1, 0, -1):
        if not keep[i] and not (min_area <= area[i] <= max_area):
            continue
        limit = ratio * area[i]
        j = parent[i]
        k = i
        while j != k and j >= 0 and area[j] <= limit:
            if quality[j] >= quality[i]:
                keep[i] = False
            else:
                keep[j] = False
            k = j
            j = parent[j]
    return np.nonzero(keep)[0].astype(np.int32)


@njit(cache=True, nogil=True)
def subtree_layout(
    parent: NDArray[np.int32], area: NDArray[np.int32], node: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Pixels in an order in which every node's are neighbors.

    Returns
    -------
    start : (M,) int32
        The pixels of node i are ``pixels[start[i]:start[i] + area[i]]``.
    pixels : (P,) int32
        Flat pixel indices; pixels whose `node` is negative are left out.
    """
    n = parent.size
    own = np.zeros(n, np.int32)
    total = 0
    for p in range(node.size):
        if node[p] >= 0:
            own[node[p]] += 1
            total += 1
    start = np.zeros(n, np.int32)
    cursor = np.zeros(n, np.int32)
    top = 0
    for i in range(n):
        up = parent[i]
        if up < 0 or up == i:
            start[i] = top
            top += area[i]
        else:
            start[i] = cursor[up]
            cursor[up] += area[i]
        cursor[i] = start[i] + own[i]
        own[i] = start[i]
    pixels = np.empty(total, np.int32)
    for p in range(node.size):
        i = node[p]
        if i >= 0:
            pixels[own[i]] = p
            own[i] += 1
    return start, pixels
