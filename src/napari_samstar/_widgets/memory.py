"""Memory that a job has freed, given back to the system."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

__all__ = ["give_back"]


def give_back() -> None:
    """Give back what was freed, where the C library keeps it: glibc, for each thread that was.

    Without this some hundred MB stay with napari after the network was at work, and a few more with
    each workbench that was opened and closed.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
