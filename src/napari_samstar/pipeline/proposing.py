"""The slow stage: a micrograph in, every mask on offer out, each part of it cached by content."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.cache import Store, content_key
from napari_samstar.io.preprocess import to_gray, to_rgb
from napari_samstar.pipeline.driving import run, told
from napari_samstar.proposals import table
from napari_samstar.proposals.decode import Prompts, decode_prompts, point_prompts
from napari_samstar.proposals.grid import TILE_LAYER, crop_points, grid_crops, tile_crops
from napari_samstar.proposals.layer import score, select_ranked
from napari_samstar.proposals.prompted import plan_prompts
from napari_samstar.proposals.regions import find_regions
from napari_samstar.proposals.storage import from_bytes, to_bytes
from napari_samstar.sam.base import model_hash
from napari_samstar.sam.embed import embed
from napari_samstar.settings import (
    DecodeSettings,
    PreprocessSettings,
    Prior,
    PromptSettings,
    RegionSettings,
    RewardLayerSettings,
)
from napari_samstar.types import Micrograph, Progress, Proposals

__all__ = ["propose", "propose_steps"]


def propose(
    micrograph: Micrograph,
    sam: Any = None,
    decode: DecodeSettings | None = None,
    **options: Any,
) -> Proposals:
    """Make every mask on offer for one micrograph; see `propose_steps`."""
    return run(propose_steps(micrograph, sam, decode, **options))


def propose_steps(
    micrograph: Micrograph,
    sam: Any = None,
    decode: DecodeSettings | None = None,
    *,
    preprocess: PreprocessSettings | None = None,
    view: PreprocessSettings | None = None,
    regions: RegionSettings | None = None,
    prompts: PromptSettings | None = None,
    prior: Prior | None = None,
    store: Store | None = None,
) -> Generator[Progress, None, Proposals]:
    """Encode and decode once; everything later is array work.

    Parameters
    ----------
    micrograph : Micrograph
        The image.
    sam : Sam, optional
        A `segment_anything`-compatible model; without one only regions are proposed.
    decode : DecodeSettings, optional
        Grid, crops, tiles and which sources to make.
    preprocess, regions, prompts : settings, optional
        Of the other stages.
    view : PreprocessSettings, optional
        What the network and the regions see, if not `preprocess`; the physics of masks is measured
        on `preprocess`'s image all the same, so that masks of different views compare.
    prior : Prior, optional
        What is known; it chooses the regions that SAM is prompted with.
    store : Store, optional
        Cache of embeddings and decoded grids, by content; without one nothing is kept.

    Yields
    ------
    Progress
        After each batch; `partial` is a function that gives the proposals so far, marked
        incomplete. To cancel, close the generator.

    Returns
    -------
    Proposals
        Grid rows first, then tiles, regions and prompted ones.
    """
    decode = decode or DecodeSettings()
    if sam is None:
        decode = decode.model_copy(update={"sources": ("regions",)})
    preprocess = preprocess or PreprocessSettings()
    view = view or preprocess
    regions, prompts, prior = (
        regions or RegionSettings(),
        prompts or PromptSettings(),
        prior or Prior(),
    )
    rgb, seen = to_rgb(micrograph, view), to_gray(micrograph, view)
    # masks are judged on what a person sees: bright is bright there, whatever the network is shown
    upright = preprocess.model_copy(update={"invert": False})
    gray = seen if view == upright else to_gray(micrograph, upright)
    hash_of_model = model_hash(sam) if sam is not None else ""
    provenance = {
        "sources": decode.sources,
        "image_hash": micrograph.content_hash,
        "preprocess": preprocess.key(),
        "view": view.key(),
        "regions": regions.key(),
        "prompts": prompts.key(),
        "prior": prior.key(),
        "model_hash": hash_of_model,
    }
    tables: list[Proposals] = []

    def so_far(current: Callable[[], Proposals] | None = None) -> Proposals:
        parts = [*tables, *([current()] if current is not None else [])]
        made = table.join(parts, decode) if parts else table.empty(gray, provenance)
        return replace(made, complete=False, provenance=provenance)

    model = _Model(sam, hash_of_model, rgb, gray, store, decode.points_per_batch)
    making = _source_steps(model, seen, decode, regions, prompts, prior, tables)
    for event in making:
        yield replace(event, partial=lambda e=event: so_far(e.partial))
    joined = table.join(tables, decode) if tables else table.empty(gray)
    return replace(joined, provenance=provenance, decode=decode if sam is not None else None)


def _source_steps(
    model: _Model,
    seen: NDArray[np.uint8],
    decode: DecodeSettings,
    regions: RegionSettings,
    prompts: PromptSettings,
    prior: Prior,
    tables: list[Proposals],
) -> Generator[Progress, None, None]:
    """Make one table after the other and append each to `tables`."""
    shape = (int(seen.shape[0]), int(seen.shape[1]))
    if "grid" in decode.sources:
        boxes, layers = grid_crops(shape, decode)
        for index, (box, layer) in enumerate(zip(boxes.tolist(), layers.tolist(), strict=True)):
            message = f"crop {index + 1} of {len(boxes)}"
            tables.append((yield from model.crop(tuple(box), layer, decode, message)))
    if "tiles" in decode.sources:
        tiles = tile_crops(shape, model.view, decode)
        for index, box in enumerate(tiles.tolist()):
            message = f"tile {index + 1} of {len(tiles)}"
            tables.append((yield from model.crop(tuple(box), TILE_LAYER, decode, message)))
    if "regions" not in decode.sources and "prompted" not in decode.sources:
        return
    found = yield from _regions(seen, model.gray, regions, model.store)
    if "regions" in decode.sources:
        tables.append(found)
    if "prompted" in decode.sources:
        # plain physics serves here: what is learned counts where all sources stand side by side
        layer = RewardLayerSettings(prior=prior, learned=0.0, threshold=0.4)
        wanted = select_ranked(found, np.arange(len(found)), score(found, layer), layer)
        chosen = found.runs.take(wanted)
        plan = plan_prompts(chosen, shape, model.view, prompts)
        for index, part in enumerate(plan):
            message = f"prompts in crop {index + 1} of {len(plan)}"
            for asked in (part.boxes, part.points):
                tables.append((yield from model.prompted(part.crop_box, asked, message)))


def _regions(
    seen: NDArray[np.uint8], gray: NDArray[np.uint8], settings: RegionSettings, store: Store | None
) -> Generator[Progress, None, Proposals]:
    key = content_key("regions-1", repr(seen.shape), seen.tobytes(), settings.key())
    cached = store.get(key) if store is not None else None
    if cached is not None:
        return from_bytes(cached, gray)
    found = yield from find_regions(seen, settings)
    made = table.from_masks(found.runs, gray, "regions", found.persistence)
    if store is not None:
        store.put(key, to_bytes(made))
    return made


@dataclass(frozen=True)
class _Model:
    """The network and the image it looks at."""

    sam: Any
    hash: str
    rgb: NDArray[np.uint8]
    gray: NDArray[np.uint8]
    store: Store | None
    batch_size: int

    @property
    def view(self) -> int:
        return int(self.sam.image_encoder.img_size)

    def crop(
        self, box: tuple[int, int, int, int], layer: int, decode: DecodeSettings, message: str
    ) -> Generator[Progress, None, Proposals]:
        """Decode the grid of one crop or tile, or find it decoded before."""
        tile = layer == TILE_LAYER
        decoding = partial(
            decode_prompts,
            source="tiles" if tile else "grid",
            layer=layer,
            keep_logits=not tile,
            inner_only=tile,
        )
        size = (box[3] - box[1], box[2] - box[0])
        prompts = point_prompts(crop_points(layer, size, decode))
        return self._decoded(box, prompts, decoding, message)

    def prompted(
        self, box: tuple[int, int, int, int], prompts: Prompts, message: str
    ) -> Generator[Progress, None, Proposals]:
        """Decode prompts made from regions in one crop, or find them decoded before."""
        decoding = partial(decode_prompts, source="prompted", keep_logits=False, inner_only=True)
        return self._decoded(box, prompts, decoding, message)

    def _decoded(
        self,
        box: tuple[int, int, int, int],
        prompts: Prompts,
        decoding: partial[Generator[Progress, None, Proposals]],
        message: str,
    ) -> Generator[Progress, None, Proposals]:
        key = self._key(box, prompts, decoding.keywords)
        cached = self.store.get(key) if self.store is not None else None
        if cached is not None:
            yield Progress("decoding", 1, 1, message)
            return from_bytes(cached, self.gray)
        yield Progress("encoding", 0, 1, message)
        embedding = embed(self.sam, self.rgb, box, model_hash=self.hash, store=self.store)
        steps = decoding(self.sam, embedding, prompts, self.gray, batch_size=self.batch_size)
        made = yield from told(message, steps)
        if self.store is not None:
            self.store.put(key, to_bytes(made))
        return made

    def _key(self, box: tuple[int, int, int, int], prompts: Prompts, how: dict[str, Any]) -> str:
        if self.store is None:
            return ""
        x0, y0, x1, y1 = box
        pixels = np.ascontiguousarray(self.rgb[y0:y1, x0:x1]).tobytes()
        where = repr((self.gray.shape, box, self.batch_size, sorted(how.items())))
        return content_key("decoded-3", self.hash, pixels, where, prompts.content())
