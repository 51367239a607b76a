"""What one edit changes, no more: enough to do it, to undo it and to repaint it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_samstar.edits.kernels import extents, write_runs
from napari_samstar.edits.values import Edit, Status
from napari_samstar.labels import index_labels
from napari_samstar.types import SamStarError

__all__ = [
    "Box",
    "Delta",
    "Look",
    "Looks",
    "Segment",
    "SegmentTable",
    "Step",
    "around",
    "looks_of",
    "no_pixels",
    "packed",
    "rows_of",
    "segment_table",
    "size_of",
]

#: x0, y0, x1, y1, last row and column included, px.
Box: TypeAlias = tuple[int, int, int, int]


@dataclass(frozen=True)
class Segment:
    """What is known of one segment beside its pixels.

    Parameters
    ----------
    area : int
        px.
    box : tuple of int
        x0, y0, x1, y1, last row and column included, px.
    material : int
        0 for unknown.
    status : str
        "open", "reviewed" (changed by hand) or "accepted".
    """

    area: int
    box: Box
    material: int = 0
    status: Status = "open"


SegmentTable: TypeAlias = Mapping[int, Segment]


@dataclass(frozen=True)
class Look:
    """What a person says of a material, empty where nothing.

    Parameters
    ----------
    name : str
        How it is called.
    color : str
        In which color it is shown, "#rrggbb".
    """

    name: str = ""
    color: str = ""


#: Material to what a person says of it; those of which nobody said anything are not there.
Looks: TypeAlias = Mapping[int, Look]


def looks_of(names: Mapping[int, str] | None, colors: Mapping[int, str] | None) -> dict[int, Look]:
    """Put names and colors of materials together."""
    names, colors = names or {}, colors or {}
    found = {k: Look(names.get(k, ""), colors.get(k, "")) for k in {**names, **colors}}
    return {k: look for k, look in found.items() if look != Look()}


def segment_table(
    labels: NDArray[Any],
    materials: Mapping[int, int] | None = None,
    statuses: Mapping[int, Status] | None = None,
) -> dict[int, Segment]:
    """List the segments of a label image.

    Parameters
    ----------
    labels : (H, W) int
        0 is background.
    materials, statuses : mapping of label to material and to status, optional
        Unknown and "open" where they say nothing.

    Raises
    ------
    SamStarError
        If `labels` is not a label image.
    """
    index, ids = index_labels(labels)
    areas, boxes = extents(index, ids.size)
    materials, statuses = materials or {}, statuses or {}
    return {
        label: Segment(
            area, (x0, y0, x1, y1), int(materials.get(label, 0)), statuses.get(label, "open")
        )
        for label, area, (x0, y0, x1, y1) in zip(
            ids.tolist(), areas.tolist(), boxes.tolist(), strict=True
        )
    }


@dataclass(frozen=True, eq=False)
class Delta:
    """One change of a label image and of its table; `inverse` takes it back.

    Parameters
    ----------
    starts, lengths : (R,) uint32
        Runs of changed pixels along the rows: where they start in the flat image, and how long
        they are, px.
    before, after : (R,) or (1,) int32
        Label of each run, or one for all.
    rows_before, rows_after : mapping of label to Segment
        The segments concerned: one that is in `rows_before` alone goes, in `rows_after` alone
        comes.
    shape : tuple of int
        Height and width of the image, px.
    looks_before, looks_after : mapping of material to Look
        The names and colors concerned, as the rows are.
    """

    starts: NDArray[np.uint32]
    lengths: NDArray[np.uint32]
    before: NDArray[np.int32]
    after: NDArray[np.int32]
    rows_before: SegmentTable
    rows_after: SegmentTable
    shape: tuple[int, int]
    looks_before: Looks = field(default_factory=dict)
    looks_after: Looks = field(default_factory=dict)

    @property
    def inverse(self) -> Delta:
        """The change back."""
        return Delta(
            self.starts,
            self.lengths,
            self.after,
            self.before,
            self.rows_after,
            self.rows_before,
            self.shape,
            self.looks_after,
            self.looks_before,
        )

    @cached_property
    def box(self) -> Box | None:
        """What to repaint: x0, y0, x1, y1, last row and column included; None for no pixel."""
        if not self.starts.size:
            return None
        y, x = np.divmod(self.starts.astype(np.int64), self.shape[1])
        return int(x.min()), int(y.min()), int((x + self.lengths).max()) - 1, int(y.max())

    @property
    def changed_pixels(self) -> int:
        """How many pixels change."""
        return int(self.lengths.sum(dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """Memory that the runs take."""
        return sum(a.nbytes for a in (self.starts, self.lengths, self.before, self.after))

    def write(self, labels: NDArray[np.int32]) -> None:
        """Change the pixels of `labels` (H, W), in place; it must be contiguous."""
        write_runs(labels.reshape(-1), self.starts, self.lengths, self.after)

    def update(self, table: dict[int, Segment]) -> None:
        """Change the rows of `table`, in place."""
        for label in self.rows_before:
            if label not in self.rows_after:
                del table[label]
        table.update(self.rows_after)

    def seen(self, looks: Looks) -> Looks:
        """Return `looks` as they are after the change."""
        kept = {k: look for k, look in looks.items() if k not in self.looks_before}
        return {**kept, **self.looks_after}


@dataclass(frozen=True, eq=False)
class Step:
    """One edit as it was carried out.

    Parameters
    ----------
    edit : Edit
        With the numbers it gave and, for a split, the pixels: it does the same again, whatever
        numbers are free then and however lines cut in a later version.
    delta : Delta
        What it changed.
    """

    edit: Edit
    delta: Delta


def no_pixels(rows_before: SegmentTable, rows_after: SegmentTable, shape: tuple[int, int]) -> Delta:
    """Change the table alone."""
    none = np.zeros(0, np.uint32)
    empty = np.zeros(0, np.int32)
    return Delta(none, none, empty, empty, rows_before, rows_after, shape)


def packed(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """One value where all are equal."""
    return values[:1].copy() if values.size and (values == values[0]).all() else values


def rows_of(table: SegmentTable, labels: Iterable[int]) -> dict[int, Segment]:
    """Rows of these segments.

    Raises
    ------
    SamStarError
        If one is not there.
    """
    rows = {}
    for label in labels:
        if label not in table:
            raise SamStarError(
                f"There is no segment {label}: it was merged, deleted or never made."
            )
        rows[label] = table[label]
    return rows


def around(boxes: Iterable[Box]) -> Box:
    """Box around all boxes."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def size_of(labels: NDArray[Any]) -> tuple[int, int]:
    """Height and width, px."""
    return int(labels.shape[0]), int(labels.shape[1])
