"""Fetch a model: whole and verified under its name, or not at all.

A download goes to ``<file>.part``, is continued there after an interruption, is checked against the
published digest, and only then gets its name. A lock makes a second process wait for the first.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import pooch
import requests
from filelock import FileLock, Timeout

from napari_samstar.cache import models_folder
from napari_samstar.sam.cards import ModelCard, find_card
from napari_samstar.sam.resuming import ProgressCallback, ResumingDownloader, size_of
from napari_samstar.sam.sniff import strange_content
from napari_samstar.types import Progress, SamStarError

__all__ = [
    "OFFLINE_FOLDER",
    "fetch",
    "fetch_model",
    "file_digest",
    "is_sound",
    "local_file",
    "progress_bar",
]

#: Environment variable that names a folder of model files, looked through before any download.
OFFLINE_FOLDER = "SAMSTAR_MODELS"

_WAIT = 0.5  # s between two looks at the lock


def file_digest(path: Path, algorithm: str = "xxh128") -> str:
    """Return `algorithm` and the digest of a file, e.g. "xxh128:6923c33d..."."""
    return f"{algorithm}:{pooch.file_hash(str(path), alg=algorithm)}"


def is_sound(path: Path, checksum: str) -> bool:
    """Whether `path` is a file with this checksum, given as "sha256:..." or "xxh128:..."."""
    algorithm = checksum.partition(":")[0]
    return path.is_file() and file_digest(path, algorithm) == checksum.lower()


def fetch_model(
    name: str,
    progress: ProgressCallback | None = None,
    offline: str | Path | None = None,
) -> Path:
    """Path of a model's verified weights, downloaded if they are not here yet.

    Parameters
    ----------
    name : str
        Name in the zoo.
    progress : callable, optional
        Told of every chunk, in bytes; may raise to stop.
    offline : path, optional
        Folder of model files to look through first; the environment variable ``SAMSTAR_MODELS``
        names one too.

    Raises
    ------
    SamStarError
        If there is no such model, no network, no room, or the wrong file came.
    """
    card = find_card(name)
    if not card.runnable:
        raise SamStarError(f"{card.name} is listed but not run by this version: choose a SAM 1.")
    return fetch(card, models_folder(), progress, offline)


def fetch(
    card: ModelCard,
    folder: Path,
    progress: ProgressCallback | None = None,
    offline: str | Path | None = None,
) -> Path:
    """As `fetch_model`, for any card and into any folder."""
    found = local_file(card, folder, offline)
    if found is not None:
        return found
    if card.bundled_path is not None:
        raise SamStarError(
            f"The weights of {card.name} are missing at {card.bundled_path}: reinstall the program."
        )
    final = folder / card.file_name
    with _disk_errors(card, folder):
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(final, card, progress):
            if is_sound(final, card.quick_checksum):
                return final  # another process was quicker
            final.unlink(missing_ok=True)
            part = final.with_name(final.name + ".part")
            _check_room(card, part)
            _download(card, part, ResumingDownloader(progress, f"downloading {card.name}"))
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(part, final)
    return final


def local_file(
    card: ModelCard, folder: Path | None = None, offline: str | Path | None = None
) -> Path | None:
    """Find verified weights on this computer: bundled, in the offline folder, or downloaded before.

    In the offline folder a file may have the name it is kept under here, the one of its URL, or
    the model's own; one with another checksum is passed over.
    """
    if card.bundled_path is not None:
        return card.bundled_path if card.bundled_path.is_file() else None
    named = offline or os.environ.get(OFFLINE_FOLDER)
    candidates = [] if not named else [Path(named).expanduser() / n for n in _file_names(card)]
    candidates.append((folder or models_folder()) / card.file_name)
    for path in candidates:
        with contextlib.suppress(OSError):
            if is_sound(path, card.quick_checksum):
                return path
    return None


@contextlib.contextmanager
def progress_bar() -> Iterator[ProgressCallback]:
    """Show a bar on the terminal for `fetch_model`, with megabytes and the time that is left."""
    from tqdm import tqdm

    bar: tqdm[Any] = tqdm(unit="B", unit_scale=True, dynamic_ncols=True)

    def show(progress: Progress) -> None:
        bar.total = progress.total or None
        bar.set_description(progress.message or progress.stage, refresh=False)
        bar.update(progress.done - bar.n)

    with contextlib.closing(bar):
        yield show


def _file_names(card: ModelCard) -> tuple[str, ...]:
    return card.file_name, PurePosixPath(urlsplit(card.url).path).name, card.name


@contextlib.contextmanager
def _alone(final: Path, card: ModelCard, progress: ProgressCallback | None) -> Iterator[None]:
    lock = FileLock(final.with_name(f".{final.name}.lock"))
    while True:
        try:
            lock.acquire(timeout=_WAIT)
            break
        except Timeout:
            if progress is not None:
                message = f"waiting for another program that downloads {card.name}"
                progress(Progress(f"downloading {card.name}", 0, 0, message))
    try:
        yield
    finally:
        lock.release()


def _download(card: ModelCard, part: Path, downloader: ResumingDownloader) -> None:
    """Bring `part` to the card's checksum; a wrong beginning is thrown away and tried once more."""
    resumed = size_of(part) > 0
    try:
        downloader(card.url, part)
    except requests.RequestException as err:
        raise SamStarError(_network_sentence(card, part, err)) from err
    if is_sound(part, card.checksum):
        return
    with part.open("rb") as file:
        what = strange_content(file.read(1024))
    part.unlink()
    if resumed:
        _download(card, part, downloader)
        return
    host = urlsplit(card.url).hostname
    came = f"What {host} sent for {card.name} is {what or 'not the published file'}"
    raise SamStarError(
        f"{came} (its checksum is wrong), so it was thrown away: try again, or get the file from "
        f"{card.url} in another way and put it into a folder named by {OFFLINE_FOLDER}."
    )


def _network_sentence(card: ModelCard, part: Path, err: requests.RequestException) -> str:
    host = urlsplit(card.url).hostname
    elsewhere = (
        f"or put {_file_names(card)[1]} from {card.url} into a folder named by {OFFLINE_FOLDER}"
    )
    if isinstance(err, requests.HTTPError) and err.response is not None:
        answer = f"{err.response.status_code} {err.response.reason}"
        return f"{host} does not give {card.name} ({answer}): try again later, {elsewhere}."
    if isinstance(err, requests.exceptions.SSLError):
        return f"{host} has no valid certificate here: ask who runs your network, {elsewhere}."
    done = size_of(part)
    if done:
        of = f" of {card.size / 1e6:.1f}" if card.size else ""
        return (
            f"The download of {card.name} broke off after {done / 1e6:.1f}{of} MB: "
            f"try again to go on from there, {elsewhere}."
        )
    return (
        f"{card.name} could not be downloaded because {host} cannot be reached: "
        f"check the network and try again, {elsewhere}."
    )


def _check_room(card: ModelCard, part: Path) -> None:
    free = shutil.disk_usage(part.parent).free
    needed = (card.size or 0) - size_of(part)
    if needed > free:
        raise OSError(errno.ENOSPC, f"{needed / 1e9:.2f} GB needed, {free / 1e9:.2f} GB free")


@contextlib.contextmanager
def _disk_errors(card: ModelCard, folder: Path) -> Iterator[None]:
    try:
        yield
    except requests.RequestException:
        raise  # it is an OSError by birth
    except OSError as err:
        if err.errno in (errno.ENOSPC, errno.EDQUOT):
            problem = f"There is no room for {card.name} in {folder} ({err.strerror})"
        else:
            problem = f"{card.name} cannot be kept in {folder} ({err.strerror or err})"
        raise SamStarError(
            f"{problem}: make room, or choose another folder with SAMSTAR_HOME."
        ) from err
