"""Jobs of a window: one at a time, told of in its thread, stopped, failed in a sentence."""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QObject, QTimer

from napari_samstar._widgets.activity import Activity
from napari_samstar._widgets.collecting import Collecting
from napari_samstar._widgets.errors import explain
from napari_samstar._widgets.job import Job, Steps
from napari_samstar._widgets.job_status import JobProgress
from napari_samstar._widgets.qt import Signal
from napari_samstar.types import Progress

__all__ = ["JobRunner"]

_LOG = logging.getLogger(__name__)

_POLL_MS = 40  # between two looks at a running job
_LONG = 0.01  # s; after a look at a job that took as long, its progress waits for the next one


@dataclass
class _Running:
    title: str
    job: Job
    owner: Any
    done: Callable[[Any], None] | None
    events: Callable[[list[Any]], None] | None
    progress: JobProgress
    put_off: bool = False  # whether its progress was not told of when it was due


class JobRunner(QObject):
    """Runs one job at a time and tells of it in the thread of the window.

    Parameters
    ----------
    parent : QObject, optional
        With it the runner ends, and asks its job to stop.
    collecting : Collecting, optional
        What keeps full garbage collections away while jobs run; shared by the runners of a viewer.
    poll_ms : int
        How often the window looks at a running job; more often where somebody waits for an answer.
    """

    #: A `JobStatus` while a job runs; None when it has ended.
    status = Signal(object)
    #: Whether a job runs.
    busy_changed = Signal(bool)
    #: Whether the running job rests.
    paused_changed = Signal(bool)

    def __init__(
        self,
        parent: QObject | None = None,
        collecting: Collecting | None = None,
        poll_ms: int = _POLL_MS,
    ) -> None:
        super().__init__(parent)
        self._running: _Running | None = None
        self._waiting: dict[str, tuple[Any, Callable[[], None]]] = {}
        self._activity = Activity()
        self._collecting = collecting or Collecting()
        # the window may go first: then nobody is left to ask, and the job is told to stop
        self._jobs: list[Job] = []
        weakref.finalize(self, _stop_all, self._jobs)
        self._timer = QTimer(self)
        self._timer.setInterval(poll_ms)
        self._timer.timeout.connect(self._poll)

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._running is not None

    @property
    def paused(self) -> bool:
        """Whether the running job rests."""
        return self._running is not None and self._running.progress.paused

    def runs_for(self, owner: Any, title: str) -> bool:
        """Whether the running job was begun for `owner` under `title`."""
        running = self._running
        return running is not None and running.owner is owner and running.title == title

    def pause(self, paused: bool = True) -> None:
        """Let the running job rest after its present step, or go on."""
        running = self._running
        if running is None or paused == self.paused:
            return
        running.job.pause(paused)
        now = time.perf_counter()
        if paused:
            running.progress.pause(now)
            self._tell(running)
        else:
            running.progress.resume(now)
        self.paused_changed.emit(paused)

    def start(
        self,
        title: str,
        steps: Steps,
        *,
        done: Callable[[Any], None] | None = None,
        events: Callable[[list[Any]], None] | None = None,
        owner: Any = None,
        quiet: bool = False,
        replace: bool = False,
    ) -> bool:
        """Run steps in a thread.

        Parameters
        ----------
        title : str
            What is done, e.g. "Preparing film".
        steps : generator
            Yields `Progress` and other events; returns a value. It has not begun yet.
        done : callable, optional
            Called with the value.
        events : callable, optional
            Called with lists of the events that are no `Progress`, at most 25 times a second.
        owner : object, optional
            What the answer is for, see `forget`.
        quiet : bool
            For short jobs: not shown among napari's activities.
        replace : bool
            Where a job runs already: run this one next, the latest of each title. A running one of
            the same title is stopped, and its answer dropped. Without it the user is asked to wait.

        Returns
        -------
        bool
            Whether the job runs or will run.
        """
        if self._running is not None:
            if not replace:
                show_info(f"{self._running.title} is not finished: wait, or press Stop.")
                return False
            begin = partial(self._begin, title, steps, done, events, owner, quiet)
            self._waiting[title] = owner, begin
            if self._running.title == title:
                self._drop(self._running)
            return True
        self._begin(title, steps, done, events, owner, quiet)
        return True

    def stop(self) -> None:
        """Stop the running job, and drop those that wait.

        It is over at once for whoever waits for it. Its thread ends with the step that it is in,
        and the next job begins after that.
        """
        self._waiting.clear()
        running = self._running
        if running is not None:
            running.job.stop()
            self._hand_over(running, running.job.take())
            self._end(running, "stopped", None)

    def forget(self, owner: Any) -> None:
        """Stop the job whose answer `owner` was to get, drop the answer, and begin none for it."""
        for title in [title for title, (of, _) in self._waiting.items() if of is owner]:
            del self._waiting[title]
        running = self._running
        if running is not None and running.owner is owner:
            self._drop(running)

    def _begin(
        self,
        title: str,
        steps: Steps,
        done: Callable[[Any], None] | None,
        events: Callable[[list[Any]], None] | None,
        owner: Any,
        quiet: bool,
    ) -> None:
        self._forget_ended()
        job = Job(steps, after=self._jobs, collecting=self._collecting)
        self._running = _Running(title, job, owner, done, events, JobProgress(title))
        self._jobs.append(job)
        if not quiet:
            self._activity.begin(title, time.perf_counter())
        job.start()
        self._timer.start()
        self.busy_changed.emit(True)
        self._tell(self._running)

    def _forget_ended(self) -> None:
        """Let go of jobs that have ended, with their answers and errors."""
        self._jobs[:] = [job for job in self._jobs if job.outcome is None]

    def _poll(self) -> None:
        running = self._running
        if running is None or self._activity.drawing:
            return
        outcome = running.job.outcome  # asked first, so that no last event is missed
        events = running.job.take()
        before = time.perf_counter()
        self._hand_over(running, events)
        if self._running is not running:
            return
        if outcome is not None:
            self._end(running, *outcome)
            return
        told = next((e for e in reversed(events) if isinstance(e, Progress)), None)
        if told is not None:
            running.progress.newest = told
        # what was handed over is drawn before the progress is: napari draws all when told of that
        now = time.perf_counter()
        # a long step tells nothing, but napari shows that it goes on
        due = running.progress.due(now) or self._activity.awaited(now)
        running.put_off = due and not running.put_off and now - before >= _LONG
        if due and not running.put_off:
            self._tell(running)

    def _hand_over(self, running: _Running, events: list[Any]) -> None:
        others = [event for event in events if not isinstance(event, Progress)]
        if others and running.events is not None:
            running.events(others)

    def _drop(self, running: _Running) -> None:
        running.job.stop()
        self._end(running, "stopped", None)

    def _tell(self, running: _Running) -> None:
        now = time.perf_counter()
        status = running.progress.status(now)
        self.status.emit(status)
        self._activity.show(status, now)

    def _end(self, running: _Running, how: str, value: Any) -> None:
        self._timer.stop()
        self._running = None
        self._forget_ended()
        self._activity.end()
        self.status.emit(None)
        if running.progress.paused:
            self.paused_changed.emit(False)
        self.busy_changed.emit(False)
        if how == "done" and running.done is not None:
            try:
                running.done(value)
            except Exception as err:
                how, value = "failed", err.__cause__ or err
        if how == "failed":
            sentence, expected = explain(value)
            if not expected:
                _LOG.error("%s failed.", running.title, exc_info=value)
            show_error(sentence)
        if self._waiting and self._running is None:
            _, begin = self._waiting.pop(next(iter(self._waiting)))
            begin()


def _stop_all(jobs: list[Job]) -> None:
    for job in jobs:
        job.stop()
