"""How far a job is, by a clock of the test's own."""

from __future__ import annotations

from napari_samstar._widgets.job_status import JobProgress
from napari_samstar.types import Progress


def test_the_time_left_follows_from_the_pace_since_these_steps_began() -> None:
    job = JobProgress("Preparing film")
    assert job.status(100.0).progress.stage == "starting"
    job.newest = Progress("decoding", 2, 10)
    assert job.status(101.0).seconds_left is None, "nothing is known yet"
    job.newest = Progress("decoding", 4, 10)
    assert job.status(105.0).seconds_left == 12.0
    job.newest = Progress("measuring", 1, 3)
    assert job.status(106.0).seconds_left is None, "other steps have a pace of their own"


def test_a_rest_does_not_count() -> None:
    job = JobProgress("Searching")
    job.newest = Progress("searching", 0, 10)
    job.status(0.0)
    job.pause(1.0)
    assert job.paused
    paused = job.status(1.0)
    assert (paused.progress.stage, paused.seconds_left) == ("paused", None)
    job.newest = Progress("searching", 5, 10)
    assert not job.due(50.0), "the step that was going on says nothing new"
    job.resume(61.0)
    assert job.due(61.5)
    assert job.status(70.0).seconds_left == 10.0


def test_what_was_shown_is_not_shown_again_and_news_only_so_often() -> None:
    job = JobProgress("Preparing film")
    job.newest = Progress("decoding", 1, 10)
    assert job.due(10.0)
    job.status(10.0)
    assert not job.due(20.0)
    job.newest = Progress("decoding", 2, 10)
    assert not job.due(10.1)
    assert job.due(10.3)
