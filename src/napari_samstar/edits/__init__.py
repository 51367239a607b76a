"""Corrections of a label image, as values: applied, undone, redone, and kept in a journal."""

from napari_samstar.edits.delta import (
    Delta,
    Look,
    Looks,
    Segment,
    SegmentTable,
    Step,
    looks_of,
    segment_table,
)
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
    Status,
)

__all__ = [
    "Add",
    "ColorMaterial",
    "Delete",
    "Delta",
    "Edit",
    "Editor",
    "History",
    "Journal",
    "Look",
    "Looks",
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
    "looks_of",
    "painted",
    "recover",
    "restore",
    "review_order",
    "segment_table",
    "start",
]
