"""Outlines of masks along the edges of their pixels: they enclose exactly the mask's area."""

from __future__ import annotations

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Polygon", "outline", "wkt"]

#: Outer ring first, then holes; each ring (V, 2) float64 of x, y, the first point not repeated.
Polygon = tuple[NDArray[np.float64], ...]


def outline(
    mask: NDArray[np.bool_], x0: int = 0, y0: int = 0, tolerance: float = 0.0
) -> tuple[Polygon, ...]:
    """Trace a mask: one polygon for each of its 4-connected parts.

    Parameters
    ----------
    mask : (h, w) bool
        Window of an image.
    x0, y0 : int
        Where the window lies in the image, px.
    tolerance : float
        How far simpler outlines may stray, px; 0 keeps every corner.

    Returns
    -------
    tuple of polygons
        In px of the image; the center of its first pixel is 0, 0, so that corners of pixels lie at
        halves. Outer rings run clockwise as displayed, holes counter-clockwise.
    """
    count, parts = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    corners, ends, owner = _rings(np.pad(np.asarray(parts, np.int32), 1), count)
    polygons: list[list[NDArray[np.float64]]] = [[] for _ in range(count)]
    for k in range(owner.size):
        ring = np.add(corners[ends[k] : ends[k + 1]], (x0 - 0.5, y0 - 0.5))
        polygons[owner[k]].append(_simpler(ring, tolerance) if tolerance > 0 else ring)
    return tuple(tuple(polygon) for polygon in polygons[1:])


def wkt(polygons: tuple[Polygon, ...]) -> str:
    """Write polygons as well-known text, as geographic programs and databases read it."""
    if not polygons:
        return "MULTIPOLYGON EMPTY"
    written = (
        "("
        + ", ".join(f"({', '.join(_point(p) for p in (*ring, ring[0]))})" for ring in polygon)
        + ")"
        for polygon in polygons
    )
    return f"MULTIPOLYGON ({', '.join(written)})"


def _point(point: NDArray[np.float64]) -> str:
    return f"{float(point[0]):.10g} {float(point[1]):.10g}"


def _simpler(ring: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """Ramer, Douglas and Peucker's simplification; the ring itself where too little is left."""
    first = ring[0]
    # small numbers, as this works in 32 bits
    few = cv2.approxPolyDP((ring - first).astype(np.float32)[:, None], tolerance, True)[:, 0]
    return ring if len(few) < 3 else few.astype(np.float64) + first


@njit(cache=True, nogil=True)
def _rings(
    parts: NDArray[np.int32], count: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Trace all rings of the parts 1 to `count` - 1 of an image framed by zeros.

    Returns the corners of all rings, where each ring ends, and the part of each; the first ring
    of a part is the outer one, because its topmost pixel is met first.
    """
    h, w = parts.shape
    # directions of the edges: 0 right, 1 down, 2 left, 3 up; the part lies to the right of each
    dx = np.array([1, 0, -1, 0])
    dy = np.array([0, 1, 0, -1])
    done = np.zeros((h, w), np.bool_)  # upper edges of pixels, walked to the right
    edges = 0
    for y in range(1, h - 1):
        for x in range(1, w - 1):
            if parts[y, x] > 0:
                for d in range(4):
                    edges += parts[y - dx[d], x + dy[d]] != parts[y, x]
    corners = np.empty((edges, 2), np.float64)
    ends = np.zeros(edges // 4 + 1, np.int64)
    owner = np.empty(edges // 4, np.int64)
    n = rings = 0
    for y in range(1, h - 1):
        for x in range(1, w - 1):
            part = parts[y, x]
            if part == 0 or done[y, x] or parts[y - 1, x] == part:
                continue
            cx, cy, d = x, y, 0
            while True:
                if d == 0:
                    if done[cy, cx]:
                        break
                    done[cy, cx] = True
                cx += dx[d]
                cy += dy[d]
                # the pixels ahead, to the left and to the right of the way
                ax, ay = cx + (dx[d] + dy[d] - 1) // 2, cy + (dy[d] - dx[d] - 1) // 2
                bx, by = cx + (dx[d] - dy[d] - 1) // 2, cy + (dy[d] + dx[d] - 1) // 2
                if parts[ay, ax] == part:  # first: pixels that share a corner hang together
                    turn = 3
                elif parts[by, bx] == part:
                    continue
                else:
                    turn = 1
                corners[n, 0] = cx - 1
                corners[n, 1] = cy - 1
                n += 1
                d = (d + turn) % 4
            owner[rings] = part
            rings += 1
            ends[rings] = n
    return corners[:n].copy(), ends[: rings + 1].copy(), owner[:rings].copy()
