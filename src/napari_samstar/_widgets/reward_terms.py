"""Single rewards as switches, by the question that they answer."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from qtpy.QtWidgets import QCheckBox, QGridLayout, QWidget

from napari_samstar._widgets.qt import Signal
from napari_samstar._widgets.reward_rows import family_name
from napari_samstar._widgets.wanted_plot import WantedPlot
from napari_samstar.rewards.base import Wanted

__all__ = ["RewardTerms"]


class RewardTerms(QWidget):
    """A switch for each reward."""

    #: Name of a reward, and whether it counts.
    switched = Signal(str, bool)

    def __init__(self) -> None:
        super().__init__()
        self._layout = QGridLayout(self)
        self._layout.setContentsMargins(12, 0, 0, 0)
        self._layout.setVerticalSpacing(2)
        self._layout.setColumnStretch(0, 1)
        self._switches: dict[str, QCheckBox] = {}
        self._plots: dict[str, WantedPlot] = {}

    def set_terms(self, families: Mapping[str, Sequence[tuple[str, bool]]]) -> bool:
        """Show the rewards of each family, and whether they count; nothing is told.

        Returns whether the switches were made anew.
        """
        wanted = [name for terms in families.values() for name, _ in terms]
        remade = wanted != list(self._switches)
        if remade:
            for switch in self._switches.values():
                self._layout.removeWidget(switch)
                switch.deleteLater()
            self.set_wanted({}, None)
            self._switches = {}
            abouts = _abouts(wanted)
            for family, terms in families.items():
                for name, _ in terms:
                    switch = QCheckBox(f"{family_name(family)}: {name.replace('_', ' ')}")
                    off = "Off: the next search does not ask for it."
                    switch.setToolTip(f"{abouts.get(name, '')} {off}".strip())
                    switch.toggled.connect(partial(self.switched.emit, name))
                    self._layout.addWidget(switch, len(self._switches), 0)
                    self._switches[name] = switch
        for terms in families.values():
            for name, on in terms:
                self._switches[name].blockSignals(True)
                self._switches[name].setChecked(on)
                self._switches[name].blockSignals(False)
        return remade

    def set_wanted(self, wanted: Mapping[str, Wanted], table: Any) -> None:
        """Show what is wanted of each object, by reward, before the objects of a table."""
        for name in [name for name in self._plots if name not in wanted]:
            plot = self._plots.pop(name)
            self._layout.removeWidget(plot)
            plot.deleteLater()
        for name, one in wanted.items():
            if name not in self._plots:
                self._plots[name] = WantedPlot()
                self._layout.addWidget(self._plots[name], list(self._switches).index(name), 1)
            self._plots[name].show_wanted(one, table)

    def switch(self, name: str) -> QCheckBox:
        """Return the switch of a reward."""
        return self._switches[name]


def _abouts(names: Iterable[str]) -> dict[str, str]:
    """First sentence of what each reward says of itself, by name."""
    from napari_samstar.rewards.registry import BUILT_IN, terms

    wanted, known = set(names), {term.name: term for term in BUILT_IN}
    if not wanted <= set(known):  # other packages are looked through only where need be
        known = terms()
    texts = {name: inspect.getdoc(known[name]) or "" for name in wanted & set(known)}
    return {name: " ".join(text.partition("\n\n")[0].split()) for name, text in texts.items()}
