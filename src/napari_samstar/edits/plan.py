"""From an edit to the change it makes; nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.edits.delta import (
    Box,
    Delta,
    Segment,
    SegmentTable,
    difference,
    extents,
    no_pixels,
    packed,
    runs_of,
    segment_table,
    tight_box,
)
from napari_samstar.edits.split import pieces_by_line, pieces_by_points
from napari_samstar.edits.values import (
    MOST_LABEL,
    Add,
    Delete,
    Edit,
    Mask,
    Merge,
    Relabel,
    SetMaterial,
    SetStatus,
    Split,
)
from napari_samstar.labels import check_labels
from napari_samstar.types import SamStarError

__all__ = ["Step", "apply", "next_free", "own_labels", "plan"]

_Labels = NDArray[np.int32]


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


def apply(labels: NDArray[Any], edits: Iterable[Edit]) -> _Labels:
    """Correct a label image.

    Parameters
    ----------
    labels : (H, W) int
        0 is background; it is left as it is.
    edits : iterable of edits
        Carried out one after another.

    Returns
    -------
    (H, W) int32
        A new image.

    Raises
    ------
    SamStarError
        If `labels` is not a label image, or an edit cannot be carried out.
    """
    out = own_labels(labels)
    table = segment_table(out)
    free = max(table, default=0) + 1
    for edit in edits:
        delta = plan(out, table, edit, free).delta
        delta.write(out)
        delta.update(table)
        free = next_free(free, delta)
    return out


def next_free(free: int, delta: Delta) -> int:
    """First number that no segment ever had, once `delta` is done."""
    return max(free, max(delta.rows_after, default=0) + 1)


def own_labels(labels: NDArray[Any]) -> _Labels:
    """Contiguous copy of a label image, in 32 bits.

    Raises
    ------
    SamStarError
        If it is no label image, or a label does not fit.
    """
    labels = check_labels(labels)
    top = int(labels.max(initial=0))
    if top > MOST_LABEL:
        raise SamStarError(
            f"Label {top} is too large: renumber the labels to at most {MOST_LABEL}."
        )
    return np.array(labels, np.int32, order="C")


def plan(labels: _Labels, table: SegmentTable, edit: Edit, free: int) -> Step:
    """Find what an edit changes.

    Parameters
    ----------
    labels : (H, W) int32
        As it is now.
    table : mapping of label to Segment
        Its segments.
    edit : Edit
        What is wanted.
    free : int
        The first number that a new segment may have; the following ones are free as well.

    Raises
    ------
    SamStarError
        If it cannot be carried out: a segment is not there, a line does not cut, a mask is empty.
    """
    match edit:
        case Merge():
            return Step(edit, _merge(labels, table, edit))
        case Split():
            return _split(labels, table, edit, free)
        case Delete():
            rows = _rows(table, edit.labels)
            return Step(edit, _recolor(labels, rows, 0, {}))
        case Add():
            return _add(labels, table, edit, free)
        case Relabel():
            return Step(edit, _relabel(labels, table, edit))
        case SetMaterial():
            rows = _rows(table, edit.labels)
            new = {label: replace(row, material=edit.material) for label, row in rows.items()}
            return Step(edit, no_pixels(rows, new, _shape(labels)))
        case SetStatus():
            rows = _rows(table, edit.labels)
            new = {label: replace(row, status=edit.status) for label, row in rows.items()}
            return Step(edit, no_pixels(rows, new, _shape(labels)))


def _merge(labels: _Labels, table: SegmentTable, edit: Merge) -> Delta:
    rows = _rows(table, (edit.into, *edit.others))
    merged = Segment(
        sum(row.area for row in rows.values()),
        _around(row.box for row in rows.values()),
        next((row.material for row in rows.values() if row.material), 0),
        "reviewed",
    )
    delta = _recolor(labels, {k: rows[k] for k in edit.others}, edit.into, {edit.into: merged})
    return replace(delta, rows_before=rows)


def _relabel(labels: _Labels, table: SegmentTable, edit: Relabel) -> Delta:
    rows = _rows(table, (edit.label,))
    if edit.to in table:
        raise SamStarError(
            f"Segment {edit.to} exists already: choose another number, or merge the two."
        )
    return _recolor(labels, rows, edit.to, {edit.to: rows[edit.label]})


def _recolor(
    labels: _Labels, rows: SegmentTable, value: int, rows_after: Mapping[int, Segment]
) -> Delta:
    """Give all pixels of the segments `rows` the label `value`."""
    # one look at each segment's own box: together smaller than the box around all, mostly
    runs = [runs_of(labels, label, row.box) for label, row in rows.items()]
    starts, lengths = (np.concatenate(column) for column in zip(*runs, strict=True))
    before = np.repeat(np.array(list(rows), np.int32), [one.size for one, _ in runs])
    after = np.full(1, value, np.int32)
    return Delta(starts, lengths, packed(before), after, rows, rows_after, _shape(labels))


def _add(labels: _Labels, table: SegmentTable, edit: Add, free: int) -> Step:
    _check_size(edit.mask, labels)
    window, box = edit.mask.window()
    if not window.any():
        raise SamStarError("The mask is empty: there is nothing to add.")
    (label,) = _free(1, free) if edit.label is None else (edit.label,)
    old = table.get(label)
    before = labels[box[1] : box[3] + 1, box[0] : box[2] + 1]
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
    ys, xs = np.nonzero(wanted)
    gained = Segment(
        ys.size,
        (
            box[0] + int(xs.min()),
            box[1] + int(ys.min()),
            box[0] + int(xs.max()),
            box[1] + int(ys.max()),
        ),
        edit.material,
        "reviewed",
    )
    if old:
        gained = replace(
            old, area=old.area + gained.area, box=_around((old.box, gained.box)), status="reviewed"
        )
    victims = np.unique(before[wanted])
    rows = {k: table[k] for k in victims.tolist() if k}
    rest = _remainders(labels, rows, after, box)
    if old:
        rows[label] = old
    delta = _patch(labels, after, box, rows, {**rest, label: gained})
    return Step(replace(edit, label=label), delta)


def _split(labels: _Labels, table: SegmentTable, edit: Split, free: int) -> Step:
    rows = _rows(table, (edit.label,))
    row = rows[edit.label]
    x0, y0, x1, y1 = row.box
    before = labels[y0 : y1 + 1, x0 : x1 + 1]
    inside = before == edit.label
    if edit.parts:
        pieces = _pieces_by_masks(inside, row.box, edit.parts, labels, edit.label)
    elif edit.line:
        pieces = pieces_by_line(inside, [(x - x0, y - y0) for x, y in edit.line])
        if not pieces.any():
            raise SamStarError(
                f"The line does not cut segment {edit.label} in two: draw it from edge to edge."
            )
    else:
        for x, y in edit.points:
            if not _holds(inside, x - x0, y - y0):
                raise SamStarError(
                    f"The point ({x:g}, {y:g}) px is not in segment {edit.label}: click inside it."
                )
        pieces = pieces_by_points(inside, [(x - x0, y - y0) for x, y in edit.points])
        if not pieces.any():
            raise SamStarError("Both points lie on the same pixel: click one in each part.")
    count = int(pieces.max())
    new = edit.new or _free(count, free)
    if len(set(new)) != count:
        raise SamStarError(
            f"Segment {edit.label} falls into {count + 1} pieces: give {count} numbers, or none."
        )
    for value in new:
        if value in table:
            raise SamStarError(f"Segment {value} exists already: choose another number.")
    table_of_pieces = np.array([edit.label, *new], np.int32)
    after = np.where(inside, table_of_pieces[pieces], before)
    areas, boxes = extents(np.where(inside, pieces + np.int32(1), np.int32(0)), count + 1)
    rows_after = {
        label: Segment(
            area, (x0 + left, y0 + top, x0 + right, y0 + bottom), row.material, "reviewed"
        )
        for label, area, (left, top, right, bottom) in zip(
            (edit.label, *new), areas.tolist(), boxes.tolist(), strict=True
        )
    }
    parts = [
        Mask.of(
            pieces[top : bottom + 1, left : right + 1] == k, y0 + top, x0 + left, _shape(labels)
        )
        for k, (left, top, right, bottom) in enumerate(boxes.tolist())
        if k
    ]
    settled = Split(edit.label, parts=tuple(parts), new=tuple(new))
    return Step(settled, _patch(labels, after, row.box, rows, rows_after))


def _pieces_by_masks(
    inside: NDArray[np.bool_], box: Box, parts: Sequence[Mask], labels: _Labels, label: int
) -> NDArray[np.int32]:
    """Give each pixel the number of the mask that holds it, from 1; the last one counts."""
    pieces = np.zeros(inside.shape, np.int32)
    for k, part in enumerate(parts, 1):
        _check_size(part, labels)
        pieces[part.runs().window(0, box) & inside] = k
    held = np.bincount(pieces[inside], minlength=len(parts) + 1)
    if not held[1:].all():
        raise SamStarError(
            f"The mask holds no pixel of segment {label}: there is nothing to cut off."
        )
    if not held[0]:
        raise SamStarError(f"The mask holds all of segment {label}: nothing of it would be left.")
    return pieces


def _patch(
    labels: _Labels, after: _Labels, box: Box, rows: SegmentTable, rows_after: SegmentTable
) -> Delta:
    """Replace the labels inside `box`."""
    x0, y0, x1, y1 = box
    before = labels[y0 : y1 + 1, x0 : x1 + 1]
    starts, lengths, old, new = difference(before, after, y0, x0, labels.shape[1])
    return Delta(starts, lengths, packed(old), packed(new), rows, rows_after, _shape(labels))


def _remainders(
    labels: _Labels, rows: SegmentTable, after: _Labels, box: Box
) -> dict[int, Segment]:
    """Find what is left of segments once `box` holds `after`; those that vanish are left out."""
    before = labels[box[1] : box[3] + 1, box[0] : box[2] + 1]
    left = {}
    for label, row in rows.items():
        lost = int(np.count_nonzero((before == label) & (after != label)))
        if lost < row.area:
            x0, y0, x1, y1 = tight_box(labels, label, row.box, after, box[1], box[0])
            left[label] = replace(row, area=row.area - lost, box=(x0, y0, x1, y1))
    return left


def _rows(table: SegmentTable, labels: Iterable[int]) -> dict[int, Segment]:
    rows = {}
    for label in labels:
        if label not in table:
            raise SamStarError(
                f"There is no segment {label}: it was merged, deleted or never made."
            )
        rows[label] = table[label]
    return rows


def _free(count: int, free: int) -> tuple[int, ...]:
    if free + count - 1 > MOST_LABEL:
        raise SamStarError("No number is left for a new segment: renumber the labels first.")
    return tuple(range(free, free + count))


def _check_size(mask: Mask, labels: _Labels) -> None:
    if mask.shape != labels.shape:
        raise SamStarError(
            f"A mask of {mask.shape[1]} x {mask.shape[0]} px does not belong to a label image of "
            f"{labels.shape[1]} x {labels.shape[0]} px."
        )


def _holds(inside: NDArray[np.bool_], x: float, y: float) -> bool:
    column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
    height, width = inside.shape
    return 0 <= row < height and 0 <= column < width and bool(inside[row, column])


def _around(boxes: Iterable[Box]) -> Box:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _shape(labels: _Labels) -> tuple[int, int]:
    return int(labels.shape[0]), int(labels.shape[1])
