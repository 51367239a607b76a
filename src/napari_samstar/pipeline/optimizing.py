"""The search for the setting whose masks agree best with the physics."""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.cache import content_key
from napari_samstar.pipeline.driving import run
from napari_samstar.pipeline.slow import SlowStage, cheap_genes, slow_genes
from napari_samstar.proposals.measured import MeasuredRows
from napari_samstar.proposals.quality import quality_steps
from napari_samstar.proposals.select import select
from napari_samstar.rewards.base import RewardTerm, check_calibrated
from napari_samstar.rewards.priors import importances_for, terms_for
from napari_samstar.rewards.scoring import family_scores, scores
from napari_samstar.search.events import CandidateEvent, GenerationEvent, SettingEvent
from napari_samstar.search.fields import apply, space_of
from napari_samstar.search.pareto import Candidate, Front
from napari_samstar.search.schedule import schedule_steps
from napari_samstar.search.space import Space
from napari_samstar.search.study import Evaluate, Study
from napari_samstar.settings import (
    AmgSettings,
    Prior,
    RewardLayerSettings,
    SearchSettings,
    SelectSettings,
)
from napari_samstar.types import (
    SOURCES,
    Micrograph,
    Progress,
    Proposals,
    SamStarError,
    Selection,
)

__all__ = [
    "SelectionFront",
    "objectives_of",
    "optimize",
    "optimize_steps",
    "prior_in_pixels",
    "with_prior",
]

# shapes, gray values, outlines, blocks, matches, evidence, opinion, neighbors, choice, opinion
_PARTS = 10
_MOST_LAYERS = 3  # more masks than this on every pixel are no segmentation, and cost most to judge

Event = CandidateEvent | GenerationEvent | SettingEvent | Progress


@dataclass(frozen=True)
class SelectionFront(Front):
    """Pareto front whose candidates are selections of proposals.

    Parameters
    ----------
    base : SelectSettings
        What the genes change.
    terms : tuple of RewardTerm
        The rewards; objectives are these, or their families.
    tables : mapping
        Proposals by the values of the slow genes; without slow genes there is one, of the key ().
    slow : SlowStage or None
        What the slow genes mean, where there were any.
    """

    base: SelectSettings = field(default_factory=SelectSettings)
    terms: tuple[RewardTerm, ...] = ()
    tables: Mapping[Hashable, Proposals] = field(default_factory=dict, repr=False, compare=False)
    slow: SlowStage | None = field(default=None, repr=False, compare=False)

    def preferred(
        self, importances: Mapping[str, float] | Sequence[float] | None = None
    ) -> Candidate:
        """Choose as `Front.preferred`; objectives left out have `importances_for`'s."""
        return super().preferred(self._completed(importances))

    def ranked(
        self, importances: Mapping[str, float] | Sequence[float] | None = None
    ) -> tuple[Candidate, ...]:
        """Sort as `Front.ranked`; objectives left out have `importances_for`'s."""
        return super().ranked(self._completed(importances))

    def _completed(
        self, importances: Mapping[str, float] | Sequence[float] | None
    ) -> Mapping[str, float] | Sequence[float]:
        if importances is None or isinstance(importances, Mapping):
            return {**importances_for(self.objectives), **(importances or {})}
        return importances

    def settings(self, candidate: Candidate) -> SelectSettings:
        """Complete settings of one candidate: what `select` takes."""
        return _settings(cheap_genes(candidate.genes), self.base)

    def proposals(self, candidate: Candidate) -> Proposals:
        """Table that the candidate selects from."""
        return self.tables[_key(slow_genes(candidate.genes))]

    def selection(self, candidate: Candidate) -> Selection:
        """Masks of one candidate; a few milliseconds."""
        return select(self.proposals(candidate), self.settings(candidate))


def optimize(
    proposals: Proposals,
    micrograph: Micrograph,
    rewards: Sequence[RewardTerm] | None = None,
    search: SearchSettings | None = None,
    report: Callable[[Any], None] | None = None,
    **options: Any,
) -> SelectionFront:
    """Search for the best settings; see `optimize_steps`."""
    return run(optimize_steps(proposals, micrograph, rewards, search, **options), report)


def optimize_steps(
    proposals: Proposals,
    micrograph: Micrograph,
    rewards: Sequence[RewardTerm] | None = None,
    search: SearchSettings | None = None,
    *,
    prior: Prior | None = None,
    base: SelectSettings | None = None,
    journal: str | Path | None = None,
    slow: SlowStage | None = None,
) -> Generator[Event, None, SelectionFront]:
    """Search the parameters of the selection for the best agreement with the physics.

    Everything is replayed on the proposals; the network is only needed for slow genes.

    Parameters
    ----------
    proposals : Proposals
        Every mask on offer.
    micrograph : Micrograph
        Its image; the pixel size turns physical targets into px.
    rewards : sequence of RewardTerm, optional
        What good masks look like; by default what `rewards.priors.terms_for` makes of the prior.
    search : SearchSettings, optional
        Method, budget, seed, and whether objectives are single terms or families of terms.
    prior : Prior, optional
        What is known of the sample.
    base : SelectSettings, optional
        The default parameters, which the search starts from.
    journal : path, optional
        Where every candidate is recorded; if the file is there, the search goes on from it. In a
        folder it gets a name of its own for each image, model, prior and search.
    slow : SlowStage, optional
        How to propose again, for ``search.slow_seconds``; without it, slow genes stay as they are.

    Yields
    ------
    CandidateEvent, GenerationEvent
        After each candidate and each generation. To pause, ask for no next event; to cancel, close
        the generator: ``event.front()`` of the last event, a `SelectionFront`, is what was found so
        far.
    Progress
        While all masks are measured, before the first candidate.
    SettingEvent, Progress
        Before proposals are made again, with the time that this may take, and meanwhile.

    Returns
    -------
    SelectionFront
        All candidates, those on the front, and how to choose among them.

    Raises
    ------
    SamStarError
        If a target is physical and the pixel size unknown, or there is no reward at all, or no
        candidate could be judged.
    """
    search = search or SearchSettings()
    prior = prior or Prior()
    terms = tuple(terms_for(prior, micrograph) if rewards is None else rewards)
    check_calibrated(terms, micrograph)
    known = prior_in_pixels(prior, micrograph)
    base = _started(base, known, proposals)
    space = _space(base, proposals)
    by_family = search.objectives == "families"
    judge = _Judge(proposals, micrograph, terms, base, known, by_family)
    context = _context(proposals, terms, base)
    if journal is not None and Path(journal).is_dir():
        # the pace is measured where it is not given, and then it is not part of the name
        asked = search.model_copy(update={"pace": None}).key()
        journal = Path(journal) / f"{content_key(context, asked)}.jsonl"
    yield from _measured(proposals, known)
    tables: dict[Hashable, Proposals] = {}
    shared: dict[str, Any] = {
        "objectives": judge.objectives,
        "seeds": _seeds(base, space),
        "journal": journal,
        "context": context,
    }
    steps: Generator[Any, None, Front]
    if slow is None or not search.slow_seconds:
        slow, tables[()] = None, proposals
        steps = Study(space, search, **shared).steps(judge.evaluate)
    else:
        prepare = _Prepare(slow, judge, tables)
        steps = schedule_steps(space, slow.space, prepare.steps, slow.cost, search, **shared)
    found = _Found(base, terms, tables, slow)
    return (yield from found.told(steps))


def objectives_of(terms: Sequence[RewardTerm], by_family: bool) -> tuple[str, ...]:
    """Names of what a search by these terms makes as good as it can."""
    if by_family:
        return tuple(family_scores(terms, np.zeros(len(terms))))
    return tuple(term.name for term in terms)


def _measured(proposals: Proposals, prior: Prior) -> Generator[Progress, None, None]:
    """Measure what judging the masks takes, in steps short enough to stop between."""
    parts, before = 0, 0
    for rows in quality_steps(proposals, prior):
        parts, before = parts + (rows <= before), rows
        done = min(parts * len(proposals) + rows, _PARTS * len(proposals))
        yield Progress("measuring all masks", done, _PARTS * len(proposals))


@dataclass(frozen=True)
class _Found:
    """What makes the front of a search one of selections."""

    base: SelectSettings
    terms: tuple[RewardTerm, ...]
    tables: Mapping[Hashable, Proposals]
    slow: SlowStage | None

    def of(self, front: Front) -> SelectionFront:
        known = {f.name: getattr(front, f.name) for f in fields(front)}
        mine = {f.name: getattr(self, f.name) for f in fields(self)}
        return SelectionFront(**known, **mine)

    def later(self, front: Callable[[], Front]) -> SelectionFront:
        return self.of(front())

    def told(self, steps: Generator[Any, None, Front]) -> Generator[Event, None, SelectionFront]:
        """Pass on events; the front that they give is one of selections."""
        while True:
            try:
                event = next(steps)
            except StopIteration as stop:
                return self.of(stop.value)
            if isinstance(event, (CandidateEvent, GenerationEvent)):
                event = replace(event, front=partial(self.later, event.front))
            yield event


@dataclass(frozen=True)
class _Prepare:
    """Pays for a slow setting."""

    slow: SlowStage
    judge: _Judge
    tables: dict[Hashable, Proposals]

    def steps(self, genes: Mapping[str, Any]) -> Generator[Progress, None, Evaluate]:
        made = yield from self.slow.steps(genes)
        yield from _measured(made, self.judge.prior)
        self.tables[_key(genes)] = made
        return replace(self.judge, proposals=made, first=self.judge.proposals).evaluate


def _key(genes: Mapping[str, Any]) -> Hashable:
    return tuple(sorted(genes.items()))


@dataclass(frozen=True)
class _Judge:
    """From genes to rewards: about a millisecond."""

    proposals: Proposals
    micrograph: Micrograph
    terms: tuple[RewardTerm, ...]
    base: SelectSettings
    prior: Prior
    by_family: bool
    first: Proposals | None = None

    @property
    def objectives(self) -> tuple[str, ...]:
        return objectives_of(self.terms, self.by_family)

    def evaluate(self, genes: Mapping[str, Any]) -> NDArray[np.float64]:
        return self.judge(select(self.proposals, _settings(genes, self.base)))

    def judge(self, selection: Selection) -> NDArray[np.float64]:
        height, width = selection.shape
        if selection.runs.areas().sum() > _MOST_LAYERS * height * width:
            return np.zeros(len(self.objectives))
        if isinstance(selection.measured, MeasuredRows):
            known = selection.measured.knowing(self.prior, self.first)
            selection = replace(selection, measured=known)
        found = scores(self.terms, selection, self.micrograph)
        if self.by_family:
            return np.array(list(family_scores(self.terms, found).values()))
        return found


def _started(base: SelectSettings | None, prior: Prior, proposals: Proposals) -> SelectSettings:
    """Give the base settings the prior and the sources that there are."""
    made = [s for s in SOURCES if (proposals.source == SOURCES.index(s)).any()]
    if base is None:
        base = SelectSettings(sources=tuple(made), reward_layer=RewardLayerSettings())
    else:
        base = base.model_copy(update={"sources": tuple(s for s in base.sources if s in made)})
    return with_prior(base, prior)


def _settings(genes: Mapping[str, Any], base: SelectSettings) -> SelectSettings:
    """Give the base settings the genes; without the layer it is Meta's generator, on its grid."""
    made = apply(genes, base)
    return made if made.reward_layer else made.model_copy(update={"sources": ("grid",)})


def _space(base: SelectSettings, proposals: Proposals) -> Space:
    """Genes that matter for these proposals."""
    made = [s for s in SOURCES if (proposals.source == SOURCES.index(s)).any()]
    genes = space_of(base, sources=made).genes
    if "grid" not in made:  # Meta's generator has nothing to work on
        alone = {"reward_layer", *(g.name for g in genes if g.when == ("reward_layer", False))}
        genes = tuple(g for g in genes if g.name not in alone)
    layer = ("reward_layer", True) if "grid" in made else None
    return Space(tuple(replace(g, when=layer) if g.name == "sources" else g for g in genes))


def _seeds(base: SelectSettings, space: Space) -> list[dict[str, Any]]:
    """List what is worth trying first: sources alone, strict and generous, and SAM's own."""
    names = set(space.names)
    sources = space["sources"].choices if "sources" in names else ()
    seeds: list[dict[str, Any]] = [{"sources": chosen} for chosen in sources]
    if "reward_layer.threshold" in names:
        gene = space["reward_layer.threshold"]
        middle = gene.default
        steps = (0.5 * (gene.low + middle), 0.5 * (middle + gene.high))
        seeds += [{"reward_layer.threshold": value} for value in steps]
    if "reward_layer" in names and ("grid",) in sources:
        meta = {"reward_layer": False, "sources": ("grid",)}
        defaults = AmgSettings()
        own = {
            f"amg.{name}": getattr(defaults, name)
            for name in AmgSettings.model_fields
            if f"amg.{name}" in names
        }
        loose = {"amg.pred_iou_thresh": 0.5, "amg.stability_score_thresh": 0.6}
        seeds += [{**meta, **own}, {**meta, **own, **loose}]
    return seeds


def _context(proposals: Proposals, terms: Sequence[RewardTerm], base: SelectSettings) -> str:
    """Hash of what the rewards depend on besides the genes."""
    decode = proposals.decode
    return content_key(
        "optimize-5",  # raised when quality or breeding change: rewards must not mix in a journal
        repr(sorted((k, repr(v)) for k, v in proposals.provenance.items())),
        decode.key() if decode is not None else "",
        repr([(term.name, sorted(term.values().items())) for term in terms]),
        base.key(),
    )


def prior_in_pixels(prior: Prior, micrograph: Micrograph) -> Prior:
    """Sizes in pixels; a pixel that is not square counts with its mean side.

    Raises
    ------
    SamStarError
        If the prior is in physical units and the pixel size is unknown.
    """
    size = micrograph.pixel_size
    try:
        return prior.in_pixels(
            None if size is None else (size[0] * size[1]) ** 0.5, micrograph.unit
        )
    except ValueError as err:
        raise SamStarError(str(err)) from err


def with_prior(settings: SelectSettings, prior: Prior) -> SelectSettings:
    """Give the reward layer the prior, where there is a layer."""
    if settings.reward_layer is None:
        return settings
    layer = settings.reward_layer.model_copy(update={"prior": prior})
    return settings.model_copy(update={"reward_layer": layer})
