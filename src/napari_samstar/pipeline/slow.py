"""The slow genes of one image: other grids, crops and preprocessing, and what they cost.

A slow setting changes what the network and the regions see. The physics of masks is measured on the
same image throughout: else denoising would win by making its own noise smaller.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from napari_samstar.cache import Store, content_key
from napari_samstar.io.preprocess import to_gray, to_rgb
from napari_samstar.pipeline.driving import run
from napari_samstar.pipeline.proposing import propose_steps
from napari_samstar.proposals import table
from napari_samstar.proposals.columns import column
from napari_samstar.proposals.decode import decode_prompts, point_prompts
from napari_samstar.proposals.grid import TILE_LAYER, crop_points, grid_crops, tile_crops
from napari_samstar.proposals.regions import find_regions
from napari_samstar.sam.base import model_hash
from napari_samstar.sam.embed import embed
from napari_samstar.search.events import SettingEvent
from napari_samstar.search.fields import apply, space_of
from napari_samstar.search.space import Space
from napari_samstar.settings import (
    DecodeSettings,
    PaceSettings,
    PreprocessSettings,
    Prior,
    RunSettings,
    SearchSettings,
)
from napari_samstar.types import SOURCES, Micrograph, Progress, Proposals

__all__ = ["SlowStage", "cheap_genes", "slow_genes", "slow_stage_steps", "told_setting"]

_DECODE, _VIEW = "decode.", "preprocess."
_SAMPLE = 512  # px, side of the piece whose regions are timed


@dataclass(frozen=True)
class SlowStage:
    """How proposals of one image are made again under other slow settings.

    Parameters
    ----------
    micrograph : Micrograph
        The image.
    sam : Sam or None
        The model; without one only preprocessing is a slow gene.
    settings : RunSettings
        Those of the first proposals, which the genes change; ``search.pace`` must be known.
    prior : Prior
        What is known, in px.
    first : Proposals
        The first proposals.
    store : Store
        Where embeddings and masks are kept that settings share.
    """

    micrograph: Micrograph
    sam: Any
    settings: RunSettings
    prior: Prior
    first: Proposals
    store: Store

    @cached_property
    def space(self) -> Space:
        """Slow genes; those that the selection insists on are left out."""
        view = space_of(_view(self.settings), prefix=_VIEW).slow
        if self.sam is None or not {"grid", "tiles"} & set(self.settings.decode.sources):
            return view
        genes = space_of(self.settings.decode, prefix=_DECODE).slow.genes
        asked = self.settings.select.amg.model_dump(exclude_none=True)
        return Space(tuple(g for g in genes if g.name.removeprefix(_DECODE) not in asked)) + view

    def decode(self, genes: Mapping[str, Any]) -> DecodeSettings:
        """Grid and crops by these genes; others than slow genes are not looked at."""
        return apply(_under(_DECODE, genes), self.settings.decode)

    def view(self, genes: Mapping[str, Any]) -> PreprocessSettings:
        """Preprocessing by these genes; others than slow genes are not looked at."""
        return apply(_under(_VIEW, genes), _view(self.settings))

    def steps(self, genes: Mapping[str, Any]) -> Generator[Progress, None, Proposals]:
        """Propose as these genes say."""
        if self.is_first(genes):
            return self.first
        return (
            yield from propose_steps(
                self.micrograph,
                self.sam,
                self.decode(genes),
                preprocess=self.settings.preprocess,
                view=self.view(genes),
                regions=self.settings.regions,
                prompts=self.settings.prompts,
                prior=self.prior,
                store=self.store,
            )
        )

    def is_first(self, genes: Mapping[str, Any]) -> bool:
        """Whether the first proposals are these genes' own."""
        return self.space.complete(slow_genes(genes)) == self.space.defaults

    def cost(self, genes: Mapping[str, Any]) -> float:
        """Seconds that `steps` and the physics of its masks are expected to take.

        By `PaceSettings`: each look, each prompt, each megapixel of regions and each mask on offer
        has its price. What another view shares with the first one costs
        nothing: embeddings, regions and their prompts, where only grid and crops change.
        """
        if self.is_first(genes):
            return 0.0
        decode, old = self.decode(genes), self.settings.decode
        height, width = self.micrograph.shape
        looks, prompts = self._asked(decode)
        of_regions = self.first.source == SOURCES.index("prompted")
        others = int((self.first.source == SOURCES.index("regions")).sum() + of_regions.sum())
        masks = 3 * prompts + others
        megapixels = height * width / 1e6 if others else 0.0
        if self.view(genes) == _view(self.settings):
            had_looks, had_prompts = self._asked(old)
            looks = max(looks - had_looks, 0)
            prompts -= had_prompts if decode.points_per_side == old.points_per_side else 0
            megapixels = 0.0
        else:
            looks += len(np.unique(self.first.crop[of_regions]))
            prompts += int(of_regions.sum()) // 3
        pace = self.settings.search.pace if self.settings.search is not None else None
        assert pace is not None
        return (
            pace.encoding * looks
            + pace.prompt * prompts
            + pace.regions * megapixels
            + pace.measuring * masks
        )

    def _asked(self, decode: DecodeSettings) -> tuple[int, int]:
        """Count looks and prompts of the grids of all crops and tiles."""
        if self.sam is None:
            return 0, 0
        shape, crops = self.micrograph.shape, []
        if "grid" in decode.sources:
            crops += grid_crops(shape, decode)[1].tolist()
        if "tiles" in decode.sources:
            tiles = tile_crops(shape, int(self.sam.image_encoder.img_size), decode)
            crops += [TILE_LAYER] * len(tiles)
        return len(crops), sum(len(crop_points(layer, shape, decode)) for layer in crops)


def slow_genes(genes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `genes` that need the network."""
    return {name: value for name, value in genes.items() if name.startswith((_DECODE, _VIEW))}


def cheap_genes(genes: Mapping[str, Any]) -> dict[str, Any]:
    """Those of `genes` that `select` understands."""
    return {name: value for name, value in genes.items() if not name.startswith((_DECODE, _VIEW))}


def slow_stage_steps(
    micrograph: Micrograph,
    sam: Any,
    settings: RunSettings,
    prior: Prior,
    first: Proposals,
    store: Store | None = None,
) -> Generator[Progress, None, SlowStage]:
    """Make a `SlowStage` (see there), and measure its pace where the settings do not give it.

    Its settings have the pace, so that a recipe made of them can afford the same slow settings on
    another machine. Without a store, what settings share is kept in memory.
    """
    store = store or Store(disk_bytes=0)
    search = settings.search or SearchSettings()
    pace = search.pace or (yield from _pace(micrograph, sam, settings, store))
    timed = settings.model_copy(update={"search": search.model_copy(update={"pace": pace})})
    return SlowStage(micrograph, sam, timed, prior, first, store)


def _pace(
    micrograph: Micrograph, sam: Any, settings: RunSettings, store: Store
) -> Generator[Progress, None, PaceSettings]:
    """Time one look, one batch of prompts, regions of a piece and their physics, or remember it.

    It is measured once for each model, device and size of image; so an interrupted search finds the
    pace that it began with.
    """
    device = "" if sam is None else str(sam.device.type)
    which = "" if sam is None else model_hash(sam)
    key = content_key("pace-1", which, device, repr(micrograph.shape))
    known = store.get(key)
    if known is not None:
        return PaceSettings.model_validate_json(known)
    view = _view(settings)
    rgb, gray = to_rgb(micrograph, view), to_gray(micrograph, view)
    found: dict[str, float] = {}
    if sam is not None:
        yield Progress("timing", 0, 3, "one look of the network")
        height, width = micrograph.shape
        began = time.perf_counter()
        embedding = embed(sam, rgb, (0, 0, width, height), model_hash=which)
        found["encoding"] = time.perf_counter() - began
        yield Progress("timing", 1, 3, "one batch of prompts")
        points = crop_points(0, micrograph.shape, settings.decode)[
            : settings.decode.points_per_batch
        ]
        began = time.perf_counter()
        run(decode_prompts(sam, embedding, point_prompts(points), gray, source="grid"))
        found["prompt"] = (time.perf_counter() - began) / len(points)
    yield Progress("timing", 2, 3, "regions of a piece")
    y, x = (max(0, (side - _SAMPLE) // 2) for side in micrograph.shape)
    piece = np.ascontiguousarray(gray[y : y + _SAMPLE, x : x + _SAMPLE])
    began = time.perf_counter()
    regions = run(find_regions(piece, settings.regions))
    found["regions"] = (time.perf_counter() - began) / (piece.size / 1e6)
    masks = table.from_masks(regions.runs, piece, "regions", regions.persistence)
    began = time.perf_counter()
    for name in ("area", "contrast"):
        column(masks, name)
    found["measuring"] = (time.perf_counter() - began) / max(len(masks), 1)
    pace = PaceSettings(**{name: float(f"{seconds:.3g}") for name, seconds in found.items()})
    store.put(key, pace.key().encode())
    return pace


def told_setting(event: SettingEvent, stage: SlowStage) -> str:
    """Say which slow setting comes next and how long it may take."""
    changed = [
        f"{name.partition('.')[2]} {value}"
        for name, value in event.genes.items()
        if value != stage.space.defaults[name]
    ]
    what = f"setting {event.number} of {event.planned}: {', '.join(changed) or 'as given'}"
    if event.error:
        return f"{what} is left out: {event.error}"
    return f"{what}, about {event.cost_s:.0f} s; {event.eta_s:.0f} s in all"


def _view(settings: RunSettings) -> PreprocessSettings:
    return settings.view or settings.preprocess


def _under(prefix: str, genes: Mapping[str, Any]) -> dict[str, Any]:
    return {n.removeprefix(prefix): v for n, v in genes.items() if n.startswith(prefix)}
