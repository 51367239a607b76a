"""Every measure at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.masks import Masks, paired_runs
from napari_samstar.metrics.boundary import boundary_agreement
from napari_samstar.metrics.instances import matched_iou
from napari_samstar.metrics.partitions import adjusted_rand_index, variation_of_information
from napari_samstar.metrics.samiam import every_samiam_score
from napari_samstar.runs import MaskRuns
from napari_samstar.types import Segmentation, Selection

__all__ = ["evaluate"]


def evaluate(labels_or_masks: Masks | Selection | Segmentation, truth: Masks) -> dict[str, Any]:
    """Score a segmentation against the truth by every measure there is.

    Parameters
    ----------
    labels_or_masks : (H, W) int, masks as for `samiam_scores`, Selection or Segmentation
        What was found. Where masks overlap, measures that need a label image see the smaller one
        on top.
    truth : (H, W) int, or masks
        What is there; a list without masks is an image without objects.

    Returns
    -------
    dict
        Numbers by name, fit for JSON:

        - ``matched_iou``, ``best_iou``, ``n_truth``, ``n_predicted``, ``n_spurious``, ``mean_ap``,
          ``pq``, ``sq``, ``rq``, and ``precision_50`` to ``ap_95`` at IoU thresholds in percent:
          `matched_iou`;
        - ``ari``: `adjusted_rand_index`; ``vi``, ``vi_split``, ``vi_merged``, bits a pixel:
          `variation_of_information`;
        - ``boundary_f``, ``boundary_precision``, ``boundary_recall``: `boundary_agreement`;
        - ``samiam_code_mask_mIoU`` to ``samiam_paper_boundary_mFPR``, percent: `samiam_scores`.

    Raises
    ------
    SamStarError
        If either is not a segmentation, or they do not have the same height and width.
    """
    if isinstance(labels_or_masks, Selection):
        labels_or_masks = labels_or_masks.runs
    elif isinstance(labels_or_masks, Segmentation):
        labels_or_masks = labels_or_masks.labels
    found_runs, true_runs = paired_runs(labels_or_masks, truth)
    found, there = _labels(labels_or_masks, found_runs), _labels(truth, true_runs)

    scores = matched_iou(found_runs, there)
    thresholds = [round(100 * t) for t in scores.pop("thresholds")]
    for name in ("precision", "recall", "f1", "ap"):
        values = scores.pop(name)
        scores |= {f"{name}_{t}": v for t, v in zip(thresholds, values, strict=True)}
    scores["ari"] = adjusted_rand_index(found, there)
    split, merged = variation_of_information(found, there)
    scores |= {"vi": split + merged, "vi_split": split, "vi_merged": merged}
    scores |= boundary_agreement(found_runs, true_runs)
    paper = every_samiam_score(found_runs, true_runs)
    scores |= {f"samiam_{name}": value for name, value in paper.items()}
    return scores


def _labels(given: Any, runs: MaskRuns) -> NDArray[Any]:
    if isinstance(given, np.ndarray) and given.ndim == 2:
        return given
    return runs.paint(np.argsort(-runs.areas(), kind="stable"))
