"""A mask for what a person clicks at: SAM's answer, or a region's where no network serves."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.proposals.prompted import Box, crop_for
from napari_samstar.runs import MaskRuns, RunsBuilder, encode_window
from napari_samstar.types import Embedding, Proposals, SamStarError

__all__ = ["Clicks", "Prompter", "Suggestion"]

_CANDIDATES = 3  # masks to choose among, of each kind
_TRUSTED = 0.5  # predicted IoU below which a region that obeys the clicks comes first
_CROPS = 4  # embeddings held ready, of the image and of crops


@dataclass(frozen=True)
class Clicks:
    """What was clicked, in px of the image; the center of the first pixel is 0, 0.

    Parameters
    ----------
    points : sequence of (x, y)
        Clicks.
    inside : sequence of bool
        Whether each lies in the object that is wanted.
    box : (x0, y0, x1, y1) or None
        Drawn around it.
    """

    points: tuple[tuple[float, float], ...] = ()
    inside: tuple[bool, ...] = ()
    box: tuple[float, float, float, float] | None = None

    def with_point(self, x: float, y: float, inside: bool) -> Clicks:
        """One click more."""
        return replace(self, points=(*self.points, (x, y)), inside=(*self.inside, inside))

    @property
    def empty(self) -> bool:
        """Whether there is nothing yet that says what is wanted."""
        return self.box is None and not any(self.inside)


@dataclass(frozen=True)
class Suggestion:
    """Masks that the clicks may mean, the likeliest first.

    Parameters
    ----------
    runs : MaskRuns
        At least one.
    scores : tuple of float
        Predicted IoU, or persistence of a region; NaN for a wand.
    """

    runs: MaskRuns
    scores: tuple[float, ...]


class Prompter:
    """One image, ready to be clicked at; used by one thread at a time.

    Parameters
    ----------
    sam : Sam or None
        A `segment_anything`-compatible model; None for regions.
    rgb : (H, W, 3) uint8
        The preprocessed image.
    gray : (H, W) uint8
        The same in gray.
    model_hash : str
        Identity of the weights.
    store : Store or None
        Cache of embeddings.
    zoom_below : float
        Objects smaller than this at the network's input are looked at in a crop, px.
    """

    def __init__(
        self,
        sam: Any,
        rgb: NDArray[np.uint8],
        gray: NDArray[np.uint8],
        model_hash: str = "",
        store: Any = None,
        zoom_below: float = 24.0,
    ) -> None:
        self.sam = sam
        self._rgb, self._gray = rgb, gray
        self._hash, self._store = model_hash, store
        self._zoom_below = zoom_below
        self._embeddings: dict[Box, Embedding] = {}
        if sam is not None:
            self._embedding(self._whole)

    def ask(
        self, clicks: Clicks, proposals: Proposals | None = None
    ) -> Generator[Suggestion, None, None]:
        """Suggest masks; a second suggestion is a closer look, where one is at hand.

        Parameters
        ----------
        clicks : Clicks
            At least one click inside, or a box.
        proposals : Proposals, optional
            Regions known of this image, for use without a network.

        Raises
        ------
        SamStarError
            If a click lies outside the image, or nothing was found there.
        """
        self._check(clicks)
        if self.sam is None:
            yield _regions_at(clicks, proposals) or self._wand(clicks)
            return
        crop = self._whole
        if clicks.box is not None:
            x0, y0, x1, y1 = clicks.box
            crop = self._near(np.array([x0, y0, x1, y1]), clicks)
        shown = self._outlined(clicks, proposals)
        first = self._decode(clicks, crop)
        yield _joined(first, shown)
        if crop == self._whole:
            closer = self._near(first.runs.boxes()[0], clicks)
            if closer != crop:
                yield _joined(self._decode(clicks, closer), shown)

    def _outlined(self, clicks: Clicks, proposals: Proposals | None) -> Suggestion | None:
        """Find what needs no network: a region, or what the wand draws."""
        found = _regions_at(clicks, proposals)
        if found is None:
            with contextlib.suppress(SamStarError):
                found = self._wand(clicks)
        return found

    @property
    def _whole(self) -> Box:
        return (0, 0, int(self._gray.shape[1]), int(self._gray.shape[0]))

    def _near(self, box: NDArray[Any], clicks: Clicks) -> Box:
        """Crop in which the object is large enough, if it was looked at before; else the image."""
        from napari_samstar.sam.embed import is_embedded

        view = int(self.sam.image_encoder.img_size)
        shape = (int(self._gray.shape[0]), int(self._gray.shape[1]))
        crop = crop_for(box.astype(np.int32), shape, view, self._zoom_below)
        x0, y0, x1, y1 = crop
        seen = all(x0 <= x < x1 and y0 <= y < y1 for x, y in clicks.points)
        known = crop in self._embeddings or is_embedded(
            self._rgb, crop, model_hash=self._hash, store=self._store
        )
        return crop if seen and known else self._whole

    def _embedding(self, crop: Box) -> Embedding:
        from napari_samstar.sam.embed import embed

        if crop not in self._embeddings:
            kept = [box for box in self._embeddings if box != self._whole]
            for box in kept[: len(kept) + 1 - _CROPS]:
                del self._embeddings[box]
            self._embeddings[crop] = embed(
                self.sam, self._rgb, crop, model_hash=self._hash, store=self._store
            )
        return self._embeddings[crop]

    def _decode(self, clicks: Clicks, crop: Box) -> Suggestion:
        from napari_samstar.proposals.decode import Prompts, decode_prompts

        origin = np.array(crop[:2], np.float64)
        points, labels = list(clicks.points), [int(inside) for inside in clicks.inside]
        box = None
        if clicks.box is not None:
            box = (np.array([clicks.box], np.float64) - np.tile(origin, 2)) + [0.0, 0.0, 1.0, 1.0]
            if not points:  # a point that is none: the decoder wants one
                points, labels = [(float(origin[0]), float(origin[1]))], [-1]
        prompts = Prompts(np.array([points], np.float64) - origin, np.array([labels]), box)
        steps = decode_prompts(
            self.sam,
            self._embedding(crop),
            prompts,
            self._gray,
            source="prompted",
            batch_size=1,
            keep_logits=False,
        )
        made = _result(steps)
        return _ordered(made.runs, made.predicted_iou, clicks)

    def _wand(self, clicks: Clicks) -> Suggestion:
        from napari_samstar.proposals.wand import around_clicks

        at = [p for p, wanted in zip(clicks.points, clicks.inside, strict=True) if wanted]
        if clicks.box is not None and not at:
            at = [((clicks.box[0] + clicks.box[2]) / 2, (clicks.box[1] + clicks.box[3]) / 2)]
        window, y0, x0 = around_clicks(self._gray, at, clicks.box)
        runs = MaskRuns.from_rows(
            [encode_window(window, y0, x0, *self._gray.shape)], self._gray.shape
        )
        return _ordered(runs, np.full(1, np.nan, np.float32), clicks)

    def _check(self, clicks: Clicks) -> None:
        if clicks.empty:
            raise SamStarError("Click into the object first, then beside it what is not of it.")
        height, width = self._gray.shape
        for x, y in clicks.points:
            if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
                raise SamStarError("That is outside the image: click inside it.")


def _joined(asked: Suggestion, shown: Suggestion | None) -> Suggestion:
    """Both, the network's first where it trusts itself."""
    if shown is None:
        return asked
    pair = (asked, shown) if asked.scores[0] >= _TRUSTED else (shown, asked)
    return Suggestion(pair[0].runs + pair[1].runs, pair[0].scores + pair[1].scores)


def _result(steps: Generator[Any, None, Proposals]) -> Proposals:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            made: Proposals = stop.value
            return made


def _ordered(runs: MaskRuns, scores: NDArray[np.float32], clicks: Clicks) -> Suggestion:
    """Masks that obey the clicks first, then by score; parts that no click is in are left out."""
    builder = RunsBuilder(runs.shape)
    found: list[tuple[int, float, int]] = []
    for index, box in enumerate(runs.boxes()):
        if not runs.areas()[index]:
            continue
        x0, y0 = int(box[0]), int(box[1])
        window = runs.window(index, (x0, y0, int(box[2]), int(box[3])))
        wrong = 0
        inside: list[tuple[int, int]] = []
        for (x, y), wanted in zip(clicks.points, clicks.inside, strict=True):
            row, column = int(np.floor(y + 0.5)) - y0, int(np.floor(x + 0.5)) - x0
            within = 0 <= row < window.shape[0] and 0 <= column < window.shape[1]
            holds = within and bool(window[row, column])
            wrong += holds != wanted
            if holds and wanted:
                inside.append((row, column))
        builder.add(_parts_of(window, inside), y0, x0)
        found.append((wrong, -float(scores[index]), len(found)))
    if not found:
        raise SamStarError(
            "Nothing was found there: click nearer to the middle, or draw a box around the object."
        )
    order = sorted(found)
    chosen = builder.build().take([place for _, _, place in order[:_CANDIDATES]])
    return Suggestion(chosen, tuple(-score for _, score, _ in order[:_CANDIDATES]))


def _parts_of(window: NDArray[np.bool_], inside: list[tuple[int, int]]) -> NDArray[np.bool_]:
    """Keep the connected parts of a mask that were clicked at; all of it where none was."""
    if not inside:
        return window
    import cv2

    _, parts = cv2.connectedComponents(window.astype(np.uint8), connectivity=8)
    return np.asarray(np.isin(parts, [parts[at] for at in inside]))


def _regions_at(clicks: Clicks, proposals: Proposals | None) -> Suggestion | None:
    """Regions that hold all clicks inside and none outside, the most persistent first."""
    if proposals is None or not len(proposals):
        return None
    boxes = proposals.boxes
    fits = np.ones(len(proposals), np.bool_)
    scores = proposals.stability.astype(np.float64)
    if clicks.box is not None:
        scores = _box_overlap(boxes, clicks.box)
        fits &= scores > 0.4
    for (x, y), wanted in zip(clicks.points, clicks.inside, strict=True):
        column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        near = (boxes[:, 0] <= column) & (column <= boxes[:, 2])
        near &= (boxes[:, 1] <= row) & (row <= boxes[:, 3])
        holds = np.zeros(len(proposals), np.bool_)
        some = np.flatnonzero(near & fits)
        holds[some] = proposals.runs.hold(some, row, column)
        fits &= holds if wanted else ~holds
    rows = np.flatnonzero(fits)
    rows = rows[proposals.runs.take(rows).areas() < 0.5 * np.prod(proposals.shape)]
    if not rows.size:
        return None
    rows = rows[np.argsort(-scores[rows], kind="stable")][:_CANDIDATES]
    return Suggestion(proposals.runs.take(rows), tuple(float(scores[row]) for row in rows))


def _box_overlap(
    boxes: NDArray[np.int32], box: tuple[float, float, float, float]
) -> NDArray[np.float64]:
    """IoU of each box (N, 4), last row and column included, with the one drawn."""
    low = np.maximum(boxes[:, :2], box[:2])
    high = np.minimum(boxes[:, 2:], box[2:])
    shared = np.prod(np.maximum(high - low + 1.0, 0.0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2] + 1.0, axis=1)
    drawn = (box[2] - box[0] + 1.0) * (box[3] - box[1] + 1.0)
    return np.asarray(shared / (areas + drawn - shared))
