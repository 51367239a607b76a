"""The pages of the workbench on napari's viewer model: no window is needed to fill in forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from qtpy.QtCore import QPoint, Qt
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QScrollBar,
    QStyle,
    QStyleOptionComboBox,
    QTableView,
)
from tests.waiting import until, wait

from napari_samstar import edits
from napari_samstar._widgets.candidates import CANDIDATES
from napari_samstar._widgets.context import Context, context_of
from napari_samstar._widgets.highlight import camera_of
from napari_samstar._widgets.measure_dock import MeasureDock
from napari_samstar._widgets.micrograph_dock import MicrographDock
from napari_samstar._widgets.outputs import OBJECTS, VIEW
from napari_samstar._widgets.readers import get_reader
from napari_samstar._widgets.search_dock import SearchDock
from napari_samstar._widgets.segment_dock import SegmentDock
from napari_samstar._widgets.workbench import DOCKS, Workbench
from napari_samstar.session.tools import NO_MODEL
from napari_samstar.settings import Prior, SearchSettings


def page(qtbot: Any, viewer: ViewerModel, dock: Any) -> Any:
    made = dock(viewer)
    qtbot.addWidget(made)
    return made


def state(context: Context) -> Any:
    assert context.image is not None
    return context.image.state


# Image


def test_the_image_page_shows_what_the_file_says(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    dock = page(qtbot, viewer, MicrographDock)
    assert dock._name.text() == "film"
    assert dock._size.text() == "120 x 120 px, float64"
    assert dock._pixel._size.text() == "0.5"
    assert dock._pixel._unit.currentText() == "nm"
    assert dock._field.text() == "60 nm x 60 nm"


def test_a_typed_pixel_size_reaches_the_layers(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    dock = page(qtbot, viewer, MicrographDock)
    dock._pixel._size.setText("2.5")
    dock._pixel._unit.setCurrentIndex(dock._pixel._unit.findData("um"))
    dock._pixel._typed()
    assert (state(context).source.pixel_size, state(context).source.unit) == ((2.5, 2.5), "um")
    np.testing.assert_allclose(film.scale, [2.5, 2.5])
    assert [str(unit) for unit in film.units] == ["micrometer", "micrometer"]
    dock._pixel._size.setText("")
    dock._pixel._typed()
    assert state(context).source.pixel_size is None
    assert dock._field.text() == "120 x 120 px"


def test_two_clicks_on_the_scale_bar_calibrate(
    viewer: ViewerModel, context: Context, discs: np.ndarray, qtbot: Any
) -> None:
    viewer.add_image(discs)
    editor = page(qtbot, viewer, MicrographDock)._pixel
    callbacks = list(viewer.mouse_drag_callbacks)
    editor._draw.setChecked(True)
    editor.click((110.0, 10.0))
    assert "Type what is written" in editor._bar_hint.text()
    editor._bar_length.setText("200")
    editor._bar_unit.setCurrentIndex(editor._bar_unit.findData("um"))
    editor._prompt()
    editor.click((110.0, 10.0))
    editor.click((110.0, 10.0))  # the same end twice says nothing
    assert "other end" in editor._bar_hint.text()
    editor.click((110.0, 60.0))
    assert state(context).source.pixel_size == (4.0, 4.0)
    assert not editor._draw.isChecked()
    assert viewer.mouse_drag_callbacks == callbacks


def test_the_calibration_of_a_layer_that_a_script_sets_is_seen(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    film.scale = (3.0, 3.0)
    film.units = ("um", "um")
    until(qtbot, lambda: state(context).source.unit == "um")
    assert state(context).source.pixel_size == (3.0, 3.0)


def test_what_the_network_sees_follows_the_contrast(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    dock = page(qtbot, viewer, MicrographDock)
    dock._view.setChecked(True)
    wait(qtbot, context)
    seen = context.outputs.layer(context.image, VIEW)
    before = np.array(seen.data)
    np.testing.assert_allclose(seen.scale, film.scale)
    dock._contrast.editor("invert").setChecked(True)
    wait(qtbot, context)
    np.testing.assert_array_equal(seen.data, 255 - before)
    assert viewer.layers.selection.active is film
    dock._view.setChecked(False)
    assert context.outputs.layer(context.image, VIEW) is None


def test_preparing_tells_what_is_on_offer(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    dock = page(qtbot, viewer, MicrographDock)
    dock._prepare.click()
    assert not dock._prepare.isEnabled()
    wait(qtbot, context)
    assert "masks are on offer" in dock._state.text()
    dock._contrast.editor("gamma").setValue(2.0)
    assert "prepare again, which takes about" in dock._state.text()
    assert dock._prepare.isEnabled()


def test_models_are_listed_with_their_state_and_licence(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    dock = page(qtbot, viewer, MicrographDock)
    names = [dock._model.itemText(k) for k in range(dock._model.count())]
    assert "samstar-tiny: bundled" in names
    assert "vit_b: to download, 375 MB" in names
    dock._model.setCurrentIndex(names.index("vit_b: to download, 375 MB"))
    dock._on_model()
    assert state(context).model == "vit_b"
    assert "Apache-2.0" in dock._about.text()


# Segment


def test_what_is_known_is_filled_in_and_kept(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    dock = page(qtbot, viewer, SegmentDock)
    assert dock._size.value() == ((7.0, 9.0), "nm")
    dock._preset.setCurrentIndex(dock._preset.findData("grains"))
    dock._on_preset()
    prior = state(context).settings.prior
    assert (prior.shape, prior.diameter) == ("compact", (7.0, 9.0)), "a preset assumes no size"
    dock._size._high.setText("12")
    dock._size._edited()
    dock._shape.setCurrentIndex(0)
    dock._shape.activated.emit(0)
    dock._coverage.setValue((20, 60))
    dock._on_coverage()
    prior = state(context).settings.prior
    assert (prior.shape, prior.diameter, prior.coverage) == (None, (7.0, 12.0), (0.2, 0.6))
    dock._size._low.clear()
    dock._size._high.clear()
    dock._size._edited()
    assert state(context).settings.prior.diameter is None


def test_what_few_people_know_is_typed_below_more(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    dock = page(qtbot, viewer, SegmentDock)
    dock.show()
    more = dock._more
    assert not more.isVisible()
    qtbot.mouseClick(dock._fold.button, Qt.MouseButton.LeftButton)
    assert more.isVisible()

    def typed(editor: Any, text: str) -> None:
        line = editor if isinstance(editor, QLineEdit) else editor.findChild(QLineEdit)
        line.setFocus()
        line.selectAll()
        qtbot.keyClicks(line, text)
        qtbot.keyClick(line, Qt.Key.Key_Return)

    typed(more._most, "20")
    assert state(context).settings.prior.count == (0, 20)
    typed(more._fewest, "4")
    typed(more._spacing._low, "5")
    typed(more._spacing._high, "30")
    typed(more._circularity, "0.85")
    typed(more._overlap, "5")
    typed(more._materials, "2")
    prior = state(context).settings.prior
    assert (prior.count, prior.spacing, prior.spacing_unit) == ((4, 20), (5, 30), "nm")
    assert (prior.circularity, prior.overlap, prior.materials) == (0.85, 0.05, 2)
    assert not dock._also.isVisible(), "the fields say it"
    dock._fold.button.click()
    assert dock._also.text() == (
        "Also taken as known: 4 to 20 of them, neighbors 5 to 30 nm apart, circularity near 0.85, "
        "overlapping by 5 % at most, of 2 materials."
    )
    assert dock._also.isVisible()
    dock._fold.button.click()
    for spin in (more._fewest, more._most, more._circularity, more._materials):
        typed(spin, "0")
    typed(more._overlap, "-1")
    prior = state(context).settings.prior
    left = (prior.count, prior.circularity, prior.overlap, prior.materials)
    assert left == (None,) * 4, "all of it can be taken back"


def test_a_preset_reaches_the_search_whole_and_clear_forgets_it(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    dock = page(qtbot, viewer, SegmentDock)
    own = ("number_density", {"low": 1.0, "high": 5.0})
    context.image.set_settings(rewards=(own,))
    dock._know(materials=3)

    def choose(name: str) -> None:
        dock._preset.setCurrentIndex(dock._preset.findData(name))
        dock._preset.activated.emit(dock._preset.currentIndex())

    choose("layers")
    assert {"aspect_ratio", "orientation_order", "homogeneity"} < set(_rewards(context))
    assert "1 to 20 of them" in dock._also.text()
    choose("nanoparticles")
    assert _rewards(context) == ["size_distribution", "border", "number_density"]
    prior = state(context).settings.prior
    assert (prior.count, prior.materials, prior.diameter) == (None, 3, (7, 9))
    qtbot.mouseClick(dock._clear, Qt.MouseButton.LeftButton)
    assert state(context).settings.prior == Prior()
    assert state(context).settings.rewards == (own,)
    assert dock._preset.currentData() is None
    assert dock._size.value() == (None, "nm")


def _rewards(context: Context) -> list[str]:
    return [name for name, _ in state(context).settings.rewards]


def test_segmenting_shows_objects_in_nanometers(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    dock = page(qtbot, viewer, SegmentDock)
    dock._button.click()
    wait(qtbot, context)
    objects = context.outputs.layer(context.image, OBJECTS)
    assert objects.name == "film objects"
    np.testing.assert_array_equal(objects.extent.world, film.extent.world)
    centers = [objects.data[y, x] for y in (20, 60, 100) for x in (20, 60, 100)]
    assert len(set(centers) - {0}) == 9
    assert "nm" in dock._found.text()
    assert viewer.layers.selection.active is film, "the new layer took the selection"
    # a second run renews the same layer
    dock._button.click()
    wait(qtbot, context)
    assert [layer.name for layer in viewer.layers] == ["film", "film objects"]


def test_sizes_are_shown_and_their_range_is_dragged(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    dock = page(qtbot, viewer, SegmentDock)
    dock.show()
    plot = dock._sizes
    assert not plot.isVisible(), "there is nothing to show yet"
    dock._button.click()
    wait(qtbot, context)
    assert plot.isVisible()
    sizes = state(context).result.table["equivalent_diameter_nm"]
    counted = plot.counted()
    assert (counted.inside, counted.total, counted.unit) == (9, 9, "nm")
    assert (counted.low, counted.high) == (7.0, 9.0)

    def drag(value: float, x: float) -> None:
        start, end = QPoint(round(plot.place_of(value)), 10), QPoint(round(x), 10)
        qtbot.mousePress(plot, Qt.MouseButton.LeftButton, pos=start)
        qtbot.mouseMove(plot, end)
        qtbot.mouseRelease(plot, Qt.MouseButton.LeftButton, pos=end)

    middle = float(sizes.median())
    drag(7.0, plot.place_of(middle) + 2)
    prior = state(context).settings.prior
    (low, high), unit = prior.diameter, prior.size_unit
    assert (high, unit) == (9.0, "nm")
    assert low == pytest.approx(middle, abs=0.1)
    assert dock._size.value() == (prior.diameter, "nm"), "the fields follow"
    assert plot.counted().inside == int(((sizes >= low) & (sizes <= high)).sum()) < 9
    drag(9.0, plot.width() + 20)
    drag(low, -20)
    assert state(context).settings.prior.diameter is None, "drawn aside, it is open"


def test_sizes_in_nm_without_a_pixel_size_get_a_sentence(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any, told: list[str]
) -> None:
    dock = page(qtbot, viewer, SegmentDock)
    context.image.set_pixel_size(None, None)
    dock._button.click()
    wait(qtbot, context)
    assert len(told) == 1
    assert "give it on the page Image" in told[0]


# Measure


@pytest.fixture
def measured(viewer: ViewerModel, context: Context, film: Any, qtbot: Any) -> MeasureDock:
    dock = page(qtbot, viewer, MeasureDock)
    dock.show()
    context.run("Segmenting", context.image, context.image.segment_steps())
    wait(qtbot, context)
    return dock


def test_a_row_outlines_its_object_and_a_click_finds_its_row(
    viewer: ViewerModel, context: Context, measured: MeasureDock
) -> None:
    table = state(context).result.table
    label = int(context.outputs.layer(context.image, OBJECTS).data[60, 20])
    measured.pick((30.0, 10.0))  # nm
    assert measured.table.labels() == [label]
    outline = viewer.layers["film selected"]
    np.testing.assert_allclose(outline.data[0].mean(0), [60, 20], atol=1.5)
    assert measured.table.rows.rowCount() == len(table)
    measured.table.selectRow(measured.table.rows.row(label))
    np.testing.assert_allclose(outline.data[0].mean(0), [60, 20], atol=1.5)
    measured.pick((1e6, 1e6))
    assert measured.table.labels() == []
    assert "film selected" not in viewer.layers


def test_the_range_on_the_histogram_filters_and_copy_takes_what_is_shown(
    context: Context, measured: MeasureDock
) -> None:
    table = state(context).result.table
    assert measured._column.currentText() == "equivalent diameter, nm"
    diameters = table["equivalent_diameter_nm"]
    wanted = diameters.between(7.5, 8.5)
    measured._plot.set_range(7.5, 8.5)
    assert measured.table.rows.rowCount() == wanted.sum() >= 9
    measured.copy()
    lines = QApplication.clipboard().text().splitlines()
    assert lines[0].split("\t") == list(table.columns)
    assert len(lines) == 1 + wanted.sum()
    measured._column.setCurrentIndex(0)
    assert measured.table.rows.rowCount() == len(table)


def test_a_fit_is_drawn_over_the_bars_and_told_with_its_unit(
    context: Context, measured: MeasureDock
) -> None:
    def choose(box: QComboBox, start: str) -> None:
        box.setCurrentIndex(
            next(k for k in range(box.count()) if box.itemText(k).startswith(start))
        )

    table = state(context).result.table
    inside = table.loc[~table["touches_border"], "equivalent_diameter_nm"]
    text = measured._fitted.text()
    assert text.startswith(f"Log-normal, n = {len(inside)}: median ")
    assert " nm, geometric standard deviation 1." in text
    values, counts = measured._plot.curve()
    assert values[0] == pytest.approx(inside.min())
    assert values[-1] == pytest.approx(inside.max())
    assert counts.max() > 0
    choose(measured._family, "normal")
    assert f"mean {inside.mean():.3g} nm, standard deviation" in measured._fitted.text()
    choose(measured._column, "solidity")
    assert measured._fitted.text().startswith("Normal")
    assert "nm" not in measured._fitted.text()
    choose(measured._family, "no fit")
    assert not measured._fitted.isVisible()
    assert not measured._plot.curve()[0].size
    choose(measured._family, "the one")
    choose(measured._column, "orientation")
    assert not measured._fitted.isVisible(), "an angle has no such distribution"


def test_the_name_of_a_measure_is_not_cut(measured: MeasureDock) -> None:
    measured.resize(measured.minimumSizeHint())
    QApplication.processEvents()
    box = measured._column
    assert box.currentText() == "equivalent diameter, nm"
    room = box.style().subControlRect(
        QStyle.ComplexControl.CC_ComboBox,
        _options(box),
        QStyle.SubControl.SC_ComboBoxEditField,
        box,
    )
    assert room.width() >= box.fontMetrics().horizontalAdvance(box.currentText())


def _options(box: QComboBox) -> QStyleOptionComboBox:
    options = QStyleOptionComboBox()
    box.initStyleOption(options)
    return options


def test_a_heading_sorts(context: Context, measured: MeasureDock) -> None:
    table = state(context).result.table
    column = list(table.columns).index("area_nm2")
    measured.table.sortByColumn(column, Qt.SortOrder.DescendingOrder)
    shown = [measured.table.rows.label(row) for row in range(len(table))]
    measured.table.choose([shown[-1]])
    measured.table.sortByColumn(column, Qt.SortOrder.AscendingOrder)
    assert measured.table.labels() == [shown[-1]], "another object is selected after sorting"
    areas = table.set_index("label")["area_nm2"].loc[shown].to_numpy()
    assert (np.diff(areas) <= 0).all()


def test_a_new_pixel_size_renews_the_table(
    context: Context, measured: MeasureDock, qtbot: Any
) -> None:
    before = state(context).result.table["equivalent_diameter_nm"].to_numpy()
    context.image.set_pixel_size(1.0, "um")
    wait(qtbot, context)
    after = state(context).result.table["equivalent_diameter_um"].to_numpy()
    np.testing.assert_allclose(after, 2 * before)
    assert measured._column.currentText() == "equivalent diameter, µm"


def test_a_result_that_comes_while_the_pixel_size_changes_is_measured_with_it(
    context: Context, measured: MeasureDock, qtbot: Any
) -> None:
    first = state(context).result
    labels = np.where(first.segmentation.labels == 1, 0, first.segmentation.labels)
    other = replace(first, segmentation=replace(first.segmentation, labels=labels))
    context.image.set_pixel_size(1.0, "um")  # the first result begins to be measured again
    context.image.update(result=other)  # as brought back meanwhile, with the old size
    wait(qtbot, context)
    result = state(context).result
    np.testing.assert_array_equal(result.segmentation.labels, labels)
    assert result.table["label"].tolist() == np.unique(labels)[1:].tolist()
    assert "equivalent_diameter_um" in result.table


def test_what_is_painted_by_hand_is_measured(
    context: Context, measured: MeasureDock, qtbot: Any
) -> None:
    objects = context.outputs.layer(context.image, OBJECTS)
    count = len(state(context).result.table)
    objects.fill((60, 20), 0)
    until(qtbot, lambda: len(state(context).result.table) == count - 1)
    assert measured.table.rows.rowCount() == count - 1
    objects.undo()
    until(qtbot, lambda: len(state(context).result.table) == count)


def test_export_and_repeating_its_recipe(
    viewer: ViewerModel,
    context: Context,
    measured: MeasureDock,
    qtbot: Any,
    tmp_path: Path,
    told: list[str],
) -> None:
    measured.export(tmp_path)
    wait(qtbot, context)
    assert "files written" in told[-1]
    labels = state(context).result.segmentation.labels
    context.image.set_settings(prior=Prior())
    measured.repeat(tmp_path / "film.recipe.json")
    wait(qtbot, context)
    np.testing.assert_array_equal(state(context).result.segmentation.labels, labels)
    context.correcting.begin(context.image)
    wait(qtbot, context)
    context.correcting.do(context.image, lambda _: edits.Delete(int(labels.max())))
    kept = state(context).corrections
    measured.repeat(tmp_path / "film.recipe.json")
    assert state(context).corrections is kept, "it asks first"
    measured.replacing.go_on.click()
    wait(qtbot, context)
    np.testing.assert_array_equal(state(context).result.segmentation.labels, labels)
    measured.repeat(tmp_path / "film.table.csv")
    assert "not a recipe" in told[-1]


def test_a_folder_that_cannot_be_written_gets_a_sentence(
    context: Context, measured: MeasureDock, qtbot: Any, tmp_path: Path, told: list[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    measured.export(tmp_path / "file")
    wait(qtbot, context)
    assert f"{tmp_path / 'file'} is a file: choose a folder" in told[-1]


# Workbench, several images, what is no micrograph


def test_without_an_image_nothing_can_be_pressed(viewer: ViewerModel, qtbot: Any) -> None:
    bench = Workbench(viewer)
    qtbot.addWidget(bench)
    assert "Open a micrograph" in bench._advice.text()
    assert not bench.docks[0]._prepare.isEnabled()
    assert not bench.docks[1]._button.isEnabled()
    assert bench.pages.count() == len(bench.docks)


def test_a_page_is_made_when_it_is_first_seen_and_shows_what_has_happened_since(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    bench = Workbench(viewer)
    qtbot.addWidget(bench)
    assert [type(dock) for dock in bench._made.values()] == [MicrographDock]
    for step, dock in zip(DOCKS, bench.docks, strict=True):
        assert (step.title, step.tip) == (dock.title, dock.tip)
    image, segment = bench.docks[:2]
    assert isinstance(image, MicrographDock)
    assert isinstance(segment, SegmentDock)
    segment._button.click()
    wait(qtbot, context)
    assert not segment._found.text(), "nobody looks at it"
    bench.pages.setCurrentIndex(1)
    assert "9 objects" in segment._found.text()
    assert context.image is not None
    context.image.set_pixel_size(2.0, "nm")
    assert "0.24 µm" not in image._field.text()
    bench.pages.setCurrentIndex(0)
    assert "0.24 µm" in image._field.text()
    wait(qtbot, context)


def test_every_control_says_what_it_does(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    bench = Workbench(viewer)
    qtbot.addWidget(bench)
    kinds = (QAbstractButton, QComboBox, QLineEdit, QAbstractSpinBox, QAbstractSlider)
    silent = []
    for dock in bench.docks:
        controls = [w for kind in kinds for w in dock.findChildren(kind)]
        assert controls
        for control in controls:
            if isinstance(control, QScrollBar) or isinstance(control.parent(), QTableView):
                continue
            near: Any = control
            while near is not dock and not near.toolTip():
                near = near.parent()
            if near is dock:
                silent.append(f"{dock.title}: {type(control).__name__} {control.objectName()}")
    assert not silent


def test_two_images_keep_their_own_state(
    viewer: ViewerModel, context: Context, film: Any, discs: np.ndarray, qtbot: Any
) -> None:
    dock = page(qtbot, viewer, MicrographDock)
    first = context.image
    other = viewer.add_image(discs.T.copy(), name="other")
    assert context.image is not first
    assert dock._name.text() == "other"
    assert dock._pixel._size.text() == ""
    viewer.layers.selection.active = film
    assert context.image is first
    viewer.layers.remove(film)
    assert dock._name.text() == "other"
    viewer.layers.remove(other)
    assert context.image is None


def test_each_frame_of_a_stack_is_an_image_of_its_own(
    viewer: ViewerModel, context: Context, discs: np.ndarray, qtbot: Any
) -> None:
    stack = np.stack([discs, discs[::-1], discs.T])
    layer = viewer.add_image(stack, name="series", scale=(1, 0.5, 0.5), units=("s", "nm", "nm"))
    dock = page(qtbot, viewer, MicrographDock)
    viewer.dims.set_point(0, 1)
    assert "frame 2 of 3" in dock._size.text()
    context.image.update(model=NO_MODEL)
    context.run("Segmenting", context.image, context.image.segment_steps())
    wait(qtbot, context)
    objects = context.outputs.layer(context.image, OBJECTS)
    np.testing.assert_allclose(objects.extent.world[:, 0], [1, 1])
    np.testing.assert_allclose(objects.extent.world[:, 1:], layer.extent.world[:, 1:])
    second = context.image
    viewer.dims.set_point(0, 2)
    assert state(context).result is None
    viewer.dims.set_point(0, 1)
    assert context.image is second


def test_a_color_image_is_segmented_by_its_colors(
    viewer: ViewerModel, context: Context, discs: np.ndarray, qtbot: Any
) -> None:
    rgb = np.stack([discs, 0 * discs + 90, 255 - discs], -1).clip(0, 255).astype(np.uint8)
    viewer.add_image(rgb, name="light", rgb=True)
    dock = page(qtbot, viewer, MicrographDock)
    assert dock._size.text() == "120 x 120 px, uint8, color"
    context.image.update(model=NO_MODEL)
    dock._prepare.click()
    wait(qtbot, context)
    assert state(context).ready


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.full((40, 40), np.nan), "no finite number"),
        (np.zeros((5, 40)), "at least 16 px"),
    ],
)
def test_what_is_no_micrograph_gets_a_sentence(
    viewer: ViewerModel,
    context: Context,
    qtbot: Any,
    told: list[str],
    array: np.ndarray,
    sentence: str,
) -> None:
    viewer.add_image(array, name="bad", contrast_limits=(0, 1))
    context.image.update(model=NO_MODEL)
    page(qtbot, viewer, MicrographDock)._prepare.click()
    wait(qtbot, context)
    assert len(told) == 1
    assert sentence in told[0]


def test_a_layer_that_goes_during_its_job_takes_the_job_along(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any, told: list[str]
) -> None:
    dock = page(qtbot, viewer, SegmentDock)
    dock._button.click()
    viewer.layers.clear()
    wait(qtbot, context)
    assert (len(viewer.layers), context.image, told) == (0, None, [])


def test_viewers_do_not_mix(viewer: ViewerModel, context: Context, film: Any) -> None:
    other = context_of(ViewerModel())
    assert other.image is None
    assert context_of(viewer) is context


def test_an_export_opens_again(
    viewer: ViewerModel, context: Context, measured: MeasureDock, qtbot: Any, tmp_path: Path
) -> None:
    measured.export(tmp_path)
    wait(qtbot, context)
    before = state(context)
    other = context.session.open(("again", ()), before.source)
    context.run("Opening", other, other.reopen_steps(tmp_path / "film.recipe.json"))
    wait(qtbot, context)
    after = other.state
    assert (after.model, after.settings) == (before.model, before.settings)
    np.testing.assert_array_equal(
        after.result.segmentation.labels, before.result.segmentation.labels
    )
    assert after.result.table.equals(before.result.table)


# Learning from clicks


def test_clicks_on_typical_objects_fill_in_what_is_known(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    page = SegmentDock(viewer)
    qtbot.addWidget(page)
    page.show()
    context.image.set_settings(prior=Prior(coverage=(0.1, 0.5)))
    page.learn.button.setChecked(True)
    wait(qtbot, context)
    for place in ((20, 20), (20, 60), (60, 100)):
        before = len(page.learn._examples)
        page.learn.clicked(np.array(place) * 0.5, True)
        until(qtbot, lambda before=before: len(page.learn._examples) > before)
        wait(qtbot, context)
    prior = context.image.state.settings.prior
    low, high = prior.diameter
    assert (prior.size_unit, prior.shape, prior.polarity) == ("nm", "round", "dark")
    assert low < 8 < high < 16, "the discs are 8 nm wide"
    assert prior.coverage == (0.1, 0.5), "what clicks cannot say stays"
    page.learn.clicked(np.array([0, 0]), False)
    assert "2 objects" in page.learn._text.text()
    wait(qtbot, context)
    page.hide()
    assert not page.learn.button.isChecked()
    assert not [layer for layer in viewer.layers if layer.name.endswith("marks")]


def test_what_was_drawn_on_an_image_goes_with_it(
    viewer: ViewerModel, context: Context, measured: MeasureDock, film: Any, qtbot: Any
) -> None:
    search = page(qtbot, viewer, SearchDock)
    search.show()
    context.image.update(search=SearchSettings(budget=5000, population=8, patience=0))
    search._start.click()
    until(qtbot, lambda: context.outputs.layer(context.image, CANDIDATES) is not None)
    objects = context.outputs.layer(context.image, OBJECTS)
    other = viewer.add_image(np.zeros((32, 32)), name="other")
    viewer.layers.selection = {film, context.outputs.layer(context.image, CANDIDATES) or film}
    viewer.layers.remove(film)
    until(qtbot, lambda: list(viewer.layers) == [objects, other])
    wait(qtbot, context)
    assert list(viewer.layers) == [objects, other]
    assert viewer.dims.ndim == 2, "the slider went, too"


def test_an_eight_bit_file_is_called_so(
    viewer: ViewerModel, context: Context, qtbot: Any, tmp_path: Path
) -> None:
    dock = page(qtbot, viewer, MicrographDock)
    path = str(tmp_path / "small.tif")
    tifffile.imwrite(path, np.arange(48 * 64).reshape(48, 64).astype(np.uint8))
    reader = get_reader(path)
    assert reader is not None
    data, options, _ = reader(path)[0]
    layer = viewer.add_image(data, **options)
    assert dock._size.text() == "64 x 48 px, uint8"
    layer.data = np.zeros((48, 64), np.uint16)
    assert dock._size.text() == "64 x 48 px, uint16", "other pixels than the file's"


def test_a_new_name_is_shown_and_exported(
    viewer: ViewerModel,
    context: Context,
    measured: MeasureDock,
    film: Any,
    qtbot: Any,
    tmp_path: Path,
) -> None:
    dock = page(qtbot, viewer, MicrographDock)
    result, camera = state(context).result, camera_of(viewer)[0]
    camera.center = (0, 5.0, 5.0)
    film.name = "foil"
    assert dock._name.text() == "foil"
    assert state(context).result is result
    assert tuple(camera.center) == (0, 5.0, 5.0), "where somebody looks stays"
    measured.export(tmp_path)
    wait(qtbot, context)
    assert (tmp_path / "foil.table.csv").exists()
