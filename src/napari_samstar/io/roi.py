"""Regions of interest for an instrument: where to go, in pixels, in lengths and on the stage."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_samstar.atomic import write_text_atomic
from napari_samstar.io.outline import Polygon, outline, wkt
from napari_samstar.labels import check_labels, index_labels, label_runs
from napari_samstar.types import Micrograph, SamStarError
from napari_samstar.units import length_unit, meters_per_unit

__all__ = ["Region", "Stage", "regions_of_interest", "write_roi_csv", "write_roi_json"]


@dataclass(frozen=True)
class Stage:
    """How pixels lie on the stage: ``X = a x + b y + c``, ``Y = d x + e y + f``.

    Parameters
    ----------
    matrix : ((a, b, c), (d, e, f))
        x, y in px, the center of the first pixel is 0, 0, y counts downwards; X, Y in `unit`.
    unit : str
        A length.
    """

    matrix: tuple[tuple[float, float, float], tuple[float, float, float]]
    unit: str

    def __post_init__(self) -> None:
        name = length_unit(self.unit)
        if name is None:
            raise SamStarError(f"'{self.unit}' is not a unit of length: use nm, um or mm.")
        values = np.asarray(self.matrix, np.float64)
        if values.shape != (2, 3) or not np.isfinite(values).all():
            raise SamStarError("A stage needs two rows of three numbers: X = a x + b y + c, and Y.")
        if np.linalg.det(values[:, :2]) == 0.0:
            raise SamStarError("This stage would put the whole image on a line: check its numbers.")
        (a, b, c), (d, e, f) = values.tolist()
        object.__setattr__(self, "matrix", ((a, b, c), (d, e, f)))
        object.__setattr__(self, "unit", name)

    @classmethod
    def at(
        cls,
        micrograph: Micrograph,
        position: tuple[float, float],
        unit: str = "um",
        *,
        rotation: float = 0.0,
        y_up: bool = True,
        corner: bool = False,
    ) -> Stage:
        """Stage of an image taken at a known position.

        Parameters
        ----------
        micrograph : Micrograph
            Gives the size of the pixels.
        position : tuple of float
            X, Y of the middle of the image, in `unit`.
        unit : str
            A length.
        rotation : float
            Angle from the image's rows to the stage's X axis, counter-clockwise on the stage,
            degrees.
        y_up : bool
            Whether the stage's Y grows towards the top of the image (before the rotation).
        corner : bool
            Whether `position` is that of the first pixel's center instead.

        Raises
        ------
        SamStarError
            If the micrograph has no pixel size, or `unit` is no length.
        """
        if micrograph.pixel_size is None:
            raise SamStarError(
                f"'{micrograph.name}' has no pixel size: give one to compute stage positions."
            )
        name, own = length_unit(unit), length_unit(micrograph.unit)
        if name is None or own is None:
            raise SamStarError(f"'{unit}' is not a unit of length: use nm, um or mm.")
        scale = meters_per_unit(own) / meters_per_unit(name)
        sy, sx = (size * scale for size in micrograph.pixel_size)
        turn = math.radians(rotation)
        cos, sin = math.cos(turn), math.sin(turn)
        sy = -sy if y_up else sy
        linear = np.array([[cos * sx, -sin * sy], [sin * sx, cos * sy]])
        height, width = micrograph.shape
        anchor = np.zeros(2) if corner else np.array([(width - 1) / 2, (height - 1) / 2])
        shift = np.asarray(position, np.float64) - linear @ anchor
        (a, b), (d, e) = linear.tolist()
        return cls(((a, b, float(shift[0])), (d, e, float(shift[1]))), name)

    def __call__(self, points: ArrayLike) -> NDArray[np.float64]:
        """Positions on the stage, (..., 2) in `unit`, of points (..., 2) x, y in px."""
        matrix = np.asarray(self.matrix)
        return np.asarray(np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2])


@dataclass(frozen=True, eq=False)
class Region:
    """One segment to visit; all in px, the center of the first pixel is 0, 0.

    Parameters
    ----------
    label : int
        As in the label image.
    material : int
        0 for unknown.
    area : int
        px.
    centroid : tuple of float
        x, y; of a ring or a crescent it lies beside the segment.
    inside : tuple of float
        x, y of the pixel deepest in the segment: where to point a probe.
    outline : tuple of polygons
        One polygon a part, see `napari_samstar.io.outline.outline`.
    """

    label: int
    material: int
    area: int
    centroid: tuple[float, float]
    inside: tuple[float, float]
    outline: tuple[Polygon, ...]


def regions_of_interest(
    labels: NDArray[Any],
    *,
    only: Collection[int] | None = None,
    materials: Mapping[int, int] | None = None,
    of: Collection[int] | None = None,
    tolerance: float = 0.0,
) -> list[Region]:
    """Pick segments out of a label image.

    Parameters
    ----------
    labels : (H, W) int
        0 is background.
    only : collection of int, optional
        Labels wanted; all where None.
    materials : mapping of label to material, optional
        0 where it says nothing.
    of : collection of int, optional
        Materials wanted; all where None.
    tolerance : float
        How far simpler outlines may stray, px; 0 keeps every corner of every pixel.

    Returns
    -------
    list of Region
        By ascending label.

    Raises
    ------
    SamStarError
        If `labels` is not a label image, or a label wanted is not there.
    """
    index, ids = index_labels(check_labels(labels))
    wanted = set(ids.tolist() if only is None else only)
    missing = sorted(wanted.difference(ids.tolist()))
    if missing:
        raise SamStarError(f"There is no segment {missing[0]} in this label image.")
    materials = materials or {}
    runs = label_runs(index, ids.size)
    boxes = runs.boxes()
    found = []
    for i, label in enumerate(ids.tolist()):
        material = int(materials.get(label, 0))
        if label not in wanted or (of is not None and material not in of):
            continue
        x0, y0, x1, y1 = (int(v) for v in boxes[i])
        mask = runs.window(i, (x0, y0, x1, y1))
        ys, xs = np.nonzero(mask)
        depth = cv2.distanceTransform(
            np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE
        )[1:-1, 1:-1]
        deepest = np.unravel_index(int(depth.argmax()), depth.shape)
        found.append(
            Region(
                label,
                material,
                int(ys.size),
                (x0 + float(xs.mean()), y0 + float(ys.mean())),
                (float(x0 + deepest[1]), float(y0 + deepest[0])),
                outline(mask, x0, y0, tolerance),
            )
        )
    return found


def write_roi_csv(
    path: str | Path,
    regions: Collection[Region],
    micrograph: Micrograph,
    stage: Stage | None = None,
) -> None:
    """Write regions as CSV, one row each, with units in the columns' names.

    Positions stand in px, in the micrograph's unit where it has a pixel size (from the center of
    the first pixel, y downwards), and on the stage where one is given (``stage_...``): centroid,
    point inside, box around the outline, and the outline as well-known text.

    Raises
    ------
    SamStarError
        If the disk refuses.
    """
    frames = _frames(micrograph, stage)
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(_row(_NOWHERE, frames)), lineterminator="\n")
    writer.writeheader()
    for region in regions:
        row = _row(region, frames)
        writer.writerow({k: wkt(v) if isinstance(v, tuple) else v for k, v in row.items()})
    write_text_atomic(path, text.getvalue())


def write_roi_json(
    path: str | Path,
    regions: Collection[Region],
    micrograph: Micrograph,
    stage: Stage | None = None,
) -> None:
    """Write regions as JSON: the columns of `write_roi_csv`, outlines as nested lists.

    An outline is a list of polygons, a polygon a list of rings, the outer one first, and a ring a
    list of x, y that ends with its first point, as in GeoJSON's MultiPolygon.

    Raises
    ------
    SamStarError
        If the disk refuses.
    """
    frames = _frames(micrograph, stage)
    document = {
        "format": "samstar-roi",
        "version": 1,
        "image": micrograph.name,
        "hash": micrograph.content_hash,
        "shape": list(micrograph.shape),
        "pixel_size": list(micrograph.pixel_size) if micrograph.pixel_size else None,
        "unit": micrograph.unit,
        "stage": None if stage is None else {"matrix": stage.matrix, "unit": stage.unit},
        "regions": [
            {k: _lists(v) if isinstance(v, tuple) else v for k, v in _row(region, frames).items()}
            for region in regions
        ],
    }
    write_text_atomic(path, json.dumps(document) + "\n")


_NOWHERE = Region(0, 0, 0, (0.0, 0.0), (0.0, 0.0), ())


@dataclass(frozen=True)
class _Frame:
    """One system of coordinates: what its columns are called, and how px become its lengths."""

    prefix: str
    unit: str
    place: Stage | None

    def __call__(self, points: ArrayLike) -> NDArray[np.float64]:
        return np.asarray(points, np.float64) if self.place is None else self.place(points)


def _frames(micrograph: Micrograph, stage: Stage | None) -> list[_Frame]:
    frames = [_Frame("", "px", None)]
    if micrograph.pixel_size is not None:
        sy, sx = micrograph.pixel_size
        scale = Stage(((sx, 0.0, 0.0), (0.0, sy, 0.0)), micrograph.unit)
        frames.append(_Frame("", scale.unit, scale))
    if stage is not None:
        frames.append(_Frame("stage_", stage.unit, stage))
    return frames


def _row(region: Region, frames: list[_Frame]) -> dict[str, Any]:
    """Columns of one region; the outlines as tuples of polygons."""
    row: dict[str, Any] = {"label": region.label, "material": region.material}
    for frame in frames:
        if not frame.prefix:  # an area is the same wherever the stage stands
            pixel = frame((1.0, 1.0)).prod()
            row[f"area_{frame.unit}2"] = float(region.area * pixel)
    for frame in frames:
        placed = tuple(tuple(frame(ring) for ring in polygon) for polygon in region.outline)
        rings = [polygon[0] for polygon in placed] or [np.zeros((1, 2))]
        low = np.min([ring.min(0) for ring in rings], axis=0)
        high = np.max([ring.max(0) for ring in rings], axis=0)
        for what, (x, y) in (
            ("centroid", frame(region.centroid)),
            ("inside", frame(region.inside)),
            ("box_low", low),
            ("box_high", high),
        ):
            row[f"{frame.prefix}{what}_x_{frame.unit}"] = float(x)
            row[f"{frame.prefix}{what}_y_{frame.unit}"] = float(y)
        row[f"{frame.prefix}outline_{frame.unit}"] = placed
    return row


def _lists(polygons: tuple[Polygon, ...]) -> list[list[list[list[float]]]]:
    return [[np.vstack((ring, ring[:1])).tolist() for ring in polygon] for polygon in polygons]
