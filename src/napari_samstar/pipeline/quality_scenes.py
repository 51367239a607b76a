"""Synthetic micrographs with their masks, and which of these the mask quality is learned from."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.metrics.instances import instance_overlaps
from napari_samstar.proposals.evidence import evidence
from napari_samstar.proposals.quality import of_size
from napari_samstar.proposals.storage import from_bytes, to_bytes
from napari_samstar.settings import Prior, TrainQualitySettings
from napari_samstar.synth import KINDS, Scene, generate
from napari_samstar.types import Proposals

__all__ = ["Drawn", "TrainingScene", "prior_of", "training_scene"]

# kinds of the scenes after the first, even ones: those with many objects, about as often as usual
_MIX = (
    *("particles_tem", "particles_sem", "powder", "precipitates", "grains", "carbides", "nuclei"),
    *("cells", "bacteria", "melt_pools", "crystals", "gamma_prime", "cells", "nuclei", "bacteria"),
    *("particles_sem", "tissue", "topography", "melt_pools", "spinodal"),
)
# and of those after these: where objects touch, and two of them look as whole as one
_CROWDED = ("bacteria", "cells", "bacteria", "powder", "bacteria", "nuclei", "cells", "melt_pools")
_MIX_SEED = 1000
_CROWDED_SEED = 2000
_PLAIN_SEED = 980_000

_LIKED = 0.1  # least first opinion of masks that are learned from because they are liked


def training_scene(number: int, settings: TrainQualitySettings) -> Scene:
    """Scene `number`: all kinds in turn, those of many objects, crowded ones, then plain ones."""
    plain = number - (settings.scenes - settings.plain_scenes)
    if plain >= 0:
        return _plain(np.random.default_rng(_PLAIN_SEED + plain))
    place, seed, kinds = number, number, KINDS
    for count, next_seed, next_kinds in (
        (settings.even_scenes, _MIX_SEED, _MIX),
        (settings.mix_scenes, _CROWDED_SEED, _CROWDED),
    ):
        if place < count:
            break
        place -= count
        seed, kinds = next_seed + place, next_kinds
    kind = kinds[seed % len(kinds)]
    rng = np.random.default_rng(seed + 77_000)
    low, high = np.log(settings.smallest_side), np.log(settings.largest_side)
    side = int(np.exp(rng.uniform(low, high)))
    width = int(min(max(side * rng.uniform(0.75, 1.35), 220), 700))
    return generate(kind, (side, width), seed=900_000 + seed)


def _plain(rng: np.random.Generator) -> Scene:
    """Sharp ellipses of one gray on another, apart, in white noise: what no instrument records.

    Simulations and drawings look so, and what people make to see what a program does.
    """
    height, width = (int(side) for side in rng.integers(120, 400, 2))
    radius = float(np.exp(rng.uniform(np.log(4.0), np.log(30.0))))
    long = rng.uniform(1.0, rng.choice([1.05, 1.6]))
    step = int(np.ceil(2 * radius * long * rng.uniform(1.15, 2.5))) + 2
    yy, xx = np.mgrid[:height, :width]
    labels = np.zeros((height, width), np.int32)
    for y in range(step // 2, height, step):
        for x in range(step // 2, width, step):
            if rng.random() < 0.15:
                continue
            turn, size = rng.uniform(0.0, np.pi), radius * rng.uniform(0.85, 1.0)
            along = (yy - y) * np.sin(turn) + (xx - x) * np.cos(turn)
            across = (yy - y) * np.cos(turn) - (xx - x) * np.sin(turn)
            inside = (along / long) ** 2 + across**2 <= size**2
            labels[inside] = labels.max() + 1
    low, high = 0.2, 0.2 + rng.uniform(0.15, 0.6)
    object_, ground = (low, high) if rng.random() < 0.5 else (high, low)
    image = np.where(labels > 0, object_, ground)
    image = image + rng.normal(0.0, rng.uniform(0.005, 0.3) * (high - low), image.shape)
    materials = (labels > 0).astype(np.uint8)
    image = np.clip(image, 0.0, 1.0).astype(np.float32)
    return Scene(image, labels, materials, None, np.zeros_like(labels), "plain", {})


def prior_of(labels: NDArray[np.int32], gray: NDArray[np.uint8]) -> Prior:
    """Return what an operator would say of an image: true ranges, a quarter wider at either end."""
    from skimage import measure

    regions: Any = measure.regionprops

    areas = np.bincount(labels.ravel())[1:]
    diameters = np.sqrt(4 / np.pi * areas[areas > 0])
    low, high = np.percentile(diameters, (1, 99))
    large = [p for p in regions(labels)[:300] if p.area >= 30]
    circularity = [min(1.0, 4 * np.pi * p.area / p.perimeter_crofton**2) for p in large]
    round_ = float(np.median(circularity)) if large else 0.8
    solid = float(np.median([p.solidity for p in large])) if large else 0.9
    inside = labels > 0
    coverage = float(inside.mean())
    bright = gray[inside].mean() > gray[~inside].mean() if not inside.all() else None
    return Prior(
        diameter=(max(low / 1.25, 1.0), high * 1.25),
        shape="round" if round_ > 0.87 else "compact" if solid > 0.88 else "irregular",
        coverage=(0.75 * coverage, min(1.25 * coverage, 1.0)),
        polarity=None if bright is None else "bright" if bright else "dark",
    )


def _partly(prior: Prior, rng: np.random.Generator) -> Prior:
    """Forget parts of a prior by chance, as people leave them out."""
    parts = ("polarity", "coverage", "shape", "diameter")
    return prior.model_copy(update={name: None for name in parts if rng.random() < 0.5})


@dataclass(frozen=True)
class TrainingScene:
    """What is learned from one scene: its masks, how good they are, and what they look like.

    Parameters
    ----------
    number : int
        Which scene it is.
    proposals : Proposals
        N masks.
    iou : (N,) float32
        Each mask's largest IoU with an object.
    evidence : tuple of (N, F) float32
        See `proposals.evidence`, with the whole prior and with a part of it.
    possible : tuple of (N,) bool
        Masks within either prior's range of sizes.
    """

    number: int
    proposals: Proposals
    iou: NDArray[np.float32]
    evidence: tuple[NDArray[np.float32], NDArray[np.float32]]
    possible: tuple[NDArray[np.bool_], NDArray[np.bool_]]

    @classmethod
    def of(cls, number: int, proposals: Proposals, labels: NDArray[np.int32]) -> TrainingScene:
        """Compare masks with the truth, and describe them."""
        first, _, iou, _, _ = instance_overlaps(proposals.runs, labels)
        best = np.zeros(len(proposals), np.float32)
        filled = np.flatnonzero(proposals.runs.areas() > 0)
        np.maximum.at(best, filled[first], iou.astype(np.float32))
        whole = prior_of(labels, proposals.gray)
        part = _partly(whole, np.random.default_rng(number))
        return cls(
            number,
            proposals,
            best,
            (evidence(proposals, whole), evidence(proposals, part)),
            (of_size(proposals, whole), of_size(proposals, part)),
        )

    def to_bytes(self) -> bytes:
        """All of it, compressed; see `from_bytes`."""
        table = replace(self.proposals, logits=None, columns={})
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            proposals=np.frombuffer(to_bytes(table), np.uint8),
            gray=table.gray,
            iou=self.iou,
            evidence=np.stack(self.evidence),
            possible=np.stack(self.possible),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, number: int, data: bytes) -> TrainingScene:
        """Read what `to_bytes` wrote."""
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            proposals = from_bytes(stored["proposals"].tobytes(), stored["gray"])
            iou = stored["iou"]
            (whole, part), (possible, partly) = stored["evidence"], stored["possible"]
        return cls(number, proposals, iou, (whole, part), (possible, partly))

    def drawn(self, count: int) -> Iterator[Drawn]:
        """Draw masks to learn from: by chance, half of them with an IoU over 0.4.

        `count` of them with the whole prior, half as many with a part of it.
        """
        rng = np.random.default_rng([self.number, 1])
        for x, possible, wanted in zip(
            self.evidence, self.possible, (count, count // 2), strict=True
        ):
            rows = np.flatnonzero(possible)
            some, weight = _by_chance(rows, self.iou[rows], wanted, rng)
            yield Drawn(x, rows, some, weight, wanted)


@dataclass(frozen=True)
class Drawn:
    """Masks of one scene to learn from.

    Parameters
    ----------
    evidence : (N, F) float32
        Of all masks.
    rows : (K,) int64
        Those that are possible.
    some : (D,) int64
        Those drawn, by their place among the K.
    weight : (D,) float32
        How much each counts.
    wanted : int
        How many were asked for.
    """

    evidence: NDArray[np.float32]
    rows: NDArray[np.int64]
    some: NDArray[np.int64]
    weight: NDArray[np.float32]
    wanted: int

    def with_liked(self, first: NDArray[np.float32]) -> Drawn:
        """Add as many that the opinion `first` (K,) likes best: it is among those that one errs."""
        liked = np.argsort(-first, kind="stable")[: self.wanted]
        liked = liked[first[liked] > _LIKED]
        return replace(
            self,
            some=np.concatenate([self.some, liked]),
            weight=np.concatenate([self.weight, np.ones(liked.size, np.float32)]),
        )


def _by_chance(
    rows: NDArray[np.int64], iou: NDArray[np.float32], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Places of as many good as bad ones, and the square root of how many each stands for."""
    good, bad = np.flatnonzero(iou > 0.4), np.flatnonzero(iou <= 0.4)
    some = rng.choice(good, min(good.size, count // 2), replace=False)
    others = rng.choice(bad, min(bad.size, count - some.size), replace=False)
    stand_for = [
        np.full(part.size, np.sqrt(of.size / max(part.size, 1)))
        for part, of in ((some, good), (others, bad))
    ]
    weight = np.concatenate(stand_for).astype(np.float32)
    mean = float(weight.mean()) if weight.size else 1.0
    return np.concatenate([some, others]), weight / max(mean, 1e-9)
