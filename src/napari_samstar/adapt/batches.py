"""Batches in order, made ahead: in a thread, or in many processes that keep a GPU busy."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import fields
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numba
import numpy as np
import torch

from napari_samstar.adapt.tiny_data import Batch, make_batch
from napari_samstar.settings import TrainTinySettings
from napari_samstar.types import SamStarError

__all__ = ["batches"]

_PARTS = tuple(field.name for field in fields(Batch))  # in the order they are kept in a file
_SHARED = Path("/dev/shm")
_ROOM = 8 << 30  # bytes; batches for a large GPU take a few of these
_AHEAD = 3  # batches in work at once, of a thread and for each process


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
    if not loaders:
        with ThreadPoolExecutor(1) as pool:
            yield from _in_order(pool, make_batch, _AHEAD, first, settings, folder, rank)
        return
    processes = ProcessPoolExecutor(loaders, get_context("spawn"), _alone)
    # the pipe between processes is slow, and reading it holds the training up
    with TemporaryDirectory(prefix="samstar-batches-", dir=_memory()) as desk:
        try:
            make = partial(_keep, Path(desk))
            ahead = _AHEAD * loaders
            files = _in_order(processes, make, ahead, first, settings, folder, rank)
            yield from _read_ahead(files)
        except BrokenProcessPool as err:
            raise SamStarError(
                f"One of the {loaders} processes that make the training's data has died, as "
                "happens when memory is short: use fewer loaders and resume."
            ) from err
        finally:
            processes.shutdown(wait=True, cancel_futures=True)


def _memory() -> Path | None:
    """Folder that lies in memory, where there is one with room: a GPU empties desks fast."""
    try:
        return _SHARED if shutil.disk_usage(_SHARED).free > _ROOM else None
    except OSError:
        return None


def _in_order(
    pool: Executor,
    make: Callable[..., Any],
    ahead: int,
    first: int,
    settings: TrainTinySettings,
    folder: Path,
    rank: int,
) -> Generator[tuple[int, Any], None, None]:
    """Give what `make` makes of each step, with as many in work as `ahead` says."""
    waiting: list[Future[Any]] = []
    try:
        for step in range(first, settings.steps):
            while len(waiting) < min(ahead, settings.steps - step):
                coming = step + len(waiting)
                waiting.append(pool.submit(make, coming, settings, folder, rank))
            yield step, waiting.pop(0).result()
    finally:
        for future in waiting:
            future.cancel()


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


def _keep(desk: Path, step: int, *rest: Any) -> Path:
    """Make a batch and leave it in a file, the masks as bits."""
    batch = make_batch(step, *rest)
    path = desk / f"{step}.npys"
    with path.open("wb") as file:
        for name in _PARTS:
            part = getattr(batch, name)
            array: Any = np.empty(0, np.float32) if part is None else part.numpy()
            np.save(file, np.packbits(array, axis=-1) if name == "targets" else array)
    return path


def _take(path: Path) -> Batch:
    """Read what `_keep` has left, and clear it away."""
    with path.open("rb") as file:
        parts = {name: torch.from_numpy(np.load(file, allow_pickle=False)) for name in _PARTS}
    path.unlink()
    boxes = parts.pop("boxes")
    return Batch(**parts, boxes=boxes if boxes.ndim == 3 else None)


def _read_ahead(files: Iterable[tuple[int, Path]]) -> Generator[tuple[int, Batch], None, None]:
    """Read in a thread, one file while the batch before is learned from."""
    waiting: list[tuple[int, Future[Batch]]] = []
    with ThreadPoolExecutor(1) as reader:
        for step, path in files:
            waiting.append((step, reader.submit(_take, path)))
            if len(waiting) > 1:
                ready, batch = waiting.pop(0)
                yield ready, batch.result()
        for ready, batch in waiting:
            yield ready, batch.result()
