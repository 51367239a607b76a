"""Slow settings, which need the network: tried only after the cheap genes are exhausted.

Grid, crops and preprocessing cost seconds to minutes before the first candidate, the other
genes a millisecond each. So the search stays with the present slow setting until half its budget is
spent or nothing better turns up; then the settings one step away that can be afforded run against
each other, and after each round the worse half drops out (successive halving: Jamieson &
Talwalkar, AISTATS 2016).
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xxhash

from napari_samstar.search.events import CandidateEvent, GenerationEvent, SettingEvent
from napari_samstar.search.pareto import Front
from napari_samstar.search.space import Space
from napari_samstar.search.study import Evaluate, Study
from napari_samstar.search.tally import Tally
from napari_samstar.settings import SearchSettings
from napari_samstar.types import SamStarError

__all__ = [
    "SlowSetting",
    "affordable",
    "halving",
    "journals",
    "neighbors",
    "schedule_steps",
]

_STEP = 0.3  # of a number's range: as far as a neighbor is away
_MOST_SEEDS = 8  # best candidates that a new slow setting tries first

#: Slow genes to a generator of progress events, which returns how to evaluate cheap genes.
Prepare = Callable[[Mapping[str, Any]], Generator[Any, None, Evaluate]]


@dataclass(frozen=True)
class SlowSetting:
    """One setting of the slow genes.

    Parameters
    ----------
    genes : mapping
        All slow genes.
    cost_s : float
        Seconds that it is estimated to take before its first candidate.
    """

    genes: Mapping[str, Any]
    cost_s: float


def neighbors(space: Space) -> list[dict[str, Any]]:
    """List settings that differ from the defaults in one gene, by another choice or one step."""
    found: dict[Any, dict[str, Any]] = {}
    for gene in space.genes:
        if gene.choices:
            values = [v for v in gene.choices if v != gene.default]
        else:
            here = gene.unit(gene.default)
            values = [gene.at(here - _STEP), gene.at(here + _STEP)]
        for value in values:
            changed = space.complete({gene.name: value})
            found.setdefault(space.key(changed), changed)
    found.pop(space.key(space.defaults), None)
    return list(found.values())


def affordable(settings: Sequence[SlowSetting], limit_s: float) -> list[SlowSetting]:
    """Take the cheapest settings that together cost no more than `limit_s`, cheapest first."""
    chosen: list[SlowSetting] = []
    for setting in sorted(settings, key=lambda s: s.cost_s):
        if sum(s.cost_s for s in chosen) + setting.cost_s <= limit_s:
            chosen.append(setting)
    return chosen


def halving(n: int, budget: int) -> list[tuple[int, int]]:
    """Share `budget` candidates among `n` settings by successive halving.

    Returns
    -------
    list of (int, int)
        For each round, how many settings are left in it, and how many candidates each gets.
    """
    left = [n]
    while left[-1] > 1:
        left.append((left[-1] + 1) // 2)
    return [(count, budget // len(left) // count) for count in left if count]


def journals(journal: Path | None) -> list[Path]:
    """List the files in which a search is recorded: its journal, and those of challengers."""
    if journal is None:
        return []
    return [journal, *sorted(journal.parent.glob(f"{journal.stem}.*{journal.suffix}"))]


def schedule_steps(
    cheap: Space,
    slow: Space,
    prepare: Prepare,
    cost: Callable[[Mapping[str, Any]], float],
    settings: SearchSettings,
    *,
    objectives: Sequence[str],
    seeds: Sequence[Mapping[str, Any]] = (),
    journal: str | Path | None = None,
    context: str = "",
    clock: Callable[[], float] = time.perf_counter,
) -> Generator[Any, None, Front]:
    """Search cheap and slow genes together; `settings.budget` counts all candidates.

    Parameters
    ----------
    cheap, slow : Space
        Genes of the two kinds; the search starts at the slow ones' defaults.
    prepare : callable
        Pays for a slow setting. A challenger for which it raises `SamStarError` is left out.
    cost : callable
        Slow genes to estimated seconds. To be resumed alike, estimates must not change.
    settings : SearchSettings
        ``slow_seconds`` limits the estimated cost of all challengers together; 0 tries none.
    objectives, seeds, journal, context, clock
        As in `Study`; seeds are cheap genes. Challengers have journals of their own beside
        `journal`.

    Yields
    ------
    SettingEvent
        Before each slow setting is paid for.
    CandidateEvent, GenerationEvent
        As in `Study.steps`, of all settings together; candidates carry slow and cheap genes.
    Any
        Whatever `prepare` yields.

    Returns
    -------
    Front
        Of all candidates of all settings.
    """
    path = None if journal is None else Path(journal)
    tally = Tally(objectives, settings.budget, path, clock)
    incumbent = SlowSetting(slow.defaults, cost(slow.defaults))
    others = [SlowSetting(genes, cost(genes)) for genes in neighbors(slow)]
    challengers = affordable(others, settings.slow_seconds)
    half = settings.budget // 2
    # none gets fewer candidates than one generation
    while challengers and halving(len(challengers), half)[0][1] < settings.population:
        challengers.pop()
    tally.unpaid_s = incumbent.cost_s + sum(s.cost_s for s in challengers)
    race = _Race(cheap, prepare, settings, tally, context, clock, planned=1 + len(challengers))
    with contextlib.ExitStack() as stack:
        first = settings.budget - (half if challengers else 0)
        home = yield from race.enter(incumbent, first, seeds, path, stack)
        yield from race.draw(home, first)
        yield from race.draw(home, None)
        if challengers:
            rest = settings.budget - len(tally.candidates)
            yield from race.run(challengers, rest, _best(home.study.front()), stack)
    tally.finished = home.study.front().finished
    if challengers:
        tally.finished = f"{race.entered} slow settings were compared."
    return tally.front()


def _best(front: Front) -> list[Mapping[str, Any]]:
    """Genes worth trying under another slow setting."""
    best = [front.preferred(), front.knee, *front.best_per_objective.values()]
    return list({c.index: c.genes for c in best}.values())[:_MOST_SEEDS]


@dataclass(frozen=True)
class _Runner:
    """A study under way, of one slow setting."""

    setting: SlowSetting
    study: Study
    steps: Generator[CandidateEvent | GenerationEvent, None, Front]

    def volume(self) -> float:
        return self.study.tally.hypervolume()


@dataclass
class _Race:
    """What all studies of one schedule share."""

    cheap: Space
    prepare: Prepare
    settings: SearchSettings
    tally: Tally
    context: str
    clock: Callable[[], float]
    planned: int
    entered: int = 0

    def run(
        self,
        challengers: Sequence[SlowSetting],
        budget: int,
        seeds: Sequence[Mapping[str, Any]],
        stack: contextlib.ExitStack,
    ) -> Generator[Any, None, None]:
        """Let the challengers run against each other."""
        rounds = halving(len(challengers), budget)
        runners: list[_Runner] = []
        for setting in challengers:
            path = _beside(self.tally.journal, setting)
            try:
                runner = yield from self.enter(setting, budget, seeds, path, stack)
            except SamStarError as err:
                yield from self.tally.paused(self._told(setting, str(err)))
                continue
            runners.append(runner)
            yield from self.draw(runner, rounds[0][1])
        for left, each in rounds[1:]:
            # after equally many candidates, more volume is the better setting
            runners.sort(key=_Runner.volume, reverse=True)
            for runner in runners[left:]:
                runner.steps.close()
            del runners[left:]
            for runner in runners:
                yield from self.draw(runner, each)
        for runner in runners[:1]:  # what rounding and failures left over
            yield from self.draw(runner, self.tally.budget - len(self.tally.candidates))

    def enter(
        self,
        setting: SlowSetting,
        budget: int,
        seeds: Sequence[Mapping[str, Any]],
        journal: Path | None,
        stack: contextlib.ExitStack,
    ) -> Generator[Any, None, _Runner]:
        """Pay for a slow setting."""
        self.entered += 1
        yield from self.tally.paused(self._told(setting))
        try:
            with self.tally.aside():
                evaluate = yield from self._paid(setting)
        finally:
            self.tally.unpaid_s -= setting.cost_s
        study = Study(
            self.cheap,
            self.settings.model_copy(update={"budget": budget}),
            objectives=self.tally.objectives,
            seeds=seeds,
            journal=journal,
            context=f"{self.context} {_name(setting)}",
            clock=self.clock,
        )
        steps = stack.enter_context(contextlib.closing(study.steps(evaluate)))
        return _Runner(setting, study, steps)

    def draw(self, runner: _Runner, count: int | None) -> Generator[Any, None, None]:
        """Take `count` more candidates of a study, or all; fewer where it ends before."""
        while count is None or count > 0:
            event = next(runner.steps, None)
            if event is None:
                return
            if isinstance(event, CandidateEvent):
                count = None if count is None else count - 1
                genes = {**runner.setting.genes, **event.candidate.genes}
                index = len(self.tally.candidates)
                candidate = replace(event.candidate, index=index, genes=genes)
                told = self.tally.add(candidate, replayed=event.replayed)
                yield from self.tally.paused(told)
            else:
                yield from self.tally.paused(self.tally.end_generation())

    def _paid(self, setting: SlowSetting) -> Generator[Any, None, Evaluate]:
        steps = self.prepare(setting.genes)
        while True:
            try:
                event = next(steps)
            except StopIteration as stop:
                evaluate: Evaluate = stop.value
                return evaluate
            yield from self.tally.paused(event)

    def _told(self, setting: SlowSetting, error: str = "") -> SettingEvent:
        return SettingEvent(
            genes=setting.genes,
            cost_s=setting.cost_s,
            number=self.entered,
            planned=self.planned,
            eta_s=self.tally.eta_s,
            error=error,
        )


def _name(setting: SlowSetting) -> str:
    return json.dumps(setting.genes, sort_keys=True)


def _beside(journal: Path | None, setting: SlowSetting) -> Path | None:
    if journal is None:
        return None
    short = xxhash.xxh64(_name(setting).encode()).hexdigest()[:8]
    return journal.with_name(f"{journal.stem}.{short}{journal.suffix}")
