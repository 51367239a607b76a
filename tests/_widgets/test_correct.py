"""The page Correct: clicks, strokes and keys in, corrected objects out."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Labels
from napari.utils.key_bindings import coerce_keybinding
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from tests.waiting import until, wait

from napari_samstar import edits
from napari_samstar._widgets.context import Context, context_of
from napari_samstar._widgets.correct_dock import CorrectDock
from napari_samstar._widgets.correct_keys import KEYS
from napari_samstar._widgets.marks import MARKS
from napari_samstar._widgets.outputs import OBJECTS
from napari_samstar._widgets.segment_dock import SegmentDock
from napari_samstar.session.tools import NO_MODEL
from napari_samstar.settings import DecodeSettings, Prior


@pytest.fixture
def context(viewer: ViewerModel, discs: np.ndarray, qtbot: Any) -> Iterator[Context]:
    """The discs, 0.5 nm a pixel, segmented without a network."""
    context = context_of(viewer)
    viewer.add_image(discs, name="film", scale=(0.5, 0.5), units=("nm", "nm"))
    image = context.image
    assert image is not None
    image.update(model=NO_MODEL)
    prior = Prior(diameter=(7, 9), size_unit="nm", shape="round", polarity="dark")
    image.set_settings(prior=prior, boost=None)
    context.run("Segmenting", image, image.segment_steps())
    wait(qtbot, context)
    yield context
    context.close()
    wait(qtbot, context)


@pytest.fixture
def page(viewer: ViewerModel, context: Context, qtbot: Any) -> CorrectDock:
    """The page in view, its corrections begun."""
    made = CorrectDock(viewer)
    qtbot.addWidget(made)
    made.show()
    until(qtbot, lambda: context.image.state.corrections is not None)
    return made


def click(page: CorrectDock, y: float, x: float, plain: bool = True) -> None:
    page.clicked(np.array([y, x]) * 0.5, plain)


def drag(page: CorrectDock, *places: tuple[float, float]) -> None:
    line = np.array(places) * 0.5
    page.drawing(line)
    page.drawn(line)


def found(context: Context) -> Any:
    assert context.image is not None
    return context.image.state.corrections


def shown(context: Context) -> np.ndarray:
    layer = context.outputs.layer(context.image, OBJECTS)
    return np.squeeze(layer.data)


def test_two_clicks_merge_and_the_table_follows(
    context: Context, page: CorrectDock, qtbot: Any
) -> None:
    count = len(found(context).table)
    page.press("merge")
    click(page, 20, 20)
    marks = context.outputs.layer(context.image, MARKS)
    np.testing.assert_allclose(marks.data[:, 0].mean(0), 20, atol=1.0, err_msg="not outlined")
    click(page, 20, 60)
    assert shown(context)[20, 20] == shown(context)[20, 60] > 0
    np.testing.assert_array_equal(shown(context), found(context).labels)
    assert "1 correction, kept on disk" in page.parts.count.text()
    until(qtbot, lambda: len(context.image.state.result.table) == count - 1)
    page.press("undo")
    assert shown(context)[20, 20] != shown(context)[20, 60]
    page.press("redo")
    assert shown(context)[20, 20] == shown(context)[20, 60]
    until(qtbot, lambda: len(context.image.state.result.table) == count - 1)
    np.testing.assert_array_equal(
        context.image.state.result.segmentation.labels, found(context).labels
    )


def test_a_new_pixel_size_measures_the_objects_as_corrected(
    context: Context, page: CorrectDock, qtbot: Any
) -> None:
    count = len(found(context).table)
    page.press("merge")
    click(page, 20, 20)
    click(page, 20, 60)
    context.correcting._after_rest()  # the merged objects begin to be measured
    context.image.set_pixel_size(4.0, "um")
    until(qtbot, lambda: context.image.state.measured)
    wait(qtbot, context)
    result = context.image.state.result
    np.testing.assert_array_equal(result.segmentation.labels, found(context).labels)
    assert len(result.table) == count - 1
    assert "equivalent_diameter_um" in result.table
    assert (result.recipe.image.pixel_size, result.recipe.image.unit) == ((4.0, 4.0), "um")


def test_strokes_merge_and_cut(context: Context, page: CorrectDock) -> None:
    page.press("merge")
    drag(page, (60, 10), (60, 110))
    assert len({int(shown(context)[60, x]) for x in (20, 60, 100)}) == 1
    page.press("split")
    drag(page, (85, 20), (115, 20))
    assert len(np.unique(shown(context)[92:109, 12:29])) == 3  # two halves and background
    click(page, 20, 16)
    click(page, 20, 24)
    assert shown(context)[20, 16] != shown(context)[20, 24]
    assert [type(edit) for edit in found(context).done] == [edits.Merge, edits.Split, edits.Split]


def test_an_object_that_is_missing_is_added_by_a_click(
    context: Context, page: CorrectDock, qtbot: Any
) -> None:
    click(page, 60, 60)
    page.press("delete")
    assert shown(context)[60, 60] == 0
    page.press("add")
    wait(qtbot, context)
    click(page, 60, 60)
    until(qtbot, lambda: page._hand.suggestion is not None)
    page.press("take")
    added = shown(context) == shown(context)[60, 60]
    assert shown(context)[60, 60] > 0
    assert abs(int(added.sum()) - 197) < 20
    assert page._hand.clicks.empty


class Held:
    """What answers clicks, its answers held back until they are let go."""

    def __init__(self, prompter: Any) -> None:
        self.prompter = prompter
        self.go = threading.Event()

    def ask(self, *asked: Any) -> Iterator[Any]:
        self.go.wait()
        yield from self.prompter.ask(*asked)


@pytest.fixture
def held(context: Context, page: CorrectDock, qtbot: Any) -> Iterator[Held]:
    """One disc deleted, and the page ready to add it."""
    click(page, 60, 60)
    page.press("delete")
    page.press("add")
    wait(qtbot, context)
    assert context.image is not None
    made = Held(context.image.state.prompter)
    context.image.update(prompter=made)
    yield made
    made.go.set()


def test_a_click_that_has_no_answer_yet_is_marked_after_a_moment(
    viewer: ViewerModel, context: Context, page: CorrectDock, held: Held, qtbot: Any
) -> None:
    def marks() -> np.ndarray:
        layer = context.outputs.layer(context.image, MARKS)
        return np.zeros((0, 2, 2)) if layer is None else layer.data

    click(page, 60, 60)
    assert len(marks()) == 0, "it may still be drawn with its answer"
    assert page._late.interval() == 150
    until(qtbot, lambda: len(marks()) > 0)
    assert page._hand.suggestion is None
    assert len(marks()) == 4, "a cross"

    def reach() -> np.ndarray:
        ends = np.array([marks()[:, 0], marks()[:, 0] + marks()[:, 1]]) - 60
        camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
        np.testing.assert_allclose(ends.mean((0, 1)), 0, atol=1e-9)
        return np.linalg.norm(ends, axis=-1) * 0.5 * camera.zoom  # screen px

    np.testing.assert_allclose(reach().min(), 3, err_msg="what was clicked is seen")
    np.testing.assert_allclose(reach().max(), 8)
    (viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera).zoom *= 4
    np.testing.assert_allclose(reach().max(), 8, err_msg="and from near, too")
    held.go.set()
    until(qtbot, lambda: page._hand.suggestion is not None)
    assert len(marks()) > 10, "and the outline of the mask, when it comes"


def test_a_click_that_is_answered_soon_is_drawn_once(
    context: Context, page: CorrectDock, held: Held, qtbot: Any
) -> None:
    page._late.setInterval(1_000_000)  # however busy the machine is, the answer comes sooner
    click(page, 60, 60)
    assert page._late.isActive()
    held.go.set()
    until(qtbot, lambda: page._hand.suggestion is not None)
    assert not page._late.isActive(), "the mark would be drawn a second time"


def test_number_material_and_review(context: Context, page: CorrectDock) -> None:
    click(page, 20, 100)
    page.parts.material.setValue(4)
    page.press("material")
    page.parts.new_number.setValue(77)
    page.press("renumber")
    assert shown(context)[20, 100] == 77
    assert found(context).table[77].material == 4
    count = len(found(context).queue())
    page.press("drop")
    page.press("next")
    doubtful = page._hand.chosen[0]
    assert "% sure" in page.parts.chosen_text.text()
    page.press("accept")
    assert found(context).table[doubtful].status == "accepted"
    rejected = page._hand.chosen[0]
    assert rejected == found(context).queue()[0], "it goes on by itself"
    page.press("reject")
    assert rejected not in found(context).table
    assert page.parts.left.text() == f"{count - 2} not looked at yet."


@pytest.mark.parametrize(
    ("tool", "act", "says"),
    [
        ("merge", lambda page: click(page, 40, 40), "no object"),
        ("choose", lambda page: click(page, -500, 900), "no object"),
        ("split", lambda page: drag(page, (40, 0), (40, 119)), "crosses no object"),
        ("split", lambda page: drag(page, (20, 18), (20, 20)), "does not cut"),
        ("add", lambda page: click(page, -500, 900), "outside the image"),
        ("add", lambda page: click(page, 20, 20, plain=False), "Click into the object first"),
        ("add", lambda page: page.press("take"), "Click into what is missing"),
        ("add", lambda page: page.press("other"), "Click into what is missing"),
        ("choose", lambda page: page.press("delete"), "Choose an object first"),
        ("choose", lambda page: page.press("undo"), "nothing to undo"),
        ("choose", lambda page: page.press("redo"), "nothing to do again"),
    ],
)
def test_what_cannot_be_meant_gets_a_sentence(
    viewer: ViewerModel,
    context: Context,
    page: CorrectDock,
    qtbot: Any,
    tool: str,
    act: Any,
    says: str,
) -> None:
    viewer.cursor.position = (-50.0, -50.0)
    page.press(tool)
    wait(qtbot, context)
    before = shown(context).copy()
    act(page)
    if tool == "add" and "outside" in says:
        until(qtbot, lambda: not page._answers.jobs.busy)
    else:
        assert says in page.parts.hint.text()
    np.testing.assert_array_equal(shown(context), before)
    assert not found(context).done


def test_without_a_result_every_key_is_answered(
    viewer: ViewerModel, qtbot: Any, discs: np.ndarray
) -> None:
    page = CorrectDock(viewer)
    qtbot.addWidget(page)
    page.show()
    for _, action, _ in KEYS:
        page.press(action)
        assert page.parts.hint.text() == "<b>Open a micrograph first.</b>"
    click(page, 3, 3)
    viewer.add_image(discs)
    page.context.image.update(model=NO_MODEL)
    page.press("merge")
    assert "nothing to correct yet" in page.parts.hint.text()
    click(page, 3, 3)
    drag(page, (3, 3), (9, 9))
    page.context.close()


def test_the_layer_may_go_at_any_time(
    viewer: ViewerModel, context: Context, page: CorrectDock, qtbot: Any
) -> None:
    page.press("merge")
    click(page, 20, 20)
    viewer.layers.remove(context.outputs.layer(context.image, MARKS))
    viewer.layers.remove(context.outputs.layer(context.image, OBJECTS))
    click(page, 20, 60)
    assert shown(context)[20, 20] == shown(context)[20, 60], "it is shown again, corrected"
    wait(qtbot, context)
    viewer.layers.clear()
    page.press("merge")
    click(page, 20, 20)
    assert "Open a micrograph" in page.parts.hint.text() or page.image is None


def test_a_layer_that_went_comes_back_with_what_was_corrected_since(
    context: Context, page: CorrectDock, qtbot: Any
) -> None:
    context.image.set_pixel_size(0.4, "nm")  # the objects as found begin to be measured again
    page.press("merge")
    page.clicked(np.array([20, 20]) * 0.4, True)
    page.clicked(np.array([20, 60]) * 0.4, True)
    corrected = found(context).labels.copy()
    assert corrected[20, 20] == corrected[20, 60] > 0
    context.viewer.layers.remove(context.outputs.layer(context.image, OBJECTS))
    until(qtbot, lambda: context.outputs.layer(context.image, OBJECTS) is not None)
    np.testing.assert_array_equal(shown(context), corrected)
    wait(qtbot, context)
    np.testing.assert_array_equal(shown(context), corrected)


def test_other_data_in_the_layer_is_not_taken_for_a_stroke(
    context: Context, page: CorrectDock, qtbot: Any
) -> None:
    before = found(context).labels.copy()
    layer = context.outputs.layer(context.image, OBJECTS)
    layer.data = np.ones((7, 7), np.int32)
    until(qtbot, lambda: shown(context).shape == before.shape)
    np.testing.assert_array_equal(shown(context), before)
    assert "taken back" in page.parts.hint.text()


def test_strokes_of_naparis_brush_are_undone_with_the_rest(
    context: Context, page: CorrectDock, qtbot: Any
) -> None:
    layer = context.outputs.layer(context.image, OBJECTS)
    before = shown(context).copy()
    layer.selected_label = 900
    layer.paint((40, 40), 900)
    page.press("merge")
    click(page, 20, 20)
    click(page, 20, 60)
    assert [type(edit) for edit in found(context).done] == [edits.Paint, edits.Merge]
    page.press("undo")
    assert shown(context)[40, 40] == 900
    page.press("undo")
    np.testing.assert_array_equal(shown(context), before)
    layer.fill((20, 20), 0)
    until(qtbot, lambda: len(found(context).done) == 1)


def test_keys_leave_naparis_own_alone(
    viewer: ViewerModel, context: Context, page: CorrectDock
) -> None:
    shared = {"Enter", "Escape", "Control-Z", "Control-Shift-Z"}
    taken = {*Labels.class_keymap, *type(viewer).class_keymap}
    for key, action, _ in KEYS:
        assert key in shared or coerce_keybinding(key) not in taken, f"{key} is napari's"
        assert action
    layer = context.outputs.layer(context.image, OBJECTS)
    watching = len(viewer.mouse_drag_callbacks)
    assert viewer.layers.selection.active is layer
    layer.keymap[coerce_keybinding("G")](layer)
    assert page._hand.tool == "merge"
    page.hide()
    assert not layer.keymap, "keys stay bound after the page is gone"
    assert context.outputs.layer(context.image, MARKS) is None
    assert len(viewer.mouse_drag_callbacks) == watching - 1


def test_corrections_of_last_time_are_offered_back(
    viewer: ViewerModel, context: Context, page: CorrectDock, qtbot: Any, discs: np.ndarray
) -> None:
    click(page, 20, 20)
    page.press("delete")
    viewer.layers.clear()
    assert not page._offer.isVisible()
    viewer.add_image(discs.copy(), name="the same again")
    context.image.update(model=NO_MODEL)
    until(qtbot, page._offer.isVisible)
    assert "1 correction of this image" in page._offer.text.text()
    context.correcting.bring_back(context.image)
    wait(qtbot, context)
    assert shown(context)[20, 20] == 0
    assert not page._offer.isVisible()
    page.press("undo")
    assert shown(context)[20, 20] > 0


def test_segmenting_anew_asks_first_and_what_was_corrected_is_offered_at_once(
    viewer: ViewerModel, context: Context, page: CorrectDock, qtbot: Any
) -> None:
    segment = SegmentDock(viewer)
    qtbot.addWidget(segment)
    segment.show()
    click(page, 20, 20)
    page.press("delete")
    wait(qtbot, context)
    corrections = found(context)
    segment._button.click()
    assert not context.jobs.busy
    assert "1 correction would be replaced" in segment.replacing.text.text()
    page.press("undo")
    assert not segment.replacing.isVisible(), "nothing is left to lose"
    page.press("redo")
    segment._button.click()
    assert segment.replacing.isVisible()
    QTest.mouseClick(segment.replacing.keep, Qt.MouseButton.LeftButton)
    assert not segment.replacing.isVisible()
    assert found(context) is corrections
    segment._button.click()
    QTest.mouseClick(segment.replacing.go_on, Qt.MouseButton.LeftButton)
    until(qtbot, page._offer.isVisible)
    wait(qtbot, context)
    assert found(context) is not corrections
    assert shown(context)[20, 20] > 0
    context.correcting.bring_back(context.image)
    wait(qtbot, context)
    assert shown(context)[20, 20] == 0


def test_the_documentation_lists_every_key() -> None:
    text = (Path(__file__).parents[2] / "docs" / "correct.md").read_text()
    told = set(re.findall(r"^\| [^|]*?\| ([QGCS]) \|", text, re.M))
    told |= {
        key.strip() for row in re.findall(r"^\| ([^|]+) \|", text, re.M) for key in row.split(",")
    }
    names = {"Control-Z": "Ctrl+Z", "Control-Shift-Z": "Ctrl+Shift+Z", "Escape": "Esc"}
    for key, _, _ in KEYS:
        assert names.get(key, key) in told


# a real window


def test_merge_and_add_in_a_real_window(
    make_napari_viewer: Any, qtbot: Any, discs: np.ndarray
) -> None:
    viewer = make_napari_viewer(show=True)
    viewer.add_image(np.repeat(np.repeat(discs, 2, 0), 2, 1), name="film")
    _, bench = viewer.window.add_plugin_dock_widget("napari-samstar", "SAM* workbench")
    context = bench.context
    context.image.set_settings(
        decode=DecodeSettings(points_per_side=4, sources=("grid", "regions")),
        prior=Prior(diameter=(25, 40), shape="round", polarity="dark"),
        boost=None,
    )
    context.run("Segmenting", context.image, context.image.segment_steps())
    wait(qtbot, context)
    page = next(dock for dock in bench.docks if isinstance(dock, CorrectDock))
    bench.pages.setCurrentIndex(bench.docks.index(page))
    until(qtbot, lambda: context.image.state.corrections is not None)
    canvas = viewer.window._qt_viewer.canvas.native
    viewer.reset_view()
    QTest.qWait(50)
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera

    def spot(y: float, x: float) -> QPoint:
        center = np.array([canvas.height(), canvas.width()]) / 2
        at = center + (np.array([y, x]) - np.array(camera.center[-2:])) * camera.zoom
        return QPoint(round(at[1]), round(at[0]))

    page.press("merge")
    for y, x in ((40, 40), (40, 120)):
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=spot(y, x))
    assert shown(context)[40, 40] == shown(context)[40, 120] > 0
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert shown(context)[40, 40] != shown(context)[40, 120]

    center = tuple(camera.center)
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=spot(120, 20))
    for x in (80, 140, 220):
        QTest.mouseMove(canvas, spot(120, x))
        QTest.qWait(20)
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=spot(120, 220))
    assert shown(context)[120, 40] == shown(context)[120, 120] == shown(context)[120, 200] > 0
    assert tuple(camera.center) == center, "the picture moved under the stroke"

    QTest.keyClick(canvas, Qt.Key.Key_Q)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=spot(200, 200))
    QTest.keyClick(canvas, Qt.Key.Key_D)
    assert shown(context)[200, 200] == 0
    QTest.keyClick(canvas, Qt.Key.Key_S)
    wait(qtbot, context)
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=spot(200, 200))
    until(qtbot, lambda: page._hand.suggestion is not None)
    QTest.keyClick(canvas, Qt.Key.Key_Return)
    added = shown(context) == shown(context)[200, 200]
    assert shown(context)[200, 200] > 0
    assert 600 < added.sum() < 1000, "the bundled network found the disc of 797 px"
    found(context).exported("")


def test_a_window_that_closes_in_the_middle_keeps_what_was_corrected(
    make_napari_viewer: Any, qtbot: Any, discs: np.ndarray
) -> None:
    viewer = make_napari_viewer()
    viewer.add_image(discs, name="film")
    _, bench = viewer.window.add_plugin_dock_widget("napari-samstar", "SAM* workbench")
    context, image = bench.context, bench.context.image
    image.update(model=NO_MODEL)
    image.set_settings(boost=None)
    context.run("Segmenting", image, image.segment_steps())
    wait(qtbot, context)
    page = next(dock for dock in bench.docks if isinstance(dock, CorrectDock))
    bench.pages.setCurrentIndex(bench.docks.index(page))
    context.correcting.begin(image)
    until(qtbot, lambda: image.state.corrections is not None)
    corrections = image.state.corrections
    label = corrections.at(20, 20)
    context.correcting.do(image, lambda _: edits.Delete(label))
    page.press("add")  # a job is under way
    viewer.close()
    until(qtbot, lambda: context.is_closed)
    (offer,) = edits.recover(edits.journals_folder())
    assert (offer.corrections, offer.closed) == (1, True)


def test_objects_whose_layer_was_deleted_are_seen_again_on_the_page(
    viewer: ViewerModel, context: Context, page: CorrectDock, qtbot: Any
) -> None:
    page.press("merge")
    click(page, 20, 20)
    click(page, 20, 60)
    page.hide()
    viewer.layers.remove(context.outputs.layer(context.image, OBJECTS))
    page.show()
    layer = context.outputs.layer(context.image, OBJECTS)
    np.testing.assert_array_equal(np.squeeze(layer.data), found(context).labels)
    assert viewer.layers.selection.active is layer, "keys belong to it"
    click(page, 60, 60)
    page.press("delete")
    assert shown(context)[60, 60] == 0
    wait(qtbot, context)
