"""The napari manifest: npe2's own validation lets misspelt keys and undeclared commands pass."""

from __future__ import annotations

import importlib
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import npe2
import pytest
import yaml
from npe2.manifest.contributions import ContributionPoints

from napari_samstar._widgets.workbench import DOCKS
from napari_samstar.io.read import supported_extensions

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "src" / "napari_samstar" / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def test_npe2_accepts_the_manifest_and_finds_it_by_the_entry_point() -> None:
    assert npe2.PluginManifest.from_file(FILE).name == "napari-samstar"
    (entry,) = entry_points(group="napari.manifest", name="napari-samstar")
    assert entry.value == "napari_samstar:napari.yaml"


def test_every_command_leads_to_something_callable(manifest: dict[str, Any]) -> None:
    for command in manifest["contributions"]["commands"]:
        module, _, name = command["python_name"].partition(":")
        assert callable(getattr(importlib.import_module(module), name)), command["id"]


def test_every_command_used_is_declared_and_every_key_known(manifest: dict[str, Any]) -> None:
    contributions = manifest["contributions"]
    assert set(contributions) <= set(ContributionPoints.model_fields)
    assert set(manifest) <= {"name", "display_name", "contributions"}
    declared = [command["id"] for command in contributions["commands"]]
    assert len(declared) == len(set(declared))
    used = set()
    for point, entries in contributions.items():
        lists = entries.values() if point == "menus" else [entries]
        if point != "commands":
            used |= {entry["command"] for entries in lists for entry in entries}
    assert used == set(declared)


def test_every_page_of_the_workbench_is_a_widget_of_its_own(manifest: dict[str, Any]) -> None:
    contributions = manifest["contributions"]
    python_names = {c["id"]: c["python_name"] for c in contributions["commands"]}
    widgets = {python_names[widget["command"]] for widget in contributions["widgets"]}
    pages = {f"napari_samstar._widgets.{step.module}:{step.name}" for step in DOCKS}
    assert widgets == pages | {"napari_samstar._widgets.workbench:Workbench"}


def test_menus_are_those_that_napari_opens_to_plugins(manifest: dict[str, Any]) -> None:
    from napari._app_model.constants import MenuId

    for menu in manifest["contributions"]["menus"]:
        assert menu in MenuId.contributables()


def test_the_root_shows_the_same_manifest() -> None:
    assert (ROOT / "napari.yaml").read_text(encoding="utf-8") == FILE.read_text(encoding="utf-8")


def test_readers_claim_what_the_program_reads(manifest: dict[str, Any]) -> None:
    (reader,) = manifest["contributions"]["readers"]
    claimed = {pattern.removeprefix("*") for pattern in reader["filename_patterns"]}
    uncalibrated = {".png", ".jpg", ".jpeg", ".bmp", ".npy"}  # napari's own reader does as well
    assert claimed == set(supported_extensions(installed_only=False)) - uncalibrated
