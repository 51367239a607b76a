"""The third step: a search for better settings, watched as it goes, and the choice among them."""

from __future__ import annotations

import weakref
from contextlib import closing
from importlib import import_module
from typing import Any

from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_samstar._widgets.agreement import Agreement
from napari_samstar._widgets.candidates import Candidates
from napari_samstar._widgets.context import EVERYTHING
from napari_samstar._widgets.dock import Dock
from napari_samstar._widgets.pause import after_pause, begin
from napari_samstar._widgets.replacing import Replacing
from napari_samstar._widgets.reward_rows import family_name
from napari_samstar._widgets.rewards_panel import RewardsPanel
from napari_samstar.session import OpenImage, advice
from napari_samstar.session.corrections import Corrections
from napari_samstar.session.found import Found
from napari_samstar.session.image import Command
from napari_samstar.types import Progress

__all__ = ["SearchDock"]

_TITLE = "Searching"
_REST_MS = 300  # after the last change of mind, the result is made
_DRAW_MS = 100  # the plot is drawn at most this often


class SearchDock(Dock):
    """Searches, shows what is found, and lets a person choose."""

    title = "Search"
    tip = "Tries hundreds of settings against what you know, and lets you choose among the best."

    def build(self) -> None:
        """Make the widgets."""
        self._plot: Any = None  # pyqtgraph is loaded with the first candidates
        self._drawn: Found | None = None
        self._searched: OpenImage | None = None
        self._job = ""  # title of the search, which keeps the name that the image had
        # corrections that somebody said may be replaced by what a search finds, and their version
        self._given_up: tuple[weakref.ref[Corrections], int] | None = None
        self._candidates = Candidates(self.context, self)
        self._rewards = RewardsPanel()
        self._rewards.switched.connect(self._on_switched)
        self._rewards.weighed.connect(self._on_weighed)
        self._rewards.remade.connect(self.order_tabs)
        self.needs(self._rewards.rows)
        self.needs(self._rewards.terms, idle=True)
        self.body.addWidget(self._rewards)
        self._build_buttons()
        self._plot_at = self.body.count()
        self._build_choice()
        self.body.addStretch(1)
        self._rest = after_pause(self, _REST_MS, self._take)
        self._redraw = after_pause(self, _DRAW_MS, self._draw)
        self.context.jobs.paused_changed.connect(self._on_paused)

    def _build_buttons(self) -> None:
        row = QHBoxLayout()
        self._start = QPushButton("Start")
        self._start.setToolTip(
            "Tries one setting after the other, without the network, and keeps the best "
            "compromises. Prepares the image first where that is not done. After Stop it goes on "
            "from where it was."
        )
        self._start.clicked.connect(self.start)
        self.needs(self._start, idle=True)
        self._pause = QPushButton("Pause")
        self._pause.setCheckable(True)
        self._pause.setToolTip("Lets the search rest; everything stays, and can be looked at.")
        self._pause.toggled.connect(self.context.jobs.pause)
        self.needs(self._pause, self._searching)
        self._stop = QPushButton("Stop")
        self._stop.setToolTip("Ends the search at once. What was found so far stays.")
        self._stop.clicked.connect(self.context.jobs.stop)
        self.needs(self._stop, self._searching)
        for button in (self._start, self._pause, self._stop):
            row.addWidget(button)
        self._budget = QSpinBox()
        self._budget.setRange(20, 100_000)
        self._budget.setSingleStep(100)
        self._budget.setKeyboardTracking(False)
        self._budget.setToolTip(
            "How many settings the search may try. Hundreds are enough for most images; the bar "
            "below says how long they will take."
        )
        self._budget.valueChanged.connect(self._on_budget)
        self.needs(self._budget, idle=True)
        tries = QLabel("Tries")
        tries.setToolTip(self._budget.toolTip())
        row.addStretch(1)
        row.addWidget(tries)
        row.addWidget(self._budget)
        self.body.addLayout(row)
        self.replacing = Replacing(self.context)
        self.needs(self.replacing, idle=True)
        self.body.addWidget(self.replacing)

    def _build_choice(self) -> None:
        self._choice = QWidget()
        self._choice.hide()
        choice = QVBoxLayout(self._choice)
        choice.setContentsMargins(0, 0, 0, 0)
        row = QHBoxLayout()
        self._axes = []
        for label, tip in (("Right:", "to the right"), ("up:", "upwards")):
            box = QComboBox()
            box.setToolTip(
                f"Reward that the plot shows {tip}; the slider below the picture steps "
                "through the candidates from left to right."
            )
            box.activated.connect(self._on_axes)
            box.setSizeAdjustPolicy(
                QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
            )
            box.setMinimumContentsLength(8)
            text = QLabel(label)
            text.setToolTip(box.toolTip())
            row.addWidget(text)
            row.addWidget(box, 1)
            self.needs(box, _has_front)
            self._axes.append(box)
        choice.addLayout(row)
        self._line = self.note()
        choice.addWidget(self._line)
        row = QHBoxLayout()
        self._preferred = QPushButton("Back to the preferred one")
        self._preferred.setToolTip("Shows the candidate again that your importances prefer.")
        self._preferred.clicked.connect(self._on_preferred)
        self.needs(self._preferred, lambda image: _has_front(image) and image.state.pinned)
        row.addWidget(self._preferred)
        for arrow, by, tip in (("◂", -1, "to the left"), ("▸", 1, "to the right")):
            button = QPushButton(arrow)
            button.setFixedWidth(32)
            button.setToolTip(f"Shows the next candidate {tip} in the plot.")
            button.clicked.connect(lambda _=False, by=by: self._candidates.step(by))
            self.needs(button, _has_front)
            row.addWidget(button)
        choice.addLayout(row)
        self._agreement = Agreement(self.context)
        self.needs(self._agreement, _has_front)
        choice.addWidget(self._agreement)
        self.body.addWidget(self._choice)

    def refresh(self, image: OpenImage | None, names: frozenset[str]) -> None:
        """Show rewards, candidates and what is chosen."""
        if names & {"settings", "source"}:
            self._rewards.show_rewards(image)
        if names & {"settings", "source", "result"}:
            self._rewards.show_wanted(image)
        if image is not None and "search" in names:
            self._budget.blockSignals(True)
            self._budget.setValue(image.state.search.budget)
            self._budget.blockSignals(False)
        if names & {"front", "candidate", "pinned"}:
            self._candidates.show(image, self._axis(0))
            if "front" in names:
                self._agreement.follow()
            if image is None or image.state.front is None or "front" not in names:
                self._draw()  # a choice is shown at once
            else:
                begin(self._redraw)
        # what a person chose is measured; what streams in only once the search has ended
        chosen = image is not None and image.state.candidate is not None
        if chosen and names & {"candidate", "settings"} and not self._searching(image):
            self._rest.start()

    def start(self) -> None:
        """Search, after asking where corrections would be replaced by what is found."""
        image = self.image
        if image is not None:
            self.replacing.ask(
                image,
                "The best candidate becomes the objects.",
                "Search anew",
                lambda: self._start_now(image),
            )

    def _start_now(self, image: OpenImage) -> None:
        self._give_up(image)
        image.update(candidate=None, pinned=False)
        self._job = f"{_TITLE} {image.state.source.name}"
        self.run(_TITLE, lambda image: _plotted(image.search_steps()))
        self._searched = image
        self._on_busy()

    def _give_up(self, image: OpenImage) -> None:
        corrections = image.state.corrections
        if corrections is not None:
            self._given_up = weakref.ref(corrections), corrections.version

    def _held(self, image: OpenImage) -> bool:
        """Whether corrections keep a candidate from becoming the objects: nobody gave them up."""
        stake, corrections = self.context.correcting.at_stake(image), image.state.corrections
        if corrections is None or not stake:
            return False
        given_up = self._given_up
        return given_up is None or (given_up[0](), given_up[1]) != (
            corrections,
            corrections.version,
        )

    def showEvent(self, event: Any) -> None:
        """Show the candidates in place of the result while this page is looked at."""
        super().showEvent(event)
        self._candidates.look(True)

    def hideEvent(self, event: Any) -> None:
        """Show the result again."""
        super().hideEvent(event)
        if not self.context.is_closed:
            self._candidates.look(False)

    def _searching(self, image: OpenImage | None) -> bool:
        if image is None:
            return False
        title = self._job if image is self._searched else f"{_TITLE} {image.state.source.name}"
        return self.context.jobs.runs_for(image, title)

    def _on_image(self, names: frozenset[str]) -> None:
        if names == EVERYTHING and self.isVisible():
            self._candidates.look(True)
        super()._on_image(names)

    def _on_busy(self, busy: bool = False) -> None:
        super()._on_busy(busy)
        image = self._searched
        if image is not None and not self._searching(image):
            self._searched = None
            if image.state.candidate is not None and image is self.image:
                self._rest.start()  # ended, or stopped: what was found is kept

    def _on_paused(self, paused: bool) -> None:
        self._pause.blockSignals(True)
        self._pause.setChecked(paused)
        self._pause.setText("Go on" if paused else "Pause")
        self._pause.blockSignals(False)

    def _axis(self, number: int) -> str:
        return str(self._axes[number].currentData() or "")

    def _fill_axes(self, objectives: tuple[str, ...]) -> None:
        for number, box in enumerate(self._axes):
            if objectives == tuple(box.itemData(k) for k in range(box.count())):
                continue
            before = box.currentData()
            box.clear()
            for name in objectives:
                box.addItem(family_name(name), name)
            at = box.findData(before)
            box.setCurrentIndex(at if at >= 0 else min(number, len(objectives) - 1))

    def _draw(self) -> None:
        image = self.image
        found = None if image is None else image.state.front
        self._choice.setVisible(found is not None)
        if self._plot is not None:
            self._plot.setVisible(found is not None)
        if image is None or found is None:
            return
        if self._plot is None:
            from napari_samstar._widgets.pareto_plot import ParetoPlot

            self._plot = ParetoPlot()
            self._plot.clicked.connect(self._on_clicked)
            self.body.insertWidget(self._plot_at, self._plot)
            self.order_tabs()
        self._fill_axes(found.front.objectives)
        axes = self._axis(0), self._axis(1)
        shown = image.state.candidate
        self._plot.show_front(
            found.front,
            axes,
            (family_name(axes[0]), family_name(axes[1])),
            found.preferred(image.importances),
            shown,
        )
        self._line.setText("" if shown is None else advice.difference(found, shown))

    def _on_axes(self) -> None:
        self._candidates.show(self.image, self._axis(0))
        self._draw()

    def _on_clicked(self, candidate: Any) -> None:
        if self.image is not None:
            self.image.show(candidate)

    def _on_preferred(self) -> None:
        if self.image is not None:
            self.image.show(None)

    def _on_weighed(self, family: str, importance: float) -> None:
        if self.image is not None:
            self.image.set_importance(family, importance)

    def _on_switched(self, names: set[str], on: bool) -> None:
        image = self.image
        if image is not None:
            without = [name for name in image.state.settings.without if name not in names]
            image.set_settings(without=tuple(without if on else [*without, *sorted(names)]))

    def _on_budget(self, budget: int) -> None:
        image = self.image
        if image is not None:
            image.update(search=image.state.search.model_copy(update={"budget": budget}))

    def _take(self) -> None:
        """Make the result of what is shown, once nobody changes their mind any more."""
        image = self.image
        if image is None or image.state.candidate is None:
            return
        result = image.state.result
        if (
            result is not None
            and result.candidate is image.state.candidate
            and result.recipe.importances == image.state.settings.importances
        ):
            self.replacing.drop()
            return
        if self._held(image):  # also where one was corrected while another was measured
            self.replacing.ask(
                image,
                "You corrected the objects, so the candidate is only shown here.",
                "Take the candidate",
                lambda: self._take_all_the_same(image),
            )
            return

        def done(changes: Any) -> None:
            if not self._held(image):
                image.update(**changes)
            elif image is self.image:
                self._take()

        self.context.run_quick("Measuring the candidate", image, image.take_steps(), done=done)

    def _take_all_the_same(self, image: OpenImage) -> None:
        self._give_up(image)
        self._take()


def _plotted(search: Command) -> Command:
    """Precede a search by loading what it is plotted with, in its thread: a quarter of a second."""
    with closing(search):
        yield Progress("starting", 0, 0)
        import_module("napari_samstar._widgets.pareto_plot")
        return (yield from search)


def _has_front(image: OpenImage) -> bool:
    return image.state.front is not None
