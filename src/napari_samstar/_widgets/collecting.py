"""Full garbage collections, kept out of the way of whoever looks at the window."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["Collecting"]

_NEVER = 1_000_000
_GROWN = 10  # modules imported since


class _Collector:
    """Python's collector, of which there is one: who may touch it, and what is set aside of it.

    How often it is held off stands in its own third threshold. What is set aside it would have to
    count one by one, while no other thread can run, each time it is asked.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.modules = 0  # imported when all was set aside last; 0 while nothing is


_COLLECTOR = _Collector()


class Collecting:
    """Holds off full collections while jobs run, and keeps later ones short.

    A full collection walks every object there is while no other thread can run: with the network's
    and napari's packages imported, for a third of a second. What was imported stays for good, so
    it is set aside, and not walked again. Each viewer has one; they do not get in each other's way.
    """

    def __init__(self) -> None:
        self._over = False

    @contextmanager
    def held_off(self) -> Iterator[None]:
        """Hold off full collections; within another one, or beside it, too."""
        with _COLLECTOR.lock:
            young, middle, old = gc.get_threshold()
            gc.set_threshold(young, middle, old + _NEVER)
        try:
            yield
        finally:
            with _COLLECTOR.lock:
                young, middle, old = gc.get_threshold()
                old -= _NEVER
                if old >= 0:  # else somebody else has set it meanwhile, and that counts
                    gc.set_threshold(young, middle, old)
                # what a job of a closed viewer leaves behind is to be collected
                if old < _NEVER and not self._over:
                    self._set_aside()

    def let_go(self) -> None:
        """Let everything be collected again: a viewer was closed, which was set aside, too."""
        with _COLLECTOR.lock:
            self._over = True
            _COLLECTOR.modules = 0
            gc.unfreeze()

    @staticmethod
    def _set_aside() -> None:
        """Set aside what there is, where nothing is yet, or much was imported since."""
        modules = _COLLECTOR.modules
        if not modules or len(sys.modules) > modules + _GROWN:
            _COLLECTOR.modules = len(sys.modules)
            gc.freeze()
