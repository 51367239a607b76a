"""Fixtures that several test folders share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# test processes run side by side: one thread each, before anything counts cores
os.environ.setdefault("OMP_NUM_THREADS", "1")

# the first example of a test may compile, so none has a deadline
settings.register_profile("samstar", deadline=None)
settings.load_profile("samstar")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real micrographs with truth, where it lies beside the checkout."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the real micrographs are not beside this checkout")
    return path


@pytest.fixture(scope="session")
def oracles() -> Path:
    """Folder of reference values from published programs, where it lies beside the checkout."""
    path = Path(__file__).resolve().parents[2] / "shared" / "oracles"
    if not path.is_dir():
        pytest.skip("the reference values are not beside this checkout")
    return path


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded random generator."""
    return np.random.default_rng(20240917)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has its own cache and model folder, so that workers do not meet."""
    monkeypatch.setenv("SAMSTAR_HOME", str(tmp_path / "samstar-home"))
