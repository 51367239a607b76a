"""Where a stroke or two clicks cut one segment."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["pieces_by_line", "pieces_by_points"]

_CRUMB = 9  # px; a stroke along a ragged edge cuts off crumbs that nobody meant
_NECK = 0.9  # a neck is narrower than this share of the narrower of the two objects

_Pieces = NDArray[np.int32]


def pieces_by_line(inside: NDArray[np.bool_], line: Sequence[tuple[float, float]]) -> _Pieces:
    """Cut a segment along a polyline.

    Every connected part that the line cuts falls apart; its largest piece stays. Pixels under the
    line go to the piece next to them, and so do crumbs below 9 px (or an eighth of the part).

    Parameters
    ----------
    inside : (h, w) bool
        The segment, 8-connected.
    line : sequence of (x, y)
        px; it may reach beyond the window.

    Returns
    -------
    (h, w) int32
        0 for what stays, 1, 2, ... for the pieces cut off, the largest first; all 0 where the
        line does not cut.
    """
    import cv2

    under = np.zeros(inside.shape, np.bool_)
    for (xa, ya), (xb, yb) in pairwise(line):
        _draw(under, *(int(np.floor(v + 0.5)) for v in (xa, ya, xb, yb)))
    under &= inside
    pieces = np.zeros(inside.shape, np.int32)
    if not under.any():
        return pieces
    _, whole = cv2.connectedComponents(inside.astype(np.uint8), connectivity=8)
    remains = inside & ~under
    count, cut, stats, _ = cv2.connectedComponentsWithStats(
        remains.astype(np.uint8), connectivity=8
    )
    areas = stats[:, cv2.CC_STAT_AREA]
    part_of = np.zeros(count, np.int64)
    part_of[cut[remains]] = whole[remains]
    part_area = np.bincount(whole[inside])

    number = np.zeros(count, np.int32)  # what each piece becomes; -1 for crumbs
    several = np.bincount(part_of[1:], minlength=part_area.size) > 1
    kept: set[int] = set()
    new = 0
    # a stable order: areas fall, and pieces of one area come as they lie in the rows
    for piece in 1 + np.argsort(-areas[1:], kind="stable"):
        part = int(part_of[piece])
        if part not in kept:
            kept.add(part)
        elif several[part]:
            if areas[piece] < min(_CRUMB, part_area[part] // 8):
                number[piece] = -1
            else:
                new += 1
                number[piece] = new
    pieces[remains] = number[cut[remains]]
    pieces[under] = -1
    _grow(pieces, inside)
    pieces[pieces < 0] = 0  # a part that lies wholly under the line
    return pieces


def pieces_by_points(inside: NDArray[np.bool_], points: Sequence[tuple[float, float]]) -> _Pieces:
    """Cut a segment between two points that lie in it.

    Where it has a neck between them, the cut is the watershed of the distance to its edge (each
    point first climbs to the middle of the object it lies in). Where it has none, each pixel goes
    to the nearer point.

    Returns
    -------
    (h, w) int32
        1 for the piece of the second point, 0 for the first and for parts connected to neither;
        all 0 where both points are one pixel.
    """
    import cv2
    from skimage.segmentation import watershed

    (xa, ya), (xb, yb) = ((int(np.floor(x + 0.5)), int(np.floor(y + 0.5))) for x, y in points)
    if (xa, ya) == (xb, yb):
        return np.zeros(inside.shape, np.int32)
    framed = np.pad(inside, 1).astype(np.uint8)
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    # outlines of pixels make the ridge bumpy; smoothing leaves one summit an object
    height = np.where(inside, cv2.GaussianBlur(distance, (0, 0), 1.0), -1.0)
    ways = [_climb(height, y, x) for x, y in ((xa, ya), (xb, yb))]
    if ways[0][-1] != ways[1][-1]:
        markers = np.zeros(inside.shape, np.int32)
        for k, way in enumerate(ways, 1):
            markers[tuple(zip(*way, strict=True))] = k
        flood: Any = watershed
        owner = flood(-height, markers, mask=inside, connectivity=2)
        summit = min(height[way[-1]] for way in ways)
        if _pass(owner, height) < _NECK * summit:
            return np.asarray(owner == 2, np.int32)
    ys, xs = np.ogrid[: inside.shape[0], : inside.shape[1]]
    nearer = (xs - xb) ** 2 + (ys - yb) ** 2 < (xs - xa) ** 2 + (ys - ya) ** 2
    _, part = cv2.connectedComponents(inside.astype(np.uint8), connectivity=8)
    return np.asarray(nearer & ((part == part[ya, xa]) | (part == part[yb, xb])) & inside, np.int32)


def _climb(height: NDArray[np.float32], y: int, x: int) -> list[tuple[int, int]]:
    """Pixels on the steepest way up from (y, x), the summit last."""
    way = [(y, x)]
    while True:
        around = [
            (j, i)
            for j in range(max(0, y - 1), min(height.shape[0], y + 2))
            for i in range(max(0, x - 1), min(height.shape[1], x + 2))
        ]
        best = max(around, key=lambda at: height[at])
        if height[best] <= height[y, x]:
            return way
        y, x = best
        way.append(best)


def _pass(owner: NDArray[np.int32], height: NDArray[np.float32]) -> float:
    """Height of the highest place where the pieces 1 and 2 meet; 0 where they do not."""
    highest = 0.0
    for near, far in (
        ((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
        ((slice(1, None), slice(None)), (slice(None, -1), slice(None))),
    ):
        meet = owner[near] * owner[far] == 2
        if meet.any():
            highest = max(highest, float(np.minimum(height[near], height[far])[meet].max()))
    return highest


@njit(cache=True, nogil=True)
def _draw(canvas: NDArray[np.bool_], xa: int, ya: int, xb: int, yb: int) -> None:
    """Draw a straight line without diagonal steps: nothing 8-connected slips through it."""
    h, w = canvas.shape
    dx, dy = abs(xb - xa), abs(yb - ya)
    sx = 1 if xb >= xa else -1
    sy = 1 if yb >= ya else -1
    x, y, ix, iy = xa, ya, 0, 0
    while True:
        if 0 <= x < w and 0 <= y < h:
            canvas[y, x] = True
        if ix >= dx and iy >= dy:
            return
        if (1 + 2 * ix) * dy < (1 + 2 * iy) * dx:
            x += sx
            ix += 1
        else:
            y += sy
            iy += 1


@njit(cache=True, nogil=True)
def _grow(pieces: NDArray[np.int32], inside: NDArray[np.bool_]) -> None:
    """Give pixels of -1 to the piece that reaches them first, step by step."""
    h, w = pieces.shape
    flat = pieces.ravel()
    waiting = np.flatnonzero(flat == -1)
    found = np.empty(waiting.size, np.int32)
    while waiting.size:
        for k in range(waiting.size):
            y, x = waiting[k] // w, waiting[k] % w
            found[k] = -1
            for j in range(max(0, y - 1), min(h, y + 2)):
                for i in range(max(0, x - 1), min(w, x + 2)):
                    if inside[j, i]:
                        found[k] = max(found[k], pieces[j, i])
        left = 0
        for k in range(waiting.size):
            if found[k] >= 0:
                flat[waiting[k]] = found[k]
            else:
                waiting[left] = waiting[k]
                left += 1
        if left == waiting.size:
            return
        waiting = waiting[:left]
