"""The running job: what is done, how far it is, how long it will take, and Stop."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_samstar._widgets.job_runner import JobRunner
from napari_samstar._widgets.job_status import JobStatus

__all__ = ["JobBar", "duration"]


class JobBar(QWidget):
    """Shows the job of a runner while there is one.

    Parameters
    ----------
    jobs : JobRunner
        Whose job to show.
    """

    def __init__(self, jobs: JobRunner) -> None:
        super().__init__()
        self._label = QElidingLabel()
        self._label.setElideMode(Qt.TextElideMode.ElideRight)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(12)
        self._stop = QPushButton("Stop")
        self._stop.setToolTip(
            "Stop at once. What was found so far is kept in the cache, so that the next run goes "
            "on from there."
        )
        self._stop.clicked.connect(jobs.stop)
        row = QHBoxLayout()
        row.addWidget(self._bar, 1)
        row.addWidget(self._stop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._label)
        layout.addLayout(row)
        self.setVisible(jobs.busy)
        jobs.status.connect(self._show)

    def _show(self, status: JobStatus | None) -> None:
        self.setVisible(status is not None)
        if status is None:
            return
        progress = status.progress
        left = "" if status.seconds_left is None else f"{duration(status.seconds_left)} left"
        parts = [f"{status.title}: {progress.stage}", left, progress.message]
        text = ", ".join(part for part in parts if part)
        self._label.setText(text)
        self._label.setToolTip(text)
        # empty where nobody knows, not busy: a bar that moves has the window drawn without end
        known = progress.total > 1
        # it would draw itself at once, and the whole window with it: with the rest is soon enough
        self._bar.setUpdatesEnabled(False)
        self._bar.setRange(0, progress.total if known else 1)
        self._bar.setValue(progress.done if known else 0)
        self._bar.setUpdatesEnabled(True)


def duration(seconds: float) -> str:
    """Say a time as one would: "about 20 s", "about 3 min"."""
    if seconds < 10:
        return f"about {max(1, round(seconds))} s"
    if seconds < 100:
        return f"about {5 * round(seconds / 5)} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"
