"""What the objects are made of: found by texture or by examples, listed, named, set by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize
from qtpy.QtWidgets import QComboBox, QGridLayout, QPushButton

from napari_samstar._widgets.boost_form import BoostForm
from napari_samstar._widgets.context import EVERYTHING
from napari_samstar._widgets.dock import Dock
from napari_samstar._widgets.gestures import watch
from napari_samstar._widgets.highlight import highlight
from napari_samstar._widgets.layers import label_colors, material_colors
from napari_samstar._widgets.materials_table import MaterialsTable, swatch
from napari_samstar._widgets.outputs import OBJECTS
from napari_samstar._widgets.replacing import Replacing
from napari_samstar.edits.values import Edit, SetMaterial, SetMaterials
from napari_samstar.session import OpenImage
from napari_samstar.session.corrections import Corrections
from napari_samstar.session.materials import (
    color_of,
    coloring,
    examples,
    material_rows,
    materials_now,
    naming,
    one_material,
    sureness_of,
)
from napari_samstar.settings import BoostSettings
from napari_samstar.types import SamStarError

__all__ = ["MaterialsDock"]

_CLEANING = (
    "Drops ambiguous masks, gives each pixel to one object, and finds materials. The objects are "
    "made anew, so do it before you correct them."
)


class MaterialsDock(Dock):
    """Finds materials, and lists them."""

    title = "Materials"
    tip = "Which objects are of the same material, by their texture or by your examples."

    def build(self) -> None:
        """Make the widgets."""
        self._unwatch: Callable[[], None] | None = None
        self._colored: OpenImage | None = None
        self._shown_which: list[tuple[int, str, str]] = []
        self._colors: tuple[Any, dict[int, str]] = (None, {})
        self.settings = BoostForm()
        self.settings.changed.connect(self._on_settings)
        self.needs(self.settings)
        self.body.addWidget(self.settings)
        self._build_buttons()
        self._found = self.note()
        self.body.addWidget(self._found)
        self.table = MaterialsTable()
        self.table.renamed.connect(self._on_renamed)
        self.table.recolored.connect(self._on_recolored)
        self.table.chosen.connect(self._on_chosen)
        self.body.addWidget(self.table, 1)
        self._build_edits()
        correcting = self.context.correcting
        correcting.edited.connect(self._on_edited)
        correcting.said.connect(self._say)

    def sizeHint(self) -> QSize:
        """Ask for a table of some rows."""
        return QSize(340, 480)

    def _build_buttons(self) -> None:
        row = QGridLayout()
        self._clean = _button("Clean up and sort", _CLEANING, self.clean)
        self.needs(self._clean, _has_masks, idle=True)
        self._sort = _button(
            "Sort only",
            "Finds the materials of the objects as they are. Outlines stay, and Undo takes it "
            "back.",
            self.sort,
        )
        self.needs(self._sort, _has_objects, idle=True)
        row.addWidget(self._clean, 0, 0)
        row.addWidget(self._sort, 0, 1)
        self.body.addLayout(row)
        self.replacing = Replacing(self.context)
        self.needs(self.replacing, idle=True)
        self.body.addWidget(self.replacing)

    def _build_edits(self) -> None:
        grid = QGridLayout()
        self._mark = _button(
            "Click objects of:",
            "While it is pressed, each object that you click is of the material beside it, and "
            "an example of it.",
        )
        self._mark.setCheckable(True)
        self._mark.toggled.connect(lambda _: self._show_text(self.image))
        self._which = QComboBox()
        self._which.setToolTip("The material of the objects that you click.")
        self.needs(self._mark, _has_objects)
        self.needs(self._which, _has_objects)
        self._like = _button(
            "Sort others like these",
            "Finds the materials of all other objects as your examples show them. A few of each "
            "material are enough.",
            self.sort_like,
        )
        self.needs(self._like, _has_examples, idle=True)
        self._one = _button(
            "Make one material",
            "Makes one material of those whose rows are selected; the first name stays.",
            self.merge,
        )
        self.needs(self._one, lambda image: len(self.table.materials()) > 1)
        undo = _button("Undo", "Takes the last correction back.", self._undo)
        self.needs(undo, lambda image: bool(_done(image)))
        for place, widget in enumerate((self._mark, self._which, self._like, self._one)):
            grid.addWidget(widget, place // 2, place % 2)
        grid.addWidget(undo, 2, 1)
        self.body.addLayout(grid)

    # what is shown

    def refresh(self, image: OpenImage | None, names: frozenset[str]) -> None:
        """Show the settings and what was found."""
        if image is not None and "settings" in names:
            self.settings.set_value(image.state.settings.boost or BoostSettings())
        if names & {
            "result",
            "corrections",
            "sureness",
            "material_names",
            "material_colors",
            "source",
        }:
            self._show(image)

    def showEvent(self, event: Any) -> None:
        """Color the objects by their material, and take clicks, while the page is seen."""
        super().showEvent(event)
        if self._unwatch is None:
            self._unwatch = watch(self.context.viewer, self)
        self.refresh(self.image, EVERYTHING)

    def hideEvent(self, event: Any) -> None:
        """Give the objects their own colors back."""
        super().hideEvent(event)
        if self._unwatch is not None:
            self._unwatch()
            self._unwatch = None
        self._mark.setChecked(False)
        if not self.context.is_closed:
            self._uncolor(self._colored)

    # what the buttons do

    def clean(self) -> None:
        """Clean up the masks, and find materials; asks where corrections would be replaced."""
        image = self.image
        if image is not None:

            def clean() -> None:
                self.run("Cleaning up", OpenImage.boost_steps)

            self.replacing.ask(image, "The objects are made anew.", "Clean up anew", clean)

    def sort(self) -> None:
        """Find the materials of the objects as they are."""
        self._find("Sorting", OpenImage.sort_steps)

    def sort_like(self) -> None:
        """Find materials as the examples show them."""
        self._find("Sorting", OpenImage.sort_like_steps)

    def merge(self) -> None:
        """Make the materials one whose rows are selected."""
        image, chosen = self.image, self.table.materials()
        if image is not None:
            self._do(image, lambda _: one_material(image.state, chosen))

    def _find(self, title: str, make: Callable[[OpenImage], Any]) -> None:
        image = self.image
        if image is None:
            return
        try:
            steps = make(image)
        except SamStarError as err:
            self._say(str(err))
            return

        def done(changes: Mapping[str, Any]) -> None:
            found: SetMaterials = changes["edit"]

            def edit(corrections: Corrections) -> SetMaterials | None:
                pairs = zip(found.labels, found.materials, strict=True)
                still = {label: m for label, m in pairs if label in corrections.table}
                return SetMaterials(still) if still else None

            self._do(image, edit, sureness=changes["sureness"])

        name = image.state.source.name
        self.context.jobs.start(f"{title} {name}", steps, done=done, owner=image)

    def _do(
        self, image: OpenImage, edit: Callable[[Corrections], Edit | None], **changes: Any
    ) -> None:
        """Make a correction, after beginning where that is not done."""

        def now() -> None:
            if self.context.correcting.do(image, edit) is not None:
                image.update(**changes)
            elif image is self.image:
                self.table.show_rows(material_rows(image.state))  # whatever was typed

        self.context.correcting.begin(image, now)

    def _undo(self) -> None:
        if self.image is not None:
            self.context.correcting.undo(self.image)

    # clicks

    def grabs(self) -> bool:
        """Strokes move the picture."""
        return False

    def drawing(self, line: NDArray[np.float64]) -> None:
        """Nothing is drawn here."""

    def drawn(self, line: NDArray[np.float64]) -> None:
        """Nothing is drawn here."""

    def clicked(self, position: NDArray[np.float64], plain: bool) -> None:
        """Say of which material the object is, or show it."""
        image = self.image
        if image is None or image.state.result is None:
            return
        x, y = self.context.outputs.places(image, position[None])[0]
        if not self._mark.isChecked():
            label = self.context.outputs.label_at(image, x, y)
            if label:
                self.table.choose(materials_now(image.state).get(label, 0))
            return
        number = self._which.currentData() if plain else 0

        def edit(corrections: Corrections) -> Edit:
            label = corrections.at(x, y)
            if not label:
                raise SamStarError("There is no object: click into one.")
            return SetMaterial(label, int(number))

        self._do(image, edit)

    # parts of what is shown

    def _show(self, image: OpenImage | None) -> None:
        if not self.isVisible():
            return
        rows = [] if image is None else material_rows(image.state)
        self.table.show_rows(rows)
        self._show_which()
        self._show_text(image)
        reason = "" if image is None else _why_not_clean(image)
        self._clean.setToolTip(f"{_CLEANING} {reason}".strip())
        self._color(image)
        self._on_busy()

    def _show_which(self) -> None:
        known = [row.material for row in self.table.rows() if row.material]
        numbers = [*known, max(known, default=0) + 1]
        names = [row.name for row in self.table.rows() if row.material] + ["new material"]
        colors = [row.color for row in self.table.rows() if row.material] + [color_of(numbers[-1])]
        wanted = list(zip(numbers, names, colors, strict=True))
        if wanted == self._shown_which:
            return
        self._shown_which = wanted
        before = self._which.currentData()
        self._which.clear()
        for number, name, color in wanted:
            self._which.addItem(swatch(color), name, number)
        self._which.setCurrentIndex(max(self._which.findData(before), 0))

    def _show_text(self, image: OpenImage | None) -> None:
        if image is None or image.state.result is None:
            self._found.setText("Nothing is segmented yet.")
            return
        if self._mark.isChecked():
            count = len(examples(image.state.corrections))
            self._found.setText(
                f"{count} example{'' if count == 1 else 's'}. Click objects; Shift-click: unknown."
            )
            return
        rows = self.table.rows()
        why = [reason] if (reason := _why_not_clean(image)) else []
        if not rows:
            self._found.setText(" ".join(["No materials were looked for yet.", *why]))
            return
        known = sureness_of(image.state)
        parts = [] if known is None else [known.sentence]
        left = sum(len(row.labels) for row in rows if not row.material)
        if left:
            parts.append(f"{left} object{'' if left == 1 else 's'} undecided, in white.")
        self._found.setText(" ".join([*parts, *why]))

    def _color(self, image: OpenImage | None) -> None:
        """Give each object the color of its material while the page is seen."""
        if self._colored is not None and self._colored is not image:
            self._uncolor(self._colored)
        layer = None if image is None else self.context.outputs.layer(image, OBJECTS)
        rows = self.table.rows()
        if layer is None or not rows:
            self._uncolor(self._colored)
            return
        wanted = {label: row.color for row in rows for label in row.labels}
        self._colored = image
        if layer.colormap is self._colors[0] and wanted == self._colors[1]:
            return  # napari would paint all of it anew
        layer.colormap = material_colors(wanted)
        self._colors = layer.colormap, wanted

    def _uncolor(self, image: OpenImage | None) -> None:
        layer = None if image is None else self.context.outputs.layer(image, OBJECTS)
        if layer is not None:
            layer.colormap = label_colors()
        self._colored = None

    def _say(self, sentence: str) -> None:
        if sentence and self.isVisible():
            self._found.setText(f"<b>{sentence}</b>")

    # what happens

    def _on_edited(self, image: OpenImage) -> None:
        if image is self.image:
            self._show(image)

    def _on_renamed(self, material: int, name: str) -> None:
        image = self.image
        if image is not None and material:
            self._do(image, lambda _: naming(image.state, material, name))

    def _on_recolored(self, material: int, color: str) -> None:
        image = self.image
        if image is not None and material:
            self._do(image, lambda _: coloring(image.state, material, color))

    def _on_chosen(self, materials: list[int]) -> None:
        image = self.image
        if image is None:
            return
        labels = [k for row in self.table.rows() if row.material in materials for k in row.labels]
        highlight(self.context, image, labels)
        self._on_busy()

    def _on_settings(self, settings: BoostSettings) -> None:
        if self.image is not None:
            self.image.set_settings(boost=settings)


def _done(image: OpenImage) -> tuple[Edit, ...]:
    corrections = image.state.corrections
    return () if corrections is None else corrections.done


def _has_objects(image: OpenImage) -> bool:
    return image.state.result is not None


def _has_masks(image: OpenImage) -> bool:
    result = image.state.result  # what was corrected has no masks: they are selected again
    return result is not None and (result.selection is not None or bool(_done(image)))


def _why_not_clean(image: OpenImage) -> str:
    """Say why the masks cannot be cleaned up now, and what to do; empty where they can."""
    if image.state.result is None or _has_masks(image):
        return ""
    return "To clean up, press Segment first: these objects came without their masks."


def _has_examples(image: OpenImage) -> bool:
    return len(set(examples(image.state.corrections).values())) > 1


def _button(text: str, tip: str, slot: Callable[[], None] | None = None) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    if slot is not None:
        button.clicked.connect(lambda _=False: slot())
    return button
