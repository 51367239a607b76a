"""The workbench: all steps as pages in working order, and the running job below."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtWidgets import QFrame, QLabel, QScrollArea, QTabWidget, QVBoxLayout, QWidget

from napari_samstar._widgets.context import context_of
from napari_samstar._widgets.dock import Dock
from napari_samstar._widgets.job_bar import JobBar
from napari_samstar._widgets.layers import show_scale_bar
from napari_samstar.session.advice import next_step

if TYPE_CHECKING:
    import napari

__all__ = ["DOCKS", "Workbench"]

#: Module in this package and class of each page, in working order.
DOCKS: tuple[tuple[str, str], ...] = (
    ("micrograph_dock", "MicrographDock"),
    ("segment_dock", "SegmentDock"),
    ("search_dock", "SearchDock"),
    ("materials_dock", "MaterialsDock"),
    ("correct_dock", "CorrectDock"),
    ("measure_dock", "MeasureDock"),
)


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
        self.docks: list[Dock] = []
        for number, (module, name) in enumerate(DOCKS, start=1):
            dock_class: type[Dock] = getattr(
                import_module(f"napari_samstar._widgets.{module}"), name
            )
            dock = dock_class(napari_viewer, standalone=False)
            page = _Page()
            page.setWidget(dock)
            self.pages.addTab(page, dock.title)
            self.pages.setTabToolTip(self.pages.count() - 1, f"Step {number}: {dock.tip}")
            self.docks.append(dock)
        layout = QVBoxLayout(self)
        layout.addWidget(self._advice)
        layout.addWidget(self.pages, 1)
        layout.addWidget(JobBar(self.context.jobs))
        self.context.image_changed.connect(self._refresh)
        self._refresh()
        show_scale_bar(self.context.viewer)

    def sizeHint(self) -> QSize:
        """Ask for no more than a small screen has to spare."""
        return QSize(380, 560)

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
