"""Masks that count at all: what the user says of single ones, before any are compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_samstar.proposals.columns import column
from napari_samstar.settings import SelectSettings
from napari_samstar.types import Proposals

__all__ = ["allowed"]


def allowed(proposals: Proposals, settings: SelectSettings) -> NDArray[np.bool_]:
    """Rows that the settings' areas, border and multimask leave, (N,); memoized.

    Parameters
    ----------
    proposals : Proposals
        All masks on offer.
    settings : SelectSettings
        ``min_area``, ``max_area``, ``border`` and ``multimask`` count here.
    """
    key = ("allowed", settings.min_area, settings.max_area, settings.border, settings.multimask)
    if key not in proposals.columns:
        proposals.columns[key] = _allowed(proposals, settings)
    found: NDArray[np.bool_] = proposals.columns[key]
    return found


def _allowed(proposals: Proposals, settings: SelectSettings) -> NDArray[np.bool_]:
    out = np.ones(len(proposals), bool)
    if settings.min_area > 0 or settings.max_area is not None:
        area = proposals.runs.areas()
        out &= area >= settings.min_area
        if settings.max_area is not None:
            out &= area <= settings.max_area
    if settings.border == "drop":
        out &= column(proposals, "border") == 0
    if settings.multimask == "best":
        out &= _best_of_prompt(proposals)
    return out


def _best_of_prompt(proposals: Proposals) -> NDArray[np.bool_]:
    """Find the mask of each prompt that SAM trusts most; all that no network made stay."""
    iou = proposals.predicted_iou
    out = np.isnan(iou)
    rows = np.flatnonzero(~out)
    x, y = proposals.points[rows].T
    prompts = np.stack([proposals.source[rows], proposals.crop[rows], x, y], 1)
    order = np.lexsort((rows, -iou[rows], *prompts.T))
    ordered = prompts[order]
    first = np.ones(rows.size, bool)
    first[1:] = (ordered[1:] != ordered[:-1]).any(1)
    out[rows[order[first]]] = True
    return out
