"""How good each mask is expected to be: learned from synthetic micrographs, asked of real ones.

A first opinion judges every mask by itself, the second one among those that the first likes best
(see `proposals.population`). The bundled trees were shown masks of synthetic scenes with their
exact truth, and nothing else (see the card beside the weights and `pipeline.quality_training`).
"""

from __future__ import annotations

from collections.abc import Generator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_samstar.proposals.chunks import at_once
from napari_samstar.proposals.columns import column, column_steps
from napari_samstar.proposals.evidence import evidence, outline_steps
from napari_samstar.proposals.forest import Forest, load_forests
from napari_samstar.proposals.overlaps import partner_steps
from napari_samstar.proposals.population import population_steps
from napari_samstar.settings import Prior
from napari_samstar.types import Proposals, SamStarError

__all__ = ["of_size", "possible", "quality", "quality_path", "quality_steps"]

_CLEAR = 0.5  # of the image's spread of gray: a contrast that nobody would call a mistake


def quality_path() -> Path:
    """Where the weights lie that come with the package."""
    return Path(__file__).resolve().parents[1] / "weights" / "samstar-quality.safetensors"


@cache
def _load(path: Path) -> dict[str, Forest]:
    return load_forests(path, ("first", "second"))


def quality(proposals: Proposals, prior: Prior) -> NDArray[np.float32]:
    """Return each mask's expected IoU with the object that it shows, (N,) 0 to 1; memoized.

    0 for masks that the prior rules out, see `possible`.

    Parameters
    ----------
    proposals : Proposals
        N masks.
    prior : Prior
        What is known; diameters must be in px.

    Raises
    ------
    SamStarError
        If the prior's sizes are not in px (see `Prior.diameter_px`).
    """
    return at_once(quality_steps(proposals, prior))


def quality_steps(proposals: Proposals, prior: Prior) -> Generator[int, None, NDArray[np.float32]]:
    """Find the same as `quality` in small steps; yields masks done of each part of the work."""
    key = ("quality", prior)
    if key not in proposals.columns:
        yield from column_steps(proposals)
        yield from outline_steps(proposals)
        yield from partner_steps(proposals)
        yield 0  # what follows takes a moment
        rows = np.flatnonzero(possible(proposals, prior))
        asked = evidence(proposals, prior)[rows]
        yield 0
        trees = _load(quality_path())
        first = np.clip((yield from trees["first"].steps(asked)), 0, 1)
        among = yield from population_steps(proposals, rows, asked, first)
        second = yield from trees["second"].steps(np.concatenate([asked, among], axis=1))
        found = np.zeros(len(proposals), np.float32)
        found[rows] = np.clip(second, 0, 1)
        proposals.columns[key] = found
    known: NDArray[np.float32] = proposals.columns[key]
    return known


def possible(proposals: Proposals, prior: Prior) -> NDArray[np.bool_]:
    """Whether the prior leaves each mask a chance, (N,); memoized.

    Ruled out are masks outside of its range of diameters, and those that are clearly of the other
    polarity: not darker where dark objects are asked for, but brighter than both the ring around
    and the image's median, by half the standard deviation of its gray values. One of the two alone
    says little: crowded objects have bright neighbors, and phase contrast a halo.

    Parameters
    ----------
    proposals : Proposals
        N masks.
    prior : Prior
        What is known; diameters must be in px.

    Raises
    ------
    SamStarError
        If the prior's sizes are not in px (see `Prior.diameter_px`).
    """
    key = ("possible", prior.diameter, prior.size_unit, prior.polarity)
    if key not in proposals.columns:
        made = of_size(proposals, prior)
        if prior.polarity is not None:
            inside, gray = column(proposals, "mean"), proposals.gray
            sign = 1.0 if prior.polarity == "bright" else -1.0
            contrast = np.maximum(
                sign * (inside - column(proposals, "ring_mean")), sign * (inside - np.median(gray))
            )
            made &= ~(contrast < -_CLEAR * float(np.std(gray)))
        proposals.columns[key] = made
    known: NDArray[np.bool_] = proposals.columns[key]
    return known


def of_size(proposals: Proposals, prior: Prior) -> NDArray[np.bool_]:
    """Whether each mask is within the prior's range of diameters, and not empty, (N,)."""
    diameter = column(proposals, "equivalent_diameter")
    if prior.diameter is None:
        return np.asarray(diameter > 0)
    if prior.size_unit != "px":
        raise SamStarError(
            f"The prior gives sizes in {prior.size_unit}: convert them to px with "
            "Prior.diameter_px before masks are judged."
        )
    return np.asarray((diameter >= prior.diameter[0]) & (diameter <= prior.diameter[1]))
