"""Random use of the workbench: nothing may fail, leak, or fall out of step.

``python benchmarks/monkey.py --minutes 60`` does it for longer.
"""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QApplication
from tests._widgets.monkey import Monkey


def test_random_use_breaks_nothing_and_leaves_nothing(qtbot: Any) -> None:
    monkey = Monkey(seed=1)
    widgets = len(QApplication.topLevelWidgets())
    for step in range(120):
        monkey.step()
        if step % 60 == 59:
            monkey.check()
    monkey.end()
    assert len(QApplication.topLevelWidgets()) < widgets
