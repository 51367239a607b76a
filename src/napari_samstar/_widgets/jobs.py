"""The one place for threads: runs steps beside the window, shows how far they are, stops them."""

from __future__ import annotations

import io
import logging
import threading
import time
import weakref
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from napari.utils import progress as napari_progress
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QObject, QTimer

from napari_samstar._widgets.activity import hold_still
from napari_samstar._widgets.collecting import without_full_collections
from napari_samstar._widgets.errors import explain
from napari_samstar._widgets.qt import Signal
from napari_samstar.types import Progress

__all__ = ["Job", "JobRunner", "JobStatus"]

_LOG = logging.getLogger(__name__)

#: The window looks at a running job this often, ms.
POLL_MS = 40

# How far it is is shown this often: without a graphics card, each change of a label has the whole
# window composed anew, which takes as long as drawing the picture.
_TELL_S = 0.25
_ACTIVITY_S = 1.0  # and napari, which waits until each is drawn, is told less often still

Steps = Generator[Any, None, Any]


class Job:
    """Steps at work in a thread; knows nothing of Qt.

    The thread closes the generator itself, between two of its steps, so that whatever the steps
    hold is given back at once. Nothing is ever sent to the window: the window asks, which makes it
    safe for either side to go first.

    Parameters
    ----------
    steps : generator
        Yields `Progress` and other events, returns a value.
    after : sequence of Job
        Jobs that were stopped and may still be within their last step: these steps begin after it.
    """

    def __init__(self, steps: Steps, after: Sequence[Job] = ()) -> None:
        self._steps = steps
        self._after = tuple(after)
        self._lock = threading.Lock()
        self._events: list[Any] = []
        self._stop = threading.Event()
        self._going_on = threading.Event()
        self._going_on.set()
        self._outcome: tuple[Literal["done", "stopped", "failed"], Any] | None = None
        # not a daemon: a thread inside PyTorch must not be cut off when Python ends
        self._thread = threading.Thread(target=self._work, name="samstar job")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask to stop at the end of the present step."""
        self._stop.set()
        self._going_on.set()

    def pause(self, paused: bool = True) -> None:
        """Rest after the present step, until this is called with False."""
        if paused and not self._stop.is_set():
            self._going_on.clear()
        else:
            self._going_on.set()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    def take(self) -> list[Any]:
        """Events since the last call, in order; of `Progress` only the newest."""
        with self._lock:
            events, self._events = self._events, []
        return events

    @property
    def outcome(self) -> tuple[Literal["done", "stopped", "failed"], Any] | None:
        """How it ended: "done" and the value, "stopped", or "failed" and the error. None before."""
        return self._outcome

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the thread, at most so long; return whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        with without_full_collections():
            self._do()

    def _do(self) -> None:
        steps, after = self._steps, self._after
        del self._steps, self._after  # what they hold goes with the job, not with its record
        for job in after:
            while not (job.join(0.02) or self._stop.is_set()):
                pass
        outcome: tuple[Literal["done", "stopped", "failed"], Any] = ("stopped", None)
        try:
            while self._going_on.wait() and not self._stop.is_set():
                try:
                    self._put(next(steps))
                except StopIteration as stop:
                    outcome = "done", stop.value
                    break
        except BaseException as err:
            outcome = "failed", err
        finally:
            try:
                steps.close()
            except Exception:
                _LOG.exception("Closing the steps of a job failed.")
        self._outcome = outcome

    def _put(self, event: Any) -> None:
        with self._lock:
            newest = self._events[-1] if self._events else None
            if isinstance(event, Progress) and isinstance(newest, Progress):
                self._events.pop()
            self._events.append(event)


@dataclass(frozen=True)
class JobStatus:
    """What there is to show of a running job.

    Parameters
    ----------
    title : str
        What is being done, in a microscopist's words.
    progress : Progress
        How far it is.
    seconds_left : float or None
        Estimate, where the pace is known.
    """

    title: str
    progress: Progress
    seconds_left: float | None = None


@dataclass
class _Running:
    title: str
    job: Job
    owner: Any
    done: Callable[[Any], None] | None
    events: Callable[[list[Any]], None] | None
    quiet: bool
    began: float
    told: Progress = field(default_factory=lambda: Progress("starting", 0, 0))
    shown: Progress | None = None
    shown_at: float = 0.0
    active_at: float = 0.0
    paused_at: float | None = None
    stage_began: tuple[int, float, int] | None = None  # total, time and steps when it was first met


class JobRunner(QObject):
    """Runs one job at a time and tells of it in the thread of the window.

    Parameters
    ----------
    parent : QObject, optional
        With it the runner ends, and asks its job to stop.
    """

    #: A `JobStatus` while a job runs; None when it has ended.
    status = Signal(object)
    #: Whether a job runs.
    busy_changed = Signal(bool)
    #: Whether the running job rests.
    paused_changed = Signal(bool)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._running: _Running | None = None
        self._waiting: dict[str, tuple[Any, Callable[[], None]]] = {}
        self._activity: Any = None
        self._telling = False
        # the window may go first: then nobody is left to ask, and the job is told to stop
        self._jobs: list[Job] = []
        weakref.finalize(self, _stop_all, self._jobs)
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)

    @property
    def busy(self) -> bool:
        """Whether a job runs."""
        return self._running is not None

    @property
    def paused(self) -> bool:
        """Whether the running job rests."""
        return self._running is not None and self._running.paused_at is not None

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
            running.paused_at = now
            told = running.told
            self._tell(running, replace(told, stage="paused", message=""))
        else:
            if running.stage_began is not None and running.paused_at is not None:
                total, began, done = running.stage_began
                running.stage_began = total, began + now - running.paused_at, done
            running.paused_at = None
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
        self._jobs[:] = [job for job in self._jobs if job.outcome is None]
        job = Job(steps, after=self._jobs)
        self._running = _Running(title, job, owner, done, events, quiet, time.perf_counter())
        self._jobs.append(job)
        if not quiet:
            # to nowhere: napari's progress is tqdm's, which would print to the terminal as well
            self._activity = napari_progress(total=0, desc=title, file=io.StringIO())
            hold_still()
        job.start()
        self._timer.start()
        self.busy_changed.emit(True)
        self._tell(self._running, Progress("starting", 0, 0))

    def _poll(self) -> None:
        running = self._running
        if running is None or self._telling:
            return
        outcome = running.job.outcome  # asked first, so that no last event is missed
        events = running.job.take()
        self._hand_over(running, events)
        if self._running is not running:
            return
        if outcome is not None:
            self._end(running, *outcome)
            return
        told = next((e for e in reversed(events) if isinstance(e, Progress)), None)
        if told is not None:
            running.told = told
        due = time.perf_counter() >= running.shown_at + _TELL_S
        if due and running.paused_at is None and running.told is not running.shown:
            self._tell(running, running.told)

    def _hand_over(self, running: _Running, events: list[Any]) -> None:
        others = [event for event in events if not isinstance(event, Progress)]
        if others and running.events is not None:
            running.events(others)

    def _drop(self, running: _Running) -> None:
        running.job.stop()
        self._end(running, "stopped", None)

    def _tell(self, running: _Running, progress: Progress) -> None:
        left = _seconds_left(running, progress)
        running.shown, running.shown_at = progress, time.perf_counter()
        self.status.emit(JobStatus(running.title, progress, left))
        late = running.shown_at >= running.active_at + _ACTIVITY_S
        if self._activity is None or self._telling or not late:
            return
        running.active_at = running.shown_at
        self._telling = True
        try:
            self._activity.total = progress.total if progress.total > 1 else 0
            self._activity.n = progress.done
            self._activity.set_description(f"{running.title}: {progress.stage}")
            # napari let other events in while it drew that, Stop among them
            if self._activity is not None:
                self._activity.events.value(value=progress.done)
        finally:
            self._telling = False

    def _end(self, running: _Running, how: str, value: Any) -> None:
        self._timer.stop()
        self._running = None
        if self._activity is not None:
            self._activity.close()
            self._activity = None
        self.status.emit(None)
        if running.paused_at is not None:
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


def _seconds_left(running: _Running, progress: Progress) -> float | None:
    """Estimate from the pace since this count of steps began; None where that says nothing."""
    if progress.stage == "paused":
        return None
    now = time.perf_counter()
    known = running.stage_began
    if progress.total <= 1 or known is None or known[0] != progress.total:
        running.stage_began = (progress.total, now, progress.done)
        return None
    _, began, first = known
    done = progress.done - first
    if done <= 0 or now - began < 0.5:
        return None
    return (now - began) / done * (progress.total - progress.done)
