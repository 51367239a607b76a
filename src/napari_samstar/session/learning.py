"""What a few typical objects say of all others, as a command."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from napari_samstar.types import Progress

if TYPE_CHECKING:
    from napari_samstar.runs import MaskRuns
    from napari_samstar.session.image import ImageState

__all__ = ["learn"]

_LEARNED = ("diameter", "size_unit", "circularity", "shape", "polarity")


def learn(
    state: ImageState, examples: Sequence[MaskRuns]
) -> Generator[Progress, None, Mapping[str, Any]]:
    """Learn from masks of typical objects; returns `known`, fields of the prior."""
    yield Progress("measuring", 0, 1)
    from napari_samstar.rewards.learn import learn_prior

    masks = [runs.dense(k) for runs in examples for k in range(len(runs))]
    prior = learn_prior(masks, state.source.micrograph)
    return {"known": {name: getattr(prior, name) for name in _LEARNED}}
