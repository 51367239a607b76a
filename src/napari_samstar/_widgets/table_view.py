"""A table of objects: sorted by any column, filtered by one, copied as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, Qt
from qtpy.QtWidgets import QAbstractItemView, QTableView

from napari_samstar._widgets.qt import Signal

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TableModel", "TableView", "header"]

_MEANINGS = {
    "label": "Number of the object in the label image.",
    "area": "Area.",
    "equivalent_diameter": "Diameter of the disc of the same area.",
    "feret_max": "Largest caliper width.",
    "feret_min": "Smallest caliper width.",
    "perimeter": "Length of the outline, holes included.",
    "circularity": "4 pi area / perimeter^2: 1 for a disc, less for anything else.",
    "aspect_ratio": "Long over short axis.",
    "solidity": "Share of the convex hull that the object fills.",
    "orientation": "Long axis against the rows, counter-clockwise.",
    "mean_intensity": "Mean of the intensities as read.",
    "integrated_intensity": "Sum of the intensities as read.",
    "nearest_neighbor_distance": "Distance to the nearest other object, center to center.",
    "centroid": "Position of the center, from the upper left corner.",
    "touches_border": "The frame may cut it: it stays out of statistics and histogram.",
}
_TopLevel = QModelIndex()


def header(column: str, unit: str) -> str:
    """Write a column's name for people: "equivalent diameter, nm"."""
    plain = unit.replace("um", "µm").replace("2", "²") if unit != "deg" else "°"
    suffix = "_" + unit
    name = column.removesuffix(suffix) if unit else column
    name = name.replace("_", " ")
    return f"{name}, {plain}" if unit and unit != "as read" else name


class TableModel(QAbstractTableModel):
    """Rows of a DataFrame, sorted and filtered by numpy."""

    def __init__(self) -> None:
        super().__init__()
        self._columns: list[NDArray[Any]] = []
        self._names: list[str] = []
        self._headers: list[str] = []
        self._sort: tuple[int, bool] = (0, True)
        self._kept: NDArray[np.bool_] = np.zeros(0, np.bool_)
        #: Rows of the table in the order shown.
        self.order: NDArray[np.intp] = np.zeros(0, np.intp)

    def set_table(self, table: pd.DataFrame | None) -> None:
        """Show another table, all rows of it."""
        self.beginResetModel()
        units = {} if table is None else table.attrs.get("units", {})
        self._names = [] if table is None else [str(name) for name in table.columns]
        self._columns = [] if table is None else [table[name].to_numpy() for name in self._names]
        self._headers = [header(name, units.get(name, "")) for name in self._names]
        self._kept = np.ones(0 if table is None else len(table), np.bool_)
        self._order()
        self.endResetModel()

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Show only these rows."""
        self.layoutAboutToBeChanged.emit()
        self._kept = kept
        self._order()
        self.layoutChanged.emit()

    def label(self, row: int) -> int:
        """Return the object of a row that is shown."""
        return int(self._columns[self._names.index("label")][self.order[row]])

    def row(self, label: int) -> int | None:
        """Return the shown row of an object."""
        if not self._names:
            return None
        labels = self._columns[self._names.index("label")][self.order]
        found = np.flatnonzero(labels == label)
        return int(found[0]) if found.size else None

    def text(self) -> str:
        """Return the shown rows as tab-separated text, the column names first."""
        lines = ["\t".join(self._names)]
        for row in self.order:
            lines.append("\t".join(str(column[row]) for column in self._columns))
        return "\n".join(lines) + "\n"

    def sort(self, column: int, order: Any = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column."""
        self.layoutAboutToBeChanged.emit()
        self._sort = (column, order == Qt.SortOrder.AscendingOrder)
        self._order()
        self.layoutChanged.emit()

    def _order(self) -> None:
        rows = np.flatnonzero(self._kept)
        column, ascending = self._sort
        if 0 <= column < len(self._columns):
            values = self._columns[column][rows].astype(np.float64)
            rows = rows[np.argsort(values if ascending else -values, kind="stable")]
        self.order = rows

    def rowCount(self, parent: QModelIndex = _TopLevel) -> int:
        """Rows that are shown."""
        return 0 if parent.isValid() else len(self.order)

    def columnCount(self, parent: QModelIndex = _TopLevel) -> int:
        """Columns."""
        return 0 if parent.isValid() else len(self._columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text of a cell, four digits of it."""
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        value = self._columns[index.column()][self.order[index.row()]]
        if isinstance(value, np.bool_ | bool):
            return "yes" if value else ""
        if isinstance(value, np.floating | float):
            return "" if np.isnan(value) else f"{value:.4g}"
        return str(value)

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> Any:
        """Names of the columns, and what they mean."""
        if orientation != Qt.Orientation.Horizontal or section >= len(self._names):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._headers[section].replace(" ", "\n")
        if role == Qt.ItemDataRole.ToolTipRole:
            name = self._names[section]
            return next((text for key, text in _MEANINGS.items() if name.startswith(key)), name)
        return None


class TableView(QTableView):
    """Shows a `TableModel`, whole rows at a time."""

    #: Objects whose rows a person has selected.
    chosen = Signal(list)

    def __init__(self) -> None:
        super().__init__()
        self.rows = TableModel()
        self.setModel(self.rows)
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setTabKeyNavigation(False)
        columns = self.horizontalHeader()
        if columns is not None:
            columns.setResizeContentsPrecision(30)  # rows that widths are taken of
        self.setToolTip(
            "One row for each object. Select rows to see them outlined; click an object in the "
            "picture to find its row; click a heading to sort."
        )
        vertical = self.verticalHeader()
        if vertical is not None:
            vertical.hide()
            vertical.setDefaultSectionSize(22)
        self._silent = False
        self._chosen: list[int] = []
        self._selection().selectionChanged.connect(self._on_selected)
        # objects stay selected, wherever sorting and filtering puts their rows
        self.rows.layoutAboutToBeChanged.connect(self._remember)
        self.rows.layoutChanged.connect(lambda: self.choose(self._chosen, scroll=False))

    def choose(self, labels: list[int], scroll: bool = True) -> None:
        """Select the rows of these objects and no others; nothing is told."""
        self._silent = True
        self.clearSelection()
        found = [self.rows.row(label) for label in labels]
        indices = [self.rows.index(row, 0) for row in found if row is not None]
        flags = QItemSelectionModel.SelectionFlag
        for index in indices:
            self._selection().setCurrentIndex(index, flags.Select | flags.Rows)
        if indices and scroll:
            self.scrollTo(indices[0])
        self._silent = False

    def labels(self) -> list[int]:
        """Return the objects whose rows are selected."""
        return [self.rows.label(index.row()) for index in self._selection().selectedRows()]

    def _remember(self) -> None:
        self._chosen = self.labels()

    def _selection(self) -> QItemSelectionModel:
        found = self.selectionModel()
        assert found is not None
        return found

    def _on_selected(self, *_: Any) -> None:
        if not self._silent:
            self.chosen.emit(self.labels())
