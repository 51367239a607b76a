"""Samples of the File menu that are real images: in scikit-image's package, and downloaded."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.sam.model_server import closed_port, serve

from napari_samstar._widgets import samples
from napari_samstar.types import SamStarError


def test_images_of_scikit_image_open_without_a_network() -> None:
    ((cell, options, _),) = samples.cell()
    assert (cell.shape, options["scale"], options["units"]) == (
        (660, 550),
        (0.107, 0.107),
        ("um", "um"),
    )
    ((tissue, options, _),) = samples.tissue()
    assert (tissue.shape, options["rgb"]) == ((512, 512, 3), True)
    ((gravel, options, _),) = samples.gravel()
    assert (gravel.shape, options["units"]) == ((512, 512), ("pixel", "pixel"))


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setenv("SAMSTAR_HOME", str(tmp_path / "home"))
    written = io.BytesIO()
    tifffile.imwrite(written, np.arange(64 * 64, dtype=np.uint16).reshape(64, 64))
    return written.getvalue()


def test_a_sample_is_downloaded_once(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "_NUCLEI_SHA256", hashlib.sha256(content).hexdigest())
    with serve(content) as server:
        monkeypatch.setattr(samples, "_NUCLEI", server.url)
        ((image, options, _),) = samples.nuclei()
        assert (image.shape, options["name"]) == ((64, 64), "human nuclei")
        samples.nuclei()
        assert len(server.asked) == 1


def test_another_file_is_thrown_away(content: bytes, tmp_path: Path) -> None:
    with (
        serve(content) as server,
        pytest.raises(SamStarError, match=r"127\.0\.0\.1 is not the sample"),
    ):
        samples.downloaded(server.url, "0" * 64, "nuclei.tif")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_without_a_network_a_sentence_says_so(content: bytes) -> None:
    url = f"http://127.0.0.1:{closed_port()}/nuclei.tif"
    with pytest.raises(SamStarError, match=r"127\.0\.0\.1 cannot be reached: check the network"):
        samples.downloaded(url, "0" * 64, "nuclei.tif")
