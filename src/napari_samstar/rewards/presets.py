"""Starting points for common samples, where little is known yet; none assumes a size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from napari_samstar.rewards.base import RewardTerm
from napari_samstar.rewards.contrast import Homogeneity
from napari_samstar.rewards.coverage import Border
from napari_samstar.rewards.priors import terms_for
from napari_samstar.rewards.shape import AspectRatio, OrientationOrder, Solidity
from napari_samstar.rewards.size import SizeDistribution
from napari_samstar.settings import Prior
from napari_samstar.types import Micrograph

__all__ = ["PRESETS", "Named", "Preset", "preset_in", "without_presets"]

#: A reward as settings hold it: name and parameters.
Named = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Preset:
    """What is true of most samples of a kind.

    Parameters
    ----------
    title : str
        How a menu calls it.
    description : str
        What it assumes, in one sentence.
    prior : Prior
        Wide ranges; what is known of a sample replaces its parts.
    extra : tuple of RewardTerm
        Terms beyond those that follow from the prior.
    """

    title: str
    description: str
    prior: Prior
    extra: tuple[RewardTerm, ...] = ()

    def prior_with(self, known: Prior) -> Prior:
        """Give the preset's prior with everything that `known` says put in its place."""
        said = {name: getattr(known, name) for name in known.model_fields_set}
        said = {name: value for name, value in said.items() if value is not None}
        return self.prior.model_copy(update=said)

    def known_with(self, known: Prior) -> Prior:
        """Give the preset's prior in place of another's, as one that starts from it.

        What some preset speaks of is as this one says, open where it is silent; sizes and all
        else that no preset speaks of stay as `known`.
        """
        said = {name: getattr(self.prior, name) for name in _spoken_of()}
        return known.model_copy(update=said)

    def rewards_with(self, rewards: Sequence[Named]) -> tuple[Named, ...]:
        """Give the preset's extra terms and `rewards`, less what another preset put there.

        Where a name is in both, that of `rewards` stays: a person chose it.
        """
        own = without_presets(rewards)
        taken = {name for name, _ in own}
        return (*(one for one in self._named() if one[0] not in taken), *own)

    def _named(self) -> tuple[Named, ...]:
        return tuple((term.name, term.values()) for term in self.extra)

    def terms_for(self, micrograph: Micrograph, known: Prior | None = None) -> list[RewardTerm]:
        """Give the preset's terms, with what is `known` besides; raises as `priors.terms_for`."""
        return terms_for(self.prior_with(known or Prior()), micrograph, self.extra)


#: By name.
PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "nanoparticles": Preset(
            "Nanoparticles",
            "Round particles of similar size that barely overlap.",
            Prior(shape="round", coverage=(0.01, 0.6), overlap=0.1),
            (SizeDistribution(spread=0.25), Border()),
        ),
        "grains": Preset(
            "Grains",
            "Compact grains that touch and fill the image, sizes log-normal.",
            Prior(shape="compact", coverage=(0.7, 1.0), overlap=0.02),
            (SizeDistribution(spread=0.45, tau=0.4), Homogeneity()),
        ),
        "layers": Preset(
            "Film layers",
            "Few long layers, side by side, cut by the frame.",
            Prior(shape="irregular", coverage=(0.2, 1.0), count=(1, 20), overlap=0.02),
            (
                AspectRatio(low=2.0, high=1000.0, border=True, least_count=1),
                OrientationOrder(border=True, least_count=3),
                Solidity(border=True, least_count=1),
                Homogeneity(least_count=1),
            ),
        ),
        "pores": Preset(
            "Pores",
            "Dark pores of very different size in a brighter solid.",
            Prior(polarity="dark", coverage=(0.002, 0.6), overlap=0.02),
            (SizeDistribution(spread=0.6, tau=0.5), Homogeneity()),
        ),
        "cells": Preset(
            "Cells",
            "Compact cells or nuclei of similar size, alone or side by side.",
            Prior(shape="compact", coverage=(0.02, 0.95), overlap=0.1),
            (SizeDistribution(spread=0.3, tau=0.4), Border()),
        ),
    }
)


def without_presets(rewards: Sequence[Named]) -> tuple[Named, ...]:
    """Leave out of `rewards` those that are exactly as a preset puts them there."""
    put = [one for preset in PRESETS.values() for one in preset._named()]
    return tuple((name, values) for name, values in rewards if (name, values) not in put)


def preset_in(rewards: Sequence[Named]) -> str | None:
    """Name the preset whose extra terms are among `rewards`; None where none is, or several are.

    Some of them may be there with other parameters, where a person chose those.
    """
    names = {name for name, _ in rewards}
    exact = {
        key: sum(one in rewards for one in preset._named())
        for key, preset in PRESETS.items()
        if names.issuperset(term.name for term in preset.extra)
    }
    most = max(exact.values(), default=0)
    found = [key for key, count in exact.items() if count == most]
    return found[0] if most and len(found) == 1 else None


def _spoken_of() -> set[str]:
    """Fields of a prior that some preset gives."""
    return {name for preset in PRESETS.values() for name in preset.prior.model_fields_set}
