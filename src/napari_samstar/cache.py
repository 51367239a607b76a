"""Content-addressed store of bytes: what was computed once is not computed again.

The key is the content that a value was computed from (pixels, settings, model hash), so an entry is
never out of date and two processes may share one folder: whoever comes second finds the same bytes.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import threading
import time
from collections import OrderedDict
from pathlib import Path

import platformdirs
import xxhash
from filelock import FileLock, Timeout

__all__ = ["Store", "content_key", "home", "models_folder"]

_MAGIC = b"samstar1"
_DIGEST_BYTES = 16
_HEADER_BYTES = len(_MAGIC) + _DIGEST_BYTES
_SUFFIX = ".bin"
_TEMPORARY = ".tmp"
_ABANDONED_S = 600.0  # a temporary file this old belongs to a writer that died
_KEY = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{1,127}")


def home() -> Path:
    """Folder of cached results and downloaded models; it need not exist yet.

    The environment variable ``SAMSTAR_HOME`` names it; else it is the system's folder for caches.
    """
    named = os.environ.get("SAMSTAR_HOME")
    if named:
        return Path(named).expanduser()
    return Path(platformdirs.user_cache_dir("napari-samstar", appauthor=False))


def models_folder() -> Path:
    """Folder of downloaded and imported models; it need not exist yet."""
    return home() / "models"


def content_key(*parts: str | bytes) -> str:
    """xxh128 of `parts` as 32 hexadecimal digits; ``("ab", "c")`` and ``("a", "bc")`` differ."""
    digest = xxhash.xxh3_128()
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "little"))
        digest.update(raw)
    return str(digest.hexdigest())


def _disk_limit() -> int:
    named = os.environ.get("SAMSTAR_CACHE_GB", "")
    try:
        gigabytes = float(named) if named else 5.0
    except ValueError:
        gigabytes = 5.0
    return int(max(gigabytes, 0.0) * 1e9)


class Store:
    """Bytes by key: the most recently used in memory, more of them on disk.

    A file carries a checksum of its bytes, so that one torn by a crash or a full disk counts as
    missing and is removed. A disk that cannot be written to costs speed, never the result.

    Parameters
    ----------
    folder : Path or None
        Where the files lie; None is ``home() / "cache"``.
    memory_bytes : int
        Most bytes kept in memory by this object.
    disk_bytes : int or None
        Most bytes kept on disk by all who share the folder; None reads ``SAMSTAR_CACHE_GB`` (5).
        0 keeps nothing on disk.
    """

    def __init__(
        self,
        folder: Path | None = None,
        memory_bytes: int = 512_000_000,
        disk_bytes: int | None = None,
    ) -> None:
        self.folder = home() / "cache" if folder is None else Path(folder)
        self.memory_bytes = memory_bytes
        self.disk_bytes = _disk_limit() if disk_bytes is None else disk_bytes
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> bytes | None:
        """Bytes stored under `key`, or None; a damaged file is removed and counts as missing."""
        path = self._path(key)
        with self._lock:
            data = self._memory.get(key)
            if data is not None:
                self._memory.move_to_end(key)
        if data is None:
            data = _read(path)
            if data is None:
                return None
            self._remember(key, data)
        with contextlib.suppress(OSError):
            os.utime(path)  # the time of last use: eviction goes by it
        return data

    def put(self, key: str, data: bytes) -> None:
        """Store `data` under `key`; the oldest entries make room."""
        path = self._path(key)
        self._remember(key, bytes(data))
        if len(data) + _HEADER_BYTES > self.disk_bytes:
            return
        # a full, read-only or vanished disk must not stop the work that fills the cache
        with contextlib.suppress(OSError):
            _write(path, data)
            self._evict()

    def clear(self) -> None:
        """Forget everything, in memory and on disk."""
        with self._lock:
            self._memory.clear()
            self._held = 0
        for path in self._files():
            with contextlib.suppress(OSError):
                path.unlink()

    def size(self) -> int:
        """Bytes on disk, unfinished files included."""
        return sum(size for _, size, _ in self._entries())

    def _path(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"'{key}' is not a cache key: letters, digits, '-' and '_' only.")
        return self.folder / key[:2] / f"{key}{_SUFFIX}"

    def _remember(self, key: str, data: bytes) -> None:
        with self._lock:
            self._held -= len(self._memory.pop(key, b""))
            if len(data) > self.memory_bytes:
                return
            self._memory[key] = data
            self._held += len(data)
            while self._held > self.memory_bytes:
                _, dropped = self._memory.popitem(last=False)
                self._held -= len(dropped)

    def _files(self) -> list[Path]:
        return [*self.folder.glob(f"*/*{_SUFFIX}"), *self.folder.glob(f"*/*{_TEMPORARY}")]

    def _entries(self) -> list[tuple[float, int, Path]]:
        """Time of last use, size and path of every file; others may remove some meanwhile."""
        entries = []
        for path in self._files():
            with contextlib.suppress(OSError):
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
        return entries

    def _evict(self) -> None:
        if self.size() <= self.disk_bytes:
            return
        # one process at a time, or two would each remove what the other just spared
        with contextlib.suppress(Timeout), FileLock(self.folder / "evict.lock", timeout=10):
            entries = sorted(self._entries())
            total = sum(size for _, size, _ in entries)
            now = time.time()
            for used, size, path in entries:
                if path.suffix == _TEMPORARY and now - used < _ABANDONED_S:
                    continue  # somebody is writing it
                if total <= self.disk_bytes:
                    break
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= size


def _digest(data: bytes) -> bytes:
    return bytes(xxhash.xxh3_128_digest(data))


def _read(path: Path) -> bytes | None:
    try:
        raw = path.read_bytes()
    except OSError:
        return None
    data = raw[_HEADER_BYTES:]
    if raw[:_HEADER_BYTES] == _MAGIC + _digest(data):
        return data
    with contextlib.suppress(OSError):
        path.unlink()
    return None


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.stem}-{secrets.token_hex(6)}{_TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.write(_MAGIC + _digest(data))
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
