"""Micrographs from files of any known format: one frame, or all of them in turn."""

from __future__ import annotations

import contextlib
import logging
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from napari_samstar.io.array import finite_gray_or_rgb
from napari_samstar.io.formats import FORMATS, Format, format_of
from napari_samstar.io.stack import Stack
from napari_samstar.types import Micrograph, SamStarError
from napari_samstar.units import calibration, user_calibration

__all__ = ["frame_count", "iter_frames", "load_micrograph", "supported_extensions"]

# what a reader runs into when a header lies; their words are for programmers
_SLIPS = (TypeError, AttributeError, LookupError, AssertionError, ArithmeticError, struct.error)


def load_micrograph(
    path: str | Path,
    *,
    frame: int | None = None,
    channel: int | None = None,
    pixel_size: float | None = None,
    unit: str | None = None,
) -> Micrograph:
    """Read one micrograph, calibrated where the file says how.

    Parameters
    ----------
    path : str or Path
        A file of one of the formats in docs/formats.md, or an OME-Zarr folder.
    frame : int, optional
        Which image of a stack, from 0; planes along time, depth and position are counted
        together. Without it the first is taken; ``metadata["frames"]`` says how many there are.
    channel : int, optional
        Which channel, or which of several images in one file (``metadata["images"]``).
    pixel_size : float, optional
        Instead of the file's own; needs `unit`.
    unit : str, optional
        Unit of `pixel_size`: "nm", "um", "pm", ...

    Returns
    -------
    Micrograph
        ``data`` float32 (H, W) or (H, W, 3), finite, in the file's own values. Without a
        calibration that means something ``pixel_size`` is None and the unit "px".

    Raises
    ------
    SamStarError
        If the file is missing, damaged, too large, not an image, of an unknown format or one
        whose reader is not installed; the message says which.
    """
    path = Path(path)
    given = None if pixel_size is None else user_calibration(pixel_size, unit)
    if given is None and unit is not None:
        raise SamStarError(f"The unit {unit} needs a pixel size as well.")
    with _opened(path, channel) as (stack, kind):
        picked = 0 if frame is None else frame
        return _micrograph(path, stack, kind, picked, channel, given, _stem(path))


def iter_frames(
    path: str | Path,
    *,
    channel: int | None = None,
    pixel_size: float | None = None,
    unit: str | None = None,
) -> Iterator[Micrograph]:
    """Every frame of a file in turn, opened once; `load_micrograph` explains the parameters.

    Frames of a stack are named ``<stem>-0000``, ``<stem>-0001``, ...

    Raises
    ------
    SamStarError
        As `load_micrograph`.
    """
    path = Path(path)
    given = None if pixel_size is None else user_calibration(pixel_size, unit)
    with _opened(path, channel) as (stack, kind):
        for frame in range(stack.frames):
            name = _stem(path) if stack.frames == 1 else f"{_stem(path)}-{frame:04d}"
            yield _micrograph(path, stack, kind, frame, channel, given, name)


def frame_count(path: str | Path) -> int:
    """Frames in a file, 1 for a single image; nothing but the header is read where possible.

    Raises
    ------
    SamStarError
        As `load_micrograph`.
    """
    with _opened(Path(path), None) as (stack, _):
        return stack.frames


def supported_extensions(*, installed_only: bool = True) -> tuple[str, ...]:
    """File name extensions that are read, lower case with the dot.

    Parameters
    ----------
    installed_only : bool
        Leave out formats whose reader is in an extra that is not installed.
    """
    return tuple(
        extension
        for known in FORMATS
        if known.installed or not installed_only
        for extension in known.extensions
    )


@contextlib.contextmanager
def _opened(path: Path, channel: int | None) -> Iterator[tuple[Stack, Format]]:
    with _plain_errors(path):
        kind = format_of(path)
    opener = kind.load()
    with contextlib.ExitStack() as exits:
        with _plain_errors(path, kind):
            stack = exits.enter_context(opener(path, channel))
            stack.check(path.name, _stored_bytes(path))
        yield stack, kind


@contextlib.contextmanager
def _plain_errors(path: Path, kind: Format | None = None) -> Iterator[None]:
    """Turn whatever a reader stumbles over into one sentence."""
    # these report there, at length, what is raised as well
    loggers = [logging.getLogger(name) for name in ("tifffile", "rsciio", "igor2", "liffile")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    except SamStarError:
        raise
    except PermissionError as err:
        raise SamStarError(f"{path} may not be read: permission was denied.") from err
    except MemoryError as err:
        raise SamStarError(f"{path.name} does not fit into the memory of this computer.") from err
    except Exception as err:
        if kind is None:
            raise SamStarError(f"{path} could not be read: {_reason(err)}.") from err
        raise SamStarError(
            f"{path.name} could not be read as {kind.name}, it is damaged or incomplete: "
            f"{_reason(err)}."
        ) from err
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _reason(err: BaseException) -> str:
    """First sentence of an error where it was written for people."""
    if isinstance(err, _SLIPS):
        return "its parts contradict each other"
    text = (str(err).strip().splitlines() or [""])[0].split(". ")[0].strip().rstrip(".")
    return (text[:150].rsplit(" ", 1)[0] if len(text) > 150 else text) or type(err).__name__


def _stem(path: Path) -> str:
    name = path.stem
    return name[:-4] if name.lower().endswith(".ome") else name


def _stored_bytes(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(
        (Path(folder) / name).stat().st_size for folder, _, names in os.walk(path) for name in names
    )


def _micrograph(
    path: Path,
    stack: Stack,
    kind: Format,
    frame: int,
    channel: int | None,
    given: tuple[tuple[float, float], str] | None,
    name: str,
) -> Micrograph:
    # where a channel chose one of several images, it has done so already
    plane_channel = (channel or 0) if "C" in stack.axes else 0
    with _plain_errors(path, kind):
        plane = stack.plane(path.name, frame, plane_channel)
        data, changes = finite_gray_or_rgb(plane, path.name)
    pixel_size, unit = given or calibration(stack.scale, stack.unit)
    metadata = {
        "format": kind.name,
        "frames": stack.frames,
        "frame": frame,
        "channels": stack.channels,
        "value_type": str(stack.dtype),
        **stack.metadata,
        **changes,
    }
    if given is not None:
        metadata["calibration"] = "given by the user"
    elif pixel_size is None and stack.scale is not None:
        metadata["calibration"] = f"not a length: {stack.scale}, unit {stack.unit!r}"
    if path.suffix.lower() not in kind.extensions and path.suffix:
        metadata["extension"] = f"{path.suffix}, but the content is {kind.name}"
    return Micrograph(data, pixel_size, unit, name, metadata)
