"""Leica and Zeiss files, as small as the formats allow, where their readers are installed."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from napari_samstar.io.read import frame_count, load_micrograph

FRAMES = (np.arange(2 * 40 * 30).reshape(2, 40, 30) % 251).astype(np.uint8)

LIF = """<LMSDataContainerHeader Version="2"><Element Name="project"><Memory Size="0"
MemoryBlockID="M0"/><Children><Element Name="cells"><Data><Image><ImageDescription><Channels>
<ChannelDescription DataType="0" ChannelTag="0" Resolution="8" NameOfMeasuredQuantity="" Min="0"
Max="255" Unit="" LUTName="Gray" IsLUTInverted="0" BytesInc="0" BitInc="0"/></Channels><Dimensions>
<DimensionDescription DimID="1" NumberOfElements="30" Origin="0" Length="14.5e-6" Unit="m"
BitInc="0" BytesInc="1"/><DimensionDescription DimID="2" NumberOfElements="40" Origin="0"
Length="19.5e-6" Unit="m" BitInc="0" BytesInc="30"/><DimensionDescription DimID="4"
NumberOfElements="2" Origin="0" Length="1" Unit="s" BitInc="0" BytesInc="1200"/></Dimensions>
</ImageDescription></Image></Data><Memory Size="2400" MemoryBlockID="M1"/></Element></Children>
</Element></LMSDataContainerHeader>"""
CZI = b"""<?xml version="1.0"?><ImageDocument><Metadata><Scaling><Items><Distance Id="X">
<Value>3.25E-07</Value></Distance><Distance Id="Y"><Value>3.25E-07</Value></Distance></Items>
</Scaling></Metadata></ImageDocument>"""


def _lif() -> bytes:
    text = LIF.replace("\n", " ").encode("utf-16-le")
    out = struct.pack("<IIBI", 0x70, 5 + len(text), 0x2A, len(text) // 2) + text
    for name, data in (("M0", b""), ("M1", FRAMES.tobytes())):
        head = struct.pack("<IIBQBI", 0x70, 14 + 4, 0x2A, len(data), 0x2A, len(name))
        out += head + name.encode("utf-16-le") + data
    return out


def _czi() -> bytes:
    def segment(kind: bytes, data: bytes) -> bytes:
        room = len(data) + -len(data) % 32
        return kind.ljust(16, b"\0") + struct.pack("<qq", room, len(data)) + data.ljust(room, b"\0")

    def entry(frame: int, position: int) -> bytes:
        axes = (("X", 0, 30), ("Y", 0, 40), ("T", frame, 1))
        dims = (struct.pack("<4siifi", a.encode(), s, n, 0, n) for a, s, n in axes)
        return b"DV" + struct.pack("<iqiiBB4xi", 0, position, 0, 0, 0, 0, 3) + b"".join(dims)

    body, entries = b"", b""
    for number, frame in enumerate(FRAMES):
        entries += entry(number, 544 + len(body))
        head = struct.pack("<iiq", 0, 0, frame.size) + entries[-len(entries) // (number + 1) :]
        body += segment(b"ZISRAWSUBBLOCK", head.ljust(256, b"\0") + frame.tobytes())
    description = 544 + len(body)
    body += segment(b"ZISRAWMETADATA", struct.pack("<i", len(CZI)).ljust(256, b"\0") + CZI)
    directory = 544 + len(body)
    body += segment(b"ZISRAWDIRECTORY", struct.pack("<i", 2).ljust(128, b"\0") + entries)
    places = struct.pack("<i44xiqqiq", 1, 0, directory, description, 0, 0)
    return segment(b"ZISRAWFILE", places.ljust(512, b"\0")) + body


@pytest.mark.parametrize(
    ("package", "name", "content", "size"),
    [("liffile", "a.lif", _lif(), 0.5), ("czifile", "a.czi", _czi(), 0.325)],
)
def test_light_microscopes(
    tmp_path: Path, package: str, name: str, content: bytes, size: float
) -> None:
    pytest.importorskip(package)
    (tmp_path / name).write_bytes(content)
    assert frame_count(tmp_path / name) == 2
    m = load_micrograph(tmp_path / name, frame=1)
    assert (m.pixel_size, m.unit) == ((size, size), "um")
    np.testing.assert_array_equal(m.data, FRAMES[1])
