"""Journals as a folder of them: begun, opened again, and offered back after a crash."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import numpy as np
import platformdirs
import xxhash
from numpy.typing import NDArray
from pydantic import ValidationError

from napari_samstar.atomic import atomic_folder
from napari_samstar.cache import home
from napari_samstar.edits.checks import is_color
from napari_samstar.edits.delta import Looks, SegmentTable, looks_of, segment_table
from napari_samstar.edits.history import Editor
from napari_samstar.edits.journal import (
    EDITS,
    FORMAT,
    FORMAT_VERSION,
    Journal,
    lock_journal,
    read_lines,
    remove,
)
from napari_samstar.edits.plan import own_labels
from napari_samstar.edits.values import Status
from napari_samstar.recipe import ImageRecord
from napari_samstar.types import SamStarError

__all__ = ["Recoverable", "discard", "journals_folder", "recover", "restore", "start", "sweep"]

_LABELS, _REST = "labels.npz", "unread.jsonl"
_COLUMNS = ("label", "material", "status")
_STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Recoverable:
    """A journal that nobody has open and that holds unsaved corrections.

    Parameters
    ----------
    path : Path
        Its folder.
    image : ImageRecord or None
        What was corrected; None where that cannot be read.
    changed : datetime
        When the last line was written.
    corrections : int
        How many stand.
    closed : bool
        False if the program ended without closing it.
    problem : str
        Why it cannot be read whole, in a sentence; empty if it can.
    """

    path: Path
    image: ImageRecord | None
    changed: datetime
    corrections: int
    closed: bool
    problem: str = ""


def journals_folder() -> Path:
    """Folder of the journals of this user; it need not exist yet.

    The environment variable ``SAMSTAR_HOME`` names the folder that it lies in.
    """
    if os.environ.get("SAMSTAR_HOME"):
        return home() / "journals"
    return Path(platformdirs.user_data_dir("napari-samstar", appauthor=False)) / "journals"


def start(
    folder: str | Path,
    labels: NDArray[Any],
    image: ImageRecord | None = None,
    table: SegmentTable | None = None,
    context: Mapping[str, Any] | None = None,
    looks: Looks | None = None,
) -> tuple[Editor, Journal]:
    """Begin to correct a label image, with a journal.

    Parameters
    ----------
    folder : path
        Where journals lie, see `journals_folder`; made if absent.
    labels : (H, W) int
        0 is background.
    image : ImageRecord, optional
        The micrograph it belongs to.
    table : mapping of label to Segment, optional
        As `segment_table` gives it, with materials and statuses.
    context : mapping, optional
        JSON values to keep with it, such as the recipe; `restore` gives them as `Journal.context`.
    looks : mapping of material to Look, optional
        How materials are called and shown already.

    Raises
    ------
    SamStarError
        If `labels` is not a label image, or the disk refuses.
    """
    pixels = own_labels(labels)
    table = segment_table(pixels) if table is None else table
    image = image or ImageRecord(name="labels")
    stem = re.sub(r"[^0-9A-Za-z_-]+", "_", image.name)[:60].strip("_") or "labels"
    now = datetime.now(UTC)
    path = Path(folder) / f"{stem}-{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"
    header = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "created": now.isoformat(timespec="seconds"),
        "image": image.model_dump(mode="json"),
        "labels": _LABELS,
        "labels_hash": _hash(pixels),
        "context": dict(context or {}),
        "names": {str(k): look.name for k, look in (looks or {}).items() if look.name},
        "colors": {str(k): look.color for k, look in (looks or {}).items() if look.color},
    }
    line = json.dumps(header, separators=(",", ":")).encode() + b"\n"
    with atomic_folder(path) as temporary:
        np.savez_compressed(
            temporary / _LABELS,
            labels=pixels,
            label=np.array(list(table), np.int32),
            material=np.array([row.material for row in table.values()], np.int32),
            status=np.array([_STATUSES.index(row.status) for row in table.values()], np.uint8),
        )
        (temporary / EDITS).write_bytes(line)
    journal = Journal(path, lock_journal(path), len(line), context=context)
    return Editor(pixels, table, journal, looks), journal


def restore(path: str | Path) -> tuple[Editor, Journal]:
    """Open a journal again: the labels as they were after the last correction, with the history.

    What was written half when the program ended is dropped. Where a line in between cannot be
    read, the state before it is given, `Journal.notice` says so, and the rest is kept beside.

    Raises
    ------
    SamStarError
        If another window has it open, or it cannot be read at all.
    """
    path = Path(path)
    lock = lock_journal(path)
    try:
        header, records, ends, raw = read_lines(path)
        editor = _first_state(path, header)
        read = 0
        with contextlib.suppress(SamStarError):
            for record in records:
                editor.replay(record)
                read += 1
        notice = _set_aside(path, raw[ends[read] :], fits=read == len(records))
        context = header.get("context")
        journal = Journal(
            path, lock, ends[read], notice, context if isinstance(context, dict) else None
        )
    except OSError as err:
        lock.release()
        raise SamStarError(f"{path} could not be read: {err.strerror or err}.") from err
    except BaseException:
        lock.release()
        raise
    editor.log = journal
    return editor, journal


def recover(folder: str | Path) -> list[Recoverable]:
    """List the journals with unsaved corrections that no window has open, the latest first."""
    found = []
    for file in Path(folder).glob(f"[!.]*/{EDITS}"):
        with contextlib.suppress(OSError, SamStarError):
            lock = lock_journal(file.parent, 0.0)
            try:
                entry = _describe(file.parent)
            finally:
                lock.release()
            if entry.corrections or entry.problem:
                found.append(entry)
    return sorted(found, key=lambda entry: entry.changed, reverse=True)


def sweep(folder: str | Path) -> None:
    """Remove journals that nobody has open and that hold nothing to bring back.

    As closing them would have done: a program that was killed leaves them.
    """
    for file in Path(folder).glob(f"[!.]*/{EDITS}"):
        with contextlib.suppress(OSError, SamStarError):
            lock = lock_journal(file.parent, 0.0)
            try:
                entry = _describe(file.parent)
            except BaseException:
                lock.release()
                raise
            if entry.corrections or entry.problem:
                lock.release()
            else:
                remove(file.parent, lock)


def discard(path: str | Path) -> None:
    """Remove a journal for good.

    Raises
    ------
    SamStarError
        If another window has it open.
    """
    path = Path(path)
    if path.is_dir():
        remove(path, lock_journal(path))


def _first_state(path: Path, header: Mapping[str, Any]) -> Editor:
    try:
        # opened here: what is no archive would be left open
        with (path / _LABELS).open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            labels = file["labels"]
            columns = [file[name].tolist() for name in _COLUMNS]
        materials = {k: m for k, m, _ in zip(*columns, strict=True)}
        statuses = {k: _STATUSES[s] for k, _, s in zip(*columns, strict=True)}
        same = _hash(labels) == header.get("labels_hash")
    except Exception as err:  # a damaged archive fails in more ways than anybody listed
        raise SamStarError(_lost(path)) from err
    if not same:
        raise SamStarError(f"{path / _LABELS} is not the label image that the journal began with.")
    colors = {k: color for k, color in _texts(header, "colors").items() if is_color(color)}
    looks = looks_of(_texts(header, "names"), colors)
    return Editor(labels, segment_table(labels, materials, statuses), looks=looks)


def _texts(header: Mapping[str, Any], name: str) -> dict[int, str]:
    """Read what the header says of materials; older ones say nothing."""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        return {int(k): str(text) for k, text in header.get(name, {}).items()}
    return {}


def _lost(path: Path) -> str:
    return f"{path} has lost its label image: {path / _LABELS} is damaged."


def _has_labels(path: Path) -> bool:
    """Whether the file of the label image has an end: one that was cut off has not; quick."""
    try:
        with zipfile.ZipFile(path / _LABELS) as file:
            names = set(file.namelist())
    except Exception:  # as where it is read
        return False
    return names >= {f"{name}.npy" for name in ("labels", *_COLUMNS)}


def _set_aside(path: Path, rest: bytes, *, fits: bool) -> str:
    """Keep whole lines that cannot be done again beside the journal, and say so."""
    if b"\n" not in rest:
        return ""  # half a line: it was never confirmed
    with (path / _REST).open("ab") as file:
        file.write(rest)
        os.fsync(file.fileno())
    why = "is damaged" if fits else "does not fit what was done before"
    return (
        f"A correction in {path} {why}: those before it are back, the later ones are kept "
        f"in {path / _REST}."
    )


def _describe(path: Path) -> Recoverable:
    changed = datetime.fromtimestamp((path / EDITS).stat().st_mtime, UTC)
    try:
        header, records, ends, raw = read_lines(path)
        image = ImageRecord.model_validate(header.get("image"))
    except (SamStarError, ValidationError) as err:
        problem = str(err) if isinstance(err, SamStarError) else f"{path} has a damaged header."
        return Recoverable(path, None, changed, 0, False, problem)
    # the numbers of the edits stand for the edits: nothing need be done again to count them
    done: list[int] = []
    undone: list[int] = []
    saved = None
    for number, record in enumerate(records):
        if "do" in record:
            done.append(number)
            undone.clear()
        elif "undo" in record and done:
            undone.append(done.pop())
        elif "redo" in record and undone:
            done.append(undone.pop())
        elif "saved" in record:
            saved = done[-1] if done else None
    unsaved = (done[-1] if done else None) != saved
    closed = bool(records) and "closed" in records[-1]
    problem = f"A correction in {path} is damaged: only those before it can be brought back."
    if b"\n" not in raw[ends[-1] :]:
        problem = ""
    if unsaved and not _has_labels(path):
        problem = _lost(path)
    return Recoverable(path, image, changed, len(done) if unsaved else 0, closed, problem)


def _hash(labels: NDArray[np.int32]) -> str:
    digest = xxhash.xxh3_128(repr(labels.shape).encode())
    digest.update(np.ascontiguousarray(labels))
    return str(digest.hexdigest())
