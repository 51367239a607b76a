"""What a search goes by: the rewards, what they ask for, and the objects as they are behind it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_samstar._widgets.fields import Fold
from napari_samstar._widgets.qt import Signal
from napari_samstar._widgets.reward_rows import RewardRows
from napari_samstar._widgets.reward_terms import RewardTerms
from napari_samstar.rewards.base import Wanted
from napari_samstar.rewards.priors import importances_for
from napari_samstar.session import OpenImage, advice
from napari_samstar.session.searching import families_of, wanted_of
from napari_samstar.types import SamStarError

__all__ = ["RewardsPanel"]


class RewardsPanel(QWidget):
    """Rewards by kind and one by one, each with the range that it asks for.

    It shows an image's settings and tells what a person changes; it changes nothing itself.
    """

    #: Names of rewards, and whether they count.
    switched = Signal(object, bool)
    #: A family, and its importance, 0 to 1; told while the mouse moves.
    weighed = Signal(str, float)
    #: There are other rows and switches than before.
    remade = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._asked: tuple[Any, ...] = ()
        self._families: dict[str, list[tuple[str, bool]]] = {}
        self._wanted: dict[str, dict[str, Wanted]] = {}
        #: What is known of the objects, in a sentence.
        self.known = QLabel()
        self.known.setWordWrap(True)
        self.known.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        #: One row for each kind of reward.
        self.rows = RewardRows()
        self.rows.switched.connect(self._on_family)
        self.rows.weighed.connect(self.weighed)
        #: Each reward on its own.
        self.terms = RewardTerms()
        self.terms.switched.connect(lambda name, on: self.switched.emit({name}, on))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.known)
        layout.addWidget(self.rows)
        layout.addWidget(Fold("Single rewards", self.terms, "What each kind of reward is made of."))

    def show_rewards(self, image: OpenImage | None) -> None:
        """Show what is known, and the rewards that follow from it."""
        if image is None:
            self.known.setText("Open a micrograph first.")
            return
        phrase = advice.known(image.state.settings.prior)
        self.known.setText(
            f"What you know: {phrase}. Change it in Segment."
            if phrase
            else "Nothing is known of the objects yet: say in Segment what you know."
        )
        asked = image.state.source, image.state.settings.model_copy(update={"importances": ()})
        if asked != self._asked:  # not while an importance slider moves
            try:
                self._families = families_of(image.state)
                self._wanted = wanted_of(image.state)
            except SamStarError as err:
                self.known.setText(str(err))
                self._wanted = {}
                return
            self._asked = asked
        families = self._families
        off = [name for name, terms in families.items() if not any(on for _, on in terms)]
        weights = {**importances_for(list(families)), **image.importances}
        remade = self.rows.set_rows(families, off, weights)
        if self.terms.set_terms(families) or remade:
            self.remade.emit()

    def show_wanted(self, image: OpenImage | None) -> None:
        """Show the ranges that are asked for before the objects as they are."""
        result = None if image is None else image.state.result
        table = None if result is None else result.table
        shown = self._wanted if table is not None else {}
        # of several in a family the last says most of what a person knows
        last = {family: list(terms.values())[-1] for family, terms in shown.items()}
        self.rows.set_wanted(last, table)
        every = {name: one for terms in shown.values() for name, one in terms.items()}
        self.terms.set_wanted(every, table)

    def _on_family(self, family: str, on: bool) -> None:
        self.switched.emit({name for name, _ in self._families[family]}, on)
