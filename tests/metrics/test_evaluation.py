from __future__ import annotations

import json
import math

import numpy as np
import pytest

import napari_samstar as ss
from napari_samstar.masks import mask_runs
from napari_samstar.metrics import matched_iou, samiam_scores
from napari_samstar.types import Micrograph, SamStarError, Segmentation


def layers(*edges: int) -> np.ndarray:
    """Label image of layers that end at these columns."""
    return np.searchsorted(np.array(edges), np.arange(64), side="right")[None].repeat(48, axis=0)


def test_every_measure_is_a_plain_number() -> None:
    truth = layers(8, 30, 50)
    found = layers(9, 28, 50)
    scores = ss.evaluate(found, truth)
    assert json.loads(json.dumps(scores)) == scores
    assert all(isinstance(v, int | float) and math.isfinite(v) for v in scores.values())
    single = matched_iou(found, truth)
    assert scores["matched_iou"] == single["matched_iou"]
    assert scores["ap_75"] == single["ap"][5]
    for reading in ("code", "paper"):
        for region in ("mask", "boundary"):
            for name, value in samiam_scores(found, truth, None, region, reading).items():  # type: ignore[arg-type]
                assert scores[f"samiam_{reading}_{region}_{name}"] == value
    assert 0 < scores["vi_split"] < scores["vi"] < 1
    assert 0.8 < scores["ari"] < 1


def test_the_truth_itself_is_perfect() -> None:
    truth = layers(8, 30, 50)
    scores = ss.evaluate(truth, truth)
    ones = {"matched_iou", "pq", "mean_ap", "ari", "boundary_f", "f1_95"}
    assert {name: scores[name] for name in ones} == dict.fromkeys(ones, 1.0)
    assert scores["vi"] == 0.0
    assert scores["samiam_paper_boundary_mIoU"] == 100.0


def test_masks_may_overlap_on_both_sides() -> None:
    whole, part = np.zeros((48, 64), bool), np.zeros((48, 64), bool)
    whole[10:40, 10:50], part[15:25, 15:30] = True, True
    scores = ss.evaluate(mask_runs([part, whole]), [whole, part])
    assert scores["n_predicted"] == scores["n_truth"] == 2
    assert scores["samiam_code_mask_mRecall"] < 100  # the part matches the whole as well
    assert scores["ari"] == scores["boundary_f"] == 1.0


def test_a_finished_segmentation_is_taken_as_it_is() -> None:
    truth = layers(8, 30, 50).astype(np.int32)
    done = Segmentation(truth, Micrograph(np.zeros(truth.shape, np.float32)))
    assert ss.evaluate(done, truth) == ss.evaluate(truth, truth)


def test_without_true_masks_all_is_spurious() -> None:
    found = layers(8, 30, 50)
    empty = ss.evaluate(found, np.zeros((48, 64), int))
    assert ss.evaluate(found, []) == empty
    assert ss.evaluate(mask_runs(found), []) == empty
    assert (empty["n_spurious"], empty["samiam_code_mask_mIoU"]) == (3, 0.0)
    assert ss.evaluate([], found)["matched_iou"] == 0.0


def test_sizes_must_agree() -> None:
    with pytest.raises(SamStarError, match="64 x 48 px"):
        ss.evaluate(layers(5), layers(5)[:40])
