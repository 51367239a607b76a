"""Micrographs come in with the pixel size that their file states, or with none."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from napari_samstar.io.read import (
    frame_count,
    iter_frames,
    load_micrograph,
    supported_extensions,
)
from napari_samstar.types import SamStarError
from napari_samstar.units import meters_per_unit

# shape, pixel size and unit that the README beside the files states, and the extra that reads them
NATIVE: dict[str, tuple[tuple[int, int], tuple[float, str] | None, str]] = {
    "03_Scanning Preview.emi": ((128, 128), (0.3844, "nm"), "rsciio"),
    "03_Scanning Preview_1.ser": ((128, 128), (0.3844, "nm"), "rsciio"),
    "128x128-TEM_search.emi": ((128, 128), (5.26, "nm"), "rsciio"),
    "128x128-TEM_search_1.ser": ((128, 128), (5.26, "nm"), "rsciio"),
    "GwiddionReader_chip.gsf": ((300, 300), (80 / 300, "um"), ""),
    "GwiddionReader_chip.gwy": ((300, 300), (80 / 300, "um"), ""),
    "IgorIBWReader_ImageStack_BTFO_DSO.ibw": ((256, 256), (2000 / 255, "nm"), "igor2"),
    "PTO_110_Virgin0001.gwy": ((256, 256), (10.039 / 256, "um"), ""),
    "rsciio_HAADF_test_TEM.bcf": ((64, 64), (0.771, "nm"), "rsciio"),
    "rsciio_HAADFscan.mrc": ((16, 16), (5.679, "nm"), ""),
    "rsciio_SEM_Hitachi_TM3030Plus.bcf": ((240, 320), None, "rsciio"),
    "rsciio_STEM_HAADF_multi_signal_512.dm3": ((512, 512), (17.75, "pm"), "rsciio"),
    "rsciio_TEM_um_units_68.dm3": ((68, 68), (0.16867, "um"), "rsciio"),
    "rsciio_TVIPS_bin4.tif": ((1024, 1024), (1.4208, "nm"), ""),
    "rsciio_Zeiss_SEM_1k.tif": ((768, 1024), (2.615, "um"), ""),
    "rsciio_velox_v11_SI_215kx.emd": ((16, 16), (3.599, "nm"), ""),
    "scifi_HAADF_FEI_velox_512.emd": ((512, 512), (5.302, "nm"), ""),
    "scifi_SI-HAADF_1568x192.dm3": ((1568, 192), None, "rsciio"),
    "scifi_SI-Survey_512.dm3": ((512, 512), None, "rsciio"),
    "scifi_re05.tiff": ((761, 762), None, ""),
}
IMAGE = (np.arange(40 * 30).reshape(40, 30) % 251).astype(np.uint8)
STACK = np.stack([IMAGE + np.uint8(i) for i in range(3)])


@pytest.mark.parametrize("name", NATIVE)
def test_vendor_files(shared_data: Path, name: str) -> None:
    shape, size, package = NATIVE[name]
    if package and importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    m = load_micrograph(shared_data / "formats" / "native" / name)
    assert m.shape == shape
    assert np.isfinite(m.data).all()
    assert m.data.std() > 0
    if size is None:
        assert (m.pixel_size, m.unit) == (None, "px")
    else:
        assert m.pixel_size is not None
        expected = size[0] * meters_per_unit(size[1])
        read = np.array(m.pixel_size) * meters_per_unit(m.unit)
        np.testing.assert_allclose(read, expected, rtol=1e-3)


def test_no_vendor_file_is_left_out(shared_data: Path) -> None:
    folder = shared_data / "formats" / "native"
    files = {p.name for p in folder.iterdir() if p.suffix in supported_extensions()}
    assert files <= set(NATIVE)


def test_the_two_files_of_one_scan_agree(shared_data: Path) -> None:
    pytest.importorskip("rsciio")
    folder = shared_data / "formats" / "native"
    for one, other in (
        ("GwiddionReader_chip.gsf", "GwiddionReader_chip.gwy"),
        ("03_Scanning Preview.emi", "03_Scanning Preview_1.ser"),
    ):
        a, b = load_micrograph(folder / one), load_micrograph(folder / other)
        np.testing.assert_allclose(a.data, b.data, rtol=1e-6)


def test_a_picture_by_another_pictures_name_is_read_and_said(tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "film.png", "jpeg")
    m = load_micrograph(tmp_path / "film.png")
    assert m.shape == IMAGE.shape
    assert m.metadata["extension"] == ".png, but the content is JPEG"


def test_frames(tmp_path: Path, shared_data: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, STACK, imagej=True, metadata={"axes": "TYX"})
    assert frame_count(path) == 3
    assert load_micrograph(path).metadata["frames"] == 3
    np.testing.assert_array_equal(load_micrograph(path, frame=2).data, STACK[2])
    frames = list(iter_frames(path))
    assert [m.name for m in frames] == ["stack-0000", "stack-0001", "stack-0002"]
    np.testing.assert_array_equal([m.data for m in frames], STACK)
    with pytest.raises(SamStarError, match="3 frames, numbered from 0"):
        load_micrograph(path, frame=3)
    if importlib.util.find_spec("rsciio"):
        assert frame_count(shared_data / "formats/native/03_Scanning Preview_1.ser") == 5


def test_the_users_pixel_size_wins(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IMAGE)
    m = load_micrograph(tmp_path / "a.npy", pixel_size=2.5, unit="µm")
    assert (m.pixel_size, m.unit) == ((2.5, 2.5), "um")
    for size, unit in ((2.5, None), (2.5, "1/nm"), (0.0, "nm"), (float("nan"), "nm"), (-1.0, "nm")):
        with pytest.raises(SamStarError):
            load_micrograph(tmp_path / "a.npy", pixel_size=size, unit=unit)


def test_a_missing_reader_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name in ("rsciio", "nd2") else real(name)
    )
    (tmp_path / "film.dm4").write_bytes(b"\0\0\0\x04" + bytes(64))
    with pytest.raises(SamStarError, match=r'pip install "napari-samstar\[em\]"'):
        load_micrograph(tmp_path / "film.dm4")
    assert ".dm4" not in supported_extensions()
    assert ".dm4" in supported_extensions(installed_only=False)


MICRON = r"\u00B5m"  # as ImageJ writes it
FEI = b"[User]\r\nDate=1/1/2020\r\n[Scan]\r\nPixelWidth=1.5e-009\r\nPixelHeight=1.5e-009\r\n"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"resolution": (4, 4), "imagej": True, "metadata": {"unit": "nm"}}, ((0.25, 0.25), "nm")),
        ({"resolution": (4, 2), "imagej": True, "metadata": {"unit": MICRON}}, ((0.5, 0.25), "um")),
        ({"resolution": (4, 4), "imagej": True, "metadata": {"unit": "pixel"}}, (None, "px")),
        ({"resolution": (4, 4), "resolutionunit": "NONE"}, (None, "px")),
        ({"resolution": (300, 300), "resolutionunit": "INCH"}, (None, "px")),
        ({"resolution": (118, 118), "resolutionunit": "CENTIMETER"}, (None, "px")),
        ({"resolution": (1e7, 1e7), "resolutionunit": "CENTIMETER"}, ((1.0, 1.0), "nm")),
        ({"extratags": [(34682, 2, 0, FEI, True)]}, ((1.5, 1.5), "nm")),
    ],
)  # fmt: skip
def test_tiff_calibrations(
    tmp_path: Path,
    options: dict[str, object],
    expected: tuple[tuple[float, float] | None, str],
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, **options)
    m = load_micrograph(tmp_path / "a.tif")
    assert (m.pixel_size, m.unit) == expected
    np.testing.assert_array_equal(m.data, IMAGE)


def test_ome_tiff(tmp_path: Path) -> None:
    path = tmp_path / "film.ome.tif"
    data = np.arange(2 * 3 * 20 * 10, dtype=np.uint16).reshape(2, 3, 20, 10)
    metadata = {
        "axes": "TCYX",
        "PhysicalSizeX": 65.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.13,
        "PhysicalSizeYUnit": "µm",
    }
    tifffile.imwrite(path, data, metadata=metadata)
    m = load_micrograph(path, frame=1, channel=2)
    assert (m.pixel_size, m.unit, m.name) == ((130.0, 65.0), "nm", "film")
    assert (m.metadata["frames"], m.metadata["channels"]) == (2, 3)
    np.testing.assert_array_equal(m.data, data[1, 2])


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_compressed_tiff(tmp_path: Path, compression: str, dtype: type) -> None:
    image = IMAGE.astype(dtype) * (1 if dtype is np.uint8 else 200)
    Image.fromarray(image).save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(load_micrograph(tmp_path / "a.tif").data, image)


def test_tiff_of_planes_and_of_bits(tmp_path: Path) -> None:
    planes = np.stack([IMAGE, IMAGE[::-1], IMAGE // 2])
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(
        load_micrograph(tmp_path / "a.tif").data, planes.transpose(1, 2, 0)
    )
    many = np.dstack([planes.transpose(1, 2, 0)] * 2)
    tifffile.imwrite(tmp_path / "d.tif", many, photometric="minisblack", planarconfig="contig")
    np.testing.assert_array_equal(load_micrograph(tmp_path / "d.tif", channel=4).data, planes[1])
    tifffile.imwrite(tmp_path / "c.tif", IMAGE, photometric="miniswhite")
    np.testing.assert_array_equal(load_micrograph(tmp_path / "c.tif").data, 255 - IMAGE)
    tifffile.imwrite(tmp_path / "b.tif", IMAGE > 100, photometric="minisblack")
    np.testing.assert_array_equal(load_micrograph(tmp_path / "b.tif").data, IMAGE > 100)


def test_mrc_stack_in_angstrom(tmp_path: Path) -> None:
    with mrcfile.new(tmp_path / "a.mrc") as mrc:
        mrc.set_data(STACK.astype(np.int16))
        mrc.voxel_size = 2.5
    m = load_micrograph(tmp_path / "a.mrc", frame=1)
    assert (m.pixel_size, m.unit) == ((0.25, 0.25), "nm")
    np.testing.assert_array_equal(m.data, STACK[1])
    mrcfile.write(tmp_path / "b.mrc", STACK.astype(np.float32), voxel_size=0)
    assert load_micrograph(tmp_path / "b.mrc").pixel_size is None


def test_berkeley_emd_and_plain_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.emd", "w") as file:
        group = file.create_group("data/film")
        group.attrs["emd_group_type"] = 1
        group["data"] = IMAGE
        for number, (size, step) in enumerate(zip(IMAGE.shape, (2.0, 4.0), strict=True), 1):
            group[f"dim{number}"] = np.arange(size) * step
            group[f"dim{number}"].attrs["units"] = "[n_m]"
    m = load_micrograph(tmp_path / "a.emd")
    assert (m.pixel_size, m.unit) == ((2.0, 4.0), "nm")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["spectrum"] = np.arange(9.0)
        file["thumbnail"] = IMAGE[::4, ::4]
        file["film"] = STACK
        file["film"].attrs["element_size_um"] = (1.0, 0.5, 0.5)
    m = load_micrograph(tmp_path / "b.h5", frame=2)
    assert (m.pixel_size, m.unit) == ((0.5, 0.5), "um")
    np.testing.assert_array_equal(m.data, STACK[2])


@pytest.mark.parametrize("version", [2, 3])
def test_ome_zarr(tmp_path: Path, version: int) -> None:
    path = tmp_path / "film.ome.zarr"
    multiscales = [
        {
            "axes": [
                {"name": "c", "type": "channel"},
                {"name": "y", "type": "space", "unit": "micrometer"},
                {"name": "x", "type": "space", "unit": "micrometer"},
            ],
            "datasets": [
                {
                    "path": "0",
                    "coordinateTransformations": [{"type": "scale", "scale": [1, 0.5, 0.25]}],
                }
            ],
        }
    ]
    attributes = (
        {"multiscales": multiscales} if version == 2 else {"ome": {"multiscales": multiscales}}
    )
    group = zarr.create_group(store=str(path), zarr_format=version, attributes=attributes)
    group.create_array("0", data=STACK, chunks=(1, 16, 16))
    m = load_micrograph(path, channel=1)
    assert (m.pixel_size, m.unit, m.name) == ((0.5, 0.25), "um", "film")
    np.testing.assert_array_equal(m.data, STACK[1])


def test_pictures_have_no_calibration(tmp_path: Path) -> None:
    Image.fromarray(IMAGE).save(tmp_path / "a.png", dpi=(300, 300))
    m = load_micrograph(tmp_path / "a.png")
    assert (m.pixel_size, m.unit) == (None, "px")
    image = IMAGE.astype(np.uint16) * 257
    Image.fromarray(image).save(tmp_path / "b.png")
    np.testing.assert_array_equal(load_micrograph(tmp_path / "b.png").data, image)
    color = Image.fromarray(IMAGE).convert("P")
    color.putpalette([v for i in range(256) for v in (i, 0, 255 - i)])
    color.save(tmp_path / "c.png")
    assert load_micrograph(tmp_path / "c.png").data.shape == (*IMAGE.shape, 3)


def test_reading_imports_no_other_reader(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", IMAGE)
    code = (
        "import sys, napari_samstar as ss; ss.load_micrograph(sys.argv[1]);"
        "print([m for m in ('h5py', 'zarr', 'tifffile', 'rsciio', 'torch', 'pint', 'cv2')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.npy")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
