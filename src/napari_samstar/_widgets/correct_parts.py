"""The widgets of the page Correct, and what they show."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QGridLayout,
    QGroupBox,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_samstar._widgets.correct_keys import KEY_OF
from napari_samstar.session import OpenImage
from napari_samstar.session.hand import TOOLS, Hand, Tool

if TYPE_CHECKING:
    from napari_samstar.session.corrections import Corrections

__all__ = ["CorrectParts"]

_TOOL_NAMES: dict[Tool, str] = {"choose": "Choose", "merge": "Merge", "split": "Cut", "add": "Add"}
_NONE_CHOSEN = "none: click one, or point at it and press a key"


class CorrectParts(QWidget):
    """Tools, what is chosen, the review; knows the state only as it is shown it.

    Parameters
    ----------
    press : callable
        Told the action of a button.
    """

    def __init__(self, press: Callable[[str], None]) -> None:
        super().__init__()
        self._press = press
        #: Buttons that need a result.
        self.buttons: list[QPushButton] = []
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.count = _note()
        self.body.addWidget(self.count)
        self._build_tools()
        self._build_chosen()
        self._build_review()

    def show_tool(self, tool: Tool) -> None:
        """Show which tool is in hand."""
        self._tool_buttons[tool].setChecked(True)
        self._adding.setVisible(tool == "add")

    def say(self, sentence: str) -> None:
        """Show a sentence in place of the hint; empty for the hint, once the state is shown."""
        self.hint.setProperty("said", bool(sentence))
        if sentence:
            self.hint.setText(f"<b>{sentence}</b>")

    def show_state(self, image: OpenImage | None, hand: Hand) -> None:
        """Show what there is to correct, and what is chosen of it."""
        corrections = None if image is None else image.state.corrections
        result = None if image is None else image.state.result
        if not self.hint.property("said"):
            self.hint.setText(TOOLS[hand.tool] if result is not None else "")
        if corrections is None:
            count = 0 if result is None else len(result.table)
            text = "Nothing is segmented yet." if result is None else f"{count} objects."
            self.count.setText(text)
            self.left.setText("")
            self.chosen_text.setText(_NONE_CHOSEN)
            return
        done = len(corrections.done)
        kept = "kept on disk" if corrections.kept is not None else "not kept on disk"
        self.count.setText(
            f"{len(corrections.table)} objects, {done} correction{'' if done == 1 else 's'}"
            + (f", {kept}." if done else ".")
        )
        left = len(corrections.queue())
        self.left.setText(f"{left} not looked at yet." if left else "Every object was looked at.")
        self._undo.setEnabled(done > 0)
        self._redo.setEnabled(corrections.can_redo)
        if not hand.chosen:
            self.chosen_text.setText(_NONE_CHOSEN)
        elif len(hand.chosen) > 1:
            self.chosen_text.setText(f"{len(hand.chosen)} objects")
        else:
            self.chosen_text.setText(_about(hand.chosen[0], corrections))
        if self.new_number.value() in corrections.table:
            self.new_number.setValue(corrections.free)

    def _build_tools(self) -> None:
        grid = QGridLayout()
        self._tools = QButtonGroup(self)
        self._tool_buttons: dict[Tool, QPushButton] = {}
        for place, (tool, what) in enumerate(TOOLS.items()):
            button = self._button(f"{_TOOL_NAMES[tool]}  [{KEY_OF[tool]}]", what, tool)
            button.setCheckable(True)
            button.setChecked(tool == "choose")
            self._tools.addButton(button)
            self._tool_buttons[tool] = button
            grid.addWidget(button, place // 2, place % 2)
        self.body.addLayout(grid)
        self.hint = _note()
        self.hint.setMinimumHeight(2 * self.hint.fontMetrics().lineSpacing() + 4)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.body.addWidget(self.hint)
        self._adding = QWidget()
        row = QGridLayout(self._adding)
        row.setContentsMargins(0, 0, 0, 0)
        take = self._action("Add it", "take", "Makes the mask in blue an object.")
        other = self._action("Other mask", "other", "Shows the next mask that the clicks may mean.")
        row.addWidget(take, 0, 0)
        row.addWidget(other, 0, 1)
        self.over = QCheckBox("over other objects, too")
        self.over.setToolTip("The new object takes pixels of its neighbors; else only background.")
        row.addWidget(self.over, 1, 0, 1, 2)
        self._adding.hide()
        self.body.addWidget(self._adding)
        row = QGridLayout()
        self._undo = self._action("Undo", "undo", "Takes the last correction back.")
        self._redo = self._action("Do again", "redo", "Makes it again.")
        row.addWidget(self._undo, 0, 0)
        row.addWidget(self._redo, 0, 1)
        self.body.addLayout(row)

    def _build_chosen(self) -> None:
        box = QGroupBox("Chosen object")
        grid = QGridLayout(box)
        self.chosen_text = QLabel(_NONE_CHOSEN)
        self.chosen_text.setWordWrap(True)
        grid.addWidget(self.chosen_text, 0, 0, 1, 2)
        self.material = _number(0, 999, "Number of a material; 0 is unknown.")
        self.new_number = _number(1, 2**31 - 2, "A number that no object has.")
        material = self._action("Set material", "material", "Says of which material it is.")
        renumber = self._action("Renumber", "renumber", "Gives it the number.")
        for place, (spin, button) in enumerate(
            ((self.material, material), (self.new_number, renumber)), start=1
        ):
            grid.addWidget(button, place, 0)
            grid.addWidget(spin, place, 1)
        grid.addWidget(self._action("Delete", "delete", "Makes it background."), 3, 0, 1, 2)
        self.body.addWidget(box)

    def _build_review(self) -> None:
        box = QGroupBox("Review, most doubtful first")
        grid = QGridLayout(box)
        self.left = _note()
        grid.addWidget(self.left, 0, 0, 1, 3)
        for column, (text, action, tip) in enumerate(
            (
                ("Next", "next", "Goes to the object that is least sure to be one."),
                ("Accept", "accept", "The object is good; goes on to the next."),
                (
                    "Reject",
                    "reject",
                    "Deletes the object and goes on; Undo brings it back.",
                ),
            )
        ):
            grid.addWidget(self._action(text, action, tip), 1, column)
        self.body.addWidget(box)

    def _action(self, text: str, action: str, tip: str) -> QPushButton:
        return self._button(f"{text}  [{KEY_OF[action]}]", tip, action)

    def _button(self, text: str, tip: str, action: str) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tip)
        # a click leaves the keys to the picture
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.clicked.connect(lambda _=False: self._press(action))
        self.buttons.append(button)
        return button


def _note() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _number(low: int, high: int, tip: str) -> QSpinBox:
    spin = QSpinBox()
    spin.setRange(low, high)
    spin.setToolTip(tip)
    spin.setMaximumWidth(110)
    return spin


def _about(label: int, corrections: Corrections) -> str:
    segment = corrections.table[label]
    parts = [f"number {label}", f"{segment.area} px"]
    if segment.material:
        parts.append(f"material {segment.material}")
    sure = corrections.confidence.get(label)
    if segment.status == "accepted":
        parts.append("accepted")
    elif segment.status == "reviewed":
        parts.append("made by hand")
    elif sure is not None:
        parts.append(f"{100 * min(sure, 1.0):.0f} % sure")
    return ", ".join(parts)
