"""TIFF: plain, ImageJ, OME, FEI/Thermo, Zeiss SEM, TVIPS and Olympus SIS, by tifffile.

The order in which calibrations are believed: the maker's own tag, OME, ImageJ, and at last the
resolution tags, which mean the print in most files.
"""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_samstar.io.stack import Stack
from napari_samstar.types import SamStarError

__all__ = ["open_stack"]

# a pixel of 5 um is 5080 dots per inch: finer than any print, coarser than nearly all microscopes
_LARGEST_RESOLUTION_PIXEL_M = 5e-6
_METERS = {2: 0.0254, 3: 0.01}  # ResolutionUnit inch and centimeter; 1 is none
_DEFLATE = (8, 32946, 50013)
_NEEDS_CODECS = (5, 6, 7, 34925, 50000)  # what tifffile does not decode by itself

_Calibration = tuple[Any, Any, str]  # scale (y, x), unit, where it stands


@contextlib.contextmanager
def open_stack(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open a TIFF; the series with the largest images is taken."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        if not tiff.series:
            raise SamStarError(f"{path.name} is a TIFF without images.")
        series = max(tiff.series, key=_area)
        page = series.keyframe
        shape = tuple(int(n) for n in series.shape)
        axes = "".join(_letter(a, n) for a, n in zip(series.axes, shape, strict=True))
        scale, unit, source = _calibration(tiff, page)
        metadata: dict[str, Any] = {"calibration": source} if source else {}
        if tiff.is_ome or tiff.is_imagej or tiff.is_fei or tiff.is_sem or tiff.is_tvips:
            metadata["kind"] = next(k for k in _KINDS if getattr(tiff, f"is_{k}"))

        inverted = page.photometric == 0 and np.dtype(series.dtype).kind in "bu"
        if inverted:
            metadata["photometric"] = "zero is white, inverted"

        def read(index: tuple[int | slice, ...]) -> Any:
            values = _read(path, series, page, index)
            return (2**page.bitspersample - 1) - values if inverted else values

        dtype = np.dtype(series.dtype or np.uint8)
        chunk = () if page.compression == 1 else tuple(int(n) for n in page.chunks)
        yield Stack(shape, axes, dtype, read, scale, unit, metadata, chunk)


_KINDS = ("ome", "imagej", "fei", "sem", "tvips")


def _letter(axis: str, size: int) -> str:
    """Axis as a stack names it; samples that cannot be a color are channels."""
    if axis == "S" and size not in (1, 3, 4):
        return "C"
    return axis if axis in "YXSC" else "T"


def _area(series: Any) -> int:
    sizes = dict(zip(series.axes, series.shape, strict=True))
    return int(sizes.get("Y", 0)) * int(sizes.get("X", 0))


def _read(path: Path, series: Any, page: Any, index: tuple[int | slice, ...]) -> Any:
    if series.dataoffset is not None:  # one block of plain values: read only what is asked for
        count = int(np.prod(series.shape, dtype=np.int64)) * series.dtype.itemsize
        if series.dataoffset + count > path.stat().st_size:
            raise SamStarError(f"{path.name} is cut short: its last pixels are missing.")
        dtype = np.dtype(series.dtype).newbyteorder(series.parent.byteorder)
        values = np.memmap(path, dtype, "r", int(series.dataoffset), tuple(series.shape))
        return np.array(values[index])
    leading = len(series.shape) - len(page.shape)
    if len(series.pages) == np.prod(series.shape[:leading], dtype=np.int64):
        # each page holds the last axes whole, so that the index of one page leads
        place = [i for i in index[:leading] if isinstance(i, int)]
        if len(place) == leading:
            number = int(np.ravel_multi_index(place, series.shape[:leading])) if place else 0
            chosen = series.pages[number]
            if chosen is None:
                raise SamStarError(f"{path.name} lacks one of its images.")
            _refuse_bomb(path, chosen)
            return _decode(path, chosen)[index[leading:]]
    return series.asarray()[index]


def _decode(path: Path, page: Any) -> Any:
    if page.compression in _NEEDS_CODECS:
        with contextlib.suppress(ImportError):
            import imagecodecs  # noqa: F401

            return page.asarray()
        return _by_pillow(path, page)
    return page.asarray()


def _by_pillow(path: Path, page: Any) -> Any:
    """LZW and JPEG, which tifffile leaves to a package of its own, and pillow knows."""
    from PIL import TiffImagePlugin

    with path.open("rb") as file:
        image = TiffImagePlugin.TiffImageFile(file)
        for number in range(page.index + 1):
            image.seek(number)
            if number == page.index:
                values = np.asarray(image)
    if values.shape != tuple(page.shape):
        raise SamStarError(
            f"{path.name} is compressed in a way that is not read: save it uncompressed."
        )
    return values


def _refuse_bomb(path: Path, page: Any) -> None:
    """Refuse strips that deflate to far more than the header says: zlib would unpack it all."""
    if page.compression not in _DEFLATE:
        return
    limit = int(np.prod(page.chunks, dtype=np.int64)) * page.dtype.itemsize + 2**16
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if count * 1032 < 2**28:
            continue
        with path.open("rb") as file:
            file.seek(offset)
            packed = file.read(count)
        unpacker, total = zlib.decompressobj(), 0
        while packed and total <= limit and not unpacker.eof:
            total += len(unpacker.decompress(packed, 2**22))
            packed = unpacker.unconsumed_tail
        if total > limit:
            raise SamStarError(
                f"{path.name} unpacks to far more than its header says: it is damaged or made to "
                "fill the memory."
            )


def _calibration(tiff: Any, page: Any) -> _Calibration:
    for source in (_fei, _zeiss, _tvips, _olympus, _ome, _imagej):
        found = source(tiff, page)
        if found is not None:
            return found
    return _resolution(page)


def _fei(tiff: Any, page: Any) -> _Calibration | None:
    header = tiff.fei_metadata
    if not isinstance(header, Mapping):
        return None
    for section in ("Scan", "EScan", "IScan", "Image"):
        scan = header.get(section, {})
        if isinstance(scan, Mapping) and _positive(scan.get("PixelWidth")):
            return (scan.get("PixelHeight"), scan["PixelWidth"]), "m", "FEI tag"
    return None


def _zeiss(tiff: Any, page: Any) -> _Calibration | None:
    header = tiff.sem_metadata
    if not isinstance(header, Mapping):
        return None
    for key in ("ap_image_pixel_size", "ap_pixel_size"):
        entry = header.get(key)
        if isinstance(entry, tuple) and len(entry) == 3 and _positive(entry[1]):
            return entry[1], entry[2], "Zeiss tag"
    return None


def _tvips(tiff: Any, page: Any) -> _Calibration | None:
    header = tiff.tvips_metadata
    if not isinstance(header, Mapping) or not _positive(header.get("PixelSizeX")):
        return None
    return (header.get("PixelSizeY"), header["PixelSizeX"]), "nm", "TVIPS tag"


def _olympus(tiff: Any, page: Any) -> _Calibration | None:
    header = tiff.sis_metadata
    if not isinstance(header, Mapping) or not _positive(header.get("pixelsizex")):
        return None
    return (header.get("pixelsizey"), header["pixelsizex"]), "m", "Olympus SIS tag"


def _ome(tiff: Any, page: Any) -> _Calibration | None:
    if not tiff.ome_metadata:
        return None
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(tiff.ome_metadata)
    except ElementTree.ParseError:
        return None
    for element in root.iter():
        if element.tag.endswith("}Pixels") or element.tag == "Pixels":
            size = [_number(element.get(f"PhysicalSize{a}")) for a in "YX"]
            units = [element.get(f"PhysicalSize{a}Unit", "um") for a in "YX"]
            return (size, units, "OME") if any(size) else None
    return None


def _imagej(tiff: Any, page: Any) -> _Calibration | None:
    header = tiff.imagej_metadata
    if not isinstance(header, Mapping):
        return None
    unit = header.get("unit")
    if unit in ("inch", "in", "cm"):  # how ImageJ shows a print resolution
        return None
    per_unit = [_ratio(page, name) for name in ("YResolution", "XResolution")]
    return [1 / r if r else None for r in per_unit], unit, "ImageJ"


def _resolution(page: Any) -> _Calibration:
    tag = page.tags.get("ResolutionUnit")
    # the standard's default is inch, but who leaves it out has not calibrated anything
    meters = _METERS.get(int(tag.value)) if tag is not None else None
    per_unit = [_ratio(page, name) for name in ("YResolution", "XResolution")]
    if meters is None or not all(per_unit):
        return None, None, ""
    size = [meters / r for r in per_unit if r]
    if max(size) > _LARGEST_RESOLUTION_PIXEL_M:
        return None, None, "resolution tags, for print: not used"
    return size, "m", "resolution tags"


def _ratio(page: Any, name: str) -> float | None:
    tag = page.tags.get(name)
    if tag is None or not isinstance(tag.value, tuple) or len(tag.value) != 2:
        return None
    top, bottom = tag.value
    return float(top) / float(bottom) if top and bottom else None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and value > 0
