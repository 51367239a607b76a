"""Does the window stay answerable while it works, and how long do its answers take?

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/window.py [--side 2048] [--write]

A timer of the window is due every 5 ms; the time between two of its ticks is how long the window
was held, drawing included. That is sampled while a real window with a synthetic micrograph
prepares, searches with the candidates streaming in, finds materials, and exports. The same timer
with nothing to do but the same drawing, and with nothing at all, says what the machine itself adds.

Then single answers: Stop, an importance slider, a click to a mask, a click that merges, and how
long the workbench takes to open. Run it once before: the first run compiles. So does every run
where PYTHONDONTWRITEBYTECODE is set, and Python holds all threads while it compiles a module:
unset it, as installed packages have their bytecode.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SMALL = 1024
SEGMENTS = "segments, with materials"
PERIOD_MS = 5


class Probe:
    """Ticks of a timer of the window.

    Parameters
    ----------
    canvas : SceneCanvas
        Its drawings are timed, too.
    """

    def __init__(self, canvas: Any) -> None:
        from qtpy.QtCore import Qt, QTimer

        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(PERIOD_MS)
        self._timer.timeout.connect(self._tick)
        self.ticks: list[float] = []
        self.used: list[float] = []
        self.draws: list[float] = []
        self.rows: list[dict[str, object]] = []
        self.parts: list[tuple[Any, Any, int, int]] = []
        canvas.events.draw.connect(self._drawn, position="last")

    def _tick(self) -> None:
        self.ticks.append(time.perf_counter())
        self.used.append(time.thread_time())

    def _drawn(self, event: Any = None) -> None:
        self.draws.append(time.perf_counter())

    def begin(self) -> None:
        """Sample from now on."""
        self.ticks, self.used, self.draws = [], [], []
        gc.collect()
        self._timer.start()

    def end(self, what: str) -> None:
        """Stop, and keep a row of figures."""
        self._timer.stop()
        gaps = 1e3 * np.diff(self.ticks)
        if not gaps.size:
            return
        at = int(gaps.argmax())
        drawn = sum(self.ticks[at] < t <= self.ticks[at + 1] for t in self.draws)
        self.parts.append((gaps, 1e3 * np.diff(self.used), len(self.draws), drawn))
        self._keep(what, *self.parts[-1])

    def together(self, what: str, parts: list[int]) -> None:
        """Keep a row of figures of several parts."""
        gaps, busy, draws, drawn = zip(*[self.parts[k] for k in parts], strict=True)
        most = drawn[int(np.argmax([part.max() for part in gaps]))]
        self._keep(what, np.concatenate(gaps), np.concatenate(busy), sum(draws), most)

    def _keep(self, what: str, gaps: Any, busy: Any, draws: int, drawn: int) -> None:
        self.rows.append(
            {
                "while it": what,
                "seconds": round(float(gaps.sum() / 1e3), 1),
                "drawings": draws,
                "median, ms": round(float(np.median(gaps)), 1),
                "99.9th percentile, ms": round(float(np.percentile(gaps, 99.9)), 1),
                "longest, ms": round(float(gaps.max()), 1),
                "longer than 50 ms": int((gaps > 50).sum()),
                "drawings in the longest": drawn,
                "99.9th percentile, ms of processor": round(float(np.percentile(busy, 99.9)), 1),
                "longest, ms of processor": round(float(busy.max()), 1),
                "load": round(os.getloadavg()[0], 1),
            }
        )
        print(self.rows[-1], flush=True)


class Bench:
    """A window with the workbench and one synthetic micrograph."""

    def __init__(self, side: int) -> None:
        import napari

        from napari_samstar._widgets.layers import image_layer
        from napari_samstar.settings import Prior
        from napari_samstar.synth import generate
        from napari_samstar.types import Micrograph

        scene = generate("particles_tem", (side, side), seed=2)
        micrograph = Micrograph(scene.image, (0.4, 0.4), "nm", f"particles {side}")
        data, options, _ = image_layer(micrograph)
        self.viewer = napari.Viewer(show=True)
        self.viewer.window.resize(1366, 768)
        self.viewer.add_image(data, **options)
        _, self.bench = self.viewer.window.add_plugin_dock_widget(
            "napari-samstar", "SAM* workbench"
        )
        self.context = self.bench.context
        self.canvas = self.viewer.window._qt_viewer.canvas._scene_canvas
        self.truth = scene.labels
        low, high = np.percentile(
            np.sqrt(4 / np.pi * np.bincount(scene.labels.ravel())[1:]), [5, 95]
        )
        self.image.set_settings(
            prior=Prior(diameter=(0.4 * low, 0.4 * high), size_unit="nm", shape="round")
        )
        self.pump(500)

    @property
    def image(self) -> Any:
        """The image."""
        return self.context.image

    def page(self, title: str) -> Any:
        """Turn to a page."""
        place = next(k for k, dock in enumerate(self.bench.docks) if dock.title == title)
        self.bench.pages.setCurrentIndex(place)
        self.pump(300)
        return self.bench.docks[place]

    def pump(self, ms: int) -> None:
        """Let the window work."""
        from qtpy.QtTest import QTest

        QTest.qWait(ms)

    def busy(self) -> bool:
        """Whether a job runs."""
        return bool(self.context.jobs.busy or self.context.quick_jobs.busy)

    def until(self, condition: Callable[[], Any], seconds: float = 1500) -> float:
        """Let the window work until something is so; return the seconds that took.

        Waits as an application does, in its event loop: nothing else is polled.
        """
        from qtpy.QtCore import QEventLoop, QTimer

        began = time.perf_counter()
        if condition():
            return 0.0
        loop = QEventLoop()
        look = QTimer()
        look.setInterval(2)

        def check() -> None:
            if condition() or time.perf_counter() - began > seconds:
                loop.quit()

        look.timeout.connect(check)
        look.start()
        loop.exec()
        look.stop()
        return time.perf_counter() - began

    def idle(self) -> None:
        """Wait until no job runs, and then a little longer."""
        self.until(lambda: not self.busy())
        self.pump(800)
        self.until(lambda: not self.busy())

    def until_drawn(
        self, act: Callable[[], Any], condition: Callable[[], Any] = lambda: True
    ) -> tuple[float, float]:
        """Seconds from `act` to the end of the next drawing at which `condition` holds.

        And how many of them the thread of the window was at work.
        """
        seen: list[float] = []
        used: list[float] = []

        def drawn(event: Any = None) -> None:
            if condition():
                seen.append(time.perf_counter())
                used.append(time.thread_time())

        self.pump(100)
        self.canvas.events.draw.connect(drawn, position="last")
        began, idle = time.perf_counter(), time.thread_time()
        act()
        self.until(lambda: seen, 5)
        self.canvas.events.draw.disconnect(drawn)
        return (seen[0] - began, used[0] - idle) if seen else (float("inf"), float("inf"))

    def close(self) -> None:
        """End."""
        self.context.close()
        self.pump(500)
        self.viewer.close()


def stalls(side: int) -> tuple[list[dict[str, object]], dict[str, list[float]]]:
    """Sample the window while it works; and how long Stop takes, ms."""
    bench = Bench(side)
    probe = Probe(bench.canvas)
    stops: dict[str, list[float]] = {"in the window": [], "in the thread": []}

    def sampled(what: str, begin: Callable[[], Any]) -> None:
        probe.begin()
        begin()
        bench.idle()
        probe.end(what)

    def stopped(begin: Callable[[], Any], after: float) -> None:
        begin()
        bench.pump(int(1e3 * after))
        running = bench.context.jobs._running
        if running is None:
            return
        began = time.perf_counter()
        bench.context.jobs.stop()
        bench.until(lambda: not bench.context.jobs.busy)
        stops["in the window"].append(1e3 * (time.perf_counter() - began))
        bench.until(lambda: running.job.outcome is not None)
        stops["in the thread"].append(1e3 * (time.perf_counter() - began))

    probe.begin()
    bench.pump(5000)
    probe.end("rests")
    probe.begin()
    ends = time.perf_counter() + 5
    while time.perf_counter() < ends:
        bench.canvas.update()
        bench.pump(100)
    probe.end("draws the image again and again")
    image, search = bench.page("Image"), None
    for after in (0.8, 4.0, 12.0):
        stopped(image._prepare.click, after)
    sampled("prepares", image._prepare.click)
    bench.page("Segment")
    sampled(SEGMENTS, bench.bench.docks[1]._button.click)
    search = bench.page("Search")
    for after in (1.0, 2.5):
        stopped(search._start.click, after)
    sampled("searches, candidates streaming in", search._start.click)
    materials = bench.page("Materials")
    sampled("cleans up and finds materials", materials._clean.click)
    sampled("sorts by material", materials._sort.click)
    measure = bench.page("Measure")
    bench.idle()
    with tempfile.TemporaryDirectory() as folder:
        sampled("exports", lambda: measure.export(folder))
    segments = [row["while it"] for row in probe.rows].index(SEGMENTS)
    rest = [k for k in range(2, len(probe.rows)) if k != segments]
    probe.together("prepares, searches, finds materials and exports", rest)
    probe.together("does all this and segments", [*rest, segments])
    bench.close()
    return probe.rows, stops


def answers() -> list[dict[str, object]]:
    """Time single answers of the window."""
    bench = Bench(SMALL)
    chance = np.random.default_rng(5)
    times: dict[str, list[tuple[float, float]]] = {}

    def took(what: str, seconds: tuple[float, float]) -> None:
        times.setdefault(what, []).append(seconds)
        print(f"{what}: {1e3 * seconds[0]:.0f} ms, {1e3 * seconds[1]:.0f} used", flush=True)

    bench.page("Image")._prepare.click()
    bench.idle()
    print("prepared", flush=True)
    search = bench.page("Search")
    search._budget.setValue(200)
    search._start.click()
    bench.idle()
    print("searched", flush=True)
    rows = search._rewards.rows._rows
    for _ in range(12):
        family = list(rows)[chance.integers(len(rows))]
        before = bench.image.state.candidate
        place = int(chance.integers(101))
        seconds = bench.until_drawn(
            lambda slider=rows[family][1], place=place: slider.setValue(place)
        )
        if bench.image.state.candidate is not before:
            took("importance slider to the preferred mask", seconds)
    bench.idle()
    correct = bench.page("Correct")
    bench.until(lambda: bench.image.state.corrections is not None)
    correct.press("add")
    bench.idle()
    labels = np.unique(bench.truth)[1:]
    for label in chance.choice(labels, 12):
        ys, xs = np.nonzero(bench.truth == label)
        place = np.array([float(np.median(ys)), float(np.median(xs))]) * 0.4
        correct.press("drop")
        bench.pump(100)
        seconds = bench.until_drawn(
            lambda place=place: correct.clicked(place, True),
            lambda: correct._hand.suggestion is not None,
        )
        took("click to mask on the screen", seconds)
        bench.until(lambda: not correct._answers.jobs.busy)
    correct.press("merge")
    for _ in range(12):
        table = bench.image.state.corrections.table
        first, second = chance.choice(list(table), 2, replace=False)
        correct.press("drop")
        correct._hand.choose(())
        shown = bench.image.state.corrections.labels
        spots = []
        for label in (first, second):
            ys, xs = np.nonzero(shown == label)
            middle = len(ys) // 2
            spots.append(np.array([float(ys[middle]), float(xs[middle])]) * 0.4)
        correct.clicked(spots[0], True)
        bench.pump(150)
        seconds = bench.until_drawn(lambda spots=spots: correct.clicked(spots[1], True))
        took("click that merges to repaint", seconds)
        bench.pump(100)
    bench.close()
    return [
        {
            "answer": what,
            "median, ms": round(1e3 * float(np.median([t for t, _ in taken]))),
            "90th percentile, ms": round(1e3 * float(np.percentile([t for t, _ in taken], 90))),
            "longest, ms": round(1e3 * max(t for t, _ in taken)),
            "median, ms of processor": round(1e3 * float(np.median([t for _, t in taken]))),
            "times": len(taken),
        }
        for what, taken in times.items()
    ]


OPENING = """
import json, sys, time
import napari
viewer = napari.Viewer(show=True)
import numpy as np
viewer.add_image(np.random.default_rng(0).normal(size=(512, 512)))
from qtpy.QtTest import QTest
QTest.qWait(1000)
began, used = time.perf_counter(), time.process_time()
viewer.window.add_plugin_dock_widget("napari-samstar", "SAM* workbench")
from qtpy.QtWidgets import QApplication
QApplication.processEvents()
took = [time.perf_counter() - began, time.process_time() - used]
heavy = sorted({"torch", "pymoo", "numba", "sklearn", "pandas"} & set(sys.modules))
print(json.dumps([took, heavy]))
viewer.close()
"""


def opening(times: int = 3) -> tuple[list[tuple[float, float]], list[str]]:
    """Seconds from an open napari to an open workbench, and of them at work; what was imported."""
    took: list[tuple[float, float]] = []
    heavy: list[str] = []
    for _ in range(times + 1):
        out = subprocess.run(
            [sys.executable, "-c", OPENING], capture_output=True, text=True, check=True
        )
        (seconds, used), heavy = json.loads(out.stdout.strip().splitlines()[-1])
        took.append((seconds, used))
    return took[1:], heavy  # the first one may have compiled


def main() -> None:
    """Measure, print, and write the section."""
    from report import table, write_section

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    parser.add_argument("--only", choices=("stalls", "answers", "opening"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["SAMSTAR_HOME"] = home
        os.environ["NAPARI_CONFIG"] = str(Path(home) / "napari.yaml")
        took: list[tuple[float, float]] = []
        heavy, replies = [], []
        rows: list[dict[str, object]] = []
        stops: dict[str, list[float]] = {}
        if args.only in (None, "opening"):
            took, heavy = opening()
            print("opening", took, heavy, flush=True)
        if args.only in (None, "answers"):
            replies = answers()
            print(table(replies), flush=True)
        if args.only in (None, "stalls"):
            rows, stops = stalls(args.side)
            print(stops, flush=True)
    body = "\n\n".join(
        [
            "A window of 1366 x 768 with a synthetic micrograph of "
            f"{args.side} x {args.side} px. A timer of the window is due every 5 ms; given is the "
            "time between two of its ticks, drawing included, which is done in software here, "
            "without a graphics card. The first two rows are what machine and drawing add by "
            "themselves. `load` is the number of processes that wanted one of the cores, this one "
            "among them: where there are more of them than cores, the window waits for its turn, "
            "too, so the processor time that its thread used is given besides.",
            table(rows),
            "From Stop to a window that takes the next command: "
            + _listed(stops.get("in the window", []))
            + "; to the end of the work in its thread: "
            + _listed(stops.get("in the thread", []))
            + ".",
            f"Single answers on {SMALL} x {SMALL} px, to the end of the drawing:",
            table(replies),
            "From an open napari to the open workbench: "
            + ", ".join(f"{t:.2f} s ({used:.2f} s of processor)" for t, used in took)
            + f"; imported by then of torch, pymoo, numba, scikit-learn and pandas: "
            f"{', '.join(heavy) or 'none'}.",
        ]
    )
    print(body)
    if args.write:
        write_section("The window", body)


def _listed(values: list[float]) -> str:
    return ", ".join(f"{v:.0f}" for v in values) + " ms"


if __name__ == "__main__":
    main()
