"""The demo from the command to the layers of its window."""

from __future__ import annotations

from pathlib import Path

import pytest
from napari.components import ViewerModel

from napari_samstar import cli
from napari_samstar._widgets.demo import read_result
from napari_samstar._widgets.layers import show_segmentation


def test_the_demo_finds_the_bubbles_and_shows_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["demo", "--out", str(tmp_path), "--no-window", "--quiet"]) == 0
    printed = capsys.readouterr().out
    for name in ("labels.tif", "table.csv", "overlay.png", "recipe.json"):
        path = tmp_path / f"glass_sem.{name}"
        assert str(path) in printed
        assert path.stat().st_size > 100

    segmentation, table = read_result(tmp_path)
    # a threshold at 60 finds 64 dark discs of 25 um and more
    assert 40 <= len(table) <= 140
    micrograph = segmentation.micrograph
    dark = micrograph.data < 60
    assert (segmentation.labels[dark] > 0).mean() > 0.7, "bubbles are missed"
    assert dark[segmentation.labels > 0].mean() > 0.7, "what is marked is not bubbles"

    viewer = ViewerModel()
    show_segmentation(viewer, segmentation, table)
    assert [str(unit) for unit in viewer.layers[1].units] == ["micrometer", "micrometer"]
    assert len(viewer.layers[1].features) == len(table)
