"""What the C library keeps for threads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_samstar._widgets.memory import _glibc

pytestmark = pytest.mark.skipif(_glibc("malloc_info") is None, reason="glibc alone has arenas")

# eight threads allocate at the same time; how many arenas there are is said on stdout
CODE = """
import ctypes, threading
from napari_samstar._widgets.memory import share_arenas
print(share_arenas(), flush=True)
together = threading.Barrier(8)
def work():
    together.wait()
    kept = [bytearray(5000) for _ in range(200)]
    together.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
library = ctypes.CDLL(None)
library.malloc_info(0, ctypes.c_void_p.in_dll(library, "stdout"))
library.fflush(None)
"""


def arenas() -> tuple[bool, int]:
    found = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    return found.stdout.startswith("True"), found.stdout.count("<heap nr=")


def test_threads_share_what_others_have_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    done, count = arenas()
    assert done
    assert count <= 2


def test_who_has_chosen_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    done, count = arenas()
    assert not done
    assert 2 < count <= 4
