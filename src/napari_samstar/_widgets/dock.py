"""What all docks have in common.

A dock is one file with one class: `title` and `tip`, a `build` that makes the widgets, and a
`refresh` that shows the image's state in them. To add one: write the class, name it in `DOCKS` of
`workbench`, and declare it in ``napari.yaml`` as the others are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFormLayout, QGridLayout, QLabel, QLayout, QVBoxLayout, QWidget

from napari_samstar._widgets.context import EVERYTHING, context_of
from napari_samstar._widgets.job_bar import JobBar
from napari_samstar._widgets.leaving import delete_at_exit
from napari_samstar._widgets.wheel import CalmWheel
from napari_samstar.session import OpenImage

if TYPE_CHECKING:
    import napari

__all__ = ["Dock"]


class Dock(QWidget):
    """One step of the work, on its own or as a page of the workbench.

    Parameters
    ----------
    napari_viewer : napari.Viewer
        The viewer; docks of one viewer share its session.
    standalone : bool
        Show the running job below; the workbench does so itself.
    """

    #: Name of the page, one word.
    title: ClassVar[str] = ""
    #: What it is for, in a sentence.
    tip: ClassVar[str] = ""

    def __init__(self, napari_viewer: napari.Viewer, standalone: bool = True) -> None:
        super().__init__()
        self.context = context_of(napari_viewer)
        self._asleep = False
        self._missed: frozenset[str] = frozenset()
        self._needs: list[tuple[QWidget, Callable[[OpenImage], bool], bool]] = []
        self.body = QVBoxLayout(self)
        self.build()
        if standalone:
            self.body.addWidget(JobBar(self.context.jobs))
            delete_at_exit(self)
        self.context.image_changed.connect(self._on_image)
        self.context.jobs.busy_changed.connect(self._on_busy)
        self._on_image(EVERYTHING)
        CalmWheel(self)
        self.order_tabs()

    def build(self) -> None:
        """Make the widgets and add them to `self.body`."""
        raise NotImplementedError

    def refresh(self, image: OpenImage | None, names: frozenset[str]) -> None:
        """Show the state of the active image; `names` are the fields of it that are new."""
        raise NotImplementedError

    def sleep(self, asleep: bool = True) -> None:
        """Show nothing new while nobody looks, and all of it, called with False, when they do."""
        self._asleep = asleep
        if not asleep and self._missed:
            names, self._missed = self._missed, frozenset()
            self._on_image(names)

    @property
    def image(self) -> OpenImage | None:
        """The image that is worked on."""
        return self.context.image

    def needs(
        self,
        widget: QWidget,
        condition: Callable[[OpenImage], bool] | None = None,
        idle: bool = False,
    ) -> None:
        """Enable `widget` only with an image, where `condition` holds, and while no job runs."""
        self._needs.append((widget, condition or (lambda image: True), idle))

    def run(self, title: str, make: Callable[[OpenImage], Any], **options: Any) -> None:
        """Run a command of the active image: ``self.run("Preparing", OpenImage.prepare_steps)``."""
        image = self.image
        if image is not None:
            self.context.run(f"{title} {image.state.source.name}", image, make(image), **options)

    def form(self) -> QFormLayout:
        """Add a form to the dock."""
        form = QFormLayout()
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft)
        self.body.addLayout(form)
        return form

    def note(self, text: str = "") -> QLabel:
        """Make a line of text that wraps."""
        label = QLabel(text)
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return label

    def order_tabs(self) -> None:
        """Let Tab go through the dock as one reads it; to be called when it has got more."""
        for control, following in pairwise(_controls(self.body)):
            QWidget.setTabOrder(control, following)

    def _on_image(self, names: frozenset[str]) -> None:
        if self._asleep:
            self._missed |= names
        else:
            self.refresh(self.image, names)
        self._on_busy()

    def _on_busy(self, busy: bool = False) -> None:
        image, busy = self.image, self.context.jobs.busy
        for widget, condition, idle in self._needs:
            usable = image is not None and condition(image) and not (idle and busy)
            widget.setEnabled(usable)


def _controls(layout: QLayout) -> Iterator[QWidget]:
    """Find what takes the focus by Tab, line by line."""
    places = list(range(layout.count()))
    if isinstance(layout, QGridLayout):
        places.sort(key=layout.getItemPosition)
    for place in places:
        item = layout.itemAt(place)
        widget = None if item is None else item.widget()
        inside = item.layout() if widget is None and item is not None else None
        if widget is not None:
            if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
                yield widget
            else:
                inside = widget.layout()
        if inside is not None:
            yield from _controls(inside)
