"""The page Materials: objects sorted by texture and by clicks, listed, named, made one, undone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.colormaps import DirectLabelColormap
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QColorDialog, QLineEdit, QTableWidget
from tests.waiting import until, wait

from napari_samstar._widgets.context import Context, context_of
from napari_samstar._widgets.highlight import SELECTED
from napari_samstar._widgets.materials_dock import MaterialsDock
from napari_samstar._widgets.outputs import OBJECTS
from napari_samstar.session.tools import NO_MODEL
from napari_samstar.settings import BoostSettings, Prior

GRAYS = {(30, 30): 90.0, (30, 90): 200.0, (90, 30): 200.0, (90, 90): 90.0}


@pytest.fixture
def context(viewer: ViewerModel, rng: np.random.Generator, qtbot: Any) -> Iterator[Context]:
    """Two gray and two bright discs of 40 px, 0.5 nm a pixel, segmented without a network."""
    yy, xx = np.mgrid[:120, :120]
    data = np.full((120, 120), 30.0)
    for (y, x), gray in GRAYS.items():
        data[(yy - y) ** 2 + (xx - x) ** 2 <= 400] = gray
    context = context_of(viewer)
    layer = data + rng.normal(0, 1, data.shape)
    viewer.add_image(layer, name="film", scale=(0.5, 0.5), units=("nm", "nm"))
    image = context.image
    assert image is not None
    image.update(model=NO_MODEL)
    prior = Prior(diameter=(15, 25), size_unit="nm", shape="round", polarity="bright")
    image.set_settings(prior=prior, boost=None)
    context.run("Segmenting", image, image.segment_steps())
    wait(qtbot, context)
    image.set_settings(boost=BoostSettings(fallback=None))
    yield context
    context.close()
    wait(qtbot, context)


@pytest.fixture
def page(viewer: ViewerModel, context: Context, qtbot: Any) -> MaterialsDock:
    made = MaterialsDock(viewer)
    qtbot.addWidget(made)
    made.show()
    return made


def click(page: MaterialsDock, place: tuple[int, int], plain: bool = True) -> None:
    page.clicked(np.array(place) * 0.5, plain)


def color_at(context: Context, place: tuple[int, int]) -> Any:
    layer = context.outputs.layer(context.image, OBJECTS)
    return layer.colormap.map(int(layer.data[place])).tolist()


def test_objects_are_sorted_listed_named_and_made_one(
    context: Context, page: MaterialsDock, qtbot: Any
) -> None:
    assert "No materials" in page._found.text()
    assert not page._like.isEnabled()
    page.settings.automatic.setChecked(False)
    page.settings.count.setValue(2)
    page._sort.click()
    wait(qtbot, context)
    rows = page.table.rows()
    assert [len(row.labels) for row in rows] == [2, 2]
    assert "2 materials" in page._found.text()
    gray, other, bright = (color_at(context, place) for place in ((30, 30), (90, 90), (30, 90)))
    assert gray == other != bright, "objects have the colors of their materials"
    page.table.item(0, 0).setText("oxide")
    assert page.table.rows()[0].name == "oxide"
    assert context.image.state.corrections.names == {rows[0].material: "oxide"}
    assert page._which.itemText(0) == "oxide"
    context.correcting.undo(context.image)
    assert page.table.item(0, 0).text() == rows[0].name, "a name is undone as anything else"
    context.correcting.redo(context.image)
    page.table.item(0, 0).setText("x" * 101)
    assert "at most 100" in page._found.text()
    assert page.table.item(0, 0).text() == "oxide"
    page.table.selectAll()
    assert context.outputs.layer(context.image, SELECTED).nshapes == 4
    page._one.click()
    assert [len(row.labels) for row in page.table.rows()] == [4]
    context.correcting.undo(context.image)
    assert [len(row.labels) for row in page.table.rows()] == [2, 2]
    wait(qtbot, context)
    page.hide()
    layer = context.outputs.layer(context.image, OBJECTS)
    assert not isinstance(layer.colormap, DirectLabelColormap), "elsewhere they have their own"


def test_a_double_click_on_the_square_changes_the_color_everywhere(
    context: Context, page: MaterialsDock, qtbot: Any, tmp_path: Path
) -> None:
    page.settings.automatic.setChecked(False)
    page.settings.count.setValue(2)
    page._sort.click()
    wait(qtbot, context)
    number = page.table.rows()[0].material
    page._which.setCurrentIndex(page._which.findData(number))
    name = page.table.item(0, 0)
    port, rect = page.table.viewport(), page.table.visualItemRect(name)
    square = QPoint(rect.left() + 8, rect.center().y())
    before = color_at(context, (30, 30)), color_at(context, (30, 90))

    qtbot.mouseClick(port, Qt.MouseButton.LeftButton, pos=square)
    qtbot.mouseDClick(port, Qt.MouseButton.LeftButton, pos=square)
    (dialog,) = page.table.findChildren(QColorDialog)
    dialog.setCurrentColor(QColor("#123456"))
    dialog.accept()
    assert page.table.rows()[0].color == "#123456"
    assert page.table.state() == QTableWidget.State.NoState, "the name is not edited"
    assert page._which.currentData() == number
    after = color_at(context, (30, 30)), color_at(context, (30, 90))
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1
    expected = np.array([0x12, 0x34, 0x56]) / 255
    assert any(np.allclose(color[:3], expected, atol=0.01) for color in after)

    page._sort.click()  # found again, it is still the color of this material
    wait(qtbot, context)
    assert page.table.rows()[0].color == "#123456"
    context.run("Measuring", context.image, context.image.corrected_steps())
    wait(qtbot, context)
    context.jobs.start("Exporting", context.image.export_steps(tmp_path))
    wait(qtbot, context)
    (path,) = tmp_path.glob("*.materials.csv")
    assert "#123456" in path.read_text()


def test_a_double_click_beside_the_square_edits_the_name(
    context: Context, page: MaterialsDock, qtbot: Any
) -> None:
    page._sort.click()
    wait(qtbot, context)
    rect = page.table.visualItemRect(page.table.item(0, 0))
    port, beside = page.table.viewport(), QPoint(rect.left() + 50, rect.center().y())
    qtbot.mouseClick(port, Qt.MouseButton.LeftButton, pos=beside)
    qtbot.mouseDClick(port, Qt.MouseButton.LeftButton, pos=beside)
    assert not page.table.findChildren(QColorDialog)
    editor = page.table.findChild(QLineEdit)
    qtbot.keyClicks(editor, "oxide")
    qtbot.keyClick(editor, Qt.Key.Key_Return)
    until(qtbot, lambda: page.table.rows()[0].name == "oxide")


def test_clicked_examples_sort_the_others(
    context: Context, page: MaterialsDock, qtbot: Any
) -> None:
    page._mark.setChecked(True)
    click(page, (30, 30))
    wait(qtbot, context)
    click(page, (2, 2))
    assert "There is no object" in page._found.text()
    page._which.setCurrentIndex(page._which.count() - 1)
    assert page._which.currentText() == "new material"
    click(page, (30, 90))
    assert "2 examples" in page._found.text()
    assert color_at(context, (90, 90)) == [1, 1, 1, 1], "the others are undecided, in white"
    page._like.click()
    wait(qtbot, context)
    page._mark.setChecked(False)
    of = context.image.state.corrections.materials
    labels = context.image.state.corrections.labels
    assert {place: of[labels[place]] for place in GRAYS} == {
        (30, 30): 1,
        (30, 90): 2,
        (90, 30): 2,
        (90, 90): 1,
    }
    click(page, (90, 30))
    assert page.table.materials() == [2], "a click shows the row of an object's material"


def test_cleaning_up_makes_the_result_anew_until_it_was_corrected(
    context: Context, page: MaterialsDock, qtbot: Any
) -> None:
    before = context.image.state.result
    page._clean.click()
    wait(qtbot, context)
    result = context.image.state.result
    assert result is not before
    assert result.segmentation.materials is not None
    assert page.table.rows()
    page.table.item(0, 0).setText("oxide")
    until(qtbot, lambda: context.image.state.corrections is not None)
    until(qtbot, lambda: page.table.rows()[0].name == "oxide")
    page._clean.click()
    wait(qtbot, context)
    assert page.table.rows()[0].name == "oxide", "a name holds nothing back, and stays"
    page.table.selectRow(0)
    page._mark.setChecked(True)
    click(page, (30, 30))
    wait(qtbot, context)
    kept = context.image.state.corrections
    QTest.mouseClick(page._clean, Qt.MouseButton.LeftButton)
    assert not context.jobs.busy, "it would replace what was corrected, and asks first"
    assert "would be replaced; Correct will offer" in page.replacing.text.text()
    QTest.mouseClick(page.replacing.keep, Qt.MouseButton.LeftButton)
    assert context.image.state.corrections is kept
    QTest.mouseClick(page._clean, Qt.MouseButton.LeftButton)
    QTest.mouseClick(page.replacing.go_on, Qt.MouseButton.LeftButton)
    wait(qtbot, context)
    assert context.image.state.corrections is None
    assert context.image.state.result.selection is not None
