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

# Python has one collector, so there is one lock; how often it is held off stands in its own third
# threshold, and what is set aside it counts itself.
_COLLECTOR = threading.Lock()


class Collecting:
    """Holds off full collections while jobs run, and keeps later ones short.

    A full collection walks every object there is while no other thread can run: with the network's
    and napari's packages imported, for a third of a second. What was imported stays for good, so
    it is set aside, and not walked again. Each viewer has one; they do not get in each other's way.
    """

    def __init__(self) -> None:
        self._modules = len(sys.modules) if gc.get_freeze_count() else 0  # when set aside last

    @contextmanager
    def held_off(self) -> Iterator[None]:
        """Hold off full collections; within another one, or beside it, too."""
        with _COLLECTOR:
            young, middle, old = gc.get_threshold()
            gc.set_threshold(young, middle, old + _NEVER)
        try:
            yield
        finally:
            with _COLLECTOR:
                young, middle, old = gc.get_threshold()
                old -= _NEVER
                if old >= 0:  # else somebody else has set it meanwhile, and that counts
                    gc.set_threshold(young, middle, old)
                if old < _NEVER:
                    self._set_aside()

    def let_go(self) -> None:
        """Let everything be collected again: a viewer was closed, which was set aside, too."""
        with _COLLECTOR:
            self._modules = 0
            gc.unfreeze()

    def _set_aside(self) -> None:
        """Set aside what there is, where much was imported since, or another viewer let it go."""
        if not gc.get_freeze_count() or len(sys.modules) > self._modules + _GROWN:
            self._modules = len(sys.modules)
            gc.freeze()
