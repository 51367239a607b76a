"""Corrections of a label image, as values: applied, undone, redone, and kept in a journal."""

from napari_samstar.edits.delta import Delta, Segment, SegmentTable, Step, segment_table
from napari_samstar.edits.history import Editor, History
from napari_samstar.edits.journal import Journal
from napari_samstar.edits.mask import Mask
from napari_samstar.edits.patch import painted
from napari_samstar.edits.plan import apply
from napari_samstar.edits.recovery import (
    Recoverable,
    discard,
    journals_folder,
    recover,
    restore,
    start,
)
from napari_samstar.edits.review import review_order
from napari_samstar.edits.values import (
    Add,
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
    Status,
)

__all__ = [
    "Add",
    "Delete",
    "Delta",
    "Edit",
    "Editor",
    "History",
    "Journal",
    "Mask",
    "Merge",
    "NameMaterial",
    "Paint",
    "Recoverable",
    "Relabel",
    "Segment",
    "SegmentTable",
    "SetMaterial",
    "SetMaterials",
    "SetStatus",
    "Split",
    "Status",
    "Step",
    "apply",
    "discard",
    "journals_folder",
    "painted",
    "recover",
    "restore",
    "review_order",
    "segment_table",
    "start",
]
