"""Napari's sign that something is being done: a bar of its own, its wheel held still."""

from __future__ import annotations

import contextlib
import io
from typing import Any

from napari.utils import progress as napari_progress

from napari_samstar._widgets.job_status import JobStatus

__all__ = ["Activity", "hold_still"]

_PATIENCE_S = 0.4  # what is over sooner needs no bar
_EVERY_S = 1.0  # napari waits until each change is drawn, so it is told seldom


class Activity:
    """The bar of a job among napari's activities, while there is one.

    Napari lets other events in while it draws; whoever would begin to draw meanwhile must not, see
    `drawing`.
    """

    def __init__(self) -> None:
        self._title = ""  # of the job, while there is one
        self._bar: Any = None
        self._due_at = 0.0
        #: Whether it is being drawn at this moment.
        self.drawing = False

    def begin(self, title: str, now: float) -> None:
        """Show a bar soon, unless the job is over before; `now` in seconds."""
        self._title = title
        self._due_at = now + _PATIENCE_S

    def awaited(self, now: float) -> bool:
        """Whether a job has gone on for long enough for a bar, and has none; `now` in seconds."""
        return bool(self._title) and self._bar is None and now >= self._due_at

    def show(self, status: JobStatus, now: float) -> None:
        """Draw how far the job is, where it has a bar and it is time; `now` in seconds."""
        if not self._title or self.drawing or now < self._due_at:
            return
        self.drawing = True
        try:
            if self._bar is None:
                self._make()
            else:
                self._due_at = now + _EVERY_S
                self._draw(status)
        finally:
            self.drawing = False

    def _make(self) -> None:
        """Make the bar, which takes napari as long as to draw it: that comes next time."""
        # to nowhere: napari's progress is tqdm's, which would print to the terminal as well
        self._bar = napari_progress(total=0, desc=self._title, file=io.StringIO())
        hold_still()
        if not self._title:  # it was over meanwhile: napari let other events in
            self.end()

    def _draw(self, status: JobStatus) -> None:
        progress = status.progress
        self._bar.total = progress.total if progress.total > 1 else 0
        self._bar.n = progress.done
        self._bar.set_description(f"{status.title}: {progress.stage}")
        # napari let other events in while it drew that, Stop among them
        if self._bar is not None:
            self._bar.events.value(value=progress.done)

    def end(self) -> None:
        """Take the bar away."""
        self._title = ""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def hold_still() -> None:
    """Stop the turning wheel beside napari's "activity"; it stays to be seen.

    Each of its pictures has the whole window composed anew: a third of a core without a graphics
    card, for as long as a job runs. What the job does and how far it is, the job's bar tells.
    """
    with contextlib.suppress(AttributeError, ImportError, RuntimeError):
        for movie in _movies():
            movie.setPaused(True)


def _movies() -> list[Any]:
    from napari._qt.qt_main_window import _QtMainWindow

    window = _QtMainWindow.current()
    if window is None:
        return []
    return [window._activity_dialog._toggleButton._inProgressIndicator.movie()]
