"""Makes the pictures of the documentation anew, from the program as it is.

    xvfb-run -a -s "-screen 0 1600x1000x24" python docs/screenshots.py [NAME ...] [--out DIR]

NAME is ``pages``, or a tutorial: ``nanoparticles film grains pores cells``; all by default.
Each runs the real window on sample data that ships with the program, with the bundled network.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
SIZE = (1366, 768)
MOST_BYTES = 240_000


class Stage:
    """One window with the workbench on one sample.

    Parameters
    ----------
    sample : str
        Key of the sample in File > Open Sample > SAM star.
    out : Path
        Folder of the pictures.
    """

    def __init__(self, sample: str, out: Path) -> None:
        import napari

        self.out = out
        self.viewer = napari.Viewer(show=True)
        self.window = self.viewer.window
        self.window.resize(*SIZE)
        self.viewer.open_sample("napari-samstar", sample)
        self.viewer.layers.selection.active = self.viewer.layers[0]
        _, self.bench = self.window.add_plugin_dock_widget("napari-samstar", "SAM* workbench")
        self.context = self.bench.context
        # the window's own parts leave room for the picture, as a person would let them
        self.window._qt_viewer.dockConsole.hide()
        self.pump(500)
        self.viewer.reset_view()

    @property
    def image(self) -> Any:
        """The image worked on."""
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

    def told(self) -> str:
        """Line of the running job."""
        from napari_samstar._widgets.job_bar import JobBar

        return str(self.bench.findChild(JobBar)._label.text())

    def wait(self, condition: Callable[[], bool] | None = None) -> None:
        """Let the window work until `condition` holds; until no job runs, where there is none."""
        given = condition is not None
        condition = condition or (lambda: not self.busy())
        for _ in range(60_000):
            self.pump(20)
            if condition():
                break
        self.pump(700)
        if not given and self.busy():
            self.wait()

    def busy(self) -> bool:
        """Whether a job runs."""
        return bool(self.context.jobs.busy or self.context.quick_jobs.busy)

    def know(self, **prior: Any) -> None:
        """Say what is known of the objects."""
        from napari_samstar.settings import Prior

        self.image.set_settings(prior=Prior(**prior))

    def know_also(self, **prior: Any) -> None:
        """Say what else is known."""
        self.image.set_settings(prior=self.image.state.settings.prior.model_copy(update=prior))

    def preset(self, page: Any, name: str) -> None:
        """Start from a kind of sample."""
        page._preset.setCurrentIndex(page._preset.findData(name))
        page._preset.activated.emit(page._preset.currentIndex())

    def truth(self) -> np.ndarray:
        """Where the objects of a synthetic sample are."""
        layer = next(one for one in self.viewer.layers if one.name.endswith("truth"))
        return np.asarray(layer.data)

    def labels(self) -> list[int]:
        """Objects of it that lie inside."""
        truth = self.truth()
        edge = {0, *truth[[0, -1]].ravel().tolist(), *truth[:, [0, -1]].ravel().tolist()}
        return [k for k in np.unique(truth).tolist() if k not in edge]

    def typical(self, count: int) -> list[int]:
        """Objects of middle size."""
        areas = np.bincount(self.truth().ravel())
        inside = sorted(self.labels(), key=lambda k: areas[k])
        half = len(inside) // 2
        return inside[half : half + count]

    def middle(self, label: int) -> tuple[float, float]:
        """Find a pixel in the middle of an object."""
        pixels = np.argwhere(self.truth() == label)
        y, x = pixels[np.abs(pixels - pixels.mean(0)).sum(1).argmin()]
        return float(y), float(x)

    def search(self, budget: int = 300) -> Any:
        """Search to the end."""
        page = self.page("Search")
        page._budget.setValue(budget)
        page._start.click()
        self.wait()
        return page

    def click(self, page: Any, y: float, x: float, plain: bool = True) -> None:
        """Click into the picture, at a place in px."""
        size = self.image.state.source.pixel_size or (1.0, 1.0)
        page.clicked(np.array([y * size[0], x * size[1]]), plain)
        self.pump(200)

    def near(self, y: float, x: float) -> None:
        """Look at a place in px from near by."""
        from napari_samstar._widgets.marks import look_at

        box = (int(x) - 16, int(y) - 16, int(x) + 16, int(y) + 16)
        look_at(self.viewer, self.viewer.layers[0], box)
        self.pump(500)

    def shoot(self, name: str, themes: tuple[str, ...] = ("dark",)) -> None:
        """Save what is seen, in each of the themes."""
        for theme in themes:
            if self.viewer.theme != theme:
                self.viewer.theme = theme
            self.pump(700)
            shot = self.window.screenshot(canvas_only=False, flash=False)
            save(shot, self.out / f"{name}{'-light' if theme == 'light' else ''}.png")
        self.viewer.theme = "dark"

    def close(self) -> None:
        """End."""
        self.context.close()
        self.wait()
        self.viewer.close()


def save(picture: np.ndarray, path: Path) -> None:
    """Write a picture with as many colors as its file has room for."""
    from PIL import Image

    rgb = np.ascontiguousarray(picture[..., :3])
    whole = Image.fromarray(rgb)
    # outlines have few pixels: they are given a say, or noise would take all of the palette
    vivid = rgb[np.ptp(rgb.astype(int), axis=2) > 60][:, None]
    said = [rgb[::4, ::4].reshape(-1, 1, 3), *[vivid] * (1 + rgb.size // 40 // max(len(vivid), 1))]
    voters = Image.fromarray(np.concatenate(said))
    for colors in (256, 128, 64, 48, 32, 24, 16):
        palette = voters.quantize(colors, Image.Quantize.MEDIANCUT, kmeans=8)
        whole.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            break
    print(f"{path.name}: {path.stat().st_size // 1000} kB, {colors} colors", flush=True)


def pages(out: Path) -> None:
    """Every page, at each step, dark and light."""
    both = ("dark", "light")
    stage = Stage("glass", out)
    stage.shoot("page-image", both)
    stage.page("Image")._prepare.click()
    stage.wait(lambda: " left" in stage.told() or not stage.busy())
    stage.shoot("page-image-preparing")
    stage.wait()
    page = stage.page("Segment")
    stage.know(diameter=(100, 1000), size_unit="um", polarity="dark")
    page._button.click()
    stage.wait()
    stage.shoot("page-segment", both)
    search = stage.page("Search")
    stage.shoot("page-search-before")
    search._budget.setValue(400)
    search._start.click()
    stage.wait(lambda: stage.image.state.front is not None)
    if stage.context.jobs.busy:
        search._pause.click()
        stage.pump(400)
        stage.shoot("page-search-running")
        search._pause.click()
    stage.wait()
    stage.shoot("page-search", both)
    materials = stage.page("Materials")
    materials._clean.click()
    stage.wait()
    stage.shoot("page-materials", both)
    correct = stage.page("Correct")
    stage.wait(lambda: stage.image.state.corrections is not None)
    correct.press("next")
    stage.wait()
    stage.shoot("page-correct-review")
    stage.viewer.reset_view()
    correct.press("drop")
    correct.press("drop")
    correct.press("merge")
    table = stage.image.state.corrections.table
    largest = sorted(table, key=lambda k: -table[k].area)[2:4]
    labels = stage.image.state.corrections.labels
    for label in largest[:1]:
        y, x = np.argwhere(labels == label).mean(0)
        near = np.argwhere(labels == label)
        y, x = near[np.abs(near - (y, x)).sum(1).argmin()]
        stage.click(correct, float(y), float(x))
    stage.shoot("page-correct", both)
    correct.press("drop")
    correct.press("drop")
    measure = stage.page("Measure")
    stage.wait()
    measure.table.choose(stage.image.state.result.table["label"].tolist()[:1])
    stage.shoot("page-measure", both)
    with tempfile.TemporaryDirectory() as folder:
        measure.export(folder)
        stage.wait()
    stage.close()


def nanoparticles(out: Path) -> None:
    """Clicks say what is known; then sizes."""
    stage = Stage("nanoparticles", out)
    page = stage.page("Segment")
    page.learn.button.setChecked(True)
    stage.wait()
    for label in stage.typical(3):
        y, x = stage.middle(label)
        stage.click(page.learn, y, x)
        stage.wait()
    stage.shoot("tutorial-nanoparticles-learn")
    page._button.click()
    stage.wait()
    stage.page("Measure")
    stage.wait()
    stage.shoot("tutorial-nanoparticles-measure")
    stage.close()


def film(out: Path) -> None:
    """Layers by their material."""
    stage = Stage("film", out)
    page = stage.page("Segment")
    stage.preset(page, "layers")
    page._button.click()
    stage.wait()
    stage.shoot("tutorial-film-segment")
    page = stage.page("Materials")
    page.settings.fill.setChecked(True)
    page._clean.click()
    stage.wait()
    stage.shoot("tutorial-film-materials")
    stage.close()


def grains(out: Path) -> None:
    """Grains by a search."""
    stage = Stage("grains", out)
    page = stage.page("Segment")
    stage.preset(page, "grains")
    stage.know_also(diameter=(5, 50), size_unit="um")
    stage.search(300)
    stage.shoot("tutorial-grains-search")
    stage.page("Measure")
    stage.wait()
    stage.shoot("tutorial-grains-measure")
    stage.close()


def pores(out: Path) -> None:
    """Pores, one of them corrected by hand."""
    stage = Stage("pores", out)
    page = stage.page("Segment")
    stage.preset(page, "pores")
    stage.know_also(diameter=(5, 50), size_unit="um", coverage=(0.02, 0.08))
    stage.search(300)
    stage.shoot("tutorial-pores-search")
    page = stage.page("Correct")
    stage.wait(lambda: stage.image.state.corrections is not None)
    page.press("add")
    stage.wait()
    found = stage.image.state.corrections.labels
    missed = [k for k in stage.labels() if not found[stage.truth() == k].any()]
    y, x = stage.middle(missed[0] if missed else stage.typical(1)[0])
    stage.click(page, y, x)
    stage.wait(lambda: page._hand.suggestion is not None)
    stage.near(y, x)
    stage.shoot("tutorial-pores-add")
    stage.close()


def cells(out: Path) -> None:
    """Cells by a search, the doubtful ones reviewed."""
    stage = Stage("cells", out)
    page = stage.page("Segment")
    stage.preset(page, "cells")
    stage.know_also(diameter=(7, 35), size_unit="um", polarity="dark", coverage=(0.05, 0.2))
    stage.search(300)
    stage.shoot("tutorial-cells-search")
    page = stage.page("Correct")
    stage.wait(lambda: stage.image.state.corrections is not None)
    page.press("next")
    stage.pump(800)
    stage.shoot("tutorial-cells-review")
    stage.close()


TUTORIALS: dict[str, Callable[[Path], None]] = {
    "nanoparticles": nanoparticles,
    "film": film,
    "grains": grains,
    "pores": pores,
    "cells": cells,
}


def main() -> None:
    """Make those that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--out", type=Path, default=HERE / "images")
    args = parser.parse_args()
    known = {"pages": pages, **TUTORIALS}
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names or list(known):
        known[name](args.out)


if __name__ == "__main__":
    main()
