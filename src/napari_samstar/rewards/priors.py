"""From what the microscopist knows to the terms that judge selections by it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_samstar.rewards.base import RewardTerm, check_calibrated
from napari_samstar.rewards.confidence import ExpectedQuality, PredictedIou, Stability
from napari_samstar.rewards.contrast import Contrast, EdgeAlignment, Polarity, Separability
from napari_samstar.rewards.coverage import Coverage
from napari_samstar.rewards.overlap import Ambiguity, Overlap
from napari_samstar.rewards.shape import Circularity, Roundness, Solidity
from napari_samstar.rewards.size import Count, SizeBand
from napari_samstar.rewards.spacing import NeighborSpacing
from napari_samstar.settings import Prior
from napari_samstar.types import Micrograph

__all__ = ["beyond_prior", "importances_for", "terms_for"]

# one objective judges masks as a whole; the others decide where it finds candidates nearly alike
_LEADING = "quality"
_OTHERS = 0.05
_ALL = 0.95  # of the image
_IN_QUALITY = 0.0  # confidence is part of what quality was learned from; by itself it misleads


def terms_for(
    prior: Prior, micrograph: Micrograph, extra: Sequence[RewardTerm] = ()
) -> list[RewardTerm]:
    """Terms for what is known of a sample, with targets to match.

    What holds for every sample comes first: masks do not overlap, stand out from what is around,
    end on edges, and explain the image's variance together. Each part of the prior adds its own
    terms.

    Parameters
    ----------
    prior : Prior
        What is known; an empty one gives the general terms alone.
    micrograph : Micrograph
        The image; its pixel size is needed where the prior is physical.
    extra : sequence of RewardTerm
        More terms, as of a preset; they replace those of the same name.

    Returns
    -------
    list of RewardTerm
        Each name once.

    Raises
    ------
    SamStarError
        If the prior is in physical units and the pixel size unknown.
    """
    found = _asked_for(prior)
    check_calibrated(found, micrograph)
    terms = {term.name: term for term in found}
    terms.update({term.name: term for term in extra})
    return list(terms.values())


def beyond_prior(
    rewards: Sequence[tuple[str, dict[str, Any]]], prior: Prior
) -> tuple[tuple[str, dict[str, Any]], ...]:
    """Leave out, of rewards by name and parameters, those that the prior asks for by itself.

    A recipe names all that a search went by; whoever then changes the prior means the prior.
    """
    asked = {term.name: term.values() for term in _asked_for(prior)}
    return tuple((name, values) for name, values in rewards if asked.get(name) != values)


def _asked_for(prior: Prior) -> list[RewardTerm]:
    """Terms of a prior, each name once."""
    enough = _enough(prior)
    polarity = prior.polarity or "any"
    allowed = 0.05 if prior.overlap is None else min(prior.overlap, 0.95)
    found: list[RewardTerm] = [
        ExpectedQuality(),
        Overlap(allowed=allowed, **enough),
        Ambiguity(allowed=allowed, least_coverage=enough["least_coverage"]),
        Contrast(polarity=polarity, **enough),
        Polarity(polarity=polarity, **enough),
        EdgeAlignment(**enough),
        Stability(**enough),
    ]
    if prior.coverage is None or prior.coverage[1] < _ALL:
        # in the order of families; where objects may fill the image, nothing is left to tell from
        found.insert(-1, Separability(polarity=polarity))
    if prior.diameter is not None:
        low, high = prior.diameter
        found.append(SizeBand(low=low, high=high, unit=prior.size_unit, **enough))
    found += _shape_terms(prior, enough)
    if prior.coverage is not None:
        low, high = prior.coverage
        found.append(Coverage(low=low, high=max(high, 1e-9)))
    if prior.count is not None:
        fewest, most = prior.count
        found.append(Count(low=max(fewest, 1), high=max(most, 1)))
    if prior.spacing is not None:
        low, high = prior.spacing
        found.append(NeighborSpacing(low=low, high=high, unit=prior.spacing_unit, **enough))
    return found


def importances_for(objectives: Sequence[str]) -> dict[str, float]:
    """Say how important objectives are, unless a person says otherwise.

    Parameters
    ----------
    objectives : sequence of str
        Families or terms.

    Returns
    -------
    dict
        Expected quality counts 1, confidence 0, all others 0.05; without quality all count alike.
    """
    leading = {_LEADING, ExpectedQuality.name}
    if not leading & set(objectives):
        return dict.fromkeys(objectives, 1.0)
    within = {Stability.family, Stability.name, PredictedIou.name}
    known = dict.fromkeys(leading, 1.0) | dict.fromkeys(within, _IN_QUALITY)
    return {name: known.get(name, _OTHERS) for name in objectives}


def _shape_terms(prior: Prior, enough: dict[str, Any]) -> list[RewardTerm]:
    found: list[RewardTerm] = []
    if prior.shape == "round":
        found.append(Roundness(**enough))
    if prior.shape != "irregular":
        found.append(Solidity(**enough))
    if prior.circularity is not None or prior.shape == "round":
        near = 0.9 if prior.circularity is None else prior.circularity
        found.append(Circularity(low=max(near - 0.1, 0), high=min(near + 0.1, 1), **enough))
    return found


def _enough(prior: Prior) -> dict[str, Any]:
    """How many masks, and how much coverage, full score needs: half of the least that is known."""
    coverage = 0.01 if prior.coverage is None else 0.5 * prior.coverage[0]
    count = 1 if prior.count is None else max(1, prior.count[0] // 2)
    return {"least_count": count, "least_coverage": coverage}
