"""The record of a search: a file of JSON lines that only grows and survives a crash.

The first line says which search it is, every further line holds one candidate. A search that is
repeated with the same journal reads the rewards of its first candidates there, in place of
evaluating them, and so goes on exactly where it was left.

Each line survives the end of this process. The disk is not asked to have it at once: a busy disk
answers that after half a second, and what a power cut takes is only evaluated again.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from napari_samstar.search.pareto import Candidate
from napari_samstar.types import SamStarError

__all__ = ["Journal", "open_journal", "read_journal"]

_FORMAT = {"format": "napari-samstar search journal", "version": 1}


class Journal:
    """An open journal: what it held when it was opened, and where to append.

    Parameters
    ----------
    path : Path
        The file.
    recorded : list of Candidate
        Candidates of the interrupted search, in order.
    file : binary file
        Open for appending.
    """

    def __init__(self, path: Path, recorded: list[Candidate], file: BinaryIO) -> None:
        self.path = path
        self.recorded = recorded
        self._file = file

    def append(self, candidate: Candidate) -> None:
        """Record one candidate; it survives the end of this process."""
        line: dict[str, Any] = {
            "index": candidate.index,
            "generation": candidate.generation,
            "genes": candidate.genes,
            "rewards": candidate.rewards,
        }
        if candidate.error:
            line["error"] = candidate.error
        with _plain_errors(self.path):
            self._file.write(_line(line))
            self._file.flush()


@contextlib.contextmanager
def open_journal(path: Path, search: Mapping[str, Any]) -> Iterator[Journal]:
    """Open the journal of one search, or start it; nobody else can while it is open.

    Parameters
    ----------
    path : Path
        The file; a lock file lies beside it while it is open.
    search : mapping
        What makes the search this one: JSON values.

    Raises
    ------
    SamStarError
        If the file is not a journal, records another search, is open elsewhere, or the disk
        refuses.
    """
    with contextlib.ExitStack() as stack:
        with _plain_errors(path):
            stack.enter_context(_locked(path))
            # a power cut can leave the name with nothing, or with zeros, of its first line
            if not path.exists() or not path.read_bytes().strip(b"\0"):
                path.write_bytes(_line({**_FORMAT, **search}))
            header, recorded, length = _read(path)
            _must_be_same(path, header, search)
            file = stack.enter_context(path.open("r+b"))
            # what a crash left half-written goes
            file.truncate(length)
            file.seek(length)
        yield Journal(path, recorded, file)


def read_journal(path: str | Path) -> tuple[dict[str, Any], list[Candidate]]:
    """Read what a journal says: its search, and the candidates in order.

    Raises
    ------
    SamStarError
        If the file is missing or not a journal.
    """
    with _plain_errors(Path(path)):
        header, recorded, _ = _read(Path(path))
    return header, recorded


def _read(path: Path) -> tuple[dict[str, Any], list[Candidate], int]:
    """Header, candidates, and the length of what is whole, bytes."""
    lines = path.read_bytes().split(b"\n")[:-1]  # what follows the last line's end is torn
    header = _parsed(lines[0]) if lines else None
    if header is None or header.get("format") != _FORMAT["format"]:
        raise SamStarError(f"{path} is not the journal of a search: give another file name.")
    if header.get("version") != _FORMAT["version"]:
        raise SamStarError(
            f"{path} was written by another version of this program: give another file name."
        )
    recorded: list[Candidate] = []
    length = len(lines[0]) + 1
    for text in lines[1:]:
        candidate = _candidate(_parsed(text))
        # after damage nothing is believed; what is lost is evaluated again
        if candidate is None or candidate.index != len(recorded):
            break
        recorded.append(candidate)
        length += len(text) + 1
    return header, recorded, length


def _candidate(line: dict[str, Any] | None) -> Candidate | None:
    try:
        assert line is not None
        return Candidate(
            index=int(line["index"]),
            genes=dict(line["genes"]),
            rewards=tuple(float(r) for r in line["rewards"]),
            generation=int(line["generation"]),
            error=str(line.get("error", "")),
        )
    except (AssertionError, KeyError, TypeError, ValueError):
        return None


def _must_be_same(path: Path, header: Mapping[str, Any], search: Mapping[str, Any]) -> None:
    for name, value in json.loads(json.dumps(dict(search))).items():
        if header.get(name) != value:
            short = isinstance(value, (int, str)) and len(str(value)) < 20
            what = f"its {name} is {header.get(name)}, not {value}" if short else f"other {name}"
            raise SamStarError(
                f"{path} records a different search ({what}): give another file name."
            )


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError):
        return None
    return value if isinstance(value, dict) else None


def _line(value: Mapping[str, Any]) -> bytes:
    # NaN is not JSON, and no reward is NaN
    return json.dumps(value, allow_nan=False).encode() + b"\n"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    # not bound to a thread: a search may be closed by another than the one that began it
    lock = FileLock(path.with_name(path.name + ".lock"), timeout=0, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise SamStarError(
            f"{path} is in use by another search: wait for its end, or give another file name."
        ) from None
    try:
        yield
    finally:
        # while it is held, so that none is left behind; whoever opened it meanwhile tries again
        with contextlib.suppress(OSError):
            os.unlink(lock.lock_file)
        lock.release()


@contextlib.contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise SamStarError(
            f"The journal {path} cannot be used: {err.strerror or err}; give another file name."
        ) from err
