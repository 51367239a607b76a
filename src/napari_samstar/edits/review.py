"""Which segment to look at next."""

from __future__ import annotations

import math
from collections.abc import Mapping

from napari_samstar.edits.values import Status

__all__ = ["review_order"]


def review_order(confidence: Mapping[int, float], status: Mapping[int, Status]) -> tuple[int, ...]:
    """Put the segments that nobody has looked at in order, most doubtful first.

    Parameters
    ----------
    confidence : mapping of label to float
        Higher is surer; a segment that is missing, or has NaN, is the most doubtful of all.
    status : mapping of label to status
        Of all segments there are.

    Returns
    -------
    tuple of int
        Labels with the status "open"; equally doubtful ones by ascending label.
    """

    def doubt(label: int) -> tuple[float, int]:
        value = confidence.get(label, math.nan)
        return (-math.inf if math.isnan(value) else value), label

    return tuple(sorted((k for k, state in status.items() if state == "open"), key=doubt))
