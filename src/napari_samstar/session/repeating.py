"""A recipe's settings, for somebody who goes on from there."""

from __future__ import annotations

from napari_samstar.recipe import Recipe
from napari_samstar.settings import RunSettings

__all__ = ["settings_of"]


def settings_of(recipe: Recipe) -> RunSettings:
    """Take the settings that repeat a recipe; rewards follow the prior if that is changed."""
    from napari_samstar.rewards.priors import beyond_prior

    settings = recipe.run_settings()
    rewards = beyond_prior(settings.rewards, settings.prior)
    return settings.model_copy(update={"rewards": rewards})
