"""Terms that know how much of the image objects fill, and how they meet its frame."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from napari_samstar.rewards.bands import within
from napari_samstar.rewards.base import Term, measured
from napari_samstar.types import Micrograph, Selection

__all__ = ["Border", "Coverage"]


class Coverage(Term):
    """Whether the masks together cover as much of the image as expected.

    ``score = min(1, c / low, high / c)``, c = pixels in at least one mask over all pixels.

    Bias: it does not ask where the masks are, and the background as one mask may have the right
    area. Zero for masks that cover nothing, whatever the range.
    """

    name: ClassVar[str] = "coverage"
    family: ClassVar[str] = "coverage"

    low: float = Field(0.05, ge=0.0, le=1.0, description="Least share of the image.")
    high: float = Field(1.0, gt=0.0, le=1.0, description="Largest share of the image.")

    def score(self, selection: Selection, micrograph: Micrograph) -> float:
        """1 in the range."""
        if len(selection) == 0:
            return 0.0
        height, width = selection.shape
        return within(measured(selection).covered()[0] / (height * width), self.low, self.high)


class Border(Term):
    """Whether no more masks are cut by the frame than chance would cut.

    ``score = 1 - max(0, b - allowed) / (1 - allowed)``, b = share of masks that touch the frame. An
    object of diameter d, seen somewhere in a frame of W x H, touches it with the probability
    ``1 - (W - d)(H - d) / ((W + d)(H + d))``; its mean over the masks is `allowed` unless given
    (Miles, in Stochastic Geometry, Wiley 1974, on plus and minus sampling).

    Bias: masks that are cut look smaller, so that chance is a little underestimated; a single mask
    that fills the frame is expected to touch it.
    """

    name: ClassVar[str] = "border"
    family: ClassVar[str] = "coverage"

    allowed: float | None = Field(
        None, ge=0.0, le=0.99, description="Share of masks at the frame; left out, as by chance."
    )

    def score(self, selection: Selection, micrograph: Micrograph) -> float:
        """1 where the frame cuts few enough."""
        if len(selection) == 0:
            return 0.0
        columns = measured(selection)
        diameter = columns.column("equivalent_diameter")
        some = diameter > 0
        if not some.any():
            return 0.0
        share = float((columns.column("border")[some] > 0).mean())
        allowed = self.allowed
        if allowed is None:
            height, width = selection.shape
            d = np.minimum(diameter[some].astype(np.float64), min(height, width))
            inside = (width - d) * (height - d) / ((width + d) * (height + d))
            allowed = float((1 - inside).mean())
        return 1 - max(0.0, share - allowed) / max(1 - allowed, 1e-9)
