"""Numbers, typed with real keys into the pages, and the wheel over them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractSlider,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QScrollBar,
)
from tests.waiting import until, wait

from napari_samstar._widgets.context import Context
from napari_samstar._widgets.fields import Fold
from napari_samstar._widgets.forms import SettingsForm
from napari_samstar._widgets.known_more import KnownMore
from napari_samstar._widgets.measure_dock import MeasureDock
from napari_samstar._widgets.micrograph_dock import MicrographDock
from napari_samstar._widgets.search_dock import SearchDock
from napari_samstar._widgets.segment_dock import SegmentDock
from napari_samstar._widgets.workbench import DOCKS, Workbench
from napari_samstar.settings import PreprocessSettings, Prior

ENTER, TAB = Qt.Key.Key_Return, Qt.Key.Key_Tab


def seen(qtbot: Any, viewer: ViewerModel, dock: Any) -> Any:
    made = dock(viewer)
    qtbot.addWidget(made)
    with qtbot.waitActive(made):
        made.show()
        made.activateWindow()
    return made


def enter(line: Any, text: str, last: Qt.Key) -> None:
    """Type over what is there, and leave."""
    line.setFocus()
    line.selectAll()
    QTest.keyClick(line, Qt.Key.Key_Delete)
    QTest.keyClicks(line, text)
    QTest.keyClick(line, last)


def state(context: Context) -> Any:
    assert context.image is not None
    return context.image.state


@pytest.mark.parametrize("last", [ENTER, TAB])
@pytest.mark.parametrize(
    ("typed", "size", "text"),
    [
        ("0,5", 0.5, "0.5"),
        ("0.25", 0.25, "0.25"),
        ("1,5e-1", 0.15, "0.15"),
        (",5", 0.5, "0.5"),
        ("12", 12.0, "12"),
    ],
)
def test_a_pixel_size_is_typed_with_a_comma_or_a_point(
    viewer: ViewerModel,
    context: Context,
    discs: np.ndarray,
    qtbot: Any,
    typed: str,
    size: float,
    text: str,
    last: Qt.Key,
) -> None:
    viewer.add_image(discs, name="film", scale=(2.0, 2.0), units=("nm", "nm"))
    line = seen(qtbot, viewer, MicrographDock)._pixel._size
    enter(line, typed, last)
    assert state(context).source.pixel_size == (size, size)
    assert line.text() == text


def test_an_emptied_pixel_size_is_unknown(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any, told: list[str]
) -> None:
    dock = seen(qtbot, viewer, MicrographDock)
    enter(dock._pixel._size, "", TAB)
    assert state(context).source.pixel_size is None
    assert dock._field.text() == "120 x 120 px"
    assert told == []


@pytest.mark.parametrize("typed", ["0", "-3", "1e", "1e999", ","])
def test_a_pixel_size_that_is_none_is_refused_and_the_old_one_seen(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any, told: list[str], typed: str
) -> None:
    line = seen(qtbot, viewer, MicrographDock)._pixel._size
    enter(line, typed, ENTER)
    assert state(context).source.pixel_size == (0.5, 0.5)
    assert line.text() == "0.5"
    assert len(told) == 1
    assert f"'{typed}'" in told[0]


def test_what_is_being_typed_stays_while_other_things_change(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    line = seen(qtbot, viewer, MicrographDock)._pixel._size
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, "0,2")
    context.image.set_importance("size", 0.5)
    QTest.keyClicks(line, "5")
    QTest.keyClick(line, ENTER)
    assert state(context).source.pixel_size == (0.25, 0.25)


def test_the_scale_bar_is_put_down_when_page_or_image_is_left(
    viewer: ViewerModel, context: Context, film: Any, discs: np.ndarray, qtbot: Any
) -> None:
    bench = seen(qtbot, viewer, Workbench)
    editor = bench.docks[0]._pixel
    callbacks = list(viewer.mouse_drag_callbacks)

    def take() -> None:
        QTest.mouseClick(editor._draw, Qt.MouseButton.LeftButton)
        QTest.keyClicks(editor._bar_length, "500")
        assert len(viewer.mouse_drag_callbacks) == len(callbacks) + 1

    take()
    bench.pages.setCurrentIndex([step.title for step in DOCKS].index("Segment"))
    assert not editor._draw.isChecked()
    assert viewer.mouse_drag_callbacks == callbacks
    bench.pages.setCurrentIndex(0)
    take()
    viewer.add_image(discs.T.copy(), name="other")
    assert not editor._draw.isChecked()
    assert viewer.mouse_drag_callbacks == callbacks


def test_diameters_are_typed_with_a_comma_and_emptied(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any, told: list[str]
) -> None:
    size = seen(qtbot, viewer, SegmentDock)._size

    def known() -> Any:
        return state(context).settings.prior.diameter

    enter(size._low, "6,5", TAB)
    enter(size._high, "7,5", TAB)
    assert known() == (6.5, 7.5)
    assert (size._low.text(), size._high.text()) == ("6.5", "7.5")
    enter(size._low, "0", TAB)
    assert known() == (0.0, 7.5), "from nothing is open"
    assert size._low.text() == ""
    for line, typed in ((size._high, "0"), (size._high, "-8"), (size._low, "-3")):
        told.clear()
        enter(line, typed, TAB)
        assert known() == (0.0, 7.5)
        assert (size._low.text(), size._high.text()) == ("", "7.5")
        assert len(told) == 1
        assert f"'{typed}'" in told[0]
    told.clear()
    enter(size._high, "", ENTER)
    assert known() is None
    assert told == []


@pytest.mark.parametrize("typed", ["1,25", "1.25"])
def test_a_setting_is_typed_with_a_comma_or_a_point(qtbot: Any, typed: str) -> None:
    form = SettingsForm(PreprocessSettings(), {"gamma": "Gamma"})
    qtbot.addWidget(form)
    form.show()
    spin: Any = form.editor("gamma")
    line = spin.findChild(QLineEdit)
    enter(line, typed, ENTER)
    assert form.value().gamma == 1.25  # type: ignore[attr-defined]
    assert line.text() == "1.25"


def roll(widget: Any) -> None:
    """Turn the wheel over the middle of a widget, toward oneself.

    Qt asks what lies around a widget next, where that leaves the wheel alone; but only for a wheel
    of the system, which there is none of here.
    """
    spot, by = QPointF(widget.mapToGlobal(widget.rect().center())), QPoint(0, -120)
    button, key = Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier
    phase = Qt.ScrollPhase.NoScrollPhase
    while widget is not None:
        at = QPointF(widget.mapFromGlobal(spot))
        event = QWheelEvent(at, spot, QPoint(), by, button, key, phase, False)
        if QApplication.sendEvent(widget, event) and event.isAccepted():
            return
        widget = widget.parentWidget()


def values(dock: Any) -> list[Any]:
    found: list[Any] = []
    for kind in (QAbstractSlider, QAbstractSpinBox, QComboBox):
        for one in dock.findChildren(kind):
            if isinstance(one, QComboBox):
                found.append(one.currentIndex())
            elif not isinstance(one, QScrollBar):
                found.append(one.value())
    return found


def test_the_wheel_scrolls_the_page_and_changes_nothing(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    bench = seen(qtbot, viewer, Workbench)
    bench.resize(400, 220)
    turned = 0
    for place, dock in enumerate(bench.docks):
        bench.pages.setCurrentIndex(place)
        QApplication.processEvents()
        bar = bench.pages.widget(place).verticalScrollBar()
        for kind in (QAbstractSlider, QAbstractSpinBox, QComboBox):
            for control in dock.findChildren(kind):
                if isinstance(control, QScrollBar) or not control.isVisible():
                    continue
                bench.pages.setFocus()
                bar.setValue(0)
                before = values(dock)
                roll(control)
                assert values(dock) == before, f"{dock.title}: {control}"
                assert bar.value() > 0 or bar.maximum() == 0, f"{dock.title}: {control}"
                turned += bar.value() > 0
    assert turned > 10


def test_the_wheel_turns_what_has_the_focus_and_spares_what_comes_late(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    bench = seen(qtbot, viewer, Workbench)
    place = [step.title for step in DOCKS].index("Search")
    bench.pages.setCurrentIndex(place)
    rows = bench.docks[place]._rewards.rows
    context.image.set_settings(prior=Prior())
    assert "size" not in rows._rows
    context.image.set_settings(prior=Prior(diameter=(7, 9), size_unit="nm"))
    QApplication.processEvents()
    slider = rows.row("size")[1]
    until(qtbot, slider.isVisible)
    bench.pages.setFocus()
    slider.setValue(50)
    roll(slider)
    assert slider.value() == 50
    slider.setFocus()
    roll(slider)
    assert slider.value() < 50


def tabbed(first: Any, last: Any) -> list[Any]:
    """What has the focus from one control to another, Tab by Tab."""
    first.setFocus()
    found = [first]
    while found[-1] is not last and len(found) < 100:
        QTest.keyClick(found[-1], TAB)
        found.append(QApplication.focusWidget())
    return found


def test_tab_goes_down_the_page_search_through_rows_that_came_late(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    bench = seen(qtbot, viewer, Workbench)
    place = [step.title for step in DOCKS].index("Search")
    bench.pages.setCurrentIndex(place)
    dock = bench.docks[place]
    context.image.set_settings(prior=Prior())
    context.image.set_settings(prior=Prior(diameter=(7, 9), size_unit="nm"))
    rows = dock._rewards.rows
    until(qtbot, lambda: all(widget.isVisible() for row in rows._rows.values() for widget in row))
    wanted = [widget for row in rows._rows.values() for widget in row]
    fold = dock.findChild(Fold).button
    found = tabbed(bench.pages.tabBar(), dock._budget)
    inside = [widget for widget in found if dock.isAncestorOf(widget)]
    assert inside == [*wanted, fold, dock._start, dock._budget]


def test_tab_finds_the_histogram_before_the_table(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    dock = seen(qtbot, viewer, MeasureDock)
    context.run("Segmenting", context.image, context.image.segment_steps())
    wait(qtbot, context)
    until(qtbot, lambda: dock._plot.plot is not None and dock._plot.plot.isVisible())
    places = [dock._column, dock._family, dock._plot.plot, dock.table]
    assert tabbed(dock._column, dock.table) == places


def test_each_single_reward_says_what_it_is(
    viewer: ViewerModel, context: Context, film: Any, qtbot: Any
) -> None:
    terms = seen(qtbot, viewer, SearchDock)._rewards.terms
    tips = {switch.toolTip() for switch in terms._switches.values()}
    assert len(tips) == len(terms._switches) > 5
    assert terms.switch("size_band").toolTip() == (
        "Share of the masks whose equivalent diameter lies in a range. Off: the next search does "
        "not ask for it."
    )


@pytest.mark.parametrize("typed", ["0,85", "0.85"])
def test_numbers_below_more_take_a_comma_or_a_point(typed: str, qtbot: Any) -> None:
    more = KnownMore()
    qtbot.addWidget(more)
    told: list[dict[str, Any]] = []
    more.changed.connect(told.append)
    more._circularity.selectAll()
    QTest.keyClicks(more._circularity, typed)
    QTest.keyClick(more._circularity, Qt.Key.Key_Return)
    assert told == [{"circularity": 0.85}]
