"""Real windows: what is drawn and clicked, with the bundled network in real threads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from tests.waiting import until, wait

from napari_samstar._widgets.layers import show_segmentation
from napari_samstar._widgets.outputs import OBJECTS
from napari_samstar.session.tools import NO_MODEL
from napari_samstar.settings import DecodeSettings, Prior
from napari_samstar.types import Micrograph, Segmentation

MakeViewer = Callable[..., Any]


@pytest.fixture
def discs(rng: np.random.Generator) -> np.ndarray:
    """Four dark discs of 40 px diameter."""
    yy, xx = np.mgrid[:128, :128]
    image = np.full((128, 128), 180.0)
    for y in (32, 96):
        for x in (32, 96):
            image[(yy - y) ** 2 + (xx - x) ** 2 <= 400] = 60.0
    return (image + rng.normal(0.0, 3.0, image.shape)).astype(np.float32)


def open_bench(viewer: Any, discs: np.ndarray) -> Any:
    """Open the workbench as the menu does, on the discs, asking the network little."""
    viewer.add_image(discs, name="film", scale=(0.5, 0.5), units=("nm", "nm"))
    _, bench = viewer.window.add_plugin_dock_widget("napari-samstar", "SAM* workbench")
    bench.context.image.set_settings(
        decode=DecodeSettings(points_per_side=4, sources=("grid", "regions")),
        prior=Prior(diameter=(15, 25), size_unit="nm", shape="round", polarity="dark"),
    )
    return bench


def test_the_window_draws_image_and_objects(make_napari_viewer: MakeViewer) -> None:
    yy, xx = np.mgrid[:64, :64]
    labels = ((yy - 32) ** 2 + (xx - 32) ** 2 < 200).astype(np.int32)
    micrograph = Micrograph((xx * 1.0).astype(np.float32), (2.0, 2.0), "nm", "ramp")
    viewer = make_napari_viewer(show=True)
    show_segmentation(viewer, Segmentation(labels, micrograph))

    shown = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(float)
    viewer.layers["ramp objects"].visible = False
    hidden = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(float)
    assert hidden.std() > 5, "the image is not drawn"
    assert np.abs(shown - hidden).max() > 50, "the objects are not drawn"


def test_naparis_polygon_and_brush_paint_on_objects(
    make_napari_viewer: MakeViewer, qtbot: Any, discs: np.ndarray
) -> None:
    viewer = make_napari_viewer(show=True)
    bench = open_bench(viewer, discs)
    image = bench.context.image
    image.update(model=NO_MODEL)
    bench.context.run("Segmenting", image, image.segment_steps())
    wait(qtbot, bench.context)
    layer = bench.context.outputs.layer(image, OBJECTS)
    viewer.layers.selection.active = layer
    canvas = viewer.window._qt_viewer.canvas.native
    viewer.reset_view()
    QTest.qWait(50)
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera

    def spot(y: float, x: float) -> QPoint:
        center = np.array([canvas.height(), canvas.width()]) / 2
        at = center + (np.array([y, x]) * 0.5 - np.array(camera.center[-2:])) * camera.zoom
        return QPoint(round(at[1]), round(at[0]))

    layer.selected_label = 777
    layer.mode = "polygon"
    for y, x in ((58, 58), (58, 70), (70, 70), (70, 58)):
        QTest.mouseMove(canvas, spot(y, x))
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=spot(y, x))
    QTest.mouseMove(canvas, spot(70, 58))
    QTest.mouseDClick(canvas, Qt.MouseButton.LeftButton, pos=spot(70, 58))
    assert layer.data[64, 64] == 777
    assert 100 < (layer.data == 777).sum() < 250, "the square of 12 px"
    layer.selected_label = 778
    layer.mode = "paint"
    layer.brush_size = 3
    QTest.mouseMove(canvas, spot(10, 64))
    QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=spot(10, 64))
    assert layer.data[10, 64] == 778


def test_from_prepare_to_a_click_on_an_object(
    make_napari_viewer: MakeViewer, qtbot: Any, discs: np.ndarray
) -> None:
    viewer = make_napari_viewer(show=True)
    bench = open_bench(viewer, discs)
    image, measure = bench.docks[0], bench.docks[-1]
    image._prepare.click()
    wait(qtbot, bench.context)
    assert "masks are on offer" in image._state.text()
    bench.context.run("Segmenting", bench.context.image, bench.context.image.segment_steps())
    wait(qtbot, bench.context)
    result = bench.context.image.state.result
    assert result.recipe.model.name == "samstar-tiny"
    objects = bench.context.outputs.layer(bench.context.image, OBJECTS)
    wanted = int(objects.data[32, 32])
    assert wanted > 0

    bench.pages.setCurrentIndex(bench.pages.count() - 1)
    until(qtbot, measure.isVisible)
    canvas = viewer.window._qt_viewer.canvas
    viewer.reset_view()
    QTest.qWait(50)
    camera = viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera
    center = np.array([canvas.native.height(), canvas.native.width()]) / 2
    spot = center + (np.array([16.0, 16.0]) - np.array(camera.center[-2:])) * camera.zoom
    QTest.mouseClick(
        canvas.native, Qt.MouseButton.LeftButton, pos=QPoint(round(spot[1]), round(spot[0]))
    )
    until(qtbot, lambda: measure.table.labels() == [wanted])
    assert "film selected" in viewer.layers


def test_a_window_that_closes_during_a_job_stops_it(
    make_napari_viewer: MakeViewer, qtbot: Any, discs: np.ndarray
) -> None:
    viewer = make_napari_viewer()
    bench = open_bench(viewer, discs)
    context = bench.context
    bench.docks[0]._prepare.click()
    job = context.jobs._running.job
    viewer.close()
    assert not context.jobs.busy
    assert job.join(60)
    assert job.outcome == ("stopped", None)
    until(qtbot, lambda: context.is_closed)


def test_stop_leaves_the_image_as_it_was(
    make_napari_viewer: MakeViewer, qtbot: Any, discs: np.ndarray
) -> None:
    bench = open_bench(make_napari_viewer(), discs)
    before = bench.context.image.state
    bench.docks[0]._prepare.click()
    bench.context.jobs.stop()
    wait(qtbot, bench.context)
    assert bench.context.image.state is before
    assert bench.docks[0]._prepare.isEnabled()


CODE = """
import sys, napari
from napari.components import ViewerModel
import qtpy.QtWidgets as q
app = q.QApplication([])
from napari_samstar._widgets.workbench import Workbench
viewer = ViewerModel()
import numpy as np
viewer.add_image(np.eye(64), name="film")
bench = Workbench(viewer)
bench.show()
for k in range(bench.pages.count()):
    bench.pages.setCurrentIndex(k)
    app.processEvents()
import json
print(json.dumps(sorted({"torch", "pymoo", "matplotlib", "sklearn"} & set(sys.modules))))
"""


def test_opening_the_workbench_loads_neither_pytorch_nor_pymoo(qapp: Any) -> None:
    found = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=120
    )
    assert json.loads(found.stdout.splitlines()[-1]) == []


LEFT_OPEN = """
import atexit, sys
from qtpy.QtWidgets import QApplication
# what PyQt will delete for itself: asked after all that is registered later
atexit.register(lambda: print([type(w).__name__ for w in QApplication.allWidgets()], flush=True))
import napari
viewer = napari.Viewer(show=True)
viewer.window.add_plugin_dock_widget("napari-samstar", sys.argv[1])
QApplication.processEvents()
"""


@pytest.mark.parametrize(
    ("name", "kind"),
    [("SAM* workbench", "Workbench"), ("SAM* search", "SearchDock")],
)
def test_nothing_of_ours_is_left_where_python_ends_with_napari_open(
    qapp: Any, name: str, kind: str
) -> None:
    found = subprocess.run(
        [sys.executable, "-c", LEFT_OPEN, name], capture_output=True, text=True, timeout=120
    )
    # how Python ends is not asked: napari's own filter of events may still upset PyQt there
    assert "QMenuBar" in found.stdout, "napari is open to the end"
    assert kind not in found.stdout
    assert "Traceback" not in found.stderr
