"""Corrections that were not exported, offered back."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QGroupBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout

from napari_samstar._widgets.context import Context
from napari_samstar.session import OpenImage

__all__ = ["Offer"]


class Offer(QGroupBox):
    """Seen only where there is something to bring back for the active image.

    Parameters
    ----------
    context : Context
        The viewer's.
    """

    def __init__(self, context: Context) -> None:
        super().__init__("Not exported")
        self._context = context
        self.text = QLabel()
        self.text.setWordWrap(True)
        row = QHBoxLayout()
        for text, tip, slot in (
            (
                "Bring back",
                "Opens the corrections where they ended, with all that can be undone.",
                context.correcting.bring_back,
            ),
            ("Discard", "Removes these corrections for good.", context.correcting.discard),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _=False, slot=slot: self._with_image(slot))
            row.addWidget(button)
        inside = QVBoxLayout(self)
        inside.addWidget(self.text)
        inside.addLayout(row)
        self.hide()
        context.correcting.offered.connect(self._on_offered)

    def refresh(self) -> None:
        """Show what is offered for the active image."""
        image = self._context.image
        offers = [] if image is None else self._context.correcting.offers(image)
        self.setVisible(bool(offers))
        if not offers:
            return
        when = offers[0].changed.astimezone()
        ended = "" if offers[0].closed else " The program ended before it was closed."
        count = offers[0].corrections
        self.text.setText(
            offers[0].problem
            or f"{count} correction{'' if count == 1 else 's'} of this image from "
            f"{when:%d %B, %H:%M}.{ended}"
        )

    def _on_offered(self, image: OpenImage) -> None:
        if image is self._context.image:
            self.refresh()

    def _with_image(self, slot: Callable[[OpenImage], None]) -> None:
        if self._context.image is not None:
            slot(self._context.image)
