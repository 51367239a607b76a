"""Corrections of all images of one viewer: edits made, painted, measured, and offered back."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject

from napari_samstar._widgets.outputs import OBJECTS
from napari_samstar._widgets.pause import after_pause
from napari_samstar._widgets.qt import Signal
from napari_samstar._widgets.repaint import pixels_of, write
from napari_samstar.session import OpenImage
from napari_samstar.types import SamStarError

if TYPE_CHECKING:
    from napari_samstar._widgets.context import Context
    from napari_samstar.edits.delta import Delta
    from napari_samstar.edits.recovery import Recoverable
    from napari_samstar.edits.values import Edit
    from napari_samstar.session.corrections import Corrections

__all__ = ["Correcting"]

_REST_MS = 300  # after the last edit or stroke, before it is measured
_LOOK_MS = 400  # after an image was shown, before its journals are looked for


class Correcting(QObject):
    """Edits of the images of one viewer; the only one who touches their layers while they last.

    Parameters
    ----------
    context : Context
        The viewer's.
    """

    #: The objects of this image have changed, or what can be undone.
    edited = Signal(object)
    #: Something for the user, in a sentence: what could not be done, and why.
    said = Signal(str)
    #: What is offered back for this image has changed.
    offered = Signal(object)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._context = context
        self._stale: weakref.WeakSet[OpenImage] = weakref.WeakSet()
        self._painted: weakref.WeakSet[OpenImage] = weakref.WeakSet()
        self._offers: weakref.WeakKeyDictionary[OpenImage, list[Recoverable]] = (
            weakref.WeakKeyDictionary()
        )
        self._corrected: weakref.WeakSet[OpenImage] = weakref.WeakSet()
        self._rest = after_pause(self, _REST_MS, self._after_rest)
        self._look = after_pause(self, _LOOK_MS, self._look_for_offers)
        context.outputs.painted.connect(self._on_painted)
        context.session.changed.connect(self._on_changed)

    def begin(self, image: OpenImage, then: Callable[[], None] | None = None) -> None:
        """Begin to correct an image's result, beside the window; `then` is called when it can be.

        Nothing happens where there is no result.
        """
        if image.state.corrections is not None:
            if then is not None:
                then()
            return
        result = image.state.result
        if result is None:
            self.said.emit("There is nothing to correct yet: segment the image first.")
            return

        def done(changes: Any) -> None:
            made = changes["corrections"]
            if image.state.result is not result or image.state.corrections is not None:
                made.close()
                return
            image.update(**changes)
            if made.notice:
                self.said.emit(made.notice)
            self.edited.emit(image)
            if then is not None:
                then()

        title = f"Opening the corrections of {image.state.source.name}"
        self._context.run_quick(title, image, image.correct_steps(), done=done)

    def do(self, image: OpenImage, edit: Callable[[Corrections], Edit | None]) -> Edit | None:
        """Carry out what `edit` gives; return it, or None where it gives none or cannot be done."""
        corrections = image.state.corrections
        if corrections is None:
            self.begin(image)
            if image.state.result is not None:
                self.said.emit("One moment: the corrections are being opened.")
            return None
        self._take(image, corrections)
        try:
            wanted = edit(corrections)
            delta = None if wanted is None else corrections.do(wanted)
        except SamStarError as err:
            self.said.emit(str(err))
            return None
        if delta is not None:
            self._show(image, corrections, delta)
        return wanted

    def undo(self, image: OpenImage) -> None:
        """Take the last correction back."""
        self._step(image, "undo", "There is nothing to undo.")

    def redo(self, image: OpenImage) -> None:
        """Make the correction again that was taken back last."""
        self._step(image, "redo", "There is nothing to do again.")

    def measure(self, image: OpenImage) -> None:
        """Measure the objects as they are corrected, once they have been left alone a moment."""
        self._stale.add(image)
        self._rest.start()

    def at_stake(self, image: OpenImage) -> int:
        """How many corrections end where the objects of this image are replaced by new ones."""
        corrections = image.state.corrections
        if corrections is None:
            return 0
        self._take(image, corrections)
        return corrections.at_stake

    def offers(self, image: OpenImage) -> list[Recoverable]:
        """Corrections of this image that were not exported, the latest first."""
        return self._offers.get(image, [])

    def look(self) -> None:
        """Look for corrections to offer, once the image shown has been there for a moment."""
        self._look.start()

    def bring_back(self, image: OpenImage) -> None:
        """Go on with the corrections that are offered."""
        offers = self.offers(image)
        if offers:
            self._context.run(
                f"Bringing back {image.state.source.name}",
                image,
                image.bring_back_steps(offers[0].path),
                done=lambda changes: self._brought(image, changes["corrections"].notice),
            )

    def discard(self, image: OpenImage) -> None:
        """Remove the corrections that are offered, for good."""
        from napari_samstar.edits.recovery import discard

        offers = self.offers(image)
        if offers:
            try:
                discard(offers[0].path)
            except SamStarError as err:
                self.said.emit(str(err))
                return
            self._offers[image] = offers[1:]
            self.offered.emit(image)

    def close(self) -> None:
        """Stop; the window is gone."""
        self._rest.stop()
        self._look.stop()

    def _step(self, image: OpenImage, which: str, nothing: str) -> None:
        corrections = image.state.corrections
        if corrections is None:
            self.said.emit(nothing)
            return
        self._take(image, corrections)
        try:
            delta = corrections.undo() if which == "undo" else corrections.redo()
        except SamStarError as err:
            self.said.emit(str(err))
            return
        if delta is None:
            self.said.emit(nothing)
        else:
            self._show(image, corrections, delta)

    def _show(self, image: OpenImage, corrections: Corrections, delta: Delta) -> None:
        layer = self._context.outputs.layer(image, OBJECTS)
        pixels = None if layer is None else pixels_of(layer, corrections.labels.shape)
        if pixels is None:  # the layer is gone, or holds something else
            self._context.outputs.show_labels(image, corrections.labels)
        else:
            write(layer, pixels, delta)
        if delta.starts.size or delta.rows_before or delta.rows_after:
            self._changed(image)
        else:  # a name: there is nothing to measure
            self.edited.emit(image)

    def _changed(self, image: OpenImage) -> None:
        self.measure(image)
        self.edited.emit(image)

    def _take(self, image: OpenImage, corrections: Corrections) -> None:
        """Take in what was painted with napari's tools, before anything else is done."""
        if image not in self._painted:
            return
        self._painted.discard(image)
        layer = self._context.outputs.layer(image, OBJECTS)
        if layer is None:
            return
        pixels = pixels_of(layer, corrections.labels.shape)
        try:
            data = np.asarray(layer.data)
            taken = corrections.take(data.squeeze() if pixels is None else pixels)
        except SamStarError as err:
            self.said.emit(f"What was painted was taken back. {err}")
            self._context.outputs.show_labels(image, corrections.labels)
            return
        if taken is not None:
            self._changed(image)

    def _on_painted(self, image: OpenImage) -> None:
        self._painted.add(image)
        self._rest.start()

    def _after_rest(self) -> None:
        for image in list(self._painted):
            corrections = image.state.corrections
            if corrections is not None:
                self._take(image, corrections)
            elif image.state.result is not None and self._differs(image):
                self.begin(image, self._rest.start)
            else:
                self._painted.discard(image)
        for image in list(self._stale):
            self._measure(image)

    def _differs(self, image: OpenImage) -> bool:
        layer, result = self._context.outputs.layer(image, OBJECTS), image.state.result
        if layer is None or result is None:
            return False
        return not np.array_equal(np.squeeze(layer.data), result.segmentation.labels)

    def _measure(self, image: OpenImage) -> None:
        corrections = image.state.corrections
        self._stale.discard(image)
        if corrections is None:
            return
        version = corrections.version

        def done(changes: Any) -> None:
            if image.state.corrections is not corrections:
                return
            if corrections.version == version:
                image.update(**changes)
            else:
                self.measure(image)

        title = f"Measuring {image.state.source.name}"
        self._context.run_quick(title, image, image.corrected_steps(), done=done)

    def _brought(self, image: OpenImage, notice: str) -> None:
        self._offers[image] = self.offers(image)[1:]
        self.offered.emit(image)
        self.edited.emit(image)
        if notice:
            self.said.emit(notice)

    def _on_changed(self, image: OpenImage, names: frozenset[str]) -> None:
        """Look again for what can be brought back where corrections have ended."""
        if "corrections" not in names:
            return
        ended = image in self._corrected
        if image.state.corrections is None:
            self._corrected.discard(image)
        else:
            self._corrected.add(image)
        if ended:
            self._offers.pop(image, None)
            self._look_for_offers()

    def _look_for_offers(self) -> None:
        image = self._context.image
        if image is None or image in self._offers:
            return

        def done(found: list[Recoverable]) -> None:
            self._offers[image] = found
            self.offered.emit(image)

        title = f"Looking for corrections of {image.state.source.name}"
        self._context.run_quick(title, image, image.offers_steps(), done=done)
