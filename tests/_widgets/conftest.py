"""What all tests with a window share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def _own_napari_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    path: Path = tmp_path_factory.mktemp("napari") / "settings.yaml"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_CONFIG", str(path))
        yield


@pytest.fixture(autouse=True)
def _nothing_unexpected(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A job that fails for a reason that nobody foresaw is logged, and fails the test."""
    yield
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    logged = [r for r in records if r.name.startswith("napari_samstar")]
    assert not [r for r in logged if r.levelno >= logging.ERROR]
