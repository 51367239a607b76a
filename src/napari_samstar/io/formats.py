"""Which formats there are, how to tell them by their first bytes, and what reads them."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from napari_samstar.io.stack import Stack
from napari_samstar.types import SamStarError

__all__ = ["FORMATS", "Format", "format_of"]

Opener = Callable[[Path, int | None], AbstractContextManager[Stack]]

_HEAD = 512


@dataclass(frozen=True)
class Format:
    """One file format.

    Parameters
    ----------
    name : str
        As people call it.
    extensions : tuple of str
        Lower case, with the dot; the first is the usual one.
    opener : str
        ``module:function`` in this package.
    magic : tuple of (int, bytes)
        Offset and bytes that every file of this format has; any one is enough. Empty where the
        format has no such mark.
    package : str
        What must be installed to read it; empty where nothing optional is needed.
    extra : str
        The extra of this package that installs it.
    """

    name: str
    extensions: tuple[str, ...]
    opener: str
    magic: tuple[tuple[int, bytes], ...] = ()
    package: str = ""
    extra: str = ""

    @property
    def installed(self) -> bool:
        """Whether everything is there to read it."""
        return not self.package or importlib.util.find_spec(self.package) is not None

    def recognizes(self, head: bytes) -> bool:
        """Whether the first bytes of a file are those of this format."""
        return any(head[at : at + len(mark)] == mark for at, mark in self.magic)

    def load(self) -> Opener:
        """Import the function that opens such files."""
        module, function = self.opener.split(":")
        opener: Opener = getattr(importlib.import_module(f"napari_samstar.io.{module}"), function)
        return opener


_TIFF_MARKS = ((0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+"))

FORMATS = (
    Format("TIFF", (".tif", ".tiff", ".btf"), "tiff:open_stack", _TIFF_MARKS),
    Format("PNG", (".png",), "images:open_stack", ((0, b"\x89PNG\r\n\x1a\n"),)),
    Format("JPEG", (".jpg", ".jpeg"), "images:open_stack", ((0, b"\xff\xd8\xff"),)),
    Format("BMP", (".bmp",), "images:open_stack", ((0, b"BM"),)),
    Format("NPY", (".npy",), "npy:open_stack", ((0, b"\x93NUMPY"),)),
    Format("MRC", (".mrc", ".mrcs", ".map", ".rec", ".st"), "mrc:open_stack", ((208, b"MAP"),)),
    Format(
        "HDF5",
        (".h5", ".hdf5", ".hdf", ".emd", ".nxs"),
        "hdf5:open_stack",
        ((0, b"\x89HDF\r\n\x1a\n"),),
    ),
    Format("Zarr", (".zarr",), "zarr:open_stack"),
    Format("Gwyddion Simple Field", (".gsf",), "gwyddion:open_gsf", ((0, b"Gwyddion Simple"),)),
    Format("Gwyddion", (".gwy",), "gwyddion:open_gwy", ((0, b"GWYP"), (0, b"GWYO"))),
    Format(
        "Igor binary wave",
        (".ibw",),
        "afm:open_stack",
        ((0, b"\x05\0"), (0, b"\0\x05"), (0, b"\x02\0"), (0, b"\0\x02")),
        "igor2",
        "afm",
    ),
    Format("DM3", (".dm3",), "em:open_stack", ((0, b"\0\0\0\x03"),), "rsciio", "em"),
    Format("DM4", (".dm4",), "em:open_stack", ((0, b"\0\0\0\x04"),), "rsciio", "em"),
    Format("TIA series", (".ser",), "em:open_stack", ((0, b"II\x97\x01"),), "rsciio", "em"),
    Format("TIA", (".emi",), "em:open_stack", ((0, b"JK\0\x02"),), "rsciio", "em"),
    Format("Bruker BCF", (".bcf",), "em:open_stack", ((0, b"AAMVHFSS"),), "rsciio", "em"),
    Format(
        "Nikon ND2",
        (".nd2",),
        "lm:open_nd2",
        ((0, b"\xda\xce\xbe\x0a"), (0, b"\0\0\0\x0cjP  ")),
        "nd2",
        "lm",
    ),
    Format("Zeiss CZI", (".czi",), "lm:open_czi", ((0, b"ZISRAWFILE"),), "czifile", "lm"),
    Format("Leica LIF", (".lif",), "lm:open_lif", ((0, b"\x70\0\0\0"),), "liffile", "lm"),
)
# marks of two bytes or without letters also begin other files: believed only with the extension
_WEAK = ("BMP", "Igor binary wave", "DM3", "DM4", "Leica LIF")
_ZARR_FILES = (".zgroup", ".zarray", "zarr.json")


def format_of(path: Path) -> Format:
    """Format of a file or folder, by its content and its extension, which must agree.

    Raises
    ------
    SamStarError
        If there is no such file, it is empty, its extension belongs to another format or is
        unknown, or what would read it is not installed.
    """
    by_name = next((f for f in FORMATS if path.suffix.lower() in f.extensions), None)
    found = _by_content(path, by_name)
    if not found.installed:
        raise SamStarError(
            f"{path.name} is a {found.name} file, and its reader is not installed: "
            f'pip install "napari-samstar[{found.extra}]".'
        )
    return found


def _by_content(path: Path, by_name: Format | None) -> Format:
    if not path.exists():
        raise SamStarError(f"There is no file {path}.")
    if path.is_dir():
        if any((path / name).is_file() for name in _ZARR_FILES):
            return next(f for f in FORMATS if f.name == "Zarr")
        if by_name is not None and by_name.name == "Zarr":
            raise SamStarError(f"{path.name} is not a Zarr image: it lacks its description.")
        raise SamStarError(f"{path} is a folder, not an image: name the files in it.")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise SamStarError(f"{path.name} is empty: it has no bytes at all.")
    strong = next((f for f in FORMATS if f.name not in _WEAK and f.recognizes(head)), None)
    if by_name is None:
        if strong is None:
            known = ", ".join(e for f in FORMATS for e in f.extensions[:1])
            raise SamStarError(f"{path.name} is not of a known format; these are read: {known}.")
        return strong
    # old MRC files have no mark
    if by_name.recognizes(head) or (strong is None and by_name.name == "MRC"):
        return by_name
    if strong is not None:
        # a picture by another picture's name: every viewer opens it, and it hides nothing
        if strong.opener == by_name.opener == "images:open_stack":
            return strong
        raise SamStarError(
            f"{path.name} is not {by_name.name} but {strong.name}: "
            f"rename it to {path.stem}{strong.extensions[0]}."
        )
    seems = ", it seems to be text" if _is_text(head) else ""
    raise SamStarError(
        f"{path.name} is not a {by_name.name} file{seems}: its extension is wrong or it is damaged."
    )


def _is_text(head: bytes) -> bool:
    return all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head)
