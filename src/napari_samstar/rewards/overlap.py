"""Terms that know whether objects may lie on top of each other."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_samstar.rewards.base import Quality, Term, measured
from napari_samstar.types import Micrograph, Selection

__all__ = ["Ambiguity", "Overlap"]


class Overlap(Quality):
    """Mean freedom of masks from overlap with their worst neighbor.

    ``q = 1 - clip((o - allowed) / (1 - allowed), 0, 1)`` with o the largest over all other masks of
    intersection / min(A, A'), or of the IoU where nesting is allowed. SAM suppresses by boxes and
    lets nested masks through (Kirillov et al., ICCV 2023); the share of the smaller mask finds
    them, IoU does not.

    Bias: a hundred masks inside a large one are 101 failures although one is wrong. Real overlap,
    as of stacked platelets, needs `allowed`. A lone mask overlaps nothing and has full quality:
    `least_count` and `least_coverage` hold that down.
    """

    name: ClassVar[str] = "overlap"
    family: ClassVar[str] = "overlap"

    allowed: float = Field(0.05, ge=0.0, le=0.95, description="Overlap that costs nothing.")
    nested: bool = Field(
        False, description="Whether masks inside masks are allowed: judged by IoU, then."
    )

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """1 for masks that stand alone, 0 for those that lie in another."""
        columns = measured(selection)
        area = columns.column("area").astype(np.float64)
        first, second, shared = columns.pairs()
        a, b = area[first], area[second]
        part = shared / np.maximum(a + b - shared if self.nested else np.minimum(a, b), 1)
        worst = np.zeros(area.size)
        np.maximum.at(worst, first, part)
        np.maximum.at(worst, second, part)
        return np.asarray(1 - np.maximum(worst - self.allowed, 0) / (1 - self.allowed))


class Ambiguity(Term):
    """How many of the covered pixels belong to one mask only.

    ``score = 1 - max(0, a - allowed) / (1 - allowed)``, a = pixels in at least two masks over
    pixels in at least one, times ``min(1, covered / (least_coverage H W))``.

    Bias: by pixel, so that large masks decide; small ones nested in them count little. See
    `Overlap` for the same by number.
    """

    name: ClassVar[str] = "ambiguity"
    family: ClassVar[str] = "overlap"

    allowed: float = Field(0.02, ge=0.0, le=0.95, description="Ambiguous share that costs nothing.")
    least_coverage: float = Field(
        0.01,
        ge=0.0,
        le=1.0,
        description="Masks that cover less of the image cannot have full score.",
    )

    def score(self, selection: Selection, micrograph: Micrograph) -> float:
        """1 where no pixel belongs to two masks."""
        if len(selection) == 0:
            return 0.0
        one, two = measured(selection).covered()
        if one == 0:
            return 0.0
        height, width = selection.shape
        clear = 1 - max(two / one - self.allowed, 0) / (1 - self.allowed)
        if self.least_coverage > 0:
            clear *= min(1.0, one / (self.least_coverage * height * width))
        return clear
