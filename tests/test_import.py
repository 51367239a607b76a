"""The package and its command line open at once; heavy packages wait for their first use."""

from __future__ import annotations

import subprocess
import sys

import pytest

import napari_samstar

HEAVY = ("torch", "torchvision", "numba", "napari", "pandas", "skimage", "scipy", "qtpy", "cv2")


@pytest.mark.parametrize("module", ["napari_samstar", "napari_samstar.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*(set({HEAVY}) & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


@pytest.mark.parametrize("name", [*napari_samstar.__all__, *napari_samstar._MODULES])
def test_public_names_resolve(name: str) -> None:
    assert getattr(napari_samstar, name) is not None


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = napari_samstar.nonsense
