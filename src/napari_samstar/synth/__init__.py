"""Synthetic micrographs with exact masks, for training, examples and tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth.afm import topography
from napari_samstar.synth.alloys import carbides, gamma_prime, precipitates
from napari_samstar.synth.bacteria import bacteria
from napari_samstar.synth.cells import cells
from napari_samstar.synth.films import films
from napari_samstar.synth.grains import grains
from napari_samstar.synth.instrument import drift, record
from napari_samstar.synth.lattices import lattice
from napari_samstar.synth.layers import oxide, stack
from napari_samstar.synth.melt_pools import melt_pools
from napari_samstar.synth.nuclei import nuclei
from napari_samstar.synth.overlay import burn_in
from napari_samstar.synth.particles import particles_sem, particles_tem
from napari_samstar.synth.phases import spinodal
from napari_samstar.synth.potts import potts_grains
from napari_samstar.synth.powder import powder
from napari_samstar.synth.scene import Draft, Scene, finish
from napari_samstar.synth.solids import crystals, wires
from napari_samstar.synth.tissue import tissue
from napari_samstar.synth.xct import tomogram

__all__ = ["KINDS", "MORE_KINDS", "Scene", "generate"]

Painter = Callable[[np.random.Generator, tuple[int, int], SynthSettings], Draft]


class _Recipe(NamedTuple):
    painter: Painter
    weight: float  # share in the random mix
    split: bool = False  # every piece of a label is an object of its own
    drifts: bool = True  # scanned, and without hidden masks


_RECIPES: dict[str, _Recipe] = {
    "particles_tem": _Recipe(particles_tem, 3.0, drifts=False),
    "particles_sem": _Recipe(particles_sem, 3.0),
    "powder": _Recipe(powder, 2.0),
    "crystals": _Recipe(crystals, 1.2),
    "wires": _Recipe(wires, 0.8, drifts=False),
    "precipitates": _Recipe(precipitates, 1.5),
    "gamma_prime": _Recipe(gamma_prime, 1.0, split=True),
    "carbides": _Recipe(carbides, 1.0),
    "spinodal": _Recipe(spinodal, 0.6),
    "grains": _Recipe(grains, 1.5, split=True),
    "melt_pools": _Recipe(melt_pools, 0.8, drifts=False),
    "oxide": _Recipe(oxide, 1.2, drifts=False),
    "stack": _Recipe(stack, 0.6, split=True),
    "lattice": _Recipe(lattice, 0.8),
    "topography": _Recipe(topography, 0.8, split=True),
    "tomogram": _Recipe(tomogram, 0.8, drifts=False),
    "bacteria": _Recipe(bacteria, 2.5, drifts=False),
    "cells": _Recipe(cells, 1.5, drifts=False),
    "nuclei": _Recipe(nuclei, 2.5, drifts=False),
    "tissue": _Recipe(tissue, 0.6, drifts=False),
    # below: no part of the mix, which the bundled model's training repeats
    "potts": _Recipe(potts_grains, 0.0, split=True),
}

#: Names of the generators in the random mix.
KINDS: tuple[str, ...] = tuple(k for k, r in _RECIPES.items() if r.weight > 0)

#: Names of the others, which are drawn where they are asked for.
MORE_KINDS: tuple[str, ...] = (*(k for k, r in _RECIPES.items() if r.weight == 0), "film")


def generate(
    kind: str | None = None,
    shape: tuple[int, int] = (512, 512),
    seed: int = 0,
    settings: SynthSettings | None = None,
) -> Scene:
    """Make one synthetic micrograph and its truth.

    Parameters
    ----------
    kind : str or None
        One of `KINDS` or `MORE_KINDS`; None draws one of `KINDS` by the weights of the settings.
        "film" is `films.films` of its first level, which knows no settings.
    shape : tuple of int
        Height and width, px; at least 32.
    seed : int
        Equal seeds give equal scenes.
    settings : SynthSettings, optional
        Ranges and probabilities.

    Returns
    -------
    Scene
        See there.

    Raises
    ------
    ValueError
        If `kind` or a weight's name is not known, or the frame too small.
    """
    settings = settings or SynthSettings()
    if kind is not None and kind not in (*KINDS, *MORE_KINDS):
        known = ", ".join((*KINDS, *MORE_KINDS))
        raise ValueError(f"There is no synthetic '{kind}'; known are {known}.")
    if min(shape) < 32:
        raise ValueError(f"A synthetic image needs at least 32 x 32 px, not {shape}.")
    if kind == "film":
        return replace(films(shape=shape, seed=seed), kind=kind)
    rng = np.random.default_rng(seed)
    if kind is None:
        given = dict(settings.weights) or {k: _RECIPES[k].weight for k in KINDS}
        weights = np.array([given.get(k, 0.0) for k in KINDS], np.float64)
        if set(given) - set(KINDS) or weights.sum() <= 0:
            raise ValueError(f"The weights do not name any of {', '.join(KINDS)}, or name others.")
        kind = KINDS[int(rng.choice(len(KINDS), p=weights / weights.sum()))]
    recipe = _RECIPES[kind]
    height, width = int(shape[0]), int(shape[1])
    if recipe.drifts and rng.random() < settings.drift:
        wide = recipe.painter(rng, (height, width + 2 * (width // 10)), settings)
        draft = drift(rng, wide, width)
    else:
        draft = recipe.painter(rng, (height, width), settings)
    hints: dict[str, Any] = draft.params.get("instrument", {})
    image, drawn = record(rng, draft.image, settings, hints)
    if rng.random() < settings.overlay:
        image, covered = burn_in(rng, image)
        draft = _covered(draft, covered)
    draft = replace(draft, params={**draft.params, "instrument": drawn, "seed": seed})
    return finish(draft, image, kind, settings.min_visible, recipe.split)


def _covered(draft: Draft, covered: NDArray[np.bool_]) -> Draft:
    """Take from the truth what an opaque box hides."""
    if not covered.any():
        return draft
    full = None
    if draft.full is not None:
        full = {}
        for label, (y0, x0, window) in draft.full.items():
            h, w = window.shape
            full[label] = (y0, x0, window & ~covered[y0 : y0 + h, x0 : x0 + w])
    groups = None
    if draft.groups is not None:
        groups = np.where(covered, 0, draft.groups).astype(np.int32)
    return replace(
        draft,
        labels=np.where(covered, 0, draft.labels).astype(np.int32),
        materials=np.where(covered, 0, draft.materials).astype(np.uint8),
        groups=groups,
        full=full,
    )
