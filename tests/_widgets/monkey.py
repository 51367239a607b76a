"""Somebody who presses whatever there is, by a seed; for a test, and for `benchmarks/monkey.py`."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
from napari.components import ViewerModel
from qtpy.QtCore import QEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_samstar._widgets.correct_keys import KEYS
from napari_samstar._widgets.outputs import OBJECTS
from napari_samstar._widgets.workbench import Workbench
from napari_samstar.session.tools import NO_MODEL
from napari_samstar.settings import DecodeSettings, Prior, SearchSettings

__all__ = ["Monkey", "memory"]

SIDE = 96
_FILMS = "film"


class Monkey:
    """A window's worth of random use.

    Parameters
    ----------
    seed : int
        The same seed presses the same things; what is ready by then depends on the machine.
    network : bool
        Let the bundled network look at some of the images.
    """

    def __init__(self, seed: int, network: bool = False) -> None:
        self.chance = np.random.default_rng(seed)
        self.network = network
        self.done: dict[str, int] = {}
        self.images: list[weakref.ref[Any]] = []
        self.start()

    def start(self) -> None:
        """Open a window."""
        self.viewer = ViewerModel()
        self.bench = Workbench(self.viewer)
        self.bench.resize(420, 700)
        self.bench.show()
        self.open()

    def step(self) -> None:
        """Do one thing."""
        acts: dict[Callable[[], Any], int] = {
            self.open: 2,
            self.close: 1,
            self.turn: 8,
            self.prepare: 2,
            self.segment: 4,
            self.search: 3,
            self.weigh: 6,
            self.scrub: 6,
            self.sort: 3,
            self.materials: 3,
            self.stop: 2,
            self.key: 25,
            self.click: 25,
            self.drag: 10,
            self.paint: 4,
            self.remove_a_layer: 1,
            self.calibrate: 1,
            self.select: 2,
            self.rest: 6,
        }
        shares = np.array(list(acts.values())) / sum(acts.values())
        act = list(acts)[self.chance.choice(len(acts), p=shares)]
        self.done[act.__name__] = self.done.get(act.__name__, 0) + 1
        act()

    # the parts of the window

    @property
    def context(self) -> Any:
        return self.bench.context

    @property
    def image(self) -> Any:
        return self.context.image

    def page(self, title: str) -> Any:
        return next(dock for dock in self.bench.docks if dock.title == title)

    # what can be done

    def open(self) -> None:
        if len([one for one in self.viewer.layers if one.name.startswith(_FILMS)]) > 3:
            self.close()
            return
        seed = int(self.chance.integers(3))  # the same image comes again, with its journal
        rng = np.random.default_rng(seed)
        yy, xx = np.mgrid[:SIDE, :SIDE]
        data = np.full((SIDE, SIDE), 180.0)
        for y, x in rng.integers(10, SIDE - 10, (9, 2)):
            data[(yy - y) ** 2 + (xx - x) ** 2 <= 49] = 60.0
        data = data + rng.normal(0, 3, data.shape)
        if self.chance.random() < 0.15:
            data = np.stack([data, data[::-1]])
        self.viewer.add_image(data, name=f"{_FILMS} {seed}")
        image = self.image
        if image is not None:
            model = "samstar-tiny" if self.network and self.chance.random() < 0.3 else NO_MODEL
            image.update(model=model, search=SearchSettings(budget=40, population=8))
            image.set_settings(
                decode=DecodeSettings(points_per_side=4, sources=("grid", "regions")),
                prior=Prior(diameter=(8, 20), shape="round", polarity="dark"),
            )
            self.images.append(weakref.ref(image))

    def close(self) -> None:
        films = [one for one in self.viewer.layers if one.name.startswith(_FILMS)]
        if films:
            self.viewer.layers.remove(films[self.chance.integers(len(films))])

    def turn(self) -> None:
        correct = self.bench.docks.index(self.page("Correct"))
        anywhere = int(self.chance.integers(self.bench.pages.count()))
        self.bench.pages.setCurrentIndex(correct if self.chance.random() < 0.5 else anywhere)

    def use_everything(self) -> None:
        """Do each thing once and to its end: whatever is loaded at its first use is loaded then."""
        self.image.update(model="samstar-tiny")
        materials = self.page("Materials")
        for button in (
            self.page("Segment")._button,
            self.page("Search")._start,
            materials._sort,
            materials._clean,
            materials._like,
        ):
            button.click()
            self.settle()
        assert self.image.state.result is not None
        self.bench.pages.setCurrentIndex(self.bench.docks.index(self.page("Correct")))
        for _, action, _ in KEYS:
            self.page("Correct").press(action)
            self.click()
            self.drag()
            self.settle()

    def prepare(self) -> None:
        self._press(self.page("Image")._prepare)

    def segment(self) -> None:
        self._press(self.page("Segment")._button)

    def search(self) -> None:
        page = self.page("Search")
        self._press(page._start)
        if self.chance.random() < 0.3:
            page._pause.click()
            QTest.qWait(30)
            page._pause.click()

    def weigh(self) -> None:
        rows = list(self.page("Search")._rewards.rows._rows.values())
        if rows and self.image is not None:
            rows[self.chance.integers(len(rows))][1].setValue(int(self.chance.integers(101)))

    def scrub(self) -> None:
        self.page("Search")._candidates.step(int(self.chance.integers(-2, 3)))

    def sort(self) -> None:
        page = self.page("Materials")
        buttons = (page._sort, page._clean, page._like)
        self._press(buttons[self.chance.integers(len(buttons))])

    def materials(self) -> None:
        page = self.page("Materials")
        if not page.isVisible():
            return
        page._mark.setChecked(bool(self.chance.random() < 0.7))
        if page._which.count():
            page._which.setCurrentIndex(int(self.chance.integers(page._which.count())))
        for place in self.place(3):
            page.clicked(place, bool(self.chance.random() < 0.8))
        if page.table.rowCount():
            page.table.selectRow(int(self.chance.integers(page.table.rowCount())))
            page._one.click()

    def stop(self) -> None:
        self.context.jobs.stop()

    def key(self) -> None:
        page, action = self.page("Correct"), KEYS[self.chance.integers(len(KEYS))][1]
        if page.isVisible():
            page.press(action)

    def click(self) -> None:
        page = self.page("Correct")
        if page.isVisible():
            page.clicked(self.place(1)[0], bool(self.chance.random() < 0.8))

    def drag(self) -> None:
        page = self.page("Correct")
        if page.isVisible() and page.grabs():
            line = self.place(int(self.chance.integers(2, 6)))
            page.drawing(line)
            page.drawn(line)

    def paint(self) -> None:
        layer = self.objects()
        if layer is not None and layer.ndim == 2:
            layer.selected_label = int(self.chance.integers(0, 40))
            y, x = self.chance.integers(0, SIDE, 2)
            layer.paint((int(y), int(x)), layer.selected_label)

    def remove_a_layer(self) -> None:
        if len(self.viewer.layers):
            self.viewer.layers.pop(int(self.chance.integers(len(self.viewer.layers))))

    def calibrate(self) -> None:
        if self.image is not None:
            self.image.set_pixel_size(float(self.chance.uniform(0.1, 9)), "nm")

    def select(self) -> None:
        if len(self.viewer.layers):
            chosen = self.viewer.layers[int(self.chance.integers(len(self.viewer.layers)))]
            self.viewer.layers.selection.active = chosen

    def rest(self) -> None:
        QTest.qWait(int(self.chance.integers(1, 300)))
        image = self.image
        if image is not None and self.context.correcting.offers(image):
            self.context.correcting.bring_back(image)

    # what is looked at

    def place(self, count: int) -> np.ndarray:
        """Places in the world, some of them beside the image."""
        size = None if self.image is None else self.image.state.source.pixel_size
        places = self.chance.uniform(-8, SIDE + 8, (count, 2)) * (1.0 if size is None else size[0])
        lead = 0 if self.image is None else len(self.image.state.source.index)
        return np.concatenate([np.zeros((count, lead)), places], 1)

    def objects(self) -> Any:
        return None if self.image is None else self.context.outputs.layer(self.image, OBJECTS)

    def busy(self) -> bool:
        runners = self.context.jobs, self.context.quick_jobs, self.page("Correct")._answers.jobs
        return any(runner.busy for runner in runners)

    def wait(self, seconds: float = 900.0) -> None:
        """Wait until no job runs."""
        ends = time.perf_counter() + seconds
        while self.busy():
            QTest.qWait(20)
            assert time.perf_counter() < ends, "a job does not come to its end"

    def settle(self) -> None:
        """Wait until all is at rest."""
        if self.context.jobs.paused:
            self.context.jobs.pause(False)
        for _ in range(2):
            QTest.qWait(400)
            self.wait()

    def check(self) -> None:
        """What is on the screen is what is kept and what was measured, once all is at rest."""
        self.settle()
        image, layer = self.image, self.objects()
        if image is None or layer is None or image.state.result is None:
            return
        result = image.state.result
        labels = np.squeeze(np.asarray(layer.data))
        np.testing.assert_array_equal(labels, result.segmentation.labels)
        assert len(result.table) == np.unique(labels[labels > 0]).size
        if image.state.corrections is not None:
            np.testing.assert_array_equal(labels, image.state.corrections.labels)

    def end(self) -> None:
        """Close the window, and see that nothing of it is left."""
        self.context.close()
        self.wait()
        self.viewer.layers.clear()
        bench = weakref.ref(self.bench)
        self.bench.close()
        self.bench.deleteLater()
        del self.bench, self.viewer
        ends = time.perf_counter() + 900  # a step may take long on a machine that is busy
        while time.perf_counter() < ends:
            QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
            QTest.qWait(20)
            gc.collect()
            jobs = [one for one in threading.enumerate() if one.name.startswith("samstar")]
            kept = [one for one in self.images if one() is not None]
            if not jobs and not kept and bench() is None:
                break
        assert not jobs, f"threads are left: {jobs}"
        assert not kept, f"{len(kept)} of {len(self.images)} images are still held"
        assert bench() is None, "the workbench is still held"
        self.images.clear()

    def _press(self, button: Any) -> None:
        if button.isEnabled():
            button.click()
            if self.chance.random() < 0.7:
                self.wait()


def memory() -> float:
    """Memory of this process, MiB; 0 where the system does not tell."""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            kib = next(line.split()[1] for line in file if line.startswith("VmRSS"))
    except (OSError, StopIteration):
        return 0.0
    return int(kib) / 1024
