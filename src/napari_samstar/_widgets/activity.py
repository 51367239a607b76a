"""Napari's sign that something is being done, held still."""

from __future__ import annotations

import contextlib
from typing import Any

__all__ = ["hold_still"]


def hold_still() -> None:
    """Stop the turning wheel beside napari's "activity"; it stays to be seen.

    Each of its pictures has the whole window composed anew: a third of a core without a graphics
    card, for as long as a job runs. What the job does and how far it is, the job's bar tells.
    """
    with contextlib.suppress(AttributeError, ImportError, RuntimeError):
        for movie in _movies():
            movie.setPaused(True)


def _movies() -> list[Any]:
    from napari._qt.qt_main_window import _QtMainWindow

    window = _QtMainWindow.current()
    if window is None:
        return []
    return [window._activity_dialog._toggleButton._inProgressIndicator.movie()]
