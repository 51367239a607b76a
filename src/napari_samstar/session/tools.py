"""What the images of a session share: loaded models and the cache."""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import queue
import sys
import threading
from collections.abc import Callable, Generator
from typing import Any, TypeVar

from napari_samstar.cache import Store
from napari_samstar.types import Progress

__all__ = ["NO_MODEL", "Tools", "import_engine", "reported"]

T = TypeVar("T")

#: Name that stands for no network: classical regions alone.
NO_MODEL = "none"


class Tools:
    """Loaded models and the cache of proposals; used by one thread at a time.

    Parameters
    ----------
    store : Store, optional
        The cache; by default the user's.
    """

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or Store()
        self._loaded: tuple[tuple[str, str], Any] | None = None
        #: Side of the network's input, px or None, and seconds that one of `overall`'s steps took,
        #: by model and device.
        self.pace: dict[tuple[str, str], tuple[int | None, float]] = {}

    def model_steps(self, name: str, device: str) -> Generator[Progress, None, Any]:
        """Load a model, downloaded where it must be; the last one is kept.

        Returns
        -------
        Sam or None
            None where `name` is "none".
        """
        yield Progress("starting the engine", 0, 1)
        import_engine()
        if name == NO_MODEL:
            return None
        if self._loaded is not None and self._loaded[0] == (name, device):
            return self._loaded[1]
        yield Progress("loading the network", 0, 1)
        from napari_samstar.sam.zoo import load_model

        self._loaded = None  # two large models at once may not fit
        sam = yield from reported(lambda report: load_model(name, device, report))
        self._loaded = ((name, device), sam)
        return sam


def import_engine() -> None:
    """Import PyTorch and the pipeline, safely and without long pauses for the window.

    Every command that needs them calls this first. Each full garbage collection walks all objects
    while no other thread can run, and so large an import sets off several; so it is off meanwhile,
    and what was imported is not walked again.
    """
    if "napari_samstar.sam.zoo" in sys.modules:
        return
    collecting = gc.isenabled()
    gc.disable()
    try:
        _import_triton()
        import napari_samstar.pipeline
        import napari_samstar.sam.zoo  # noqa: F401

        gc.freeze()
        atexit.register(gc.unfreeze)  # so that what was imported can be taken down at the end
    finally:
        if collecting:
            gc.enable()


def _import_triton() -> None:
    """Import Triton so that it sees its own LLVM, and not the one of a window that was drawn.

    PyTorch's Linux packages import Triton, which contains LLVM. Where Mesa has drawn before, with
    another LLVM, the two mix and the process dies, unless Triton's library prefers its own symbols.
    """
    if "triton" in sys.modules or not hasattr(os, "RTLD_DEEPBIND"):
        return
    flags = sys.getdlopenflags()
    sys.setdlopenflags(flags | os.RTLD_DEEPBIND)
    try:
        with contextlib.suppress(ImportError):  # it is no part of PyTorch for the CPU alone
            importlib.import_module("triton")
    finally:
        sys.setdlopenflags(flags)


class _Stopped(Exception):
    """Raised inside a call that is no longer wanted."""


def reported(
    call: Callable[[Callable[[Progress], None]], T],
) -> Generator[Progress, None, T]:
    """Turn a call that reports its progress into steps; closing them stops it at its next report.

    Parameters
    ----------
    call : callable
        Is given a function to call with each `Progress`.
    """
    events: queue.SimpleQueue[Progress | None] = queue.SimpleQueue()
    stop = threading.Event()
    outcome: dict[str, Any] = {}

    def report(progress: Progress) -> None:
        if stop.is_set():
            raise _Stopped
        events.put(progress)

    def work() -> None:
        try:
            outcome["value"] = call(report)
        except BaseException as err:
            outcome["error"] = err
        finally:
            events.put(None)

    thread = threading.Thread(target=work, name="samstar call")
    thread.start()
    try:
        while (event := events.get()) is not None:
            yield event
    finally:
        stop.set()
        thread.join()
    if "error" in outcome:
        raise outcome["error"]
    value: T = outcome["value"]
    return value
