"""From an edit to the change it makes; nothing is changed here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.edits.checks import MOST_LABEL
from napari_samstar.edits.delta import (
    Delta,
    Look,
    Looks,
    Segment,
    SegmentTable,
    Step,
    around,
    no_pixels,
    packed,
    rows_of,
    segment_table,
    size_of,
)
from napari_samstar.edits.kernels import runs_of
from napari_samstar.edits.patch import add, paint, split
from napari_samstar.edits.values import (
    Add,
    ColorMaterial,
    Delete,
    Edit,
    Merge,
    NameMaterial,
    Paint,
    Relabel,
    SetMaterial,
    SetMaterials,
    SetStatus,
    Split,
)
from napari_samstar.labels import check_labels
from napari_samstar.types import SamStarError

__all__ = ["apply", "next_free", "own_labels", "plan"]

_Labels = NDArray[np.int32]


def apply(labels: NDArray[Any], edits: Edit | Iterable[Edit]) -> _Labels:
    """Correct a label image.

    Parameters
    ----------
    labels : (H, W) int
        0 is background; it is left as it is.
    edits : edit, or iterable of edits
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
    several = edits if isinstance(edits, Iterable) else (edits,)
    for edit in several:
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


def plan(
    labels: _Labels, table: SegmentTable, edit: Edit, free: int, looks: Looks | None = None
) -> Step:
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
    looks : mapping of material to Look, optional
        How materials are called now.

    Raises
    ------
    SamStarError
        If it cannot be carried out: a segment is not there, a line does not cut, a mask is empty.
    """
    match edit:
        case Merge():
            return Step(edit, _merge(labels, table, edit))
        case Split():
            return split(labels, table, edit, free)
        case Delete():
            rows = rows_of(table, edit.labels)
            return Step(edit, _recolor(labels, rows, 0, {}))
        case Add():
            return add(labels, table, edit, free)
        case Paint():
            return paint(labels, table, edit)
        case Relabel():
            return Step(edit, _relabel(labels, table, edit))
        case SetMaterial():
            rows = rows_of(table, edit.labels)
            new = {label: replace(row, material=edit.material) for label, row in rows.items()}
            return Step(edit, no_pixels(rows, new, size_of(labels)))
        case SetMaterials():
            rows = rows_of(table, edit.labels)
            of = dict(zip(edit.labels, edit.materials, strict=True))
            new = {label: replace(row, material=of[label]) for label, row in rows.items()}
            return Step(edit, no_pixels(rows, new, size_of(labels)))
        case NameMaterial():
            change = _relook(looks or {}, edit.material, size_of(labels), name=edit.name)
            return Step(edit, change)
        case ColorMaterial():
            change = _relook(looks or {}, edit.material, size_of(labels), color=edit.color)
            return Step(edit, change)
        case SetStatus():
            rows = rows_of(table, edit.labels)
            new = {label: replace(row, status=edit.status) for label, row in rows.items()}
            return Step(edit, no_pixels(rows, new, size_of(labels)))
        case _:
            raise SamStarError(f"{str(edit)[:60]} is not a correction, such as Merge(3, 7).")


def _merge(labels: _Labels, table: SegmentTable, edit: Merge) -> Delta:
    rows = rows_of(table, (edit.into, *edit.others))
    merged = Segment(
        sum(row.area for row in rows.values()),
        around(row.box for row in rows.values()),
        next((row.material for row in rows.values() if row.material), 0),
        "reviewed",
    )
    delta = _recolor(labels, {k: rows[k] for k in edit.others}, edit.into, {edit.into: merged})
    return replace(delta, rows_before=rows)


def _relook(looks: Looks, material: int, shape: tuple[int, int], **said: str) -> Delta:
    before = looks.get(material, Look())
    after = replace(before, **said)
    return replace(
        no_pixels({}, {}, shape),
        looks_before={} if before == Look() else {material: before},
        looks_after={} if after == Look() else {material: after},
    )


def _relabel(labels: _Labels, table: SegmentTable, edit: Relabel) -> Delta:
    rows = rows_of(table, (edit.label,))
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
    return Delta(starts, lengths, packed(before), after, rows, rows_after, size_of(labels))
