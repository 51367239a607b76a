"""A downloader for pooch that goes on where it was interrupted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

from napari_samstar.types import Progress

__all__ = ["ProgressCallback", "ResumingDownloader", "size_of"]

ProgressCallback = Callable[[Progress], None]

_CHUNK = 1 << 16  # bytes; what is lost at most when the program is killed
_TIMEOUT = (10.0, 60.0)  # s, to connect and between two chunks
_LARGEST = 8 << 30  # bytes; no model of SAM's kind is larger, a wrong server must not fill the disk


class ResumingDownloader:
    """A downloader for pooch that continues where an earlier attempt broke off.

    Called as pooch calls its own: ``downloader(url, output_file, pooch)``. What `output_file`
    already holds is taken as the beginning of the answer; a server that cannot continue sends all
    of it again. A connection that breaks is taken up again as long as each attempt brings more.

    Parameters
    ----------
    progress : callable, optional
        Told of every chunk; may raise to stop, and what has come is kept.
    label : str
        What the progress calls this download.

    Raises
    ------
    requests.RequestException
        If the server cannot be reached, refuses, or keeps breaking off.
    """

    def __init__(self, progress: ProgressCallback | None = None, label: str = "download") -> None:
        self.progress = progress
        self.label = label

    def __call__(
        self, url: str, output_file: Any, pooch: Any = None, check_only: bool = False
    ) -> bool | None:
        """Download `url` into the file named `output_file`, or only ask whether it is there."""
        if check_only:
            answer = requests.head(url, timeout=_TIMEOUT, allow_redirects=True)
            return bool(answer.ok)
        path = Path(output_file)
        while True:
            before = size_of(path)
            try:
                self._attempt(url, path, before)
            except (requests.ConnectionError, requests.Timeout) as err:
                broken: requests.RequestException = err
            except requests.exceptions.ChunkedEncodingError as err:
                broken = err
            else:
                return None
            if size_of(path) <= before:
                raise broken

    def _attempt(self, url: str, path: Path, start: int) -> None:
        # "identity": a compressed answer could not be continued at a byte
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as answer:
            if start and answer.status_code == requests.codes.requested_range_not_satisfiable:
                if answer.headers.get("Content-Range") == f"bytes */{start}":
                    return  # there is nothing more to come
                path.unlink()  # longer than the file on the server: cannot be its beginning
                self._attempt(url, path, 0)
                return
            answer.raise_for_status()
            continues = answer.status_code == requests.codes.partial_content and answer.headers.get(
                "Content-Range", ""
            ).startswith(f"bytes {start}-")
            if not continues:
                start = 0
            length = answer.headers.get("Content-Length", "")
            total = start + int(length) if length.isdigit() else 0
            done = start
            with path.open("ab" if continues else "wb") as file:
                for chunk in answer.iter_content(_CHUNK):
                    file.write(chunk)
                    file.flush()  # what has come stays, whatever happens to this process
                    done += len(chunk)
                    if done > _LARGEST:
                        raise requests.exceptions.ContentDecodingError("The answer has no end.")
                    self._tell(done, total)
        if total and done < total:
            raise requests.ConnectionError(f"The connection broke off at {done} of {total} bytes.")

    def _tell(self, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress(Progress(self.label, done, total))


def size_of(path: Path) -> int:
    """Bytes of a file, 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
