"""The table of materials: color, name, number of objects, share of the area, confidence."""

from __future__ import annotations

import math
from collections.abc import Sequence

from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QIcon, QMouseEvent, QPixmap
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
)

from napari_samstar._widgets.qt import Signal
from napari_samstar.session.materials import MaterialRow

__all__ = ["MaterialsTable", "swatch"]

_SIDE = 14  # of a square of color, screen px
_BESIDE = 6  # left and right of it, screen px


def swatch(color: str) -> QIcon:
    """Square of a color, "#rrggbb"."""
    square = QPixmap(_SIDE, _SIDE)
    square.fill(QColor(color))
    return QIcon(square)


class MaterialsTable(QTableWidget):
    """One row for each material, the undecided objects last."""

    #: A material's number, and the name that it was given.
    renamed = Signal(int, str)
    #: A material's number, and the color that it was given, "#rrggbb".
    recolored = Signal(int, str)
    #: Numbers of the materials whose rows are selected.
    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__(0, 4)
        self.setHorizontalHeaderLabels(["material", "objects", "% of area", "% sure"])
        self.setToolTip(
            "Select a row to see its objects outlined; double-click a name, or the square of "
            "its color, to change it; select several with Ctrl to make them one."
        )
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setMinimumHeight(110)
        down = self.verticalHeader()
        if down is not None:
            down.hide()
        across = self.horizontalHeader()
        if across is not None:
            across.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            across.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._rows: tuple[MaterialRow, ...] = ()
        self._writing = False
        self._typed = False
        self.itemChanged.connect(self._on_changed)
        self.itemSelectionChanged.connect(self._on_selected)

    def show_rows(self, rows: Sequence[MaterialRow]) -> None:
        """Show these materials; the rows selected stay selected where they still are."""
        if tuple(rows) == self._rows and not self._typed:
            return
        chosen = self.materials()
        self._writing = True
        self._typed = False
        self._rows = tuple(rows)
        self.setRowCount(len(rows))
        self.clearSelection()
        for place, row in enumerate(rows):
            self._fill(place, row)
            if row.material in chosen:
                for column in range(self.columnCount()):
                    item = self.item(place, column)
                    if item is not None:
                        item.setSelected(True)
        self._writing = False

    def rows(self) -> tuple[MaterialRow, ...]:
        """Return what is shown."""
        return self._rows

    def materials(self) -> list[int]:
        """Numbers of the materials whose rows are selected, from top to bottom."""
        places = sorted({item.row() for item in self.selectedItems()})
        return [self._rows[place].material for place in places if place < len(self._rows)]

    def choose(self, material: int) -> None:
        """Select the row of one material."""
        for place, row in enumerate(self._rows):
            if row.material == material:
                self.selectRow(place)

    def mouseDoubleClickEvent(self, event: QMouseEvent | None) -> None:
        """Ask for a color where the square of one is; else edit the name."""
        if event is not None:
            place = event.position().toPoint()
            item = self.itemAt(place)
            if item is not None and item.column() == 0:
                material = self._rows[item.row()].material
                if material and place.x() < self.visualItemRect(item).left() + _SIDE + _BESIDE:
                    self._ask_color(self._rows[item.row()])
                    return
        super().mouseDoubleClickEvent(event)

    def _ask_color(self, row: MaterialRow) -> None:
        dialog = QColorDialog(QColor(row.color), self)
        dialog.setWindowTitle(f"Color of {row.name}")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.colorSelected.connect(lambda color: self.recolored.emit(row.material, color.name()))
        dialog.open()

    def _fill(self, place: int, row: MaterialRow) -> None:
        name = QTableWidgetItem(swatch(row.color), row.name)
        sure = "" if math.isnan(row.confidence) else f"{100 * row.confidence:.0f}"
        numbers = (str(len(row.labels)), f"{100 * row.share:.1f}", sure)
        for column, item in enumerate((name, *map(QTableWidgetItem, numbers))):
            if column:
                item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            if column or not row.material:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
            self.setItem(place, column, item)

    def _on_changed(self, item: QTableWidgetItem) -> None:
        if not self._writing and item.column() == 0:
            self._typed = True  # it may be refused
            self.renamed.emit(self._rows[item.row()].material, item.text().strip())

    def _on_selected(self) -> None:
        if not self._writing:
            self.chosen.emit(self.materials())
