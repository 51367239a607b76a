"""Synthetic micrographs with exact masks, for training, examples and tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth.afm import topography
from napari_samstar.synth.alloys import carbides, gamma_prime, precipitates
from napari_samstar.synth.bacteria import bacteria
from napari_samstar.synth.cells import cells
from napari_samstar.synth.grains import grains, melt_pools
from napari_samstar.synth.instrument import drift, record
from napari_samstar.synth.lattices import lattice
from napari_samstar.synth.layers import oxide, stack
from napari_samstar.synth.nuclei import nuclei
from napari_samstar.synth.overlay import burn_in
from napari_samstar.synth.particles import particles_sem, particles_tem
from napari_samstar.synth.phases import spinodal
from napari_samstar.synth.powder import powder
from napari_samstar.synth.scene import Draft, Scene, finish
from napari_samstar.synth.solids import crystals, wires
from napari_samstar.synth.tissue import tissue
from napari_samstar.synth.xct import tomogram

__all__ = ["KINDS", "Scene", "generate"]

Painter = Callable[[np.random.Generator, tuple[int, int], SynthSettings], Draft]

# painter, weight in the random mix, and whether each piece of a label is its own object
_PAINTERS: dict[str, tuple[Painter, float, bool]] = {
    "particles_tem": (particles_tem, 3.0, False),
    "particles_sem": (particles_sem, 3.0, False),
    "powder": (powder, 1.5, False),
    "precipitates": (precipitates, 1.5, False),
    "gamma_prime": (gamma_prime, 1.0, True),
    "carbides": (carbides, 1.0, False),
    "grains": (grains, 1.5, True),
    "melt_pools": (melt_pools, 0.8, False),
    "oxide": (oxide, 1.2, False),
    "bacteria": (bacteria, 1.5, False),
    "cells": (cells, 1.5, False),
    "nuclei": (nuclei, 1.5, False),
    "crystals": (crystals, 1.2, False),
    "wires": (wires, 0.8, False),
    "stack": (stack, 0.6, True),
    "lattice": (lattice, 0.8, False),
    "spinodal": (spinodal, 0.6, False),
    "tomogram": (tomogram, 0.8, False),
    "topography": (topography, 0.8, True),
    "tissue": (tissue, 0.6, True),
}

#: Names of the generators.
KINDS: tuple[str, ...] = tuple(_PAINTERS)


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
        One of `KINDS`; None draws one by the weights of the settings.
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
    if kind is not None and kind not in _PAINTERS:
        raise ValueError(f"There is no synthetic '{kind}'; known are {', '.join(KINDS)}.")
    if min(shape) < 32:
        raise ValueError(f"A synthetic image needs at least 32 x 32 px, not {shape}.")
    rng = np.random.default_rng(seed)
    if kind is None:
        given = dict(settings.weights) or {k: w for k, (_, w, _) in _PAINTERS.items()}
        weights = np.array([given.get(k, 0.0) for k in KINDS], np.float64)
        if set(given) - set(KINDS) or weights.sum() <= 0:
            raise ValueError(f"The weights do not name any of {', '.join(KINDS)}, or name others.")
        kind = KINDS[int(rng.choice(len(KINDS), p=weights / weights.sum()))]
    painter, _, split = _PAINTERS[kind]
    draft = painter(rng, (int(shape[0]), int(shape[1])), settings)
    hints: dict[str, Any] = draft.params.get("instrument", {})
    if hints.get("scan", True) and rng.random() < settings.drift:
        draft = drift(rng, draft)
    image, drawn = record(rng, draft.image, settings, hints)
    if rng.random() < settings.overlay:
        image, covered = burn_in(rng, image)
        draft = _covered(draft, covered)
    draft = replace(draft, params={**draft.params, "instrument": drawn, "seed": seed})
    return finish(draft, image, kind, settings.min_visible, split)


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
