"""The page Search on napari's viewer model: rewards, the plot, the slider, and what is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from tests.waiting import until, wait

from napari_samstar import edits
from napari_samstar._widgets.agreement import AGREEMENT
from napari_samstar._widgets.candidates import CANDIDATES
from napari_samstar._widgets.context import Context
from napari_samstar._widgets.offer import Offer
from napari_samstar._widgets.outputs import OBJECTS
from napari_samstar._widgets.search_dock import SearchDock
from napari_samstar._widgets.theme import accent
from napari_samstar.session.tools import NO_MODEL
from napari_samstar.settings import Prior, SearchSettings


def taken(qtbot: Any, context: Context) -> None:
    """Wait until the result is that of the candidate that is shown."""
    image = context.image
    assert image is not None
    until(
        qtbot,
        lambda: (
            image.state.result is not None
            and image.state.result.candidate is image.state.candidate
            and not context.quick_jobs.busy
        ),
    )


@pytest.fixture
def discs() -> np.ndarray:
    """Discs of many sizes and contrasts, some overlapping, so that no setting is best in all."""
    rng = np.random.default_rng(3)
    yy, xx = np.mgrid[:120, :120]
    image = np.full((120, 120), 170.0)
    for _ in range(14):
        y, x = rng.uniform(8, 112, 2)
        image[(yy - y) ** 2 + (xx - x) ** 2 <= rng.uniform(3, 13) ** 2] -= rng.uniform(12, 60)
    return image + rng.normal(0.0, 9.0, image.shape)


@pytest.fixture
def dock(viewer: ViewerModel, context: Context, film: Any, qtbot: Any) -> SearchDock:
    """The page, on the discs, seen."""
    made = SearchDock(viewer)
    qtbot.addWidget(made)
    made.show()
    context.image.update(search=SearchSettings(budget=40, population=8))
    return made


@pytest.fixture
def searched(dock: SearchDock, context: Context, qtbot: Any) -> SearchDock:
    dock._start.click()
    wait(qtbot, context)
    taken(qtbot, context)
    return dock


def colors_of(widget: Any) -> set[str]:
    """Colors of the lowest line of a widget."""
    picture = widget.grab().toImage()
    return {picture.pixelColor(x, widget.height() - 4).name() for x in range(widget.width())}


def state(context: Context) -> Any:
    assert context.image is not None
    return context.image.state


def test_before_a_search_the_page_says_what_it_will_go_by(
    dock: SearchDock, context: Context
) -> None:
    assert "7 to 9 nm, round, darker" in dock._rewards.known.text()
    assert {"quality", "size", "shape"} <= set(dock._rewards.rows._rows)
    assert dock._budget.value() == 40
    assert dock._start.isEnabled()
    assert not dock._stop.isEnabled()
    assert dock._plot is None
    context.image.set_settings(prior=Prior())
    assert "size" not in dock._rewards.rows._rows
    assert "say in Segment" in dock._rewards.known.text()


def test_what_is_wanted_is_seen_before_the_objects_that_there_are(
    dock: SearchDock, context: Context, qtbot: Any
) -> None:
    assert not dock._rewards.rows._plots, "there are no objects yet"
    context.run("Segmenting", context.image, context.image.segment_steps())
    wait(qtbot, context)
    plot = dock._rewards.rows.plot("size")
    sizes = state(context).result.table["equivalent_diameter_nm"]
    whole = sizes[~state(context).result.table["touches_border"]]
    counted = plot.counted()
    assert (counted.low, counted.high, counted.unit) == (7.0, 9.0, "nm")
    assert counted.total == len(whole)
    assert counted.inside == int(whole.between(7, 9).sum())
    assert set(dock._rewards.rows._plots) == {"size", "shape"}
    assert {"size_band", "solidity", "circularity"} <= set(dock._rewards.terms._plots)
    objects = context.outputs.layer(context.image, OBJECTS)
    middle = float(whole.median())
    context.image.set_settings(prior=Prior(diameter=(middle, 9), size_unit="nm"))
    inside = np.flatnonzero(whole.between(middle, 9))
    assert 0 < inside.size < len(whole)
    until(qtbot, lambda: plot.counted().inside == len(inside))
    assert accent().name() in colors_of(plot), "bars within the range stand out"
    gone = state(context).result.table["label"][whole.index[inside]]
    objects.data = np.where(np.isin(objects.data, gone), 0, objects.data)
    until(qtbot, lambda: plot.counted().total == len(whole) - len(gone))
    assert plot.counted().inside == 0
    assert accent().name() not in colors_of(plot)
    context.image.set_settings(prior=Prior(diameter=(2, 30), size_unit="px"))
    counted = plot.counted()
    assert (counted.low, counted.high, counted.unit) == (1.0, 15.0, "nm")
    assert counted.inside == counted.total
    context.image.set_settings(prior=Prior())
    assert set(dock._rewards.rows._plots) == {"shape"}, "solidity is always asked for"


def test_a_search_fills_plot_layers_and_table(
    viewer: ViewerModel, searched: SearchDock, context: Context, film: Any
) -> None:
    found = state(context).front
    layer = context.outputs.layer(context.image, CANDIDATES)
    assert layer.data.shape == (len(found.front), 120, 120)
    np.testing.assert_allclose(layer.extent.world[:, 1:], film.extent.world)
    assert len(searched._plot._points) == len(found.front)
    objects = context.outputs.layer(context.image, OBJECTS)
    plane = found.planes[state(context).candidate.index].labels()
    np.testing.assert_array_equal(objects.data > 0, plane > 0)
    assert (layer.visible, objects.visible) == (True, False)
    assert viewer.layers.selection.active is film
    assert "the default settings" in searched._line.text()
    searched.hide()
    assert (layer.visible, objects.visible) == (False, True)


def test_a_click_on_a_point_shows_its_candidate(
    viewer: ViewerModel, searched: SearchDock, context: Context, qtbot: Any
) -> None:
    found = state(context).front
    candidate = next(c for c in found.along(searched._axis(0)) if c is not state(context).candidate)
    searched.resize(400, 700)
    qtbot.wait(50)
    spot = searched._plot.pixel_of(candidate).toPoint()
    qtbot.mouseClick(searched._plot.viewport, Qt.MouseButton.LeftButton, pos=spot)
    until(qtbot, lambda: state(context).pinned)
    near = state(context).candidate
    clicked = searched._plot.pixel_of(near)
    assert np.hypot(clicked.x() - spot.x(), clicked.y() - spot.y()) < 2
    layer = context.outputs.layer(context.image, CANDIDATES)
    at = viewer.dims.current_step[0]
    np.testing.assert_array_equal(layer.data[at], found.planes[near.index].labels())
    taken(qtbot, context)
    searched._preferred.click()
    assert not state(context).pinned


def test_the_slider_below_the_picture_chooses(
    viewer: ViewerModel, searched: SearchDock, context: Context, qtbot: Any
) -> None:
    order = state(context).front.along(searched._axis(0))
    for at in (0, len(order) - 1):
        viewer.dims.set_current_step(0, at)
        assert state(context).candidate is order[at]
    assert state(context).pinned
    searched._candidates.step(-1)
    assert viewer.dims.current_step[0] == len(order) - 2
    searched._axes[0].setCurrentIndex(1)
    searched._on_axes()
    again = state(context).front.along(searched._axis(0))
    assert again[viewer.dims.current_step[0]] is state(context).candidate
    taken(qtbot, context)


def test_two_images_share_the_slider(
    viewer: ViewerModel,
    searched: SearchDock,
    context: Context,
    film: Any,
    discs: np.ndarray,
    qtbot: Any,
) -> None:
    first = context.image
    assert first is not None
    layer, objects = (context.outputs.layer(first, role) for role in (CANDIDATES, OBJECTS))
    other = viewer.add_image(discs[::-1] + 9.0, name="other")
    second = context.image
    assert second is not None
    assert second is not first
    assert (layer.visible, objects.visible) == (False, True), "the other has no candidates yet"
    second.update(model=NO_MODEL, search=SearchSettings(budget=20, population=8))
    searched._start.click()
    wait(qtbot, context)
    taken(qtbot, context)
    ends = {image: len(image.state.front.front) - 1 for image in (first, second)}
    assert ends[first] != ends[second]
    short = min(ends, key=lambda image: ends[image])
    viewer.layers.selection.active = film if short is first else other
    assert context.image is short
    viewer.dims.set_current_step(0, max(ends.values()))
    assert viewer.dims.current_step[0] == ends[short]
    order = short.state.front.along(searched._axis(0))
    assert short.state.candidate is order[-1]
    shown = context.outputs.layer(short, CANDIDATES)
    assert shown.visible
    assert np.any(np.asarray(shown._slice.image.raw)), "its objects are drawn"
    taken(qtbot, context)


def test_an_importance_chooses_while_it_moves(
    searched: SearchDock, context: Context, qtbot: Any
) -> None:
    found = state(context).front
    for name in found.front.objectives:
        searched._rewards.rows.row(name)[1].setValue(0)
    searched._rewards.rows.row("size")[1].setValue(100)
    column = found.front.objectives.index("size")
    best = max(c.rewards[column] for c in found.front.candidates)
    assert state(context).candidate.rewards[column] == best
    until(qtbot, lambda: dict(state(context).result.recipe.importances).get("size") == 1.0)


def test_rewards_are_switched_by_kind_and_one_by_one(dock: SearchDock, context: Context) -> None:
    dock._rewards.rows.row("size")[0].setChecked(False)
    assert "size_band" in state(context).settings.without
    assert not dock._rewards.terms.switch("size_band").isChecked()
    assert not dock._rewards.rows.row("size")[1].isEnabled()
    dock._rewards.terms.switch("size_band").setChecked(True)
    assert state(context).settings.without == ()
    assert dock._rewards.rows.row("size")[0].isChecked()


def test_stop_keeps_what_was_found(dock: SearchDock, context: Context, qtbot: Any) -> None:
    context.image.update(search=SearchSettings(budget=5000, population=8, patience=0))
    dock._start.click()
    until(qtbot, lambda: state(context).front is not None)
    dock._pause.click()
    assert context.jobs.paused
    assert dock._pause.text() == "Go on"
    dock._pause.click()
    dock._stop.click()
    assert not context.jobs.busy
    taken(qtbot, context)
    assert not state(context).front.finished
    assert context.outputs.layer(context.image, OBJECTS) is not None
    assert dock._start.isEnabled()


def test_a_layer_of_candidates_that_is_deleted_comes_again(
    viewer: ViewerModel, searched: SearchDock, context: Context, qtbot: Any
) -> None:
    viewer.layers.remove(context.outputs.layer(context.image, CANDIDATES))
    context.image.show(state(context).front.front.candidates[0])
    assert context.outputs.layer(context.image, CANDIDATES) is not None
    taken(qtbot, context)


def test_the_image_may_go_during_its_search(
    viewer: ViewerModel, dock: SearchDock, context: Context, qtbot: Any, told: list[str]
) -> None:
    context.image.update(search=SearchSettings(budget=5000, population=8, patience=0))
    dock._start.click()
    until(qtbot, lambda: state(context).front is not None)
    viewer.layers.remove(viewer.layers["film"])
    wait(qtbot, context)
    assert (context.image, told) == (None, [])


def test_agreement_is_a_layer_on_the_image(
    viewer: ViewerModel, searched: SearchDock, context: Context, film: Any, qtbot: Any
) -> None:
    searched._agreement.setChecked(True)
    until(qtbot, lambda: context.outputs.layer(context.image, AGREEMENT) is not None)
    layer = context.outputs.layer(context.image, AGREEMENT)
    np.testing.assert_allclose(layer.extent.world, film.extent.world)
    assert 0 <= layer.data.min() < layer.data.max() <= 1
    searched._agreement.setChecked(False)
    assert context.outputs.layer(context.image, AGREEMENT) is None


def test_candidates_lie_on_their_frame_of_a_stack(
    viewer: ViewerModel, context: Context, discs: np.ndarray, qtbot: Any
) -> None:
    stack = np.stack([discs, discs[::-1]])
    layer = viewer.add_image(stack, name="series", scale=(1, 0.5, 0.5), units=("s", "nm", "nm"))
    viewer.dims.set_point(0, 1)
    page = SearchDock(viewer)
    qtbot.addWidget(page)
    page.show()
    context.image.update(model=NO_MODEL, search=SearchSettings(budget=20, population=8))
    page._start.click()
    wait(qtbot, context)
    taken(qtbot, context)
    candidates = context.outputs.layer(context.image, CANDIDATES)
    assert candidates.data.shape[1:] == (1, 120, 120)
    np.testing.assert_allclose(candidates.extent.world[:, 1], [1, 1])
    np.testing.assert_allclose(candidates.extent.world[:, 2:], layer.extent.world[:, 1:])


@pytest.fixture
def corrected(
    viewer: ViewerModel, searched: SearchDock, context: Context, qtbot: Any
) -> SearchDock:
    """The page, its candidate taken and one of the objects deleted."""
    context.correcting.begin(context.image)
    until(qtbot, lambda: state(context).corrections is not None)
    label = next(iter(state(context).corrections.table))
    context.correcting.do(context.image, lambda _: edits.Delete(label))
    until(qtbot, lambda: len(state(context).result.table) == len(state(context).corrections.table))
    wait(qtbot, context)
    return searched


def rested(qtbot: Any, dock: SearchDock, context: Context) -> None:
    until(qtbot, lambda: not (dock._rest.isActive() or context.quick_jobs.busy))


def another(context: Context) -> Any:
    """A candidate that is not the result."""
    shown = state(context).candidate
    return next(c for c in state(context).front.front.candidates if c is not shown)


def test_a_candidate_does_not_replace_what_was_corrected_by_itself(
    viewer: ViewerModel, corrected: SearchDock, context: Context, qtbot: Any
) -> None:
    offer = Offer(context)
    qtbot.addWidget(offer)
    kept, count = state(context).corrections, len(state(context).result.table)
    corrected._rewards.rows.row("size")[1].setValue(100)
    rested(qtbot, corrected, context)
    assert state(context).corrections is kept
    assert "1 correction would be replaced" in corrected.replacing.text.text()
    assert corrected.replacing.isVisible()
    context.image.show(another(context))
    rested(qtbot, corrected, context)
    assert (state(context).corrections, len(state(context).result.table)) == (kept, count)
    QTest.mouseClick(corrected.replacing.keep, Qt.MouseButton.LeftButton)
    assert not corrected.replacing.isVisible()
    context.image.show(another(context))
    rested(qtbot, corrected, context)
    assert not offer.isVisible()
    QTest.mouseClick(corrected.replacing.go_on, Qt.MouseButton.LeftButton)
    taken(qtbot, context)
    assert state(context).corrections is None
    assert not corrected.replacing.isVisible()
    until(qtbot, offer.isVisible)
    assert "1 correction of this image" in offer.text.text()
    context.correcting.bring_back(context.image)
    wait(qtbot, context)
    rested(qtbot, corrected, context)
    assert len(state(context).result.table) == count
    assert len(state(context).corrections.done) == 1
    assert not offer.isVisible()


def test_a_new_search_asks_before_it_replaces_what_was_corrected(
    corrected: SearchDock, context: Context, qtbot: Any
) -> None:
    kept = state(context).corrections
    corrected._start.click()
    assert not context.jobs.busy
    assert state(context).corrections is kept
    assert corrected.replacing.isVisible()
    QTest.mouseClick(corrected.replacing.go_on, Qt.MouseButton.LeftButton)
    assert context.jobs.busy
    wait(qtbot, context)
    taken(qtbot, context)
    assert state(context).corrections is None


def test_what_is_corrected_while_a_candidate_is_measured_is_kept(
    corrected: SearchDock, context: Context, qtbot: Any
) -> None:
    kept = state(context).corrections
    context.image.show(another(context))
    rested(qtbot, corrected, context)
    label = next(iter(kept.table))
    QTest.mouseClick(corrected.replacing.go_on, Qt.MouseButton.LeftButton)
    context.correcting.do(context.image, lambda _: edits.Delete(label))
    rested(qtbot, corrected, context)
    assert state(context).corrections is kept
    assert "2 corrections would be replaced" in corrected.replacing.text.text()
