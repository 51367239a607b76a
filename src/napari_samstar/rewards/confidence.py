"""Terms that ask what the network, or the agreement of methods, thinks of masks."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_samstar.rewards.base import Quality, Term, measured
from napari_samstar.settings import Fraction
from napari_samstar.types import Measured, Micrograph, Selection

__all__ = ["ExpectedQuality", "PredictedIou", "Stability"]


class ExpectedQuality(Term):
    """How many of the objects are expected to be found, against how many masks are kept.

    ``score = (1 + b) S / (n + b N)``, S = sum of the squared quality of the n masks kept, each less
    the share of it (of the smaller of the two) that a better mask covers, N = the same sum over the
    best masks on offer that do not overlap, which stands for the number of objects, b = `missed`:
    the F score (van Rijsbergen, Information Retrieval, 1979; b is his beta squared)
    in expectation, with squared quality for the chance that a mask is an object: so the
    two halves of an object do not count as much as the whole. A mask pays where its
    quality is above ``score / (1 + b)``. A spurious mask is deleted with a click, a missed object
    has to be drawn: so a miss counts more by default.

    Bias: quality was learned from synthetic micrographs (see `proposals.quality`). Where a sample
    is unlike all of them, this term is wrong in the same way.
    """

    name: ClassVar[str] = "expected_quality"
    family: ClassVar[str] = "quality"

    missed: float = Field(
        20.0, ge=0.01, le=100.0, description="How many spurious masks one missed object is worth."
    )

    def score(self, selection: Selection, micrograph: Micrograph) -> float:
        """Return the expected F score."""
        if len(selection) == 0:
            return 0.0
        known = measured(selection)
        found = float((known.quality() ** 2 * _unshared(known)).sum(dtype=np.float64))
        objects = max(known.expected_objects(), found)
        return (1 + self.missed) * found / (len(selection) + self.missed * objects)


def _unshared(known: Measured) -> NDArray[np.float64]:
    """Share of each mask that no better mask covers, (K,): two masks of one object count once."""
    first, second, shared = known.pairs()
    quality, area = known.quality(), known.column("area")
    share = shared / np.maximum(np.minimum(area[first], area[second]), 1)
    worse = np.where(quality[first] >= quality[second], second, first)
    covered = np.zeros(len(quality))
    np.maximum.at(covered, worse, np.minimum(share, 1))
    return 1 - covered


class _Confidence(Quality):
    floor: float = Field(0.5, ge=0.0, le=0.95, description="Value that is worth 0.")
    unknown: Fraction = Field(
        0.5, ge=0.0, le=1.0, description="Worth of masks for which there is no such value."
    )

    def _above_floor(self, values: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
        worth = np.clip((values - self.floor) / (1 - self.floor), 0, 1)
        return np.where(np.isnan(values), self.unknown, worth)


class PredictedIou(_Confidence):
    """Mean IoU that SAM predicts for its own masks (Kirillov et al., ICCV 2023).

    ``q = clip((iou - floor) / (1 - floor), 0, 1)``; masks that no network made are worth `unknown`.

    Bias: SAM is surest of large, well-separated things, which a background is, too; it knows
    nothing of the sample. Small models predict too high on images unlike those they have seen.
    """

    name: ClassVar[str] = "predicted_iou"
    family: ClassVar[str] = "confidence"

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """Predicted IoU of each mask above the floor."""
        return self._above_floor(selection.predicted_iou)


class Stability(_Confidence):
    """Mean stability of masks; of SAM's under a shift of its threshold, of regions by agreement.

    ``q = clip((s - floor) / (1 - floor), 0, 1)``; SAM's s is the area above threshold + offset over
    that above threshold - offset (Kirillov et al., ICCV 2023), a region's the share of methods
    that found it.

    Bias: the two kinds do not share a scale: SAM's is near 1 for most masks. Large masks are the
    more stable, as their outline is the smaller part of them.
    """

    name: ClassVar[str] = "stability"
    family: ClassVar[str] = "confidence"

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """Stability of each mask above the floor."""
        return self._above_floor(selection.stability)
