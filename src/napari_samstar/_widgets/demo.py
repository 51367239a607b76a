"""Shows the result of `samstar demo` in the workbench, and walks through its pages with hints.

Run as ``python -m napari_samstar._widgets.demo DIR``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_samstar._widgets.layers import image_layer
from napari_samstar._widgets.workbench import DOCKS, Workbench
from napari_samstar.samples import GLASS

if TYPE_CHECKING:
    import napari

__all__ = ["HINTS", "Walk", "open_demo"]

#: What is seen on each page of this sample, and what to try there, by the page's title.
HINTS = {
    "Image": "A glass melted at 1280 °C, seen by an electron microscope: black bubbles and dark "
    "grains of sand in gray glass. The pixel size, 3.17 µm, came with the file. Tick <i>Show what "
    "the network sees</i>.",
    "Segment": "All that was said: dark, compact, 25 to 800 µm wide, filling 30 to 45 %. The bars "
    "show what was found with it. Drag an edge of the shaded range, and press <i>Segment</i>.",
    "Search": "The objects that you see come from such a search. Press <i>Start</i>: it tries "
    "hundreds of settings, and a plot of the best fills. Then move a slider, and watch the "
    "picture.",
    "Materials": "Bubbles are black and sand is gray, so there are two materials to tell apart. "
    "Click a row to see its objects; double-click its name to write <i>bubbles</i> or <i>sand</i>.",
    "Correct": "Where two grains are one object, press <i>Cut</i> and draw a line between them; "
    "click <i>Undo</i> to take it back. <i>Next</i> walks through the objects, least sure first.",
    "Measure": "Bars and curve show the sizes of bubbles and grains. Click an object to see its "
    "row; drag the range on the histogram to list only large ones. <i>Export</i> writes it all.",
}


class Walk(QFrame):
    """Hints over the pages of a workbench, one for each; they can be closed at any time.

    Parameters
    ----------
    bench : Workbench
        Its page follows the hint, and the hint its page.
    """

    def __init__(self, bench: Workbench) -> None:
        super().__init__()
        self._pages = bench.pages
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self._text = QLabel()
        self._text.setWordWrap(True)
        self.back = QPushButton("Back")
        self.back.setToolTip("The hint before, and its page.")
        self.back.clicked.connect(lambda: self._turn(-1))
        self.next = QPushButton()
        self.next.clicked.connect(lambda: self._turn(1))
        self.end = QPushButton("Close")
        self.end.setToolTip("Closes the hints; the workbench stays.")
        self.end.clicked.connect(self.close)
        row = QHBoxLayout()
        row.addWidget(self.back)
        row.addWidget(self.next)
        row.addStretch(1)
        row.addWidget(self.end)
        layout = QVBoxLayout(self)
        layout.addWidget(self._text)
        layout.addLayout(row)
        self._pages.currentChanged.connect(self._show)
        self._show(self._pages.currentIndex())

    def text(self) -> str:
        """Return the hint that is shown."""
        return self._text.text()

    def _turn(self, by: int) -> None:
        place = self._pages.currentIndex() + by
        if place < len(DOCKS):
            self._pages.setCurrentIndex(max(place, 0))
        else:
            self.close()

    def _show(self, place: int) -> None:
        title, last = DOCKS[place].title, place == len(DOCKS) - 1
        self._text.setText(f"<b>{place + 1} of {len(DOCKS)}: {title}.</b> {HINTS[title]}")
        self.back.setEnabled(place > 0)
        self.next.setText("Done" if last else "Next")
        tip = "Closes the hints; the workbench stays." if last else "The next hint, and its page."
        self.next.setToolTip(tip)


def open_demo(viewer: napari.Viewer, folder: str | Path) -> Workbench:
    """Open the sample and what `samstar demo` wrote into `folder`, in a workbench with hints."""
    from napari_samstar.io.read import load_micrograph

    data, options, _ = image_layer(load_micrograph(GLASS))
    viewer.add_image(data, **options)
    bench = Workbench(viewer)
    layout = bench.layout()
    assert isinstance(layout, QBoxLayout)
    layout.insertWidget(0, Walk(bench))
    image = bench.context.image
    assert image is not None
    recipe = Path(folder) / f"{GLASS.stem}.recipe.json"
    bench.context.run("Opening", image, image.reopen_steps(recipe))
    return bench


def main(folder: str) -> None:
    """Open the window, and wait until it is closed."""
    import napari

    viewer = napari.Viewer(title="napari-samstar")
    bench = open_demo(viewer, folder)
    viewer.window.add_dock_widget(bench, name="SAM* workbench", area="right")
    napari.run()


if __name__ == "__main__":
    main(sys.argv[1])
