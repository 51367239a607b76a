"""Files that nobody can read: each must end in one sentence, never in a traceback.

`malformed_files` is for any test that feeds files to the program.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import tifffile
import zarr
from PIL import Image

IMAGE = (np.arange(64 * 48).reshape(48, 64) % 251).astype(np.uint8)


def malformed_files(folder: Path) -> list[tuple[str, Path]]:
    """Write them all into `folder`; return what is wrong with each, and its path."""
    folder.mkdir(parents=True, exist_ok=True)
    made = [("there is no such file", folder / "missing.tif"), ("a folder", folder / "folder.tif")]
    made[1][1].mkdir()
    for family in (_by_bytes, _tiff, _npy, _mrc_and_hdf5, _afm_and_em):
        for what, name, content in family():
            (folder / name).write_bytes(content)
            made.append((what, folder / name))
    for what, name, make in _ZARR:
        make(folder / name)
        made.append((what, folder / name))
    return made


_Files = Iterator[tuple[str, str, bytes]]


def _picture(kind: str, size: tuple[int, int] = (64, 48)) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, size[::-1], np.uint8)).save(out, kind)
    return out.getvalue()


def _by_bytes() -> _Files:
    png, jpeg = _picture("png"), _picture("jpeg", (300, 200))
    text = b"diameter, area\n12.5, 122.7\n" * 20
    yield "empty TIFF", "empty.tif", b""
    yield "empty PNG", "empty.png", b""
    yield "text as TIFF", "text.tif", text
    yield "text as PNG", "text.png", text
    yield "text as MRC", "text.mrc", text * 3
    yield "unknown format", "table.xyz", text
    yield "PNG named TIFF", "picture.tif", png
    yield "PNG named DM3", "picture.dm3", png
    yield "PNG cut off", "cut.png", png[: len(png) // 2]
    yield "PNG cut off in its header", "stub.png", png[:20]
    yield "PNG with damaged pixels", "noise.png", png[:60] + bytes(len(png) - 72) + png[-12:]
    yield "JPEG cut off", "cut.jpg", jpeg[: len(jpeg) // 3]
    yield "JPEG that only begins", "stub.jpg", jpeg[:4] + b"\x13" * 200
    yield "PNG that claims 10 gigapixels", "huge.png", _huge_png(100_000)
    yield "PNG that unpacks to gigabytes", "bomb.png", _huge_png(50_000)


def _huge_png(side: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def _tiff() -> _Files:
    plain, packed = _tiff_bytes(), _tiff_bytes(compression="zlib")
    yield "TIFF named PNG", "film.png", plain
    yield "TIFF named MRC", "film.mrc", plain
    yield "TIFF cut off", "cut.tif", plain[: len(plain) // 2]
    yield "TIFF cut off, compressed", "cut-packed.tif", packed[: len(packed) * 2 // 3]
    yield "TIFF of eight bytes", "stub.tif", plain[:8]
    yield "TIFF whose directory lies beyond its end", "beyond.tif", b"II*\0\xff\xff\xff\x7f" * 8
    yield "TIFF that claims 10 gigapixels", "huge.tif", _lying_tiff(100_000, b"\0" * 64, 1)
    yield "TIFF bomb by its header", "bomb.tif", _lying_tiff(60_000, zlib.compress(bytes(4096)), 8)
    yield "TIFF bomb behind a modest header", "hidden-bomb.tif", _lying_tiff(64, _gigabytes(), 8)
    yield "TIFF of NaN", "nan.tif", _tiff_bytes(np.full((8, 8), np.nan, np.float32))
    yield "TIFF without rows", "rows.tif", _lying_tiff(0, b"", 1)


def _tiff_bytes(image: np.ndarray = IMAGE, compression: str | None = None) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, image, compression=compression)
    return out.getvalue()


def _lying_tiff(side: int, strip: bytes, compression: int) -> bytes:
    """Build a little-endian TIFF of one strip whose header says `side` by `side` gray bytes."""
    tags = [
        (256, 4, side),
        (257, 4, side),
        (258, 3, 8),
        (259, 3, compression),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, side),
        (279, 4, len(strip)),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8 + len(strip)) + strip + directory


def _gigabytes() -> bytes:
    """Two gigabytes of zeros, deflated: equal blocks, so that making them costs nothing."""
    packer = zlib.compressobj(9)
    first = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    again = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return first + again * 2047 + packer.flush()


def _npy() -> _Files:
    whole = _npy_bytes(IMAGE.astype(np.float32))
    yield "NPY cut off", "cut.npy", whole[:-100]
    yield "NPY cut off in its header", "stub.npy", whole[:30]
    yield "NPY of pickled objects", "pickle.npy", _npy_bytes(np.array([[{"a": 1}]], object))
    yield "NPY of text", "words.npy", _npy_bytes(np.array([["a", "b"]]))
    yield "NPY of five axes", "five.npy", _npy_bytes(np.zeros((2, 2, 2, 9, 9)))
    yield "NPY of one axis", "line.npy", _npy_bytes(np.zeros(100))
    yield "NPY without pixels", "none.npy", _npy_bytes(np.zeros((0, 10)))
    yield "NPY of NaN", "nan.npy", _npy_bytes(np.full((5, 5), np.nan))
    large = whole.replace(b"(48, 64), ", b"(99999,88888), ").replace(b"   \n", b"\n")
    yield "NPY that claims 9 gigapixels", "huge.npy", large
    yield "NPY with a negative size", "minus.npy", whole.replace(b"(48, 64)", b"(-8, 64)")


def _npy_bytes(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array, allow_pickle=True)
    return out.getvalue()


def _mrc_and_hdf5() -> _Files:
    mrc = _through_file("image.mrc", lambda p: mrcfile.write(p, IMAGE.astype(np.float32)))
    yield "MRC cut off", "cut.mrc", mrc[:-1000]
    yield "MRC cut off in its header", "stub.mrc", mrc[:700]
    yield "MRC that claims a petabyte", "huge.mrc", struct.pack("<iii", *[10**5] * 3) + mrc[12:]
    yield "MRC of an unknown kind", "kind.mrc", mrc[:12] + struct.pack("<i", 77) + mrc[16:]

    def image(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file["image"] = IMAGE

    def no_image(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file["spectrum"] = np.arange(100.0)

    def bomb(path: Path) -> None:
        with h5py.File(path, "w") as file:
            file.create_dataset("image", (60_000, 60_000), np.float32, chunks=(64, 64))

    hdf5 = _through_file("image.h5", image)
    yield "HDF5 cut off", "cut.h5", hdf5[:-1000]
    yield "HDF5 cut off in its header", "stub.emd", hdf5[:40]
    yield "HDF5 without an image", "spectrum.h5", _through_file("a.h5", no_image)
    yield "HDF5 bomb", "bomb.h5", _through_file("b.h5", bomb)


def _through_file(name: str, write: Callable[[Path], object]) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def _afm_and_em() -> _Files:
    header = b"Gwyddion Simple Field 1.0\nXRes = 10\nYRes = 10\n"
    yield "GSF cut off", "cut.gsf", header + b"\0" * 4 + bytes(100)
    yield "GSF without a size", "size.gsf", header[:26] + b"\0\0" + bytes(400)
    yield "GSF without pixels", "none.gsf", header.replace(b"10\n", b"0\n") + bytes(8)
    yield "Gwyddion file cut off", "cut.gwy", b"GWYPGwyContainer\0\xff\0\0\0/0/data\0o"
    yield "Igor wave cut off", "cut.ibw", b"\x05\0" + bytes(40)
    yield "DM3 cut off", "cut.dm3", struct.pack(">III", 3, 999, 1) + bytes(50)
    yield "DM4 of noise", "noise.dm4", struct.pack(">I", 4) + bytes(range(256)) * 4
    yield "SER cut off", "cut.ser", b"II\x97\x01\x10\x02\x22\x41" + bytes(30)
    yield "ND2 cut off", "cut.nd2", b"\xda\xce\xbe\x0a" + bytes(200)
    yield "CZI cut off", "cut.czi", b"ZISRAWFILE" + bytes(100)
    yield "LIF cut off", "cut.lif", b"\x70\0\0\0\xff\0\0\0\x2a" + bytes(60)


def _write_zarr(path: Path) -> None:
    array = zarr.create_array(store=str(path), shape=(48, 64), chunks=(48, 64), dtype="uint8")
    array[:] = IMAGE + 1  # a chunk of zeros alone would not be stored


def _without_chunks(path: Path) -> None:
    _write_zarr(path)
    for file in _chunks(path):
        file.unlink()


def _damaged_chunks(path: Path) -> None:
    _write_zarr(path)
    for file in _chunks(path):
        file.write_bytes(file.read_bytes()[:20])


def _chunks(path: Path) -> list[Path]:
    return [p for p in path.rglob("*") if p.is_file() and p.name != "zarr.json"]


def _damaged_description(path: Path) -> None:
    path.mkdir()
    (path / "zarr.json").write_text('{"zarr_format": 3, "node_ty')


def _empty_group(path: Path) -> None:
    zarr.create_group(store=str(path))


_ZARR: tuple[tuple[str, str, Callable[[Path], None]], ...] = (
    ("Zarr without chunks", "chunks.zarr", _without_chunks),
    ("Zarr with damaged chunks", "damaged.zarr", _damaged_chunks),
    ("Zarr with a damaged description", "description.zarr", _damaged_description),
    ("Zarr without an image", "group.zarr", _empty_group),
    ("Zarr that is an empty folder", "folder.zarr", Path.mkdir),
)
