from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from napari_samstar.metrics.instances import (
    THRESHOLDS,
    instance_overlaps,
    matched_iou,
)
from napari_samstar.runs import MaskRuns
from napari_samstar.types import SamStarError

LABELS = arrays(np.int32, (6, 7), elements=st.integers(0, 4))
MASKS = arrays(np.bool_, st.tuples(st.integers(0, 6), st.just(6), st.just(7)))


def _dense_iou(
    masks: list[NDArray[np.bool_]], truths: list[NDArray[np.bool_]]
) -> NDArray[np.float64]:
    return np.array([[(m & t).sum() / (m | t).sum() for t in truths] for m in masks]).reshape(
        len(masks), len(truths)
    )


def _squares(*boxes: tuple[int, int, int]) -> NDArray[np.int32]:
    """Label image with a square at each (y, x, side)."""
    labels = np.zeros((20, 20), np.int32)
    for value, (y, x, side) in enumerate(boxes, start=1):
        labels[y : y + side, x : x + side] = value
    return labels


@settings(max_examples=50, deadline=None)
@given(MASKS, LABELS)
def test_agrees_with_dense_hungarian_matching(
    stack: NDArray[np.bool_], truth: NDArray[np.int32]
) -> None:
    masks = [m for m in stack if m.any()]
    truths = [truth == i for i in np.unique(truth) if i > 0]
    iou = _dense_iou(masks, truths)
    scores = matched_iou(MaskRuns.from_dense(list(stack), (6, 7)), truth)
    assert (scores["n_predicted"], scores["n_truth"]) == (len(masks), len(truths))
    if masks and truths:
        rows, columns = linear_sum_assignment(iou, maximize=True)
        assert scores["matched_iou"] == pytest.approx(iou[rows, columns].sum() / len(truths))
        assert scores["best_iou"] == pytest.approx(iou.max(axis=0).mean())
    for threshold, precision, recall, ap in zip(
        THRESHOLDS, scores["precision"], scores["recall"], scores["ap"], strict=True
    ):
        if masks and truths:
            hit = iou >= threshold
            rows, columns = linear_sum_assignment(hit, maximize=True)
            found = int(hit[rows, columns].sum())
            assert precision == pytest.approx(found / len(masks))
            assert recall == pytest.approx(found / len(truths))
            assert ap == pytest.approx(found / (len(masks) + len(truths) - found))


@settings(deadline=None)
@given(LABELS, LABELS)
def test_panoptic_quality_of_label_images(
    predicted: NDArray[np.int32], truth: NDArray[np.int32]
) -> None:
    # without overlaps, pairs above 0.5 are unique: the definition can be written down as it is
    iou = _dense_iou(
        [predicted == i for i in np.unique(predicted) if i > 0],
        [truth == i for i in np.unique(truth) if i > 0],
    )
    scores = matched_iou(predicted, truth)
    pairs = iou[iou > 0.5]
    expected = pairs.sum() / (sum(iou.shape) / 2) if sum(iou.shape) else 1.0
    assert scores["pq"] == pytest.approx(expected)


@settings(deadline=None)
@given(LABELS, st.permutations(range(1, 5)))
def test_the_truth_itself_is_perfect(truth: NDArray[np.int32], names: list[int]) -> None:
    scores = matched_iou(np.array([0, *names], np.int32)[truth], truth)
    for name in ("matched_iou", "best_iou", "mean_ap", "pq", "sq", "rq"):
        assert scores[name] == pytest.approx(1.0)
    assert scores["n_spurious"] == 0


def test_a_missed_object_counts_zero_and_a_spurious_one_is_counted() -> None:
    truth = _squares((1, 1, 6), (1, 10, 6))
    predicted = _squares((1, 1, 6), (12, 12, 3), (12, 2, 3))
    scores = matched_iou(predicted, truth)
    assert scores["matched_iou"] == 0.5
    assert scores["n_spurious"] == 2
    assert (scores["precision"][0], scores["recall"][0]) == (pytest.approx(1 / 3), 0.5)
    assert scores["f1"][0] == pytest.approx(0.4)
    assert scores["ap"][0] == 0.25


def test_two_objects_cannot_share_one_mask() -> None:
    truth = np.zeros((4, 8), np.int32)
    truth[:, :4], truth[:, 4:] = 1, 2
    whole = np.ones((4, 8), bool)
    scores = matched_iou(MaskRuns.from_dense([whole, whole & (truth == 1)]), truth)
    assert scores["matched_iou"] == (1.0 + 0.5) / 2
    assert scores["n_spurious"] == 0
    only_whole = matched_iou(MaskRuns.from_dense([whole]), truth)
    assert (only_whole["matched_iou"], only_whole["best_iou"]) == (0.25, 0.5)


def test_nothing_found_and_nothing_there() -> None:
    none, some = _squares(), _squares((1, 1, 5))
    assert matched_iou(none, none)["matched_iou"] == 1.0
    assert matched_iou(none, none)["pq"] == 1.0
    missed, spurious = matched_iou(none, some), matched_iou(some, none)
    for scores in (missed, spurious):
        assert scores["matched_iou"] == scores["pq"] == scores["mean_ap"] == 0.0
        assert scores["precision"] == scores["recall"] == [0.0] * 10
    assert spurious["n_spurious"] == 1


def test_sizes_must_agree() -> None:
    with pytest.raises(SamStarError, match="3 x 2 px and the truth is 4 x 2 px"):
        matched_iou(np.zeros((2, 3), int), np.zeros((2, 4), int))


def test_objects_that_meet_nobody_else_are_paired_without_a_search() -> None:
    # a search among 40,000 would take minutes
    truth = np.arange(1, 40_001).reshape(200, 200)
    found = truth[::-1].copy()
    found[:10] = 0
    scores = matched_iou(found, truth)
    assert scores["matched_iou"] == scores["recall"][0] == pytest.approx(0.95)
    assert scores["precision"][0] == 1.0


def test_thousands_of_overlapping_masks_take_moments() -> None:
    truth = np.kron(np.arange(1, 2501, dtype=np.int32).reshape(50, 50), np.ones((10, 10), np.int32))
    rng = np.random.default_rng(4)
    masks = []
    for y, x, h, w in rng.integers([0, 0, 4, 4], [480, 480, 20, 20], (3000, 4)):
        mask = np.zeros((500, 500), bool)
        mask[y : y + h, x : x + w] = True
        masks.append(mask)
    runs = MaskRuns.from_dense(masks)
    instance_overlaps(runs.take([0]), truth)
    start = time.process_time()
    scores = matched_iou(runs, truth)
    assert time.process_time() - start < 2.0
    assert 0.1 < scores["matched_iou"] < scores["best_iou"] < 0.6
