"""The search as a command: it tells the front as it fills, drawn so far as it is worth showing."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from napari_samstar.rewards.base import RewardTerm, Term, Wanted
from napari_samstar.session import steps
from napari_samstar.session.found import Found, Plane, agreement, draw, step_for
from napari_samstar.session.tools import Tools
from napari_samstar.types import Micrograph, Progress, SamStarError, Selection

if TYPE_CHECKING:
    from napari_samstar.pipeline import SelectionFront
    from napari_samstar.session.image import ImageState, Prepared
    from napari_samstar.settings import SelectSettings

__all__ = ["agree", "families_of", "search", "take", "terms_of", "wanted_of"]

_EVERY_S = 0.3  # the front is told at most this often
_SHARE = 5.0  # and drawing takes at most one part in so many of the time


def families_of(state: ImageState) -> dict[str, list[tuple[str, bool]]]:
    """List rewards by family: their names, and whether they count; raises as `terms_of`."""
    families: dict[str, list[tuple[str, bool]]] = {}
    for term in terms_of(state):
        on = term.name not in state.settings.without
        families.setdefault(term.family, []).append((term.name, on))
    return families


def wanted_of(state: ImageState) -> dict[str, dict[str, Wanted]]:
    """List what rewards want of each object, by family and name; raises as `terms_of`."""
    families: dict[str, dict[str, Wanted]] = {}
    for term in terms_of(state):
        # terms of other packages need not derive from ours
        wanted = term.wanted() if isinstance(term, Term) else None
        if wanted is not None:
            families.setdefault(term.family, {})[term.name] = wanted
    return families


def terms_of(state: ImageState) -> list[RewardTerm]:
    """List the rewards that a search of this image has; no pixel is read.

    Raises
    ------
    SamStarError
        If sizes are physical and the pixel size is unknown.
    """
    from napari_samstar.rewards.priors import terms_for
    from napari_samstar.rewards.registry import make

    source, settings = state.source, state.settings
    blank = Micrograph(
        np.zeros((1, 1), np.float32), source.pixel_size, source.unit, name=source.name
    )
    extra = [make(name, **parameters) for name, parameters in settings.rewards]
    return terms_for(settings.prior, blank, extra)


def search(state: ImageState, tools: Tools) -> Generator[Any, None, Mapping[str, Any]]:
    """Search, after preparing where that is not done; tells `prepared` and `front` as they come."""
    from napari_samstar.session.image import Prepared

    yield Progress("reading", 0, 1)
    micrograph = state.source.micrograph
    prior = steps.prior_of(state)
    prepared = state.prepared if state.ready else None
    if prepared is None or prepared.prior != prior:
        changes = yield from steps.prepare(state, tools)
        yield changes
        prepared = changes["prepared"]
        assert isinstance(prepared, Prepared)
    if not len(prepared.proposals):
        raise SamStarError("No mask is on offer for this image: there is nothing to search.")
    from napari_samstar.pipeline import optimize_steps
    from napari_samstar.pipeline.segmenting import journal_folder, rewards_of
    from napari_samstar.search.events import CandidateEvent
    from napari_samstar.search.schedule import journals

    settings = state.settings
    shelf = _Shelf(prepared, step_for(micrograph.shape))
    searching = optimize_steps(
        prepared.proposals,
        micrograph,
        rewards_of(settings, micrograph),
        state.search,
        prior=settings.prior,
        base=settings.select,
        journal=journal_folder(tools.store),
    )
    with closing(searching):
        while True:
            try:
                with prepared.lock:
                    event = next(searching)
            except StopIteration as stop:
                front = stop.value
                break
            if isinstance(event, Progress):
                yield event
            if not isinstance(event, CandidateEvent):
                continue
            told = Progress(
                "searching", event.evaluated, event.budget, f"{event.front_size} on the front"
            )
            yield told
            if shelf.due():
                yield from shelf.show(cast("SelectionFront", event.front()), told)
    for journal in journals(front.journal):  # what is complete needs no way back
        journal.unlink(missing_ok=True)
    yield from shelf.show(front, Progress("drawing", 1, 1))
    return {}


def take(state: ImageState, boosted: bool = False) -> Generator[Progress, None, Mapping[str, Any]]:
    """Make the result of the candidate that is shown; returns `result`.

    Boosted, its masks are cleaned up and materials found, as the settings say; else the result is
    exactly the picture that was chosen.
    """
    found, candidate, prepared = state.front, state.candidate, state.prepared
    if found is None or candidate is None or prepared is None:
        raise SamStarError("There is no candidate to take yet: let the search run a little longer.")
    from napari_samstar.pipeline.segmenting import candidate_steps

    changed: dict[str, Any] = {"search": state.search}
    if not boosted:
        changed["boost"] = None
    settings = state.settings.model_copy(update=changed)
    steps = candidate_steps(state.source.micrograph, prepared.sam, settings, found.front, candidate)
    result = yield from _locked(steps, prepared.lock)
    return {"result": result}


def agree(state: ImageState) -> Generator[Progress, None, NDArray[np.float32] | None]:
    """Count where the best candidates agree, see `found.agreement`."""
    yield Progress("comparing", 0, 1)
    if state.front is None:
        return None
    return agreement(state.front, dict(state.settings.importances))


class _Shelf:
    """Pictures of the candidates on the front, and of the default; others are forgotten."""

    def __init__(self, prepared: Prepared, step: int) -> None:
        self._prepared = prepared
        self._step = step
        self._planes: dict[int, Plane] = {}
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time to show what was found."""
        return time.perf_counter() >= self._next

    def show(self, front: SelectionFront, told: Progress) -> Generator[Any, None, None]:
        """Draw what is new on `front`, and tell it."""
        began = time.perf_counter()
        wanted = {c.index: c for c in front.candidates}
        if front.default is not None:  # may be beaten, and is compared with all the same
            wanted.setdefault(front.default.index, front.default)
        planes = {}
        for index, candidate in wanted.items():
            if index not in self._planes:
                self._planes[index] = self._draw(front.settings(candidate))
                yield told
            planes[index] = self._planes[index]
        self._planes = planes
        now = time.perf_counter()
        self._next = now + max(_EVERY_S, _SHARE * (now - began))
        yield {"front": Found(front, dict(planes), self._step)}

    def _draw(self, settings: SelectSettings) -> Plane:
        from napari_samstar.proposals.select import select

        proposals = self._prepared.proposals
        with self._prepared.lock:
            selection: Selection = select(proposals, settings)
        return draw(selection, self._step, len(proposals))


def _locked(
    steps: Generator[Progress, None, Any], lock: threading.Lock
) -> Generator[Progress, None, Any]:
    """Take each step while nobody else works on the same proposals."""
    with closing(steps):
        while True:
            try:
                with lock:
                    event = next(steps)
            except StopIteration as stop:
                return stop.value
            yield event
