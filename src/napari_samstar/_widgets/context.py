"""What all docks of one viewer share: its session, its jobs, its layers."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from contextlib import closing
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, QTimer

from napari_samstar._widgets.collecting import Collecting
from napari_samstar._widgets.correcting import Correcting
from napari_samstar._widgets.images import ImageWatcher
from napari_samstar._widgets.job import Steps
from napari_samstar._widgets.job_runner import JobRunner
from napari_samstar._widgets.layers import compile_colors
from napari_samstar._widgets.memory import give_back, share_arenas
from napari_samstar._widgets.outputs import Outputs
from napari_samstar._widgets.qt import Signal
from napari_samstar.session import ImageState, OpenImage, Session
from napari_samstar.session.advice import headline
from napari_samstar.types import Progress

if TYPE_CHECKING:
    import napari

    from napari_samstar.pipeline import RunResult

__all__ = ["EVERYTHING", "Context", "context_of"]

#: Names of all that can change of an image.
EVERYTHING = frozenset(field.name for field in fields(ImageState))

_HEADLINES = 8  # results whose headline is kept
_GONE_MS = 500  # until all of a window that was closed has been deleted

# napari gives a widget its viewer and nothing more; an entry goes when its viewer goes
_CONTEXTS: weakref.WeakKeyDictionary[Any, Context] = weakref.WeakKeyDictionary()


def context_of(viewer: napari.Viewer) -> Context:
    """Return what the docks of `viewer` share; made by the first of them."""
    viewer = getattr(viewer, "__wrapped__", viewer)  # plugins are handed a proxy
    context = _CONTEXTS.get(viewer)
    if context is None or context.is_closed:
        context = Context(viewer)
        _CONTEXTS[viewer] = context
    return context


def _colored(command: Steps) -> Steps:
    """Precede a command by what its result needs to be painted, in the thread of the job."""
    with closing(command):
        yield Progress("starting", 0, 0)
        compile_colors()
        return (yield from command)


class Context(QObject):
    """Session, jobs and layers of one viewer.

    Parameters
    ----------
    viewer : napari.Viewer
        Held weakly.
    """

    #: Another image is active, or the active one has changed: the names of what is new.
    image_changed = Signal(object)

    def __init__(self, viewer: napari.Viewer) -> None:
        super().__init__()
        self._viewer = weakref.ref(viewer)
        self.is_closed = False
        self._headlines: dict[int, tuple[weakref.ref[RunResult], str]] = {}
        share_arenas()
        self.session = Session()
        self._collecting = Collecting()
        self.jobs = JobRunner(self, self._collecting)
        #: For what takes a moment and is asked for often; the latest wins.
        self.quick_jobs = JobRunner(self, self._collecting)
        self.session.activated.connect(self._on_activated)
        self.session.changed.connect(self._on_changed)
        self.session.closed.connect(self._on_closed)
        self.outputs = Outputs(viewer, self.session)
        #: Edits of the objects, undone and kept.
        self.correcting = Correcting(self)
        self._watcher = ImageWatcher(viewer, self.session)
        window = getattr(getattr(viewer, "window", None), "_qt_window", None)
        if window is not None:
            window.destroyed.connect(self.close)

    @property
    def viewer(self) -> napari.Viewer:
        """The viewer."""
        viewer = self._viewer()
        if viewer is None:
            raise RuntimeError("The viewer is gone.")
        return viewer

    @property
    def image(self) -> OpenImage | None:
        """The image that is worked on."""
        return self.session.active

    def run(self, title: str, image: OpenImage, command: Steps, **options: Any) -> bool:
        """Run a command of `image` as the one job of this viewer, and let it change the image.

        What the command yields besides progress changes the image on the way. `options` are those
        of `JobRunner.start`; ``done`` is called after the image has changed.
        """
        then = options.pop("done", None)

        def changed(events: list[Any]) -> None:
            newest: dict[str, Any] = {}
            for event in events:
                newest |= event
            image.update(**newest)

        def done(changes: Any) -> None:
            image.update(**changes)
            if then is not None:
                then(changes)

        options.setdefault("events", changed)
        steps = self._shown(_colored(command))
        return self.jobs.start(title, steps, done=done, owner=image, **options)

    def run_quick(self, title: str, image: OpenImage, steps: Steps, **options: Any) -> None:
        """Run something short; what was asked for before and has not come yet is dropped."""
        steps = self._shown(steps)
        self.quick_jobs.start(title, steps, owner=image, quiet=True, replace=True, **options)

    def headline(self, result: RunResult) -> str:
        """Say what was found, worked out once for each result, in the thread of its job."""
        known = self._headlines.get(id(result))
        if known is None or known[0]() is not result:
            while len(self._headlines) > _HEADLINES:
                self._headlines.pop(next(iter(self._headlines)), None)
            known = weakref.ref(result), headline(result)
            self._headlines[id(result)] = known
        return known[1]

    def _shown(self, steps: Steps) -> Steps:
        """Follow steps by what takes long of showing their result, in the thread of the job."""
        with closing(steps):
            changes = yield from steps
        if isinstance(changes, Mapping) and changes.get("result") is not None:
            self.headline(changes["result"])
        return changes

    def close(self) -> None:
        """Stop the jobs and forget the images; the window is gone."""
        if not self.is_closed:
            self.is_closed = True
            self.jobs.stop()
            self.quick_jobs.stop()
            self.correcting.close()
            self.session.clear()
            self._collecting.let_go()
            # the pages of the window, and what its last job holds, go a moment after it
            QTimer.singleShot(_GONE_MS, give_back)

    def _on_activated(self, image: OpenImage | None) -> None:
        if image is not None:
            self.correcting.look()
        self.image_changed.emit(EVERYTHING)

    def _on_changed(self, image: OpenImage, names: frozenset[str]) -> None:
        if names & {"source", "result"} and not image.state.measured:
            self._measure_again(image)
        if image is self.image:
            self.image_changed.emit(names)

    def _measure_again(self, image: OpenImage) -> None:
        """Let the table follow the pixel size, also where a job began before that was changed."""
        result = image.state.result
        if image.state.corrections is not None:
            self.correcting.measure(image)
            return

        def done(changes: Any) -> None:
            if image.state.result is result and image.state.corrections is None:
                image.update(**changes)
            elif not image.state.measured:
                self._measure_again(image)

        title = f"Measuring {image.state.source.name}"
        self.run_quick(title, image, image.recalibrate_steps(), done=done)

    def _on_closed(self, image: OpenImage) -> None:
        self.jobs.forget(image)
        self.quick_jobs.forget(image)
