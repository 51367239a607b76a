"""Full garbage collections, kept out of the way of whoever looks at the window."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["let_go", "without_full_collections"]

_NEVER = 1_000_000
_GROWN = 10  # modules imported since


class _State:
    """Of the one collector that Python has."""

    lock = threading.Lock()
    running = 0
    usual = (0, 0, 0)
    modules = 0


@contextmanager
def without_full_collections() -> Iterator[None]:
    """Hold off full collections while a job runs, and keep later ones short.

    A full collection walks every object there is while no other thread can run: with the network's
    and napari's packages imported, for a third of a second. What was imported stays for good, so
    it is set aside, and not walked again.
    """
    with _State.lock:
        if not _State.running:
            _State.usual = gc.get_threshold()
            gc.set_threshold(*_State.usual[:2], _NEVER)
        _State.running += 1
    try:
        yield
    finally:
        with _State.lock:
            _State.running -= 1
            if not _State.running:
                gc.set_threshold(*_State.usual)
                if len(sys.modules) > _State.modules + _GROWN:
                    _State.modules = len(sys.modules)
                    gc.freeze()


def let_go() -> None:
    """Let everything be collected again: a viewer was closed, which was set aside, too."""
    with _State.lock:
        _State.modules = 0
        gc.unfreeze()
