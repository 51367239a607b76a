"""The workbench: all steps as pages in working order, and the running job below."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from napari_samstar._widgets.context import context_of
from napari_samstar._widgets.dock import Dock
from napari_samstar._widgets.job_bar import JobBar
from napari_samstar._widgets.layers import show_scale_bar
from napari_samstar._widgets.leaving import delete_at_exit
from napari_samstar.session.advice import next_step

if TYPE_CHECKING:
    import napari

__all__ = ["DOCKS", "Step", "Workbench"]


class Step(NamedTuple):
    """A page, which is made when it is first seen.

    Parameters
    ----------
    module, name : str
        Module in this package, and class.
    title, tip : str
        As the class has them, which is not imported yet.
    """

    module: str
    name: str
    title: str
    tip: str


#: The pages in working order.
DOCKS: tuple[Step, ...] = (
    Step(
        "micrograph_dock",
        "MicrographDock",
        "Image",
        "The image, its pixel size, what the network sees of it, and the network.",
    ),
    Step(
        "segment_dock",
        "SegmentDock",
        "Segment",
        "What you know of the objects, and the segmentation that fits it best.",
    ),
    Step(
        "search_dock",
        "SearchDock",
        "Search",
        "Tries hundreds of settings against what you know, and lets you choose among the best.",
    ),
    Step(
        "materials_dock",
        "MaterialsDock",
        "Materials",
        "Which objects are of the same material, by their texture or by your examples.",
    ),
    Step(
        "correct_dock",
        "CorrectDock",
        "Correct",
        "Merge, cut, delete and add objects; review the doubtful ones; undo anything.",
    ),
    Step(
        "measure_dock",
        "MeasureDock",
        "Measure",
        "The table of objects, linked with the picture; histograms; export with the recipe.",
    ),
)


_LATER_MS = 150  # until the pages have been drawn for the first time


class Workbench(QWidget):
    """All steps from a micrograph to its table.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.context = context_of(napari_viewer)
        self._advice = QLabel()
        self._advice.setWordWrap(True)
        self._advice.setToolTip("What to do next.")
        self.pages = QTabWidget()
        self.pages.setDocumentMode(True)
        self.pages.setUsesScrollButtons(False)
        self.pages.setElideMode(Qt.TextElideMode.ElideRight)
        # six names side by side on a small screen: each as wide as its text, and no wider
        self.pages.setStyleSheet("QTabBar::tab {padding: 4px 5px; margin: 0px;}")
        tabs = self.pages.tabBar()
        if tabs is not None:
            tabs.setExpanding(False)
        self._made: dict[int, Dock] = {}
        for place, step in enumerate(DOCKS):
            self.pages.addTab(_Page(), step.title)
            self.pages.setTabToolTip(place, f"Step {place + 1}: {step.tip}")
        self._turn(0)
        self.pages.currentChanged.connect(self._turn)
        layout = QVBoxLayout(self)
        layout.addWidget(self._advice)
        layout.addWidget(self.pages, 1)
        layout.addWidget(JobBar(self.context.jobs))
        self.context.image_changed.connect(self._refresh)
        self._refresh()
        # its first drawing takes a while: the pages are there before
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.timeout.connect(self._show_scale_bar)
        self._later.start(_LATER_MS)
        delete_at_exit(self)

    @property
    def docks(self) -> list[Dock]:
        """All pages; those that nobody has seen yet are made."""
        return [self._dock(place) for place in range(len(DOCKS))]

    def sizeHint(self) -> QSize:
        """Ask for no more than a small screen has to spare."""
        return QSize(380, 560)

    def _turn(self, place: int) -> None:
        """Wake the page that is seen, and let the others sleep."""
        for other, dock in self._made.items():
            if other != place:
                dock.sleep()
        self._dock(place).sleep(False)

    def _dock(self, place: int) -> Dock:
        if place not in self._made:
            step = DOCKS[place]
            module = import_module(f"napari_samstar._widgets.{step.module}")
            dock: Dock = getattr(module, step.name)(self.context.viewer, standalone=False)
            dock.sleep(place != self.pages.currentIndex())
            self._made[place] = dock
            page = self.pages.widget(place)
            assert isinstance(page, _Page)
            page.setWidget(dock)
        return self._made[place]

    def _show_scale_bar(self) -> None:
        if not self.context.is_closed:
            show_scale_bar(self.context.viewer)

    def _refresh(self, names: object = None) -> None:
        image = self.context.image
        self._advice.setText(next_step(None if image is None else image.state))


class _Page(QScrollArea):
    """A page that scrolls down, never sideways."""

    def __init__(self) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Ask anew for room when the page has changed: a scroll area does not by itself."""
        if event is not None and event.type() == QEvent.Type.LayoutRequest:
            self.updateGeometry()
        return super().eventFilter(watched, event)

    def minimumSizeHint(self) -> QSize:
        """Ask for the width that the page needs."""
        inner, bar = self.widget(), self.verticalScrollBar()
        widths = [part.sizeHint().width() for part in (bar,) if part is not None]
        return QSize(sum(widths) + (inner.minimumSizeHint().width() if inner else 0), 120)
