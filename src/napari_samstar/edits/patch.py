"""Edits that redraw a part of the image: a segment added or cut into pieces, pixels painted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_samstar.edits.checks import MOST_LABEL
from napari_samstar.edits.delta import (
    Box,
    Delta,
    Segment,
    SegmentTable,
    Step,
    around,
    packed,
    rows_of,
    size_of,
)
from napari_samstar.edits.kernels import difference, extents, tight_box
from napari_samstar.edits.mask import Mask
from napari_samstar.edits.split import pieces_by_line, pieces_by_points
from napari_samstar.edits.values import Add, Paint, Split
from napari_samstar.types import SamStarError

__all__ = ["add", "paint", "painted", "split"]

_Labels = NDArray[np.int32]


def add(labels: _Labels, table: SegmentTable, edit: Add, free: int) -> Step:
    """Plan an addition, see `plan`."""
    _check_size(edit.mask, labels)
    window, box = edit.mask.window()
    if not window.any():
        raise SamStarError("The mask is empty: there is nothing to add.")
    (label,) = _numbers(1, free) if edit.label is None else (edit.label,)
    old = table.get(label)
    before = labels[_slices(box)]
    wanted = window & (before != label)
    if not edit.over:
        wanted &= before == 0
    if not wanted.any():
        raise SamStarError(
            f"Segment {label} holds all of the mask already: there is nothing to add."
            if old and (before[window] == label).all()
            else "The mask lies wholly on other segments: let it cover them, or delete them first."
        )
    after = np.where(wanted, np.int32(label), before)
    gained = _segments(wanted.astype(np.int32), 1, box, edit.material)[0]
    losers, losses = np.unique(before[wanted], return_counts=True)
    rows = {k: table[k] for k in losers.tolist() if k}
    lost = dict(zip(losers.tolist(), losses.tolist(), strict=True))
    rows_after = _remainders(labels, rows, lost, after, box)
    if old:
        rows[label] = old
        area, outer = old.area + gained.area, around((old.box, gained.box))
        gained = replace(old, area=area, box=outer, status="reviewed")
    rows_after[label] = gained
    return Step(replace(edit, label=label), _patch(labels, after, box, rows, rows_after))


def split(labels: _Labels, table: SegmentTable, edit: Split, free: int) -> Step:
    """Plan a split, see `plan`."""
    rows = rows_of(table, (edit.label,))
    row = rows[edit.label]
    before = labels[_slices(row.box)]
    inside = before == edit.label
    if edit.parts:
        pieces = _by_masks(inside, row.box, edit, labels)
    elif edit.line:
        pieces = _by_line(inside, row.box, edit)
    else:
        pieces = _by_points(inside, row.box, edit)
    count = int(pieces.max())
    new = edit.new or _numbers(count, free)
    if len(set(new)) != count:
        raise SamStarError(
            f"Segment {edit.label} falls into {count + 1} pieces: give {count} numbers, or none."
        )
    for value in new:
        if value in table:
            raise SamStarError(f"Segment {value} exists already: choose another number.")
    names = (edit.label, *new)
    after = np.where(inside, np.array(names, np.int32)[pieces], before)
    numbered = np.where(inside, pieces + np.int32(1), np.int32(0))
    segments = _segments(numbered, count + 1, row.box, row.material)
    delta = _patch(labels, after, row.box, rows, dict(zip(names, segments, strict=True)))
    parts = tuple(
        Mask.of(after[_slices(one.box, row.box)] == name, one.box[1], one.box[0], size_of(labels))
        for name, one in zip(new, segments[1:], strict=True)
    )
    return Step(Split(edit.label, parts=parts, new=new), delta)


def paint(labels: _Labels, table: SegmentTable, edit: Paint) -> Step:
    """Plan strokes of a brush, see `plan`."""
    strokes = []
    for mask, label in zip(edit.masks, edit.labels, strict=True):
        _check_size(mask, labels)
        window, of = mask.window()
        if window.any():
            strokes.append((window, of, label))
    if not strokes:
        raise SamStarError("Nothing was painted: the masks are empty.")
    box = around(of for _, of, _ in strokes)
    before = labels[_slices(box)]
    after = before.copy()
    for window, of, label in strokes:
        after[_slices(of, box)][window] = label
    changed = after != before
    if not changed.any():
        raise SamStarError("Nothing was painted: the pixels have these labels already.")
    concerned = np.union1d(before[changed], after[changed]).tolist()
    rows = {k: table[k] for k in concerned if k in table}
    rows_after = {}
    for label in concerned:
        if label == 0:
            continue
        gained = _segments((changed & (after == label)).astype(np.int32), 1, box, 0)[0]
        lost = int((changed & (before == label)).sum())
        old = rows.get(label)
        if old is None:
            rows_after[label] = gained
        elif old.area + gained.area > lost:
            outer = around((old.box, gained.box)) if gained.area else old.box
            x0, y0, x1, y1 = tight_box(labels, label, outer, after, box[1], box[0])
            area = old.area + gained.area - lost
            rows_after[label] = replace(old, area=area, box=(x0, y0, x1, y1), status="reviewed")
    return Step(edit, _patch(labels, after, box, rows, rows_after))


def painted(before: _Labels, after: _Labels) -> Paint | None:
    """Find what was painted between two label images (H, W); None for nothing.

    Raises
    ------
    SamStarError
        If a label is none, such as a negative one.
    """
    changed = before != after
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    if not rows.size:
        return None
    y0, x0 = int(rows[0]), int(columns[0])
    window = slice(y0, int(rows[-1]) + 1), slice(x0, int(columns[-1]) + 1)
    values = np.unique(after[changed]).tolist()
    masks = [
        Mask.of(changed[window] & (after[window] == value), y0, x0, size_of(before))
        for value in values
    ]
    return Paint(tuple(masks), tuple(values))


def _by_masks(
    inside: NDArray[np.bool_], box: Box, edit: Split, labels: _Labels
) -> NDArray[np.int32]:
    """Give each pixel the number of the mask that holds it, from 1; the last one counts."""
    pieces = np.zeros(inside.shape, np.int32)
    for k, part in enumerate(edit.parts, 1):
        _check_size(part, labels)
        pieces[part.runs().window(0, box) & inside] = k
    held = np.bincount(pieces[inside], minlength=len(edit.parts) + 1)
    if not held[1:].all():
        raise SamStarError(
            f"The mask holds no pixel of segment {edit.label}: there is nothing to cut off."
        )
    if not held[0]:
        raise SamStarError(
            f"The mask holds all of segment {edit.label}: nothing of it would be left."
        )
    return pieces


def _by_line(inside: NDArray[np.bool_], box: Box, edit: Split) -> NDArray[np.int32]:
    pieces = pieces_by_line(inside, [(x - box[0], y - box[1]) for x, y in edit.line])
    if not pieces.any():
        raise SamStarError(
            f"The line does not cut segment {edit.label} in two: draw it from edge to edge."
        )
    return pieces


def _by_points(inside: NDArray[np.bool_], box: Box, edit: Split) -> NDArray[np.int32]:
    points = [(x - box[0], y - box[1]) for x, y in edit.points]
    for (x, y), (column, row) in zip(edit.points, np.floor(np.add(points, 0.5)), strict=True):
        seen = 0 <= row < inside.shape[0] and 0 <= column < inside.shape[1]
        if not (seen and inside[int(row), int(column)]):
            raise SamStarError(
                f"The point ({x:g}, {y:g}) px is not in segment {edit.label}: click inside it."
            )
    pieces = pieces_by_points(inside, points)
    if not pieces.any():
        raise SamStarError("Both points lie on the same pixel: click one in each part.")
    return pieces


def _segments(index: NDArray[np.int32], count: int, box: Box, material: int) -> list[Segment]:
    """Regions 1 to `count` of a window at `box`, as segments that somebody made by hand."""
    x, y = box[:2]
    areas, boxes = extents(index, count)
    return [
        Segment(area, (x + x0, y + y0, x + x1, y + y1), material, "reviewed")
        for area, (x0, y0, x1, y1) in zip(areas.tolist(), boxes.tolist(), strict=True)
    ]


def _remainders(
    labels: _Labels, rows: SegmentTable, losses: dict[int, int], after: _Labels, box: Box
) -> dict[int, Segment]:
    """Find what is left of segments once `box` holds `after`; those that vanish are left out."""
    left = {}
    for label, row in rows.items():
        if losses[label] < row.area:
            x0, y0, x1, y1 = tight_box(labels, label, row.box, after, box[1], box[0])
            left[label] = replace(row, area=row.area - losses[label], box=(x0, y0, x1, y1))
    return left


def _patch(
    labels: _Labels, after: _Labels, box: Box, rows: SegmentTable, rows_after: SegmentTable
) -> Delta:
    """Replace the labels inside `box`."""
    before = labels[_slices(box)]
    starts, lengths, old, new = difference(before, after, box[1], box[0], labels.shape[1])
    return Delta(starts, lengths, packed(old), packed(new), rows, rows_after, size_of(labels))


def _numbers(count: int, free: int) -> tuple[int, ...]:
    if free + count - 1 > MOST_LABEL:
        raise SamStarError("No number is left for a new segment: renumber the labels first.")
    return tuple(range(free, free + count))


def _check_size(mask: Mask, labels: _Labels) -> None:
    if mask.shape != labels.shape:
        raise SamStarError(
            f"A mask of {mask.shape[1]} x {mask.shape[0]} px does not belong to a label image of "
            f"{labels.shape[1]} x {labels.shape[0]} px."
        )


def _slices(box: Box, inside: Box = (0, 0, 0, 0)) -> tuple[slice, slice]:
    """Rows and columns of `box` in an array that begins where `inside` does."""
    x, y = inside[:2]
    return slice(box[1] - y, box[3] + 1 - y), slice(box[0] - x, box[2] + 1 - x)
