"""Physics as numbers from 0 to 1: how well a selection agrees with what is known of the sample."""

from __future__ import annotations

from napari_samstar.rewards.base import (
    Parameter,
    Quality,
    RewardTerm,
    Term,
    measured,
)
from napari_samstar.rewards.learn import learn_prior
from napari_samstar.rewards.presets import PRESETS, Preset
from napari_samstar.rewards.priors import terms_for
from napari_samstar.rewards.registry import RewardWarning, make, terms
from napari_samstar.rewards.scoring import family_scores, scores

__all__ = [
    "PRESETS",
    "Parameter",
    "Preset",
    "Quality",
    "RewardTerm",
    "RewardWarning",
    "Term",
    "family_scores",
    "learn_prior",
    "make",
    "measured",
    "scores",
    "terms",
    "terms_for",
]
