"""The second step: what is known of the objects, and the segmentation that fits it."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QPushButton
from superqt import QLabeledRangeSlider

from napari_samstar._widgets.dock import Dock
from napari_samstar._widgets.fields import Fold, RangeEditor
from napari_samstar._widgets.known_more import KnownMore, also_known
from napari_samstar._widgets.learn import LearnFromClicks
from napari_samstar._widgets.replacing import Replacing
from napari_samstar._widgets.wanted_plot import WantedPlot
from napari_samstar.rewards.base import Wanted
from napari_samstar.rewards.presets import PRESETS, preset_in, without_presets
from napari_samstar.session import OpenImage
from napari_samstar.session.advice import OPEN
from napari_samstar.settings import Prior

__all__ = ["SegmentDock"]

_SHAPES = {None: "any", "round": "round", "compact": "compact", "irregular": "irregular"}
_POLARITIES = {None: "either", "dark": "darker than around", "bright": "brighter than around"}


class SegmentDock(Dock):
    """Asks what the objects look like, and segments."""

    title = "Segment"
    tip = "What you know of the objects, and the segmentation that fits it best."

    def build(self) -> None:
        """Make the widgets."""
        self.body.addWidget(self.note("What you know of the objects; leave open what you do not."))
        form = self.form()
        self._preset = QComboBox()
        self._preset.addItem("choose a kind of sample", None)
        for name, preset in PRESETS.items():
            self._preset.addItem(preset.title, name)
            tip = (self._preset.count() - 1, preset.description, Qt.ItemDataRole.ToolTipRole)
            self._preset.setItemData(*tip)
        self._preset.setToolTip(
            "Fills in what is true of most samples of a kind, here and among the rewards of Search."
        )
        self._preset.activated.connect(self._on_preset)
        self.needs(self._preset)
        self._clear = QPushButton("Clear")
        self._clear.setToolTip("Forgets all that is known of the objects, the preset included.")
        self._clear.clicked.connect(self._on_clear)
        self.needs(self._clear)
        start = QHBoxLayout()
        start.addWidget(self._preset, 1)
        start.addWidget(self._clear)
        form.addRow("Start from", start)
        self._size = RangeEditor("Smallest and largest object: diameter of the disc of its area.")
        self._size.changed.connect(lambda pair, unit: self._know(diameter=pair, size_unit=unit))
        form.addRow("Diameter", self._size)
        self._sizes = WantedPlot(large=True)
        self._sizes.changed.connect(lambda pair, unit: self._know(diameter=pair, size_unit=unit))
        self.needs(self._sizes)
        form.addRow("", self._sizes)
        self._shape = _choice(
            _SHAPES,
            "Round as discs; compact: without bays or holes, as grains; irregular: anything else.",
        )
        self._shape.activated.connect(lambda: self._know(shape=self._shape.currentData()))
        form.addRow("Shape", self._shape)
        self._polarity = _choice(_POLARITIES, "Whether objects are darker or brighter than around.")
        self._polarity.activated.connect(lambda: self._know(polarity=self._polarity.currentData()))
        form.addRow("They are", self._polarity)
        self._coverage = QLabeledRangeSlider(Qt.Orientation.Horizontal)
        self._coverage.setRange(0, 100)
        self._coverage.setEdgeLabelMode(QLabeledRangeSlider.EdgeLabelMode.NoLabel)
        self._coverage.setToolTip(
            "Share of the image that the objects fill, percent. From 0 to 100 means unknown."
        )
        self._coverage.sliderReleased.connect(self._on_coverage)
        inside = self._coverage.layout()
        if inside is not None:  # room for the numbers, each above its handle and half beside it
            inside.setContentsMargins(6, 20, 14, 0)
        form.addRow("They fill, %", self._coverage)
        for widget in (self._size, self._shape, self._polarity, self._coverage):
            self.needs(widget)
        self._more = KnownMore()
        self._more.changed.connect(lambda known: self._know(**known))
        self.needs(self._more)
        self._fold = Fold(
            "More",
            self._more,
            "How many there are, how far apart, how round, how much they overlap.",
        )
        self._fold.button.toggled.connect(self._show_also)
        self.body.addWidget(self._fold)
        self._also = self.note()
        self.body.addWidget(self._also)
        self.learn = LearnFromClicks(self.context)
        self.needs(self.learn)
        self.body.addWidget(self.learn)

        self._button = QPushButton("Segment")
        self._button.setToolTip(
            "Chooses, of all masks on offer, those that fit best what you know. Takes seconds once "
            "the image is prepared, and prepares it first otherwise."
        )
        self._button.clicked.connect(lambda: self.segment())
        self.needs(self._button, idle=True)
        self.body.addWidget(self._button)
        self.replacing = Replacing(self.context)
        self.needs(self.replacing, idle=True)
        self.body.addWidget(self.replacing)
        self._found = self.note()
        self.body.addWidget(self._found)
        self.body.addStretch(1)

    def refresh(self, image: OpenImage | None, names: frozenset[str]) -> None:
        """Show the prior and what was found with it."""
        self.learn.follow(image)
        prior = Prior() if image is None else image.state.settings.prior
        if names & {"settings", "source"}:
            unit = prior.size_unit
            if prior.diameter is None and image is not None:
                unit = image.state.source.unit
            self._size.set_value(prior.diameter, unit)
            self._shape.setCurrentIndex(self._shape.findData(prior.shape))
            self._polarity.setCurrentIndex(self._polarity.findData(prior.polarity))
            low, high = prior.coverage or (0.0, 1.0)
            self._coverage.setValue((round(100 * low), round(100 * high)))
            apart = "px" if image is None else image.state.source.unit
            self._more.show_prior(prior, apart)
            self._also.setText(also_known(prior))
            self._show_also()
            name = None if image is None else preset_in(image.state.settings.rewards)
            self._preset.setCurrentIndex(self._preset.findData(name))
        result = None if image is None else image.state.result
        self._found.setText("" if result is None else self.context.headline(result))
        low, high = prior.diameter or (0.0, OPEN)
        wanted = Wanted("equivalent_diameter", low, high, prior.size_unit)
        self._sizes.show_wanted(wanted, None if result is None else result.table)
        self._sizes.setVisible(self._sizes.counted() is not None)

    def segment(self) -> None:
        """Segment, after asking where corrections would be replaced."""
        image = self.image
        if image is not None:

            def segment() -> None:
                self.run("Segmenting", OpenImage.segment_steps)

            self.replacing.ask(image, "Segment makes new objects.", "Segment anew", segment)

    def _know(self, **known: Any) -> None:
        if self.image is not None:
            prior = self.image.state.settings.prior.model_copy(update=known)
            self.image.set_settings(prior=prior)

    def _on_coverage(self) -> None:
        low, high = self._coverage.value()
        self._know(coverage=None if (low, high) == (0, 100) else (low / 100, high / 100))

    def _on_preset(self) -> None:
        name = self._preset.currentData()
        if name is None or self.image is None:
            return
        preset, settings = PRESETS[name], self.image.state.settings
        self.image.set_settings(
            prior=preset.known_with(settings.prior), rewards=preset.rewards_with(settings.rewards)
        )

    def _on_clear(self) -> None:
        if self.image is not None:
            rewards = without_presets(self.image.state.settings.rewards)
            self.image.set_settings(prior=Prior(), rewards=rewards)

    def _show_also(self, *_: Any) -> None:
        """Say what is known and folded away."""
        folded = not self._fold.button.isChecked()
        self._also.setVisible(folded and bool(self._also.text()))


def _choice(choices: dict[Any, str], tip: str) -> QComboBox:
    box = QComboBox()
    for value, label in choices.items():
        box.addItem(label, value)
    box.setToolTip(tip)
    return box
