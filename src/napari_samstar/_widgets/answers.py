"""Clicks for a new object, answered beside the window."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_samstar._widgets.context import Context
from napari_samstar._widgets.job_runner import JobRunner
from napari_samstar.session import OpenImage
from napari_samstar.session.tools import NO_MODEL

if TYPE_CHECKING:
    from napari_samstar.proposals.clicked import Clicks, Suggestion

__all__ = ["Answers"]

_POLL_MS = 5  # somebody waits for the mask


class Answers(QObject):
    """Asks the network or the regions what clicks mean; the latest clicks win.

    Parameters
    ----------
    context : Context
        The viewer's.
    parent : QObject
        With it they end.
    say : callable
        Told a sentence where clicks cannot be answered now.
    """

    def __init__(self, context: Context, parent: QObject, say: Callable[[str], None]) -> None:
        super().__init__(parent)
        self._context = context
        self._say = say
        self.jobs = JobRunner(self, poll_ms=_POLL_MS)

    def ask(
        self,
        image: OpenImage,
        clicks: Callable[[], Clicks],
        answered: Callable[[Clicks, Suggestion], None],
    ) -> None:
        """Have clicks answered; an image that is not ready is made so first.

        Parameters
        ----------
        image : OpenImage
            What was clicked at.
        clicks : callable
            Gives the clicks so far.
        answered : callable
            Told a suggestion, and perhaps a better one later, with the clicks that it is for.
        """
        asked, state = clicks(), image.state
        if asked.empty:
            return
        if not state.clickable:
            self.get_ready(image, lambda: self.ask(image, clicks, answered))
            return
        if self._context.jobs.busy and state.model != NO_MODEL:
            self._say("The network is busy: wait until the job is finished, or press Stop.")
            return
        prompter = state.prompter
        assert prompter is not None
        made = state.prepared or state.result
        proposals = None if made is None else made.proposals

        def steps() -> Generator[Suggestion, None, None]:
            yield from prompter.ask(asked, proposals)

        self.jobs.start(
            f"Looking at {state.source.name}",
            steps(),
            events=lambda found: answered(asked, found[-1]),
            owner=image,
            quiet=True,
            replace=True,
        )

    def get_ready(self, image: OpenImage, then: Callable[[], None] | None = None) -> None:
        """Let the network look at the image, so that clicks are answered at once."""
        if self._context.jobs.busy:
            self._say("Wait until the running job is finished, or press Stop; then click again.")
            return
        title = f"Getting clicks ready for {image.state.source.name}"
        done = (lambda _: then()) if then is not None else None
        if self._context.run(title, image, image.prompter_steps(), done=done):
            self._say("One moment: the network looks at the image first.")

    def stop(self) -> None:
        """Drop what was asked."""
        self.jobs.stop()
