"""How far a job is: what there is to show, how often, and for how long it goes on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from napari_samstar.types import Progress

__all__ = ["JobProgress", "JobStatus"]

# How far it is is shown this often: without a graphics card, each change of a label has the whole
# window composed anew, which takes as long as drawing the picture.
_TELL_S = 0.25
_LEAST_S = 0.5  # a pace of less time says nothing


@dataclass(frozen=True)
class JobStatus:
    """What there is to show of a running job.

    Parameters
    ----------
    title : str
        What is being done, in a microscopist's words.
    progress : Progress
        How far it is.
    seconds_left : float or None
        Estimate, where the pace is known.
    """

    title: str
    progress: Progress
    seconds_left: float | None = None


class JobProgress:
    """How far one job is, and when to show it; times in seconds, of any one clock.

    Parameters
    ----------
    title : str
        What is being done, in a microscopist's words.

    Attributes
    ----------
    newest : Progress
        What the job told last.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.newest = Progress("starting", 0, 0)
        self._shown: Progress | None = None
        self._shown_at = 0.0
        self._paused_at: float | None = None
        # total, time and steps when this count of steps was first met
        self._stage_began: tuple[int, float, int] | None = None

    @property
    def paused(self) -> bool:
        """Whether the job rests."""
        return self._paused_at is not None

    def due(self, now: float) -> bool:
        """Whether there is something new, and it is time to show it."""
        rested = now >= self._shown_at + _TELL_S
        return rested and not self.paused and self.newest is not self._shown

    def status(self, now: float) -> JobStatus:
        """Say what there is to show, which is then shown."""
        if self.paused:
            progress = replace(self.newest, stage="paused", message="")
            left = None
        else:
            progress, left = self.newest, self._seconds_left(now)
        self._shown, self._shown_at = progress, now
        return JobStatus(self.title, progress, left)

    def pause(self, now: float) -> None:
        """Rest: the time that goes by is none of the job's."""
        self._paused_at = now

    def resume(self, now: float) -> None:
        """Go on."""
        if self._stage_began is not None and self._paused_at is not None:
            total, began, done = self._stage_began
            self._stage_began = total, began + now - self._paused_at, done
        self._paused_at = None

    def _seconds_left(self, now: float) -> float | None:
        """Estimate from the pace since this count of steps began; None where it says nothing."""
        progress, known = self.newest, self._stage_began
        if progress.total <= 1 or known is None or known[0] != progress.total:
            self._stage_began = (progress.total, now, progress.done)
            return None
        _, began, first = known
        done = progress.done - first
        if done <= 0 or now - began < _LEAST_S:
            return None
        return (now - began) / done * (progress.total - progress.done)
