"""Batches in order, made ahead: in a thread, or in many processes that keep a GPU busy."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Generator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import cv2
import numba
import torch
from numpy.typing import NDArray

from napari_samstar.adapt.tiny_data import Batch, make_batch
from napari_samstar.settings import TrainTinySettings
from napari_samstar.types import SamStarError

__all__ = ["batches"]

_AHEAD = 3  # batches in work at once, of a thread and for each process
_Arrays = tuple[NDArray[Any] | None, ...]


def batches(
    first: int, settings: TrainTinySettings, folder: Path, rank: int = 0, loaders: int = 0
) -> Generator[tuple[int, Batch], None, None]:
    """Give the number and data of each step from `first` on, the same however they are made.

    Close it when done, as `contextlib.closing` does: then no process is left behind.

    Parameters
    ----------
    first : int
        Step to begin with.
    settings, folder, rank
        As `make_batch` takes them.
    loaders : int
        Processes that make them; 0 for a thread of this one.

    Raises
    ------
    SamStarError
        If one of the processes has died.
    """
    pool: Executor
    if loaders:
        make: Callable[..., Any] = _arrays
        pool = ProcessPoolExecutor(loaders, get_context("spawn"), _alone)
    else:
        make, pool = make_batch, ThreadPoolExecutor(1)
    ahead = _AHEAD * max(loaders, 1)
    waiting: list[Future[Any]] = []
    try:
        for step in range(first, settings.steps):
            while len(waiting) < min(ahead, settings.steps - step):
                coming = step + len(waiting)
                waiting.append(pool.submit(make, coming, settings, folder, rank))
            made = waiting.pop(0).result()
            yield step, made if isinstance(made, Batch) else _batch(made)
    except BrokenProcessPool as err:
        raise SamStarError(
            f"One of the {loaders} processes that make the training's data has died, as happens "
            "when memory is short: use fewer loaders and resume."
        ) from err
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _alone() -> None:
    """Prepare a process: one thread, and no life of its own."""
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    cv2.setNumThreads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the training, which closes us
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _arrays(step: int, settings: TrainTinySettings, folder: Path, rank: int) -> _Arrays:
    """Make a batch as arrays: tensors would take a file descriptor each between processes."""
    batch = make_batch(step, settings, folder, rank)
    return tuple(None if part is None else part.numpy() for part in vars(batch).values())


def _batch(arrays: _Arrays) -> Batch:
    parts: list[Any] = [None if part is None else torch.from_numpy(part) for part in arrays]
    return Batch(*parts)
