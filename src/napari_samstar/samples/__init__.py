"""Micrographs that ship with the program; `README.md` gives their sources and licences."""

from __future__ import annotations

from pathlib import Path

__all__ = ["GLASS", "GLASS_PRIOR"]

#: Bubbles and sand grains in a glass, scanning electron microscope, calibrated.
GLASS = Path(__file__).parent / "glass_sem.tif"
#: What an operator would say of its bubbles.
GLASS_PRIOR = GLASS.with_suffix(".toml")
