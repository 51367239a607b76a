"""Names of Qt that type checkers do not find in qtpy."""

from __future__ import annotations

from qtpy.QtCore import Signal  # type: ignore[attr-defined]

__all__ = ["Signal"]
