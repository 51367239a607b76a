"""One job: steps at work in a thread. The one place for threads."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator, Sequence
from typing import Any, Literal, TypeAlias

from napari_samstar._widgets.collecting import Collecting
from napari_samstar._widgets.memory import give_back
from napari_samstar.types import Progress

__all__ = ["Job", "Outcome", "Steps"]

_LOG = logging.getLogger(__name__)

_LONG_S = 1.0  # a job that took so long may have freed much memory

Steps: TypeAlias = Generator[Any, None, Any]

#: How a job ended: "done" and the value, "stopped", or "failed" and the error.
Outcome: TypeAlias = tuple[Literal["done", "stopped", "failed"], Any]

_STOPPED: Outcome = ("stopped", None)


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
    collecting : Collecting, optional
        What keeps full garbage collections away meanwhile.
    """

    def __init__(
        self, steps: Steps, after: Sequence[Job] = (), collecting: Collecting | None = None
    ) -> None:
        self._steps = steps
        self._after = tuple(after)
        self._collecting = collecting or Collecting()
        # entered twice where the collector stops a job whose window is gone in this very thread
        self._lock = threading.RLock()
        self._events: list[Any] = []
        self._stop = threading.Event()
        self._going_on = threading.Event()
        self._going_on.set()
        self._outcome: Outcome | None = None
        # not a daemon: a thread inside PyTorch must not be cut off when Python ends
        self._thread = threading.Thread(target=self._work, name="samstar job")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Ask to stop at the end of the present step; what it gives after that is dropped."""
        with self._lock:
            self._stop.set()
            if self._outcome is not None:
                self._outcome = _STOPPED
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
    def outcome(self) -> Outcome | None:
        """How it ended: "done" and the value, "stopped", or "failed" and the error. None before."""
        return self._outcome

    def join(self, seconds: float | None = None) -> bool:
        """Wait for the thread, at most so long; return whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        began = time.monotonic()
        with self._collecting.held_off():
            self._do()
        if time.monotonic() - began > _LONG_S:
            give_back()

    def _do(self) -> None:
        steps, after = self._steps, self._after
        del self._steps, self._after  # what they hold goes with the job, not with its record
        for job in after:
            while not (job.join(0.02) or self._stop.is_set()):
                pass
        outcome: Outcome = _STOPPED
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
        with self._lock:  # nobody waits for an answer now, which may hold files open
            self._outcome = _STOPPED if self._stop.is_set() else outcome

    def _put(self, event: Any) -> None:
        with self._lock:
            newest = self._events[-1] if self._events else None
            if isinstance(event, Progress) and isinstance(newest, Progress):
                self._events.pop()
            self._events.append(event)
