"""What speaks for a mask being an object, as one row of numbers for each mask.

Everything is relative: gray to the image's spread and the prior's polarity, lengths to the prior's
range. So what was learned on one kind of micrograph can be asked of another.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.proposals.chunks import at_once, in_chunks
from napari_samstar.proposals.columns import column, image_of
from napari_samstar.proposals.outlines import QUANTILES, gradient_image, outlines
from napari_samstar.proposals.overlaps import other_kind
from napari_samstar.proposals.photometry import running_sums
from napari_samstar.settings import Prior
from napari_samstar.types import SOURCES, Proposals

__all__ = ["NAMES", "evidence", "outline_steps"]

_SHAPES = ("round", "compact", "irregular")

#: What the columns are.
NAMES = (
    "log_area",
    "circularity",
    "solidity",
    "aspect_ratio",
    "boundary_smoothness",
    "feret_ratio",
    "border",
    "contrast",
    "step",
    "spread",
    "ring_spread",
    "rank",
    "ring_rank",
    "edge",
    "flux",
    "support",
    *(f"near_{q}" for q in QUANTILES),
    *(f"wide_{q}" for q in QUANTILES),
    "inner_edge",
    "inner_edge_spread",
    "outline_over_inside",
    "by_network",
    "prompted",
    "predicted_iou",
    "stability",
    "votes",
    "agreement",
    "partner_iou",
    "size_place",
    "size_range",
    "coverage",
    "shape",
    "asked_polarity",
    "image_noise",
)


def evidence(proposals: Proposals, prior: Prior) -> NDArray[np.float32]:
    """Describe every mask, (N, F) float32, NaN where nothing is known; F names are `NAMES`.

    Parameters
    ----------
    proposals : Proposals
        N masks.
    prior : Prior
        What is known; its diameters must be in px.
    """
    gray = proposals.gray
    spread = max(float(gray.std()), 1.0)
    flux = column(proposals, "flux")
    asked = {"bright": 1.0, "dark": -1.0}.get(prior.polarity or "", 0.0)
    sign = np.where(flux >= 0, 1.0, -1.0) if asked == 0 else np.full(flux.shape, asked)
    area = np.maximum(column(proposals, "area"), 1)
    diameter = np.sqrt(4 * area / np.pi)
    levels = np.cumsum(np.bincount(gray.ravel(), minlength=256)) / gray.size
    mean, ring = column(proposals, "mean"), column(proposals, "ring_mean")
    rank, ring_rank = levels[mean.astype(np.uint8)], levels[ring.astype(np.uint8)]
    sides = at_once(outline_steps(proposals))
    m = len(QUANTILES)
    near, wide = _signed(sides[:, :m], sign), _signed(sides[:, m : 2 * m], sign)
    by_network = ~np.isnan(proposals.predicted_iou)
    like, partner = _partners(proposals, by_network)
    low, high = prior.diameter if prior.diameter is not None else (np.nan, np.nan)
    low, high = np.maximum((low, high), (1.0, 1.01))
    nothing = np.full(area.shape, np.nan)
    average = image_of(proposals)[3]
    columns = {
        "log_area": np.log2(area),
        "circularity": column(proposals, "circularity"),
        "solidity": column(proposals, "solidity"),
        "aspect_ratio": column(proposals, "aspect_ratio"),
        "boundary_smoothness": column(proposals, "boundary_smoothness"),
        "feret_ratio": column(proposals, "feret_diameter") / diameter,
        "border": column(proposals, "border"),
        "contrast": column(proposals, "contrast") * sign,
        "step": (mean - ring) / spread * sign,
        "spread": column(proposals, "std") / spread,
        "ring_spread": column(proposals, "ring_std") / spread,
        "rank": np.where(sign > 0, rank, 1 - rank),
        "ring_rank": np.where(sign > 0, ring_rank, 1 - ring_rank),
        "edge": column(proposals, "edge"),
        "flux": flux * sign,
        "support": column(proposals, "support") * sign,
        **{f"near_{q}": near[:, k] for k, q in enumerate(QUANTILES)},
        **{f"wide_{q}": wide[:, k] for k, q in enumerate(QUANTILES)},
        "inner_edge": sides[:, 2 * m],
        "inner_edge_spread": sides[:, 2 * m + 1],
        "outline_over_inside": column(proposals, "edge") / np.maximum(sides[:, 2 * m], 0.05),
        "by_network": by_network,
        "prompted": proposals.source == SOURCES.index("prompted"),
        "predicted_iou": proposals.predicted_iou,
        "stability": np.where(by_network, proposals.stability, np.nan),
        "votes": np.where(by_network, np.nan, proposals.stability),
        "agreement": like,
        "partner_iou": partner,
        "size_place": np.log(diameter / low) / np.log(high / low) if low > 0 else nothing,
        "size_range": np.full(area.shape, np.log2(high / low)),
        "coverage": np.full(
            area.shape, np.nan if prior.coverage is None else sum(prior.coverage) / 2
        ),
        "shape": np.full(
            area.shape, np.nan if prior.shape is None else float(_SHAPES.index(prior.shape))
        ),
        "asked_polarity": np.full(area.shape, asked != 0),
        "image_noise": np.full(area.shape, average / 256 / spread),
    }
    return np.stack([np.asarray(columns[name], np.float32) for name in NAMES], axis=1)


def _signed(quantiles: NDArray[np.float32], sign: NDArray[Any]) -> NDArray[np.float32]:
    """Turn falls into rises for dark masks: quantiles change sides, too."""
    return np.where(sign[:, None] > 0, quantiles, -quantiles[:, ::-1])


def outline_steps(proposals: Proposals) -> Generator[int, None, NDArray[np.float32]]:
    """Walk along all outlines (see `outlines`), unless that is known; yields rows done."""
    if "outlines" not in proposals.columns:
        _, _, f, average = image_of(proposals)
        gradient = gradient_image(f, average)
        sums = running_sums(gradient)
        runs = proposals.runs

        def work(start: int, stop: int) -> NDArray[np.float32]:
            offsets = runs.offsets[start : stop + 1]
            return np.asarray(outlines(runs.counts, offsets, f, gradient, sums, average))

        none = np.zeros((0, 2 * len(QUANTILES) + 2), np.float32)
        parts = yield from in_chunks(len(runs), work)
        proposals.columns["outlines"] = np.concatenate([none, *parts])
    known: NDArray[np.float32] = proposals.columns["outlines"]
    return known


def _partners(
    proposals: Proposals, by_network: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Largest IoU with a mask of the other kind, and how sure that one is of itself, both (N,)."""
    found = other_kind(proposals)
    if found is None:
        nothing = np.full(len(proposals), np.nan, np.float32)
        return nothing, nothing
    iou, which = found
    # of a SAM mask its predicted IoU, of a region on how many methods agree
    sure = np.where(by_network, proposals.predicted_iou, proposals.stability)
    return iou, np.where(which >= 0, np.nan_to_num(sure)[which], 0).astype(np.float32)
