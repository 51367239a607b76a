"""How work that comes in steps is driven and told about."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any, TypeVar

from napari_samstar.types import Progress

__all__ = ["run", "told"]

T = TypeVar("T")


def run(steps: Generator[Any, None, T], report: Callable[[Any], None] | None = None) -> T:
    """Drive a generator of steps to its end and return its result."""
    while True:
        try:
            event = next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result
        if report is not None:
            report(event)


def told(message: str, steps: Generator[Progress, None, T]) -> Generator[Progress, None, T]:
    """Add `message` to each step."""
    while True:
        try:
            event = next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result
        yield replace(event, message=message)
