"""How sure each object of a result is, so that a person looks at the doubtful ones alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from napari_samstar.pipeline import RunResult

__all__ = ["confidences"]


def confidences(result: RunResult) -> dict[int, float]:
    """Confidence of each object, higher is surer.

    After a search it is the share of the best candidates that hold the object, and between
    equals the likelihood below; else it is the likelihood that the mask is an object, 0 to 1, by
    its outline, contrast and sources.

    Parameters
    ----------
    result : RunResult
        As it came; one that was corrected knows of none.

    Returns
    -------
    dict
        Label to confidence.
    """
    from napari_samstar.pipeline.optimizing import prior_in_pixels

    selection = result.selection
    if selection is None or not len(selection):
        return {}
    measured = selection.measured
    if measured is not None:
        values = np.asarray(measured.quality(), np.float64)
    else:  # the booster cuts masks anew, but keeps where they came from
        from napari_samstar.proposals.quality import quality

        prior = prior_in_pixels(result.recipe.prior, result.segmentation.micrograph)
        known = np.append(quality(result.proposals, prior), np.nan)  # -1: no mask lay there
        values = known[selection.rows].astype(np.float64)
    if result.agreement is not None:
        agreed = result.agreement.of_objects(selection.runs)
        values = agreed.astype(np.float64) + 1e-3 * values
    # `Selection.labels` paints mask i as i + 1
    return {index + 1: float(v) for index, v in enumerate(values) if not np.isnan(v)}
