"""The journal: every correction is on disk before it is on the screen.

A journal is a folder with the label image as it was at first, and a text file that grows by one
line of JSON an edit. Lines are only ever appended; doing them again gives the state back, with
all that can be undone and redone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from napari_samstar.types import SamStarError

__all__ = ["EDITS", "FORMAT", "FORMAT_VERSION", "Journal", "lock_journal", "read_lines", "remove"]

FORMAT = "samstar-edits"
FORMAT_VERSION = 1
EDITS = "edits.jsonl"

_LOCK = "lock"


class Journal:
    """The text file of one journal, open for appending, and the lock that keeps others out.

    `start` and `restore` make one. A line is handed to the system as it is made, so that it
    outlives a crash of the program; and the disk is asked at once to confirm it, so that it
    outlives a power cut. Nobody waits for the answer: a disk that is busy takes half a second.

    Attributes
    ----------
    path : Path
        The journal's folder.
    notice : str
        What could not be read of it, in a sentence; empty if all could.
    context : mapping
        What `start` was given to be kept with it.
    """

    def __init__(
        self,
        path: Path,
        lock: FileLock,
        size: int,
        notice: str = "",
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self.notice = notice
        self.context: Mapping[str, Any] = context or {}
        self._lock = lock
        self._size = size
        self._file = (path / EDITS).open("r+b", buffering=0)
        self._file.truncate(size)
        self._confirming = _Confirming(self._file)

    def append(self, record: Mapping[str, Any]) -> None:
        """Write one record down.

        Raises
        ------
        SamStarError
            If the disk refuses, now or what came before, or the journal is closed.
        """
        line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
        if self._file.closed:
            raise SamStarError(f"The journal {self.path} is closed: open the image anew.")
        try:
            self._confirming.check()
            # from where the last whole line ended: a half line of a failed try is overwritten
            self._file.seek(self._size)
            self._file.truncate()
            rest = memoryview(line)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as err:
            with contextlib.suppress(OSError):
                self._file.truncate(self._size)
            raise SamStarError(
                f"The correction was not made, because it could not be kept in {self.path}: "
                f"{err.strerror or err}."
            ) from err
        self._size += len(line)
        self._confirming.ask()

    def close(self, *, keep: bool = True) -> None:
        """Let others in; without `keep`, as where nothing is unsaved, the journal is removed."""
        if self._file.closed:
            return
        try:
            if keep:
                self.append({"closed": True})
        finally:
            self._confirming.end()  # by then the disk has confirmed, or refused
            self._file.close()
            if keep:
                self._lock.release()
            else:
                remove(self.path, self._lock)
        if keep:
            self._confirming.check()


class _Confirming:
    """Has the disk confirm what is written to a file, in a thread that ends with the file."""

    def __init__(self, file: FileIO) -> None:
        self._file = file
        # entered twice where the collector closes a journal in this very thread
        self._changed = threading.Condition(threading.RLock())
        self._asked = self._ended = False
        self._refused: OSError | None = None
        # a daemon: Python waits for all others before it closes journals that are still open
        self._thread = threading.Thread(target=self._work, name="samstar journal", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """Confirm all that is written by now."""
        with self._changed:
            self._asked = True
            self._changed.notify()

    def check(self) -> None:
        """Raise the OSError with which the disk refused, once."""
        refused, self._refused = self._refused, None
        if refused is not None:
            raise refused

    def end(self) -> None:
        """Wait until all that was asked for is answered."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._asked or self._ended)
                if not self._asked:
                    return
                self._asked = False
            try:
                os.fsync(self._file.fileno())
            except OSError as err:
                self._refused = err
            except ValueError:  # it was closed in this thread
                return


def lock_journal(path: Path, wait_s: float = 0.3) -> FileLock:
    """Keep others out of a journal, with a moment's patience for who only looks.

    Raises
    ------
    SamStarError
        If it is not there, another window has it open, or the disk refuses.
    """
    # thread_local=False: who closes a window need not be the thread that opened it
    lock = FileLock(path / _LOCK, timeout=wait_s, thread_local=False)
    if not path.is_dir():
        raise SamStarError(f"There is no journal {path}.")
    try:
        lock.acquire()
    except Timeout as err:
        raise SamStarError(
            f"The corrections in {path} are open in another window: go on there, or close it."
        ) from err
    except OSError as err:
        raise SamStarError(f"{path} could not be opened: {err.strerror or err}.") from err
    return lock


def read_lines(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]], list[int], bytes]:
    """Read a journal as far as it can be read.

    Returns
    -------
    header : dict
    records : list of dict
        Up to the first line that is none.
    ends : list of int
        Where the header and each record end, bytes.
    raw : bytes
        The whole file.

    Raises
    ------
    SamStarError
        If it is no journal, or a later version's.
    """
    raw = (path / EDITS).read_bytes()
    records: list[dict[str, Any]] = []
    ends: list[int] = []
    position = 0
    for line in raw.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break  # torn: the program ended while it was written
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(record, dict):
            break
        position += len(line)
        records.append(record)
        ends.append(position)
    if not records or records[0].get("format") != FORMAT:
        raise SamStarError(f"{path} is not a journal of corrections.")
    if records[0].get("version") != FORMAT_VERSION:
        raise SamStarError(
            f"{path} was written by a later napari-samstar: update napari-samstar to open it."
        )
    return records[0], records[1:], ends, raw


def remove(path: Path, lock: FileLock) -> None:
    """Remove a locked journal for good."""
    # without this file it is no journal: nobody can open what is about to go
    with contextlib.suppress(OSError):
        (path / EDITS).unlink()
    lock.release()
    shutil.rmtree(path, ignore_errors=True)
