"""Networks and devices, as a list to choose from."""

from __future__ import annotations

from typing import cast

from qtpy.QtCore import Qt
from qtpy.QtGui import QStandardItem, QStandardItemModel
from qtpy.QtWidgets import QComboBox

from napari_samstar.sam.listing import ModelRow, listing
from napari_samstar.session.tools import NO_MODEL

__all__ = ["DEVICES", "fill_models", "model_sentence"]

DEVICES = {"auto": "Automatic", "cpu": "CPU", "cuda": "NVIDIA GPU", "mps": "Apple GPU"}

_STATES = {"not downloaded": "to download", "not run by this version": "not run by this version"}
_NONE = "Classical regions alone, from thresholds and watersheds: quick, and no network at all."


def fill_models(box: QComboBox) -> None:
    """List all networks with their state; those that cannot be run are shown, not chosen."""
    box.clear()
    for row in listing():
        box.addItem(f"{row.name}: {_state(row)}", row.name)
        if row.state == "not run by this version":
            items = cast("QStandardItemModel", box.model())
            cast("QStandardItem", items.item(box.count() - 1)).setEnabled(False)
        box.setItemData(box.count() - 1, row.good_for, Qt.ItemDataRole.ToolTipRole)
    box.addItem("no network", NO_MODEL)
    box.setItemData(box.count() - 1, _NONE, Qt.ItemDataRole.ToolTipRole)


def model_sentence(name: str) -> str:
    """Say what a network is good for, and its licence."""
    if name == NO_MODEL:
        return _NONE
    row = next((row for row in listing() if row.name == name), None)
    if row is None:
        return "A checkpoint of your own."
    return f"{row.good_for} Licence: {row.licence}."


def _state(row: ModelRow) -> str:
    state = _STATES.get(row.state, row.state)
    if row.state == "not downloaded" and row.size:
        state += f", {row.size / 1e6:,.0f} MB"
    return state
