"""What the network for borders says of an image: its parts, its masks, what lies across borders."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_samstar.booster.mosaicnet import CELL
from napari_samstar.runs import MaskRuns

__all__ = ["across", "cut", "mask_vectors", "parted", "parts_of"]

_SMOOTH = 2.0  # cells
_DEPTH = 0.022  # of a basin of change, per cell: shallower ones are no part
_CHANCE = 7.0  # cells: vectors of a part of so many are twice as uncertain, in square
_MOST_CELLS = 256  # along either side; larger images are looked at more coarsely
_EDGE = 0.02  # of squared change: cells where vectors change more than that count less
_FEWEST = 3  # cells of a mask: fewer say nothing

Labels = NDArray[np.int32]
Cells = NDArray[np.float32]


def parts_of(vectors: Cells, shape: tuple[int, int], apart: float) -> Labels:
    """Part an image where one material surely ends; see `parted`.

    Parameters
    ----------
    vectors : (h, w, D) float32
        See `mosaicnet.vectors_steps`.
    shape : tuple of int
        Height and width of the image, px.
    apart : float
        See `parted`.

    Returns
    -------
    (H, W) int32
        Parts from 1.
    """
    coarse = -(-max(vectors.shape[:2]) // _MOST_CELLS)
    if coarse > 1:
        size = tuple(-(-n // coarse) for n in vectors.shape[1::-1])
        vectors = np.asarray(cv2.resize(vectors, size, interpolation=cv2.INTER_AREA), np.float32)
    parts = parted(vectors, apart)
    rows, columns = (
        np.minimum(np.arange(n) // (CELL * coarse), m - 1)
        for n, m in zip(shape, parts.shape, strict=True)
    )
    return parts[np.ix_(rows, columns)]


def mask_vectors(vectors: Cells, runs: MaskRuns) -> NDArray[np.float64]:
    """Mean vector (K, D) of each mask's cells, those on borders counting little.

    Parameters
    ----------
    vectors : (h, w, D) float32
        See `mosaicnet.vectors_steps`.
    runs : MaskRuns
        K masks, without overlaps; NaN for those of hardly a cell.
    """
    owner = runs.paint(np.arange(len(runs)))[CELL // 2 :: CELL, CELL // 2 :: CELL].ravel()
    vectors = vectors[: -(-(runs.shape[0] - CELL // 2) // CELL)]
    vectors = vectors[:, : -(-(runs.shape[1] - CELL // 2) // CELL)]
    weights = 1 / (_EDGE + _change(vectors).ravel() ** 2)
    out = _means(vectors, owner, weights, len(runs) + 1)[1:]
    out[np.bincount(owner, minlength=len(runs) + 1)[1:] < _FEWEST] = np.nan
    return out


def _change(vectors: Cells) -> NDArray[np.float64]:
    """How fast vectors change at each cell, (h, w), per cell."""
    axes = [k for k in (0, 1) if vectors.shape[k] > 1]
    squares = [(np.gradient(vectors, axis=k) ** 2).sum(2) for k in axes]
    return np.asarray(np.sqrt(sum(squares, np.zeros(vectors.shape[:2]))), np.float64)


def _means(
    vectors: Cells, owner: NDArray[np.integer], weights: NDArray[np.float64], count: int
) -> NDArray[np.float64]:
    """Mean vector (count, D) of the cells of each owner, (h * w,)."""
    mass = np.maximum(np.bincount(owner, weights, count), 1e-12)
    flat = vectors.reshape(-1, vectors.shape[2])
    sums = [np.bincount(owner, weights * column, count) for column in flat.T]
    return np.stack(sums, 1) / mass[:, None]


def parted(vectors: Cells, apart: float) -> Labels:
    """Part a grid of cells where their vectors change most, and join what is alike.

    Parameters
    ----------
    vectors : (h, w, D) float32
        See `mosaicnet.MosaicNet`.
    apart : float
        Neighboring parts whose mean vectors are nearer than this are one; at 1 it is as likely
        that they are of one material as that they are of two.

    Returns
    -------
    (h, w) int32
        Parts from 1.
    """
    from skimage import graph, morphology, segmentation

    rag: Any = graph.RAG
    merged: Any = graph.merge_hierarchical
    h_minima: Any = morphology.h_minima
    watershed: Any = segmentation.watershed
    smooth = cv2.GaussianBlur(vectors, (0, 0), _SMOOTH, borderType=cv2.BORDER_REFLECT)
    smooth = np.asarray(smooth, np.float32).reshape(vectors.shape)
    change = _change(smooth)
    markers, _ = ndimage.label(h_minima(change, _DEPTH), np.ones((3, 3)))
    if not markers.any():  # all even: nothing is deeper than the rest
        markers[0, 0] = 1
    basins = watershed(change, markers)
    count = int(basins.max())
    cells = np.bincount(basins.ravel(), minlength=count + 1)
    inner = 1 / (_EDGE + change.ravel() ** 2)  # cells on a border are of both
    mass = np.bincount(basins.ravel(), inner, count + 1)
    means = _means(vectors, basins.ravel(), inner, count + 1)
    network = rag(basins, connectivity=1)
    for k, node in network.nodes.items():
        node.update(labels=[k], mean=means[k], mass=mass[k], cells=float(cells[k]))
    for a, b, edge in network.edges(data=True):
        edge["weight"] = _gap(network.nodes[a], network.nodes[b])
    joined = merged(
        basins,
        network,
        apart,
        rag_copy=False,
        in_place_merge=True,
        merge_func=_join,
        weight_func=_weight,
    )
    numbered = np.unique(joined, return_inverse=True)[1].reshape(joined.shape)
    return np.asarray(numbered + 1, np.int32)


def _gap(one: dict[str, Any], two: dict[str, Any]) -> float:
    """Distance of two parts, less for those of few cells."""
    doubt = 1 + _CHANCE * (1 / one["cells"] + 1 / two["cells"])
    return float(np.sqrt(((one["mean"] - two["mean"]) ** 2).sum() / doubt))


def _join(network: Any, source: int, target: int) -> None:
    one, two = network.nodes[source], network.nodes[target]
    mass = one["mass"] + two["mass"]
    two["mean"] = (one["mass"] * one["mean"] + two["mass"] * two["mean"]) / mass
    two["mass"] = mass
    two["cells"] += one["cells"]


def _weight(network: Any, source: int, target: int, neighbor: int) -> dict[str, float]:
    return {"weight": _gap(network.nodes[target], network.nodes[neighbor])}


def cut(labels: Labels, parts: Labels, wide: float, least: float) -> Labels:
    """Cut regions along the borders of parts, where both sides are worth it.

    Parameters
    ----------
    labels : (H, W) int32
        Regions from 1, 0 where none is.
    parts : (H, W) int32
        See `parts_of`.
    wide : float
        A side is worth it where a square of so many px fits into it,
    least : float
        and it has so many px.

    Returns
    -------
    (H, W) int32
        Regions from 1, 0 where none was.
    """
    out, new = labels.copy(), int(labels.max(initial=0))
    for k, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is None:
            continue
        mine = labels[box] == k
        sides = _sides(mine, parts[box], wide, least)
        if len(sides) < 2:
            continue
        seeds = np.zeros(mine.shape, np.int32)
        for turn, side in enumerate(sides):
            seeds[side] = k if turn == 0 else new + turn
        new += len(sides) - 1
        nearest = ndimage.distance_transform_edt(
            seeds == 0, return_distances=False, return_indices=True
        )
        out[box][mine] = seeds[tuple(nearest)][mine]
    return out


def across(runs: MaskRuns, parts: Labels, wide: float, least: float) -> NDArray[np.bool_]:
    """Which of K masks lie across a border of parts, both sides worth it as for `cut`, (K,)."""
    out = np.zeros(len(runs), np.bool_)
    areas, boxes = runs.areas(), runs.boxes()
    for k in np.flatnonzero(areas >= 2 * least).tolist():
        x0, y0, x1, y1 = boxes[k].tolist()
        mine = runs.window(k, (x0, y0, x1, y1))
        out[k] = len(_sides(mine, parts[y0 : y1 + 1, x0 : x1 + 1], wide, least)) > 1
    return out


def _sides(
    mine: NDArray[np.bool_], parts: Labels, wide: float, least: float
) -> list[NDArray[np.bool_]]:
    """Which of the pieces of a region are worth it, largest first."""
    names, sizes = np.unique(parts[mine], return_counts=True)
    found = []
    for name in names[np.argsort(-sizes, kind="stable")][: np.count_nonzero(sizes >= least)]:
        side = mine & (parts == name)
        inner = cv2.distanceTransform(np.pad(side, 1).astype(np.uint8), cv2.DIST_C, 3)
        if 2 * float(inner.max()) - 1 >= wide:
            found.append(side)
    return found
