"""Napari's sign that something is being done: a bar of its own, its wheel held still."""

from __future__ import annotations

import contextlib
import io
from typing import Any

from napari.utils import progress as napari_progress

from napari_samstar._widgets.job_status import JobStatus

__all__ = ["Activity", "hold_still"]

_EVERY_S = 1.0  # napari waits until each change is drawn, so it is told seldom


class Activity:
    """The bar of a job among napari's activities, while there is one.

    Napari lets other events in while it draws; whoever would begin to draw meanwhile must not, see
    `drawing`.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._drawn_at = 0.0
        #: Whether it is being drawn at this moment.
        self.drawing = False

    def begin(self, title: str) -> None:
        """Show a bar."""
        # to nowhere: napari's progress is tqdm's, which would print to the terminal as well
        self._bar = napari_progress(total=0, desc=title, file=io.StringIO())
        self._drawn_at = 0.0
        hold_still()

    def show(self, status: JobStatus, now: float) -> None:
        """Draw how far the job is, where there is a bar and it is time; `now` in seconds."""
        if self._bar is None or self.drawing or now < self._drawn_at + _EVERY_S:
            return
        self._drawn_at = now
        self.drawing = True
        progress = status.progress
        try:
            self._bar.total = progress.total if progress.total > 1 else 0
            self._bar.n = progress.done
            self._bar.set_description(f"{status.title}: {progress.stage}")
            # napari let other events in while it drew that, Stop among them
            if self._bar is not None:
                self._bar.events.value(value=progress.done)
        finally:
            self.drawing = False

    def end(self) -> None:
        """Take the bar away."""
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
