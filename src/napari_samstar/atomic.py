"""Files appear whole or not at all: written beside their final name, then renamed."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from napari_samstar.types import SamStarError

__all__ = ["atomic_folder", "atomic_path", "write_bytes_atomic", "write_text_atomic"]


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name in the folder of `path`; rename it to `path` when the block ends well.

    The folder is made where it is missing. After an error the temporary file is removed and what
    stood under `path` before stands there still. The temporary name is hidden and keeps the
    ending of `path`, because some writers choose their format by it.

    Raises
    ------
    SamStarError
        If the disk refuses: full, read-only, no such folder.
    """
    final = Path(path)
    with _plain_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(final)
        try:
            yield temporary
            _sync(temporary)
            os.replace(temporary, final)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(final.parent)
        _sweep(final)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield an empty temporary folder; it replaces the folder `path` when the block ends well.

    Raises
    ------
    SamStarError
        If the disk refuses: full, read-only, no such folder.
    """
    final = Path(path)
    with _plain_errors(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        temporary = _beside(final)
        old = _beside(final)
        try:
            temporary.mkdir()
            yield temporary
            for file in temporary.rglob("*"):
                if file.is_file():
                    _sync(file)
            # a folder cannot be renamed onto another: the old one steps aside first
            if final.is_dir():
                os.replace(final, old)
            os.replace(temporary, final)
        except BaseException:
            if old.exists() and not final.exists():
                os.replace(old, final)
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        shutil.rmtree(old, ignore_errors=True)
        _sync_folder(final.parent)
        _sweep(final)


def write_bytes_atomic(path: str | Path, data: bytes) -> None:
    """Write `data` under `path`, whole or not at all.

    Raises
    ------
    SamStarError
        If the disk refuses: full, read-only, no such folder.
    """
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text_atomic(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 under `path`, whole or not at all.

    Raises
    ------
    SamStarError
        If the disk refuses: full, read-only, no such folder.
    """
    write_bytes_atomic(path, text.encode())


_ABANDONED_S = 3600.0  # a temporary file this old belongs to a writer that died


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.stem}-{secrets.token_hex(6)}.tmp{path.suffix}")


def _sweep(path: Path) -> None:
    """Remove what writers of `path` left behind when they were killed."""
    names = f".{glob.escape(path.stem)}-????????????.tmp{glob.escape(path.suffix)}"
    for left in path.parent.glob(names):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(left) if left.is_dir() else left.unlink()


@contextlib.contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        reason = err.strerror or str(err)
        raise SamStarError(f"{path} could not be written: {reason}.") from err


def _sync(path: Path) -> None:
    # without this a power cut can leave the new name with none of its bytes
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    # Windows opens no folders, some network disks sync none: the file itself is safe by now
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
