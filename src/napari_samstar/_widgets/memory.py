"""Memory that jobs use and free, and what the C library keeps of it."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Any

__all__ = ["give_back", "share_arenas"]

_M_ARENA_MAX = -8  # of glibc's malloc.h
_ARENAS = 2  # the window's own, and one for all jobs


def give_back() -> None:
    """Give back what was freed, where the C library keeps it: glibc, for each thread that was.

    Without this some hundred MB stay with napari after the network was at work, and a few more with
    each workbench that was opened and closed.
    """
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


@cache
def share_arenas() -> bool:
    """Let threads that come later share the memory that others have freed; once for all windows.

    glibc begins an arena for each of the first threads that allocate at the same time, up to eight
    for a core, and what is freed in one is of no use to the others: with every window that is
    opened and closed, napari grows. Who has set MALLOC_ARENA_MAX has chosen, and is left alone.

    Returns
    -------
    bool
        Whether it was set.
    """
    limit = _glibc("mallopt")
    if limit is None or "MALLOC_ARENA_MAX" in os.environ:
        return False
    return bool(limit(_M_ARENA_MAX, _ARENAS))


@cache
def _glibc(name: str) -> Any:
    """Return a function that only glibc has; None with other C libraries."""
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return getattr(library, name, None) if hasattr(library, "malloc_trim") else None
