import numpy as np
import pytest

from napari_samstar.search.events import CandidateEvent, GenerationEvent, SettingEvent
from napari_samstar.search.schedule import (
    SlowSetting,
    affordable,
    halving,
    neighbors,
    schedule_steps,
)
from napari_samstar.search.space import Gene, Space
from napari_samstar.settings import SearchSettings
from napari_samstar.types import SamStarError
from tests.search.problems import ZDT1_SPACE, zdt1

SLOW = Space(
    (
        Gene("points", "integer", 32, low=8, high=64, log=True, slow=True),
        Gene("denoise", "choice", "off", choices=("off", "median", "gaussian"), slow=True),
        Gene("invert", "bool", False, slow=True),
    )
)
PREPARING = {"off": 10.0, "median": 12.0, "gaussian": 14.0}


class Laboratory:
    """A slow world with a clock of its own, where denoising by the median helps."""

    def __init__(self):
        self.now = 0.0
        self.paid = []

    def cost(self, genes):
        return PREPARING[genes["denoise"]] * genes["points"] / 32

    def prepare(self, genes):
        self.paid.append(dict(genes))
        for _ in range(4):
            self.now += self.cost(genes) / 4
            yield "batch"
        if genes["invert"]:
            raise SamStarError("There is nothing to see in the inverted image.")
        penalty = 0.0 if genes["denoise"] == "median" else 0.05

        def evaluate(cheap):
            self.now += 0.5
            return [max(0.0, r - penalty) for r in zdt1(cheap)]

        return evaluate

    def steps(self, *, budget=600, slow_seconds=1000.0, **options):
        return schedule_steps(
            ZDT1_SPACE,
            SLOW,
            self.prepare,
            self.cost,
            SearchSettings(budget=budget, slow_seconds=slow_seconds, population=12, patience=0),
            objectives=["a", "b"],
            clock=lambda: self.now,
            **options,
        )


def drive(steps):
    events = []
    while True:
        try:
            events.append(next(steps))
        except StopIteration as stop:
            return stop.value, events


def test_neighbors_differ_in_one_gene():
    found = neighbors(SLOW)
    assert {"points": 32, "denoise": "median", "invert": False} in found
    for genes in found:
        assert sum(genes[name] != value for name, value in SLOW.defaults.items()) == 1
    assert len(found) == 2 + 2 + 1


def test_affordable_takes_the_cheapest():
    settings = [SlowSetting({"n": n}, cost) for n, cost in enumerate((5.0, 1.0, 3.0, 9.0))]
    assert [s.cost_s for s in affordable(settings, 4.5)] == [1.0, 3.0]
    assert affordable(settings, 0.0) == []


@pytest.mark.parametrize(("n", "budget"), [(1, 50), (2, 100), (5, 300), (7, 333)])
def test_halving_spends_what_it_may(n, budget):
    rounds = halving(n, budget)
    assert rounds[0][0] == n
    assert rounds[-1][0] == 1
    assert 0.9 * budget <= sum(left * each for left, each in rounds) <= budget
    assert [each for _, each in rounds] == sorted(each for _, each in rounds)


def test_cheap_genes_are_exhausted_before_another_setting_is_paid_for():
    _, events = drive(Laboratory().steps())
    told = [e for e in events if isinstance(e, (CandidateEvent, SettingEvent))]
    assert isinstance(told[0], SettingEvent)
    assert told[0].genes == SLOW.defaults
    second = next(i for i, e in enumerate(told) if i and isinstance(e, SettingEvent))
    assert second - 1 == 300


def test_the_better_slow_setting_gets_the_most_candidates_and_wins():
    front, _ = drive(Laboratory().steps())
    tried = {}
    for candidate in front.evaluated[300:]:
        slow = tuple(candidate.genes[name] for name in SLOW.names)
        tried[slow] = tried.get(slow, 0) + 1
    best = max(tried, key=tried.get)
    assert best[1] == "median"
    assert front.preferred().genes["denoise"] == "median"
    assert len(front.evaluated) == 600
    assert [c.index for c in front.evaluated] == list(range(len(front.evaluated)))


def test_a_setting_that_fails_is_left_out_with_its_reason():
    front, events = drive(Laboratory().steps())
    failed = [e for e in events if isinstance(e, SettingEvent) and e.error]
    assert [e.genes["invert"] for e in failed] == [True]
    assert "inverted" in failed[0].error
    assert not any(c.genes["invert"] for c in front.evaluated)


def test_no_time_for_slow_settings_tries_none():
    laboratory = Laboratory()
    front, events = drive(laboratory.steps(slow_seconds=0.0, budget=100))
    assert laboratory.paid == [SLOW.defaults]
    assert len(front.evaluated) == 100
    assert sum(isinstance(e, SettingEvent) for e in events) == 1


def test_estimated_time_comes_true():
    laboratory = Laboratory()
    whole = []
    for event in laboratory.steps():
        if isinstance(event, CandidateEvent):
            whole.append(event.elapsed_s + event.eta_s)
        laboratory.now += 100.0  # a pause
    spent = whole[-1]
    # from the first candidate on, to the last
    assert whole[0] == pytest.approx(spent, rel=0.01)
    assert whole[300] == pytest.approx(spent, rel=0.01)


def test_what_preparing_tells_is_passed_on():
    _, events = drive(Laboratory().steps(slow_seconds=0.0, budget=20))
    assert events[1:5] == ["batch"] * 4
    assert isinstance(events[-1], GenerationEvent)


def test_resumed_schedule_is_the_same(tmp_path):
    path = tmp_path / "search.jsonl"
    whole, _ = drive(Laboratory().steps(budget=200))
    for stop in (30, 150, 190):
        steps = Laboratory().steps(budget=200, journal=path)
        for event in steps:
            if isinstance(event, CandidateEvent) and event.evaluated == stop:
                break
        steps.close()
        assert not list(tmp_path.glob("*.lock"))
    again, events = drive(Laboratory().steps(budget=200, journal=path))
    assert again.evaluated == whole.evaluated
    assert np.count_nonzero([getattr(e, "replayed", False) for e in events]) >= 190
