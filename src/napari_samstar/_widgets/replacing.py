"""A question before corrected objects are replaced by new ones."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGroupBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_samstar._widgets.context import Context
from napari_samstar.session import OpenImage
from napari_samstar.session.corrections import Corrections

__all__ = ["Replacing"]


class Replacing(QGroupBox):
    """Seen only while it asks, below what was pressed; whoever goes on without an answer keeps all.

    Parameters
    ----------
    context : Context
        The viewer's.
    """

    def __init__(self, context: Context) -> None:
        super().__init__("Keep what you corrected?")
        self._context = context
        self._asked: tuple[OpenImage, str, Callable[[], None]] | None = None
        self.text = QLabel()
        self.text.setWordWrap(True)
        self.go_on = QPushButton()
        self.go_on.setToolTip(
            "Makes the objects anew, without your corrections; Correct offers to bring those back "
            "that were not exported."
        )
        self.go_on.clicked.connect(lambda _=False: self._on_go_on())
        self.keep = QPushButton("Keep")
        self.keep.setToolTip("Leaves the objects as you corrected them.")
        self.keep.clicked.connect(lambda _=False: self.drop())
        row = QHBoxLayout()
        for button in (self.go_on, self.keep):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            row.addWidget(button)
        inside = QVBoxLayout(self)
        inside.addWidget(self.text)
        inside.addLayout(row)
        self.hide()
        context.image_changed.connect(self._refresh)
        context.correcting.edited.connect(self._refresh)

    def ask(self, image: OpenImage, why: str, answer: str, then: Callable[[], None]) -> None:
        """Call `then`: at once where nothing would be lost, else when that is answered.

        Parameters
        ----------
        image : OpenImage
            Whose objects are to be replaced.
        why : str
            A sentence that comes before what there is to lose.
        answer : str
            What the button says that calls `then`.
        then : callable
            Replaces the objects.
        """
        self.drop()
        if not self._context.correcting.at_stake(image):
            then()
            return
        self._asked = image, why, then
        self.go_on.setText(answer)
        self._refresh()

    def drop(self) -> None:
        """Ask no more."""
        self._asked = None
        self.hide()

    def _on_go_on(self) -> None:
        asked = self._asked
        self.drop()
        if asked is not None:
            asked[2]()

    def _refresh(self, changed: object = None) -> None:
        if self._asked is None:
            return
        image, why, _ = self._asked
        corrections = image.state.corrections
        if image is not self._context.image or corrections is None or not corrections.at_stake:
            self.drop()
            return
        self.text.setText(" ".join(part for part in (why, _stake(corrections)) if part))
        self.show()


def _stake(corrections: Corrections) -> str:
    """Say how much would be replaced, and what becomes of it."""
    count = corrections.at_stake
    some = f"{count} correction{'' if count == 1 else 's'} would be replaced"
    if not corrections.unsaved:
        return f"{some}; they were exported."
    if corrections.kept is None:
        return f"{some}, and could not be kept on disk: export first."
    return f"{some}; Correct will offer to bring {'it' if count == 1 else 'them'} back."
