"""One count of steps for a whole preparation, so that the time left can be told."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from napari_samstar.settings import RunSettings
from napari_samstar.types import Progress

__all__ = ["Expected", "expected", "overall"]

T = TypeVar("T")

# Steps that take about as long as one batch of prompts, with the bundled model on a CPU.
_ENCODING = 3.0
_REGIONS = 8.0
_SELECTING = 2.0


class Expected:
    """How much work there is in all, and how much of it a stream of events has done.

    Parameters
    ----------
    encodings : int
        Views of the network.
    batches : int
        Batches of prompts.
    regions : bool
        Whether regions are looked for.
    """

    def __init__(self, encodings: int, batches: int, regions: bool) -> None:
        self.total = _ENCODING * encodings + batches + _REGIONS * regions + _SELECTING
        self.done = 0.0
        self._last = Progress("", 0, 1)

    def tell(self, event: Progress) -> Progress:
        """Return the event with steps of the whole in place of those of its stage."""
        if event.stage == "decoding":
            self.done += _ENCODING if self._last.stage == "encoding" else 0.0
            self.done += 1.0
        elif event.stage == "regions":
            self.done += _REGIONS / max(event.total, 1)
        self._last = event
        # the plan is a guess where prompts come from regions: the end is kept for the end
        done = min(self.done, 0.98 * self.total)
        detail = event.message
        if event.stage in ("decoding", "encoding") and event.total > 1:
            detail = f"{event.done} of {event.total} prompts, {detail}"
        return replace(event, done=round(100 * done), total=round(100 * self.total), message=detail)


def expected(shape: tuple[int, int], settings: RunSettings, view: int | None) -> Expected:
    """Plan of a preparation.

    Parameters
    ----------
    shape : tuple of int
        (H, W) of the image, px.
    settings : RunSettings
        What will be done.
    view : int or None
        Side of the network's input, px; None without a network.
    """
    decode = settings.decode
    if view is None:
        return Expected(0, 0, regions=True)
    from napari_samstar.proposals.grid import grid_crops, tile_crops

    encodings = batches = 0
    points = decode.points_per_side**2
    if "grid" in decode.sources:
        _, layers = grid_crops(shape, decode)
        encodings += len(layers)
        scale = float(decode.crop_n_points_downscale_factor)
        each = points / scale ** (2.0 * layers.astype(np.float64))
        batches += int(np.ceil(each / decode.points_per_batch).sum())
    if "tiles" in decode.sources:
        tiles = len(tile_crops(shape, view, decode))
        encodings += tiles
        batches += tiles * -(-points // (4 * decode.points_per_batch))
    if "prompted" in decode.sources:
        crops = settings.prompts.max_crops
        encodings += crops
        batches += 2 * (crops + settings.prompts.max_prompts // decode.points_per_batch)
    return Expected(encodings, batches, bool({"regions", "prompted"} & set(decode.sources)))


def overall(steps: Generator[Any, None, T], plan: Expected) -> Generator[Any, None, T]:
    """Pass on the events of `propose_steps` or `segment_steps`, counted over the whole."""
    while True:
        try:
            event = next(steps)
        except StopIteration as stop:
            result: T = stop.value
            return result
        yield plan.tell(event) if isinstance(event, Progress) else event
