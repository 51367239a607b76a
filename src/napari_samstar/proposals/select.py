"""The fast stage: what one setting keeps of the proposals, as pure array work."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from napari_samstar.proposals.allowed import allowed
from napari_samstar.proposals.grid import TILE_LAYER
from napari_samstar.proposals.measured import MeasuredRows
from napari_samstar.proposals.postprocess import clean_masks, smallest_parts
from napari_samstar.proposals.suppress import box_nms
from napari_samstar.proposals.table import grid_logits, has_source
from napari_samstar.settings import AmgSettings, SelectSettings
from napari_samstar.types import SOURCES, Proposals, SamStarError, Selection

__all__ = ["select"]

_EDGE_TOLERANCE = 20.0  # px from a crop's border, Meta's `is_box_near_crop_edge`


def select(proposals: Proposals, settings: AmgSettings | SelectSettings | None = None) -> Selection:
    """Keep what `settings` says; no network in sight.

    With `AmgSettings`, or `SelectSettings` of the grid alone without a reward layer, this replays
    Meta's `SamAutomaticMaskGenerator.generate` (Kirillov et al., 2023): the same masks in the same
    order. With a reward layer, masks of all chosen sources are judged by their physics instead
    (see `proposals.layer`).

    Parameters
    ----------
    proposals : Proposals
        All masks on offer.
    settings : AmgSettings or SelectSettings, optional
        Defaults to Meta's defaults.

    Returns
    -------
    Selection
        Best masks first.

    Raises
    ------
    SamStarError
        If the proposals were not decoded with what the settings ask for.
    """
    if settings is None:
        settings = AmgSettings()
    if isinstance(settings, AmgSettings):
        settings = SelectSettings(amg=settings)
    for source in settings.sources:
        if source != "tiles" and not has_source(proposals, source):
            raise SamStarError(
                f"These proposals hold no '{source}' masks: "
                f"propose again with sources that include '{source}'."
            )
    if settings.reward_layer is not None:
        return _by_physics(proposals, settings)
    layer = _crop_layers(proposals, settings.amg) if "grid" in settings.sources else 0
    return _as_meta(proposals, settings, layer)


def _crop_layers(proposals: Proposals, amg: AmgSettings) -> int:
    """Crop layers to use, after checking that the decoded grid is the one asked for."""
    decode = proposals.decode
    if decode is None:
        raise SamStarError("These proposals hold no SAM masks: propose with the source 'grid'.")
    layers = decode.crop_n_layers if amg.crop_n_layers is None else amg.crop_n_layers
    asked: dict[str, float | None] = {"points_per_side": amg.points_per_side}
    if layers > 0:
        asked["crop_n_points_downscale_factor"] = amg.crop_n_points_downscale_factor
        asked["crop_overlap_ratio"] = amg.crop_overlap_ratio
    for name, value in asked.items():
        made = getattr(decode, name)
        if value is not None and value != made:
            raise SamStarError(
                f"{name} = {value} was asked for, but these proposals were decoded with {made}: "
                "propose again with that value."
            )
    if layers > decode.crop_n_layers:
        raise SamStarError(
            f"crop_n_layers = {layers} was asked for, but these proposals were decoded with "
            f"{decode.crop_n_layers}: propose again with more crop layers."
        )
    return layers


def _as_meta(proposals: Proposals, settings: SelectSettings, layers: int) -> Selection:
    """Meta's thresholds and suppression; masks that no network made pass the thresholds."""
    amg = settings.amg
    keep_source = _of_sources(proposals, settings.sources)
    row_layer = proposals.crop_layers[proposals.crop]
    usable = keep_source & (row_layer <= layers) & allowed(proposals, settings)
    iou = proposals.predicted_iou
    score = np.where(np.isnan(iou), proposals.stability, iou).astype(np.float32)
    from_sam = ~np.isnan(iou)
    if amg.pred_iou_thresh > 0.0:
        usable &= ~from_sam | (iou > amg.pred_iou_thresh)
    usable &= ~_near_crop_edge(proposals)
    stability = _Stability(proposals, amg.stability_score_offset)
    if amg.stability_score_thresh > 0.0:
        usable = stability.pass_threshold(usable, from_sam, amg.stability_score_thresh)

    # boxes of rows that share a crop are compared first, then crops with each other
    candidates = np.flatnonzero(usable)
    crops = proposals.crop[candidates]
    parts = []
    for crop in np.unique(crops):
        rows = candidates[crops == crop]
        parts.append(rows[box_nms(proposals.boxes[rows], score[rows], amg.box_nms_thresh)])
    rows = np.concatenate(parts) if parts else np.zeros(0, np.int64)
    if layers > 0 or len(parts) > 1:
        boxes = proposals.crop_boxes[proposals.crop[rows]].astype(np.float32)
        areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        rows = rows[box_nms(proposals.boxes[rows], 1 / areas, amg.crop_nms_thresh)]
    return _finish(proposals, rows, score[rows], stability.of, settings)


def _finish(
    proposals: Proposals,
    rows: NDArray[np.int64],
    score: NDArray[np.float32],
    stability: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    settings: SelectSettings,
) -> Selection:
    """Gather rows into a selection, after Meta's clean-up of small regions if it is asked for."""
    prior = None if settings.reward_layer is None else settings.reward_layer.prior
    runs = proposals.runs.take(rows)
    boxes = proposals.boxes[rows]
    min_area = settings.amg.min_mask_region_area
    order = np.arange(len(rows))
    changed = np.zeros(len(rows), bool)
    if min_area > 0 and len(rows):
        touched = _smallest_parts(proposals, rows) < min_area
        some = np.flatnonzero(touched)
        before = runs.take(some)
        cleaned, _ = clean_masks(before, min_area)
        boxes[some] = cleaned.boxes()
        changed[some] = cleaned.differ(before)
        limit = max(settings.amg.box_nms_thresh, settings.amg.crop_nms_thresh)
        # masks that need no cleaning go first
        order = box_nms(boxes, (~touched).astype(np.float32), limit)
        place = np.arange(len(rows))
        place[some] = len(rows) + np.arange(some.size)
        runs, changed = (runs + cleaned).take(place[order]), changed[order]
    rows = rows[order]
    return Selection(
        runs=runs,
        boxes=boxes[order],
        predicted_iou=proposals.predicted_iou[rows],
        stability_scores=lambda: stability(rows),
        points=proposals.points[rows],
        source=proposals.source[rows],
        crops=proposals.crop_boxes[proposals.crop[rows]],
        rows=rows,
        score=score[order],
        settings=settings,
        measured=MeasuredRows(proposals, rows, runs, changed, prior),
    )


def _smallest_parts(proposals: Proposals, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Pixels of the smallest island or hole of each of `rows`; memoized."""
    if "smallest_part" not in proposals.columns:
        proposals.columns["smallest_part"] = np.full(len(proposals), -1, np.int64)
    smallest: NDArray[np.int64] = proposals.columns["smallest_part"]
    missing = rows[smallest[rows] < 0]
    smallest[missing] = smallest_parts(proposals.runs, missing)
    return smallest[rows]


def _by_physics(proposals: Proposals, settings: SelectSettings) -> Selection:
    """Judge masks of all chosen sources by the reward layer, keep the best without overlap."""
    from napari_samstar.proposals.layer import score, select_ranked

    layer = settings.reward_layer
    assert layer is not None
    rows = _whole_rows(proposals, settings.sources)
    rows = rows[allowed(proposals, settings)[rows]]
    scores = score(proposals, layer)
    kept = select_ranked(proposals, rows, scores[rows], layer)
    return _finish(proposals, kept, scores[kept], proposals.stability.__getitem__, settings)


def _of_sources(proposals: Proposals, sources: tuple[str, ...]) -> NDArray[np.bool_]:
    """Rows of the sources asked for."""
    asked = np.array([source in sources for source in SOURCES])
    return np.asarray(asked[proposals.source])


def _whole_rows(proposals: Proposals, sources: tuple[str, ...]) -> NDArray[np.int64]:
    """Rows of the sources asked for that no crop's border cuts; memoized."""
    key = ("whole_rows", sources)
    if key not in proposals.columns:
        usable = _of_sources(proposals, sources) & ~_near_crop_edge(proposals)
        proposals.columns[key] = np.flatnonzero(usable)
    rows: NDArray[np.int64] = proposals.columns[key]
    return rows


def _near_crop_edge(proposals: Proposals) -> NDArray[np.bool_]:
    """Rows that a crop's border cuts, where that is not the image's border; memoized."""
    key = "near_crop_edge"
    if key not in proposals.columns:
        height, width = proposals.shape
        boxes = proposals.boxes.astype(np.float32)
        crops = proposals.crop_boxes[proposals.crop].astype(np.float32)
        image = np.array([0, 0, width, height], np.float32)
        near = np.abs(boxes - crops) <= _EDGE_TOLERANCE
        near &= ~(np.abs(boxes - image) <= _EDGE_TOLERANCE)
        # tiles have dropped what they cut when they were decoded
        tiles = proposals.crop_layers[proposals.crop] == TILE_LAYER
        proposals.columns[key] = near.any(axis=1) & ~tiles
    near_edge: NDArray[np.bool_] = proposals.columns[key]
    return near_edge


class _Stability:
    """Stability scores at one offset: bounded for all rows, exact for those that need it."""

    def __init__(self, proposals: Proposals, offset: float) -> None:
        self._scores = proposals.stability
        self._offset = offset
        stored = offset == proposals.stability_offset
        self._logits = None if stored else grid_logits(proposals)
        # rows without logits keep the score they came with
        self._count = 0 if self._logits is None else len(self._logits)
        rung = None if self._logits is None else self._logits.on_ladder(offset)
        if rung is not None:
            self._scores = np.concatenate([rung, self._scores[self._count :]])
            self._logits, self._count = None, 0
        # of the latest offset alone: other settings move while it stays, and memory stays bounded
        memo = proposals.columns.get("stability_at")
        if memo is None or memo[0] != offset:
            memo = offset, np.zeros(self._count, np.float32), np.zeros(self._count, np.bool_)
            if self._count:
                proposals.columns["stability_at"] = memo
        self._exact: NDArray[np.float32] = memo[1]
        self._known: NDArray[np.bool_] = memo[2]

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Exact scores of `rows`."""
        out = self._scores[rows].copy()
        if self._logits is not None:
            packed = rows[rows < self._count]
            missing = packed[~self._known[packed]]
            self._exact[missing] = self._logits.stability(missing, self._offset)
            self._known[missing] = True
            out[rows < self._count] = self._exact[packed]
        return out

    def pass_threshold(
        self, usable: NDArray[np.bool_], from_sam: NDArray[np.bool_], threshold: float
    ) -> NDArray[np.bool_]:
        """Rows of `usable` that are stable enough; NaN passes no threshold."""
        lower, upper = self._scores.copy(), self._scores.copy()
        if self._logits is not None:
            lower[: self._count], upper[: self._count] = self._logits.bounds(self._offset)
        limit = np.float32(threshold)
        passed = lower >= limit
        doubtful = np.flatnonzero(usable & from_sam & ~passed & (upper >= limit))
        passed[doubtful] = self.of(doubtful) >= limit
        result: NDArray[np.bool_] = usable & (~from_sam | passed)
        return result
