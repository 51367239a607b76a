"""Work on many masks in parts: on all cores, in order, and so that it can be left between them."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["at_once", "in_chunks"]

T = TypeVar("T")

_FEW = 768  # rows


def in_chunks(
    count: int, work: Callable[[int, int], T], size: int = 16
) -> Generator[int, None, list[T]]:
    """Do work on rows 0 to `count`, `size` at a time.

    Parameters
    ----------
    count : int
        Rows in all.
    work : callable
        Takes the first row of a part and the row after its last; parts stand for themselves.
    size : int
        Rows handed to a thread at once.

    Yields
    ------
    int
        Rows done. A generator that is closed waits for the parts at work, and drops the others.

    Returns
    -------
    list
        What `work` gave, in order.
    """
    bounds = [(start, min(start + size, count)) for start in range(0, count, size)]
    if count <= _FEW:  # threads would take longer to start
        return [work(*bound) for bound in bounds]
    found = []
    pool = ThreadPoolExecutor(min(os.cpu_count() or 1, 4))
    try:
        for part, bound in zip(pool.map(work, *zip(*bounds, strict=True)), bounds, strict=True):
            found.append(part)
            yield bound[1]
    finally:
        pool.shutdown(cancel_futures=True)
    return found


def at_once(steps: Generator[Any, None, T]) -> T:
    """Drive steps to their end."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result
