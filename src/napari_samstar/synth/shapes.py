"""Painting of objects: what each pixel shows, and where in its object it lies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.synth.scene import Window
from napari_samstar.synth.stars import N_DIRECTIONS, Table

__all__ = ["Canvas", "chain_window", "outline_at", "pile_up", "star_window"]


@njit(cache=True, nogil=True, inline="always")
def outline_at(table: Any, dx: float, dy: float) -> float:
    """Outline radius in the direction (dx, dy)."""
    norm = abs(dx) + abs(dy)
    if norm == 0.0:
        return float(table[0])
    if dy >= 0:
        d = dy / norm if dx >= 0 else 1.0 - dx / norm
    else:
        d = 2.0 - dy / norm if dx < 0 else 3.0 + dx / norm
    k = d * (N_DIRECTIONS / 4.0)
    i = int(k)
    f = k - i
    i = i % N_DIRECTIONS
    j = (i + 1) % N_DIRECTIONS
    return float(table[i] * (1 - f) + table[j] * f)


@njit(cache=True, nogil=True)
def _paint_stars(
    labels: NDArray[np.int32],
    u: NDArray[np.float32],
    v: NDArray[np.float32],
    depth: NDArray[np.float32],
    centers: NDArray[np.float64],
    tables: NDArray[np.float32],
    ids: NDArray[np.int32],
    tolerance: float,
    gap: float,
    over: bool,
) -> NDArray[np.bool_]:
    h, w = labels.shape
    painted = np.zeros(ids.size, np.bool_)
    for i in range(ids.size):
        cy, cx, table = centers[i, 0], centers[i, 1], tables[i]
        far = float(table.max()) + gap + 1
        y0, y1 = max(0, int(cy - far)), min(h, int(cy + far) + 2)
        x0, x1 = max(0, int(cx - far)), min(w, int(cx + far) + 2)
        if y0 >= y1 or x0 >= x1:
            continue
        if tolerance < 1.0:
            inside = covered = 0
            for y in range(y0, y1):
                for x in range(x0, x1):
                    dx, dy = x - cx, y - cy
                    r = np.sqrt(dx * dx + dy * dy)
                    if r < far and r < outline_at(table, dx, dy) + gap:
                        inside += 1
                        if labels[y, x] != 0:
                            covered += 1
            if inside == 0 or covered > tolerance * inside:
                continue
        for y in range(y0, y1):
            for x in range(x0, x1):
                if not over and labels[y, x] != 0:
                    continue
                dx, dy = x - cx, y - cy
                r = np.sqrt(dx * dx + dy * dy)
                if r >= far:
                    continue
                reach = outline_at(table, dx, dy)
                if r < reach:
                    labels[y, x] = ids[i]
                    u[y, x] = dx / reach
                    v[y, x] = dy / reach
                    depth[y, x] = reach - r
                    painted[i] = True
    return painted


@njit(cache=True, nogil=True)
def _paint_chains(
    labels: NDArray[np.int32],
    u: NDArray[np.float32],
    v: NDArray[np.float32],
    depth: NDArray[np.float32],
    nodes: NDArray[np.float64],
    ids: NDArray[np.int32],
    tolerance: float,
    gap: float,
    over: bool,
) -> NDArray[np.bool_]:
    h, w = labels.shape
    n, p, _ = nodes.shape
    painted = np.zeros(n, np.bool_)
    for i in range(n):
        chain = nodes[i]
        far = float(chain[:, 2].max()) + gap + 1
        y0, y1 = max(0, int(chain[:, 0].min() - far)), min(h, int(chain[:, 0].max() + far) + 2)
        x0, x1 = max(0, int(chain[:, 1].min() - far)), min(w, int(chain[:, 1].max() + far) + 2)
        if y0 >= y1 or x0 >= x1:
            continue
        for turn in range(2):
            inside = covered = 0
            if turn == 0 and tolerance >= 1.0:
                continue
            for y in range(y0, y1):
                for x in range(x0, x1):
                    if turn == 1 and not over and labels[y, x] != 0:
                        continue
                    best, bx, by, radius = -1e9, 0.0, 0.0, 1.0
                    for k in range(p - 1):
                        ay, ax = chain[k, 0], chain[k, 1]
                        ey, ex = chain[k + 1, 0] - ay, chain[k + 1, 1] - ax
                        length = ex * ex + ey * ey
                        t = ((x - ax) * ex + (y - ay) * ey) / length if length > 0 else 0.0
                        t = min(1.0, max(0.0, t))
                        dx, dy = x - ax - t * ex, y - ay - t * ey
                        r = chain[k, 2] * (1 - t) + chain[k + 1, 2] * t
                        d = r - np.sqrt(dx * dx + dy * dy)
                        if d > best:
                            best, bx, by, radius = d, dx, dy, r
                    if turn == 0:
                        if best > -gap:
                            inside += 1
                            if labels[y, x] != 0:
                                covered += 1
                    elif best > 0:
                        labels[y, x] = ids[i]
                        u[y, x] = bx / radius
                        v[y, x] = by / radius
                        depth[y, x] = best
                        painted[i] = True
            if turn == 0 and (inside == 0 or covered > tolerance * inside):
                break
    return painted


@njit(cache=True, nogil=True)
def pile_up(
    total: NDArray[np.float32],
    centers: NDArray[np.float64],
    tables: NDArray[np.float32],
    strength: NDArray[np.float64],
    power: float,
) -> None:
    """Add each object's thickness along the beam: strength * (1 - rho^power)^(1/2)."""
    h, w = total.shape
    for i in range(strength.size):
        cy, cx, table = centers[i, 0], centers[i, 1], tables[i]
        far = float(table.max()) + 1
        for y in range(max(0, int(cy - far)), min(h, int(cy + far) + 2)):
            for x in range(max(0, int(cx - far)), min(w, int(cx + far) + 2)):
                dx, dy = x - cx, y - cy
                r = np.sqrt(dx * dx + dy * dy)
                if r >= far:
                    continue
                reach = outline_at(table, dx, dy)
                if r < reach:
                    total[y, x] += strength[i] * np.sqrt(1 - (r / reach) ** power)


@njit(cache=True, nogil=True)
def _star_mask(
    cy: float, cx: float, table: Any, y0: int, x0: int, y1: int, x1: int
) -> NDArray[np.bool_]:
    out = np.zeros((y1 - y0, x1 - x0), np.bool_)
    for y in range(y0, y1):
        for x in range(x0, x1):
            dx, dy = x - cx, y - cy
            out[y - y0, x - x0] = np.sqrt(dx * dx + dy * dy) < outline_at(table, dx, dy)
    return out


def star_window(cy: float, cx: float, table: Table, shape: tuple[int, int]) -> Window:
    """Whole mask of one star, cut by the frame only."""
    far = float(table.max()) + 1
    y0, y1 = max(0, int(cy - far)), min(shape[0], int(cy + far) + 2)
    x0, x1 = max(0, int(cx - far)), min(shape[1], int(cx + far) + 2)
    return y0, x0, _star_mask(float(cy), float(cx), table, y0, x0, y1, x1)


def chain_window(nodes: NDArray[np.float64], shape: tuple[int, int]) -> Window:
    """Whole mask of one bent rod, cut by the frame only; nodes (P, 3) are y, x, radius."""
    far = float(nodes[:, 2].max()) + 1
    y0, x0 = (max(0, int(nodes[:, k].min() - far)) for k in (0, 1))
    y1, x1 = (min(shape[k], int(nodes[:, k].max() + far) + 2) for k in (0, 1))
    canvas = Canvas((y1 - y0, x1 - x0))
    canvas.chains((nodes - np.array([y0, x0, 0.0]))[None])
    return y0, x0, canvas.labels > 0


class Canvas:
    """Where objects are painted: per pixel the label, and where in the object the pixel lies.

    `labels` (H, W) int32; `u`, `v` (H, W) float32: offset from the center (or from the axis of a
    rod) along x and y over the outline's radius; `depth` (H, W) float32: about the distance to the
    outline, px, 0 outside.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.labels = np.zeros(shape, np.int32)
        self.u = np.zeros(shape, np.float32)
        self.v = np.zeros(shape, np.float32)
        self.depth = np.zeros(shape, np.float32)
        self.count = 0

    def _ids(self, n: int) -> NDArray[np.int32]:
        return np.arange(self.count + 1, self.count + n + 1, dtype=np.int32)

    def stars(
        self,
        centers: NDArray[np.float64],
        tables: Table,
        tolerance: float = 1.0,
        gap: float = 0.0,
        over: bool = True,
    ) -> NDArray[np.bool_]:
        """Paint stars in order; return which were painted. Labels go up by one for each.

        An object is left out where more than `tolerance` of it, grown by `gap` px, is taken.
        Without `over` it slips under what is there.
        """
        ids = self._ids(len(tables))
        self.count += len(tables)
        return np.asarray(
            _paint_stars(
                self.labels,
                self.u,
                self.v,
                self.depth,
                np.ascontiguousarray(centers, np.float64),
                np.ascontiguousarray(tables, np.float32),
                ids,
                float(tolerance),
                float(gap),
                bool(over),
            )
        )

    def chains(
        self,
        nodes: NDArray[np.float64],
        tolerance: float = 1.0,
        gap: float = 0.0,
        over: bool = True,
    ) -> NDArray[np.bool_]:
        """Paint bent rods (N, P, 3): y, x and radius of P nodes each; else as `stars`."""
        ids = self._ids(len(nodes))
        self.count += len(nodes)
        return np.asarray(
            _paint_chains(
                self.labels,
                self.u,
                self.v,
                self.depth,
                np.ascontiguousarray(nodes, np.float64),
                ids,
                float(tolerance),
                float(gap),
                bool(over),
            )
        )

    @property
    def rho(self) -> NDArray[np.float32]:
        """Distance from the center over the outline's radius, 0..1."""
        return np.minimum(np.sqrt(self.u * self.u + self.v * self.v), 1.0)
