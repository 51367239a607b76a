"""Steps for jobs of tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from napari_samstar.types import Progress

__all__ = ["Gate", "iter_of"]


class Gate:
    """Steps that wait until they are let go, so that tests need not sleep."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.closed_in: int | None = None
        self.steps_done = 0

    def steps(self) -> Iterator[Any]:
        try:
            while True:
                yield Progress("decoding", self.steps_done, 10)
                self.go.wait(10)
                self.steps_done += 1
        finally:
            self.closed_in = threading.get_ident()


def iter_of(value: Any) -> Any:
    """One step, and a value."""
    yield Progress("drawing", 0, 1)
    return value
