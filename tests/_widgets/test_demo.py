"""The demo from the command to the layers of its window."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from napari.components import ViewerModel
from qtpy.QtCore import Qt
from tests.waiting import until

from napari_samstar import cli
from napari_samstar._widgets.demo import HINTS, Walk, open_demo
from napari_samstar._widgets.outputs import OBJECTS
from napari_samstar._widgets.workbench import DOCKS
from napari_samstar.io.read import load_micrograph
from napari_samstar.samples import GLASS


def test_the_demo_finds_the_bubbles_and_shows_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], qtbot: Any
) -> None:
    assert cli.main(["demo", "--out", str(tmp_path), "--no-window", "--quiet"]) == 0
    printed = capsys.readouterr().out
    for name in ("labels.tif", "table.csv", "overlay.png", "recipe.json"):
        path = tmp_path / f"glass_sem.{name}"
        assert str(path) in printed
        assert path.stat().st_size > 100

    labels = tifffile.imread(tmp_path / "glass_sem.labels.tif")
    table = pd.read_csv(tmp_path / "glass_sem.table.csv")
    # a threshold at 60 finds 64 dark discs of 25 um and more; there are twice as many grains
    assert 120 <= len(table) <= 350
    data = load_micrograph(GLASS).data
    assert (labels[data < 60] > 0).mean() > 0.7, "bubbles are missed"
    glass = np.median(data)
    assert (data[labels > 0] < glass).mean() > 0.8, "what is marked is not darker than the glass"

    viewer = ViewerModel()
    bench = open_demo(viewer, tmp_path)
    qtbot.addWidget(bench)
    until(qtbot, lambda: not bench.context.jobs.busy)
    objects = bench.context.outputs.layer(bench.context.image, OBJECTS)
    np.testing.assert_array_equal(objects.data, labels)
    assert [str(unit) for unit in objects.units] == ["micrometer", "micrometer"]
    bench.show()
    walk = bench.findChild(Walk)
    assert set(HINTS) == {step.title for step in DOCKS}
    assert bench.pages.currentIndex() == 0
    assert walk.text().startswith("<b>1 of 6: Image.</b>")
    assert not walk.back.isEnabled()
    for step in DOCKS[1:]:
        qtbot.mouseClick(walk.next, Qt.MouseButton.LeftButton)
        assert bench.pages.tabText(bench.pages.currentIndex()) == step.title
        assert step.title in walk.text()
        if step.title == "Materials":
            materials = bench.docks[bench.pages.currentIndex()]
            assert not materials._clean.isEnabled()
            for said in (materials._found.text(), materials._clean.toolTip()):
                assert "To clean up, press Segment first" in said
    qtbot.mouseClick(walk.back, Qt.MouseButton.LeftButton)
    assert "5 of 6: Correct" in walk.text()
    bench.pages.setCurrentIndex(bench.pages.count() - 1)
    assert "6 of 6: Measure" in walk.text(), "the hint follows the page"
    assert walk.next.text() == "Done"
    qtbot.mouseClick(walk.next, Qt.MouseButton.LeftButton)
    assert not walk.isVisible()
    assert bench.docks[-1].table.rows.rowCount() == len(table)
    assert f"{len(table)} objects" in bench._advice.text()
    bench.context.close()
