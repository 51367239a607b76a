"""Physics as numbers from 0 to 1: how well a selection agrees with what is known of the sample."""

from __future__ import annotations

from napari_samstar.rewards.base import (
    Parameter,
    Quality,
    RewardTerm,
    Term,
    measured,
)
from napari_samstar.rewards.registry import RewardWarning, make, terms
from napari_samstar.rewards.scoring import family_scores, scores

__all__ = [
    "Parameter",
    "Quality",
    "RewardTerm",
    "RewardWarning",
    "Term",
    "family_scores",
    "make",
    "measured",
    "scores",
    "terms",
]
