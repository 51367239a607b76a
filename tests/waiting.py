"""Waiting for a window: as long as it takes, since the first run of anything compiles it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["until", "wait"]

_LONGEST = 840_000  # ms; a little less than a test may take in all


def until(qtbot: Any, condition: Callable[[], Any]) -> None:
    """Let the window work until `condition` holds."""
    qtbot.waitUntil(condition, timeout=_LONGEST)


def wait(qtbot: Any, context: Any) -> None:
    """Let the window work until no job runs."""
    until(qtbot, lambda: not (context.jobs.busy or context.quick_jobs.busy))
