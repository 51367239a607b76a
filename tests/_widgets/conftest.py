"""What all tests with a window share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import Notification, notification_manager
from qtpy.QtCore import QObject
from tests.waiting import until, wait

from napari_samstar._widgets.context import Context, context_of
from napari_samstar._widgets.job_runner import JobRunner
from napari_samstar.session.tools import NO_MODEL
from napari_samstar.settings import Prior


@pytest.fixture(autouse=True, scope="session")
def _own_napari_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    path: Path = tmp_path_factory.mktemp("napari") / "settings.yaml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_CONFIG", str(path))
        yield


@pytest.fixture(autouse=True)
def _nothing_unexpected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A job that fails for a reason that nobody foresaw is logged, and fails the test."""
    yield
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    logged = [r for r in records if r.name.startswith("napari_samstar")]
    assert not [r for r in logged if r.levelno >= logging.ERROR]


@pytest.fixture
def qtbot(qtbot: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """As pytest-qt makes it, but what it is given stays until the test is over.

    It holds widgets weakly. A page of which a test keeps one field only would be deleted whenever
    Python collects garbage, in the middle of a key that is pressed in that field too.
    """
    held = []
    add = qtbot.addWidget

    def keep(widget: Any, **more: Any) -> None:
        held.append(widget)
        add(widget, **more)

    monkeypatch.setattr(qtbot, "addWidget", keep)
    return qtbot


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def context(viewer: ViewerModel, qtbot: Any) -> Iterator[Context]:
    context = context_of(viewer)
    yield context
    context.close()
    wait(qtbot, context)


@pytest.fixture
def discs(rng: np.random.Generator) -> np.ndarray:
    """Nine dark discs of 16 px diameter."""
    yy, xx = np.mgrid[:120, :120]
    image = np.full((120, 120), 180.0)
    for y in (20, 60, 100):
        for x in (20, 60, 100):
            image[(yy - y) ** 2 + (xx - x) ** 2 <= 64] = 60.0
    return image + rng.normal(0.0, 3.0, image.shape)


@pytest.fixture
def film(viewer: ViewerModel, context: Context, discs: np.ndarray) -> Any:
    """The discs as a layer, 0.5 nm a pixel, to be segmented without a network."""
    layer = viewer.add_image(discs, name="film", scale=(0.5, 0.5), units=("nm", "nm"))
    assert context.image is not None
    context.image.update(model=NO_MODEL)
    context.image.set_settings(
        prior=Prior(diameter=(7, 9), size_unit="nm", shape="round", polarity="dark")
    )
    return layer


@pytest.fixture
def told() -> Iterator[list[str]]:
    sentences: list[str] = []

    def keep(notification: Notification) -> None:
        sentences.append(notification.message)

    notification_manager.notification_ready.connect(keep)
    yield sentences
    notification_manager.notification_ready.disconnect(keep)


@pytest.fixture
def runner(qtbot: Any) -> Iterator[JobRunner]:
    parent = QObject()
    runner = JobRunner(parent)
    yield runner
    runner.stop()
    until(qtbot, lambda: not runner.busy)
