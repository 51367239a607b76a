"""The last step: the table linked with the picture, histograms, and export with the recipe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QApplication, QComboBox, QFileDialog, QGridLayout, QPushButton

from napari_samstar._widgets.clicks import on_click
from napari_samstar._widgets.context import EVERYTHING
from napari_samstar._widgets.dock import Dock
from napari_samstar._widgets.highlight import highlight
from napari_samstar._widgets.outputs import OBJECTS
from napari_samstar._widgets.replacing import Replacing
from napari_samstar._widgets.table_view import TableView, header
from napari_samstar.session import OpenImage
from napari_samstar.types import SamStarError

if TYPE_CHECKING:
    import pandas as pd

    from napari_samstar.measurements.histogram import Family, Fit

__all__ = ["MeasureDock"]

_NOT_MEASURES = ("label", "centroid", "touches_border")
_FAMILIES = {
    "usual": "the one that suits",
    "none": "no fit",
    "normal": "normal",
    "lognormal": "log-normal",
}


class MeasureDock(Dock):
    """Shows what was measured, and gives it away."""

    title = "Measure"
    tip = "The table of objects, linked with the picture; histograms; export with the recipe."

    def build(self) -> None:
        """Make the widgets."""
        self._unwatch: Callable[[], None] | None = None
        self._stale = True
        self._plot: Any = None  # pyqtgraph is loaded with the first table
        self._found = self.note("Nothing is segmented yet.")
        self.body.addWidget(self._found)
        form = self.form()
        self._column = QComboBox()
        self._column.setToolTip("Measure whose histogram is drawn; objects at the border stay out.")
        self._column.currentIndexChanged.connect(self._draw)
        self.needs(self._column, _has_result)
        # long names must neither be cut nor make the page wide
        self._column.setMinimumContentsLength(23)
        self._column.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        form.addRow("Histogram of", self._column)
        self._family = QComboBox()
        for value, text in _FAMILIES.items():
            self._family.addItem(text, value)
        self._family.setToolTip(
            "Curve over the bars, fitted to the objects that the bars count. Sizes of particles, "
            "grains and pores are often log-normal: many small ones, few large ones."
        )
        self._family.currentIndexChanged.connect(self._draw)
        self.needs(self._family, _has_result)
        form.addRow("Fit", self._family)
        self._plot_at = self.body.count()
        self._fitted = self.note()
        self._fitted.hide()
        self.body.addWidget(self._fitted)
        self._shown = self.note()
        self.body.addWidget(self._shown)
        self.table = TableView()
        self.table.chosen.connect(self._on_rows)
        self.table.setMinimumHeight(120)
        self.body.addWidget(self.table, 1)

        buttons = QGridLayout()
        for place, (text, tip, slot, condition, idle) in enumerate(
            (
                (
                    "Copy table",
                    "Copies the rows that are shown, to paste into a spreadsheet.",
                    self.copy,
                    _has_result,
                    False,
                ),
                (
                    "Export ...",
                    "Writes label image, table, summary, COCO masks, overlay and recipe into a "
                    "folder; the label image opens calibrated in Fiji.",
                    self._ask_folder,
                    _has_result,
                    True,
                ),
                (
                    "Repeat a recipe ...",
                    "Opens a .recipe.json from an export, takes over all its settings, and "
                    "segments this image in the same way.",
                    self._ask_recipe,
                    None,
                    True,
                ),
            )
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(slot)
            self.needs(button, condition, idle)
            buttons.addWidget(button, place // 2, place % 2)
        self.body.addLayout(buttons)
        self.replacing = Replacing(self.context)
        self.needs(self.replacing, idle=True)
        self.body.addWidget(self.replacing)

    def sizeHint(self) -> QSize:
        """Ask for a table of some rows."""
        return QSize(360, 480)

    def refresh(self, image: OpenImage | None, names: frozenset[str]) -> None:
        """Show the table of the image's result."""
        if "result" not in names:
            return
        self._stale = not self.isVisible()
        if self._stale:  # a table that nobody sees costs nothing
            return
        result = None if image is None else image.state.result
        table = None if result is None else result.table
        chosen = self._column.currentData()
        self.table.rows.set_table(table)
        self.table.resizeColumnsToContents()
        self._found.setText(
            "Nothing is segmented yet." if result is None else self.context.headline(result)
        )
        self._column.blockSignals(True)
        self._column.clear()
        if table is not None:
            units = table.attrs.get("units", {})
            for name in table.columns:
                if not name.startswith(_NOT_MEASURES):
                    self._column.addItem(header(name, units.get(name, "")), name)
            # the same measure may have another unit now
            stem = "equivalent_diameter" if chosen is None else chosen.rsplit("_", 1)[0]
            names_of = [self._column.itemData(k) for k in range(self._column.count())]
            wanted = chosen if chosen in names_of else None
            wanted = wanted or next((n for n in names_of if n.startswith(stem)), names_of[0])
            self._column.setCurrentIndex(names_of.index(wanted))
        self._column.blockSignals(False)
        self._draw()

    def copy(self) -> None:
        """Copy the rows that are shown."""
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.table.rows.text())
            show_info(f"{self.table.rows.rowCount()} rows copied.")

    def export(self, folder: str | Path) -> None:
        """Write everything into `folder`."""
        image = self.image
        if image is None:
            return
        corrections = image.state.corrections
        version = None if corrections is None else corrections.version

        def done(files: dict[str, Path]) -> None:
            if corrections is not None and corrections.version == version:
                corrections.exported(str(folder))
            show_info(f"{len(files)} files written to {folder}.")

        self.context.jobs.start(
            f"Exporting {image.state.source.name}", image.export_steps(folder), done=done
        )

    def repeat(self, path: str | Path) -> None:
        """Segment the image as a recipe says."""
        from napari_samstar.recipe import Recipe

        image = self.image
        if image is None:
            return
        try:
            recipe = Recipe.read(path)
        except SamStarError as err:
            show_error(str(err))
            return

        def repeat() -> None:
            image.use_recipe(recipe)
            self.run("Repeating a recipe on", OpenImage.repeat_steps)

        self.replacing.ask(image, "The recipe makes new objects.", "Repeat it", repeat)

    def pick(self, position: tuple[float, ...]) -> None:
        """Select the row of the object at a position of the world."""
        image = self.image
        layer = None if image is None else self.context.outputs.layer(image, OBJECTS)
        if image is None or layer is None:
            return
        value = layer.get_value(position, world=True)
        labels = [int(value)] if value else []
        self.table.choose(labels)
        highlight(self.context, image, labels)

    def showEvent(self, event: Any) -> None:
        """Take clicks while the table is seen."""
        super().showEvent(event)
        if self._stale:
            self.refresh(self.image, EVERYTHING)
        if self._unwatch is None:
            self._unwatch = on_click(self.context.viewer, self.pick, plain=True)

    def hideEvent(self, event: Any) -> None:
        """Leave clicks alone while the table is not seen."""
        super().hideEvent(event)
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None

    def _on_rows(self, labels: list[int]) -> None:
        if self.image is not None:
            highlight(self.context, self.image, labels)

    def _draw(self) -> None:
        image, column = self.image, self._column.currentData()
        result = None if image is None else image.state.result
        if self._plot is not None:
            self._plot.setVisible(result is not None)
        self._fitted.setVisible(result is not None)
        if result is None or column is None:
            self._shown.clear()
            return
        from napari_samstar.measurements.histogram import histogram

        if self._plot is None:
            from napari_samstar._widgets.histogram_plot import HistogramPlot

            self._plot = HistogramPlot()
            self._plot.range_changed.connect(self._filter)
            self.body.insertWidget(self._plot_at, self._plot)
            self.order_tabs()
        fitted, sentence = _fit(result.table, column, self._family.currentData())
        self._plot.show_histogram(histogram(result.table, column), fitted)
        self._fitted.setText(sentence)
        self._fitted.setVisible(bool(sentence))
        self._filter(None, None)

    def _filter(self, low: float | None, high: float | None) -> None:
        image, column = self.image, self._column.currentData()
        result = None if image is None else image.state.result
        if result is None or column is None:
            return
        values = result.table[column].to_numpy(np.float64)
        kept = np.ones(len(values), np.bool_)
        if low is not None and high is not None:
            kept = (values >= low) & (values <= high)
        self.table.rows.keep(kept)
        if kept.all():
            self._shown.setText(f"All {len(kept)} objects.")
        else:
            name, _, unit = self._column.currentText().partition(", ")
            limits = f"from {low:.4g} to {high:.4g} {unit}".rstrip()
            self._shown.setText(f"{kept.sum()} of {len(kept)} objects: {name} {limits}.")

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self, "Folder to export into")
        if folder:
            self.export(folder)

    def _ask_recipe(self) -> None:
        path, _ = QFileDialog.getOpenFileName(
            self, "Recipe to repeat", "", "Recipes (*.recipe.json);;All files (*)"
        )
        if path:
            self.repeat(path)


def _has_result(image: OpenImage) -> bool:
    return image.state.result is not None


def _fit(table: pd.DataFrame, column: str, choice: str) -> tuple[Fit | None, str]:
    """Fit what was chosen, and say what came of it; nothing where nothing is fitted."""
    from napari_samstar.measurements.histogram import fit, usual_family

    choices: dict[str, Family | None] = {
        "usual": usual_family(table, column),
        "normal": "normal",
        "lognormal": "lognormal",
    }
    family = choices.get(choice)
    if family is None:
        return None, ""
    try:
        fitted = fit(table, column, family)
    except SamStarError as err:
        return None, str(err)
    _, _, unit = header(column, fitted.unit).partition(", ")
    center = f"{_digits(fitted.center)} {unit}".rstrip()
    if family == "normal":
        spread = f"{_digits(fitted.spread)} {unit}".rstrip()
        found = f"Normal, n = {fitted.n}: mean {center}, standard deviation {spread}."
    else:
        found = (
            f"Log-normal, n = {fitted.n}: median {center}, "
            f"geometric standard deviation {_digits(fitted.spread)}."
        )
    return fitted, found


def _digits(value: float) -> str:
    return f"{float(f'{value:.3g}'):g}"  # 1000, not 1e+03
