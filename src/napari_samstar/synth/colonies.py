"""Colonies: cells that grow, divide and push each other, and which of them each pixel shows.

Lengths are in radii of a cell, up to `paint`, which takes px.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.synth.noise import Field

__all__ = ["grow", "paint", "push_apart"]

Array = NDArray[np.float64]
_Y, _X, _ANGLE, _LENGTH, _BEND = range(5)  # a cell; its length is of the axis, without the caps


@njit(cache=True, nogil=True, inline="always")
def _axis(cell: Any, nodes: Any) -> None:
    """Write the ends and the middle (3, 2) of a cell's axis into `nodes`."""
    dy, dx = np.sin(cell[_ANGLE]), np.cos(cell[_ANGLE])
    half, sag = 0.5 * cell[_LENGTH], cell[_LENGTH] * cell[_BEND] / 16
    for k in range(3):
        along = (k - 1) * half
        aside = sag if k == 1 else -sag
        nodes[k, 0] = cell[_Y] + along * dy - aside * dx
        nodes[k, 1] = cell[_X] + along * dx + aside * dy


@njit(cache=True, nogil=True)
def _push(cells: Array, axes: Array, i: int, j: int) -> None:
    """Move and turn cells `i` and `j` apart where ends or middle of `i` are in `j`."""
    for k in range(3):
        best, by, bx, qy, qx = 4.0, 0.0, 0.0, 0.0, 0.0
        py, px = axes[i, k, 0], axes[i, k, 1]
        for s in range(2):
            ay, ax = axes[j, s, 0], axes[j, s, 1]
            ey, ex = axes[j, s + 1, 0] - ay, axes[j, s + 1, 1] - ax
            square = ey * ey + ex * ex
            t = ((py - ay) * ey + (px - ax) * ex) / square if square > 0 else 0.0
            t = min(1.0, max(0.0, t))
            dy, dx = py - ay - t * ey, px - ax - t * ex
            if dy * dy + dx * dx < best:
                best, by, bx, qy, qx = dy * dy + dx * dx, dy, dx, ay + t * ey, ax + t * ex
        if best >= 4.0 or best < 1e-9:
            continue
        distance = np.sqrt(best)
        ny, nx = by / distance, bx / distance
        my, mx = 0.5 * (py + qy), 0.5 * (px + qx)
        levers, masses = np.empty(2), np.empty(2)
        total = 0.0
        for side, c in enumerate((i, j)):
            masses[side] = cells[c, _LENGTH] + 2
            lever = (mx - cells[c, _X]) * ny - (my - cells[c, _Y]) * nx
            levers[side] = lever * 12 / (masses[side] ** 3)
            total += 1 / masses[side] + lever * levers[side]
        for side, c in enumerate((i, j)):
            step = (2 - distance) / total * (1 - 2 * side)
            cells[c, _Y] += step * ny / masses[side]
            cells[c, _X] += step * nx / masses[side]
            cells[c, _ANGLE] += step * levers[side]
            _axis(cells[c], axes[c])


@njit(cache=True, nogil=True)
def push_apart(cells: Array, n: int, sweeps: int) -> None:
    """Push the first `n` of the cells (N, 5) apart, `sweeps` times, as stiff bodies do."""
    axes = np.empty((n, 3, 2))
    for i in range(n):
        _axis(cells[i], axes[i])
    pairs = [(0, 0)]
    for i in range(n):
        for j in range(i):
            reach = 0.5 * (cells[i, _LENGTH] + cells[j, _LENGTH]) + 2.5
            dy, dx = cells[i, _Y] - cells[j, _Y], cells[i, _X] - cells[j, _X]
            if abs(dy) < reach and dy * dy + dx * dx < reach * reach:
                pairs.append((i, j))
    for _ in range(sweeps):
        for i, j in pairs[1:]:
            _push(cells, axes, i, j)
            _push(cells, axes, j, i)


@njit(cache=True, nogil=True)
def grow(cells: Array, n: int, longest: Array, turns: Array, rate: float, sweeps: int) -> None:
    """Grow the first `n` of the cells (N, 5) until division has made all N of them.

    Parameters
    ----------
    cells : (N, 5) float
        y, x, angle, length of the axis, and bend from end to end; changed in place.
    n : int
        How many there are at first.
    longest : (N,) float
        Length at which each divides; at least 2.
    turns : (N,) float
        How far the daughter numbered so turns from her mother, rad.
    rate : float
        Growth per step.
    sweeps : int
        How often they are pushed apart in a step; few leave them pressed in the middle.
    """
    while n < len(cells):
        for i in range(n):
            cells[i, _LENGTH] += rate * (cells[i, _LENGTH] + 2)
            if cells[i, _LENGTH] < longest[i] or n == len(cells):
                continue
            half = (cells[i, _LENGTH] - 2) / 2
            dy, dx = np.sin(cells[i, _ANGLE]), np.cos(cells[i, _ANGLE])
            cells[n] = cells[i]
            for c, side in ((i, -0.5), (n, 0.5)):
                cells[c, _Y] += side * (half + 2) * dy
                cells[c, _X] += side * (half + 2) * dx
                cells[c, _ANGLE] += turns[n] * side
                cells[c, _LENGTH] = half
            n += 1
        push_apart(cells, n, sweeps)
    push_apart(cells, n, 2 * sweeps)


@njit(cache=True, nogil=True)
def _paint(
    segments: Array,
    ids: NDArray[np.int32],
    reach: float,
    owner: NDArray[np.int32],
    depth: Field,
    other: Field,
    radius: Field,
) -> None:
    h, w = owner.shape
    for i in range(ids.size):
        ay, ax, ar, ey, ex, er = segments[i]
        far = max(ar, er) + reach
        y0, y1 = max(0, int(min(ay, ey) - far)), min(h, int(max(ay, ey) + far) + 2)
        x0, x1 = max(0, int(min(ax, ex) - far)), min(w, int(max(ax, ex) + far) + 2)
        ey, ex = ey - ay, ex - ax
        square = ey * ey + ex * ex
        for y in range(y0, y1):
            for x in range(x0, x1):
                t = ((y - ay) * ey + (x - ax) * ex) / square if square > 0 else 0.0
                t = min(1.0, max(0.0, t))
                dy, dx = y - ay - t * ey, x - ax - t * ex
                r = ar * (1 - t) + er * t
                d = r - np.sqrt(dy * dy + dx * dx)
                if d > depth[y, x]:
                    if owner[y, x] != ids[i]:
                        other[y, x] = depth[y, x]
                    depth[y, x], owner[y, x], radius[y, x] = d, ids[i], r
                elif d > other[y, x] and owner[y, x] != ids[i]:
                    other[y, x] = d


def paint(
    shape: tuple[int, int], segments: Array, ids: NDArray[np.int32], reach: float
) -> tuple[NDArray[np.int32], Field, Field, Field]:
    """Give each pixel to the cell it is deepest in, so that walls lie half-way.

    Parameters
    ----------
    shape : tuple of int
        Height and width, px.
    segments : (M, 6) float
        y, x and radius at both ends of each piece of a cell, px.
    ids : (M,) int32
        Which cell each piece is of, from 1.
    reach : float
        How far outside of a cell pixels still know it, px.

    Returns
    -------
    owner : (H, W) int32
        The cell; 0 where none is in reach.
    depth, other : (H, W) float32
        How deep the pixel lies in that cell and in the next one, px; negative outside.
    radius : (H, W) float32
        Of the cell, there, px; 1 where there is none.
    """
    owner = np.zeros(shape, np.int32)
    depth = np.full(shape, -reach, np.float32)
    other = np.full(shape, -reach, np.float32)
    radius = np.ones(shape, np.float32)
    _paint(np.ascontiguousarray(segments), ids, float(reach), owner, depth, other, radius)
    return owner, depth, other, radius
