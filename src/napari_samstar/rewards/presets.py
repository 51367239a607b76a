"""Starting points for common samples, where little is known yet; none assumes a size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from napari_samstar.rewards.base import RewardTerm
from napari_samstar.rewards.contrast import Homogeneity
from napari_samstar.rewards.coverage import Border
from napari_samstar.rewards.priors import terms_for
from napari_samstar.rewards.shape import AspectRatio, OrientationOrder, Solidity
from napari_samstar.rewards.size import SizeDistribution
from napari_samstar.settings import Prior
from napari_samstar.types import Micrograph

__all__ = ["PRESETS", "Preset"]


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
