from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_samstar.masks import mask_runs
from napari_samstar.metrics import samiam_scores
from napari_samstar.metrics.boundary import boundary_bands
from napari_samstar.metrics.overlaps import shared_pixels
from napari_samstar.metrics.samiam import every_samiam_score
from napari_samstar.types import SamStarError

# where errors of the published program show, so that its own numbers are not what it defines
ORDER_ERRS = {4, 6, 9, 11, 12, 13, 17, 19, 20, 21, 22, 23}  # mFPR depends on the order of masks
BAND_ERRS = {12, 13, 17, 22, 23}  # masks are matched against a band
AT_THE_LIMIT = {3}  # an IoU of exactly 0.05, where program and paper differ

OF_PAPER = {"mRecall": "mRecall_literal", "mPrecision": "mPrecision_literal", "mFPR": "mFPR_over_m"}
OF_CODE = {
    "mRecall": "mRecall_of_ratios",
    "mPrecision": "mPrecision_of_ratios",
    "mFPR": "mFPR_sum",
}


@pytest.mark.parametrize("region", ["mask", "boundary"])
@pytest.mark.parametrize("number", range(24))
def test_agrees_with_the_published_program_and_equations(
    oracles: Path, number: int, region: Any
) -> None:
    with np.load(oracles / "samiam_metrics.npz") as cases:
        if f"m{number:02d}_preds" not in cases:
            pytest.skip("no such case here")
        names = ("preds", "gts", "shape", "weights", "code_region", "code_boundary", "paper")
        case = {name: cases[f"m{number:02d}_{name}"] for name in names}
        columns = cases["metric_order"].tolist()
    height, width = case["shape"]
    masks = [
        np.unpackbits(case[name], axis=1)[:, : height * width].reshape(-1, height, width)
        for name in ("preds", "gts")
    ]
    weights = case["weights"]
    code = samiam_scores(masks[0], masks[1], weights, region, "code")
    paper = samiam_scores(masks[0], masks[1], weights, region, "paper")

    printed = json.loads(str(case["paper"]))
    printed = printed["region" if region == "mask" else "boundary_match_region"]
    assert paper.keys() == {"mIoU", "mRecall", "mPrecision", "mFPR"}
    for name, value in paper.items():
        assert value == pytest.approx(printed[OF_PAPER.get(name, name)], abs=1e-6), name
    if number not in AT_THE_LIMIT:
        for name in ("mIoU", *OF_CODE):
            assert code[name] == pytest.approx(printed[OF_CODE.get(name, name)], abs=1e-6), name

    ran = dict(
        zip(columns, case["code_region" if region == "mask" else "code_boundary"], strict=True)
    )
    if number in ORDER_ERRS:
        del ran["mFPR"]
    if number in BAND_ERRS and region == "boundary":
        ran = {}
    for name, value in ran.items():
        assert code[name] == pytest.approx(value, abs=1e-6), name


def bar(start: int, stop: int) -> NDArray[np.bool_]:
    """Mask of full height on a canvas 4 high and 100 wide."""
    mask = np.zeros((4, 100), bool)
    mask[:, start:stop] = True
    return mask


def test_fragments_lower_the_mean_and_raise_the_sum_of_the_others() -> None:
    whole, part, piece = bar(0, 100), bar(0, 40), bar(40, 50)
    code = samiam_scores([part, whole, piece], [whole])
    assert code["mIoU"] == pytest.approx(50.0)
    assert code["mRecall"] == pytest.approx(50.0)
    assert code["mPrecision"] == 100.0
    assert code["mF1"] == pytest.approx((100 + 200 * 0.4 / 1.4 + 200 * 0.1 / 1.1) / 3)
    assert code["mFPR"] == pytest.approx(50.0)
    paper = samiam_scores([part, whole, piece], [whole], reading="paper")
    assert paper == pytest.approx(
        {"mIoU": 50.0, "mRecall": 50.0, "mPrecision": 100.0, "mFPR": 50 / 3}
    )


def test_the_order_of_masks_does_not_matter() -> None:
    masks = [bar(0, n) for n in (20, 90, 50, 70)]
    rising = sorted(masks, key=np.sum)
    for reading in ("code", "paper"):
        scores = [
            samiam_scores(order, [bar(0, 100)], region="boundary", reading=reading)  # type: ignore[arg-type]
            for order in (masks, rising, rising[::-1])
        ]
        assert scores[1] == pytest.approx(scores[0])
        assert scores[2] == pytest.approx(scores[0])


def test_exactly_the_threshold_matches_in_the_paper_alone() -> None:
    at, above = bar(0, 5), bar(0, 6)
    assert samiam_scores([at], [bar(0, 100)], reading="code")["mIoU"] == 0.0
    assert samiam_scores([at], [bar(0, 100)], reading="paper")["mIoU"] == pytest.approx(5.0)
    assert samiam_scores([above], [bar(0, 100)], reading="code")["mIoU"] == pytest.approx(6.0)


def test_a_missed_mask_costs_recall_in_the_program_alone() -> None:
    truth = [bar(0, 40), bar(60, 100)]
    code = samiam_scores([bar(0, 20)], truth)
    assert (code["mIoU"], code["mRecall"], code["mPrecision"]) == (25.0, 25.0, 50.0)
    paper = samiam_scores([bar(0, 20)], truth, reading="paper")
    assert (paper["mIoU"], paper["mRecall"], paper["mPrecision"]) == (25.0, 50.0, 100.0)


def test_easy_masks_may_weigh_more() -> None:
    truth = [bar(0, 40), bar(60, 100)]
    assert samiam_scores([bar(0, 40)], truth, weights=[10, 1])["mIoU"] == pytest.approx(1000 / 11)


def test_boundary_scores_are_of_bands_of_masks_that_match_whole() -> None:
    # on 100 x 100 the band is 3 wide; the frame alone matches the square at IoU 0.84, whose band
    # it hits, while its own band runs along the hole as well
    square = np.zeros((100, 100), bool)
    square[20:70, 20:70] = True
    frame = square.copy()
    frame[35:55, 35:55] = False
    band, hole = 50**2 - 44**2, 26**2 - 20**2
    scores = samiam_scores([frame], [square], region="boundary")
    assert scores["mIoU"] == pytest.approx(100 * band / (band + hole))
    assert scores["mRecall"] == pytest.approx(100)
    assert scores["mPrecision"] == pytest.approx(100 * band / (band + hole))


def test_label_images_runs_and_stacks_are_one() -> None:
    labels = np.zeros((20, 30), int)
    labels[2:9, 3:20], labels[12:18, 5:28] = 4, 2
    truth = np.roll(labels, 2, axis=1)
    masks = [truth == 2, truth == 4]
    expected = samiam_scores(labels, truth, weights=[3, 1])
    assert samiam_scores(mask_runs(labels), masks, weights=[3, 1]) == expected
    assert samiam_scores(np.stack([labels == 2, labels == 4]), mask_runs(masks), [3, 1]) == expected
    assert samiam_scores(labels, masks[::-1], weights=[1, 3]) == pytest.approx(expected)


def dense_scores(
    found: NDArray[np.bool_], true: NDArray[np.bool_], region: str, reading: str
) -> dict[str, float]:
    """Score as the table of `samiam_scores` says, mask by mask and pixel by pixel."""
    names = ["mIoU", "mRecall", "mPrecision", *(["mF1"] if reading == "code" else []), "mFPR"]
    if len(true) == 0:
        best = 100.0 * (len(found) == 0)
        return {name: best if name != "mFPR" else 0.0 for name in names}
    bands = [boundary_bands(mask_runs(masks)) for masks in (found, true)]
    rows = []
    for j, one in enumerate(true):
        pairs = []
        for i, other in enumerate(found):
            both, either = int((one & other).sum()), int((one | other).sum())
            if (
                either
                and both
                and (20 * both > either or (reading == "paper" and 20 * both == either))
            ):
                a, b = (other, one) if region == "mask" else (bands[0].dense(i), bands[1].dense(j))
                pairs.append((int((a & b).sum()), int(a.sum()), int(b.sum())))
        shared, p, t = np.array(pairs, float).reshape(-1, 3).T
        iou = shared / (p + t - shared)
        rest = iou.sum() - iou.max(initial=0)
        n = max(len(pairs), 1)
        values = [iou.sum() / n, shared.sum() / n, p.sum() / n, t.sum() / n]
        values += [(shared / t).sum() / n, (shared / p).sum() / n, (2 * shared / (p + t)).sum() / n]
        rows.append([*values, rest, rest / n])
    iou, shared, p, t, recall, precision, f1, rest, rest_of = np.mean(rows, axis=0).tolist()
    if reading == "code":
        scores = [iou, recall, precision, f1, rest]
    else:
        scores = [iou, shared / t if t else 0.0, shared / p if p else 0.0, rest_of]
    return {name: 100 * value for name, value in zip(names, scores, strict=True)}


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(1, 9), st.integers(1, 9)).flatmap(
        lambda n: st.tuples(arrays(bool, (n[0], *n[2:])), arrays(bool, (n[1], *n[2:])))
    )
)
def test_masks_that_meet_are_found_as_by_looking_at_every_pair(
    both: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> None:
    found, true = both
    table = (found[:, None] & true[None]).sum((2, 3))
    first, second, shared = shared_pixels(mask_runs(found), mask_runs(true))
    assert [first.tolist(), second.tolist()] == [i.tolist() for i in np.nonzero(table)]
    assert shared.tolist() == table[first, second].tolist()
    every = every_samiam_score(found, true)
    for region in ("mask", "boundary"):
        for reading in ("code", "paper"):
            expected = dense_scores(found, true, region, reading)
            single = samiam_scores(found, true, region=region, reading=reading)  # type: ignore[arg-type]
            assert single == pytest.approx(expected, abs=1e-12, rel=1e-12)
            for name, value in single.items():
                assert every[f"{reading}_{region}_{name}"] == value
    assert len(every) == 18


def test_a_mask_a_pixel_needs_no_table_of_all_pairs() -> None:
    # a table of all pairs would hold 62,500 squared numbers: more memory than there is
    labels = np.arange(1, 62_501).reshape(250, 250)
    scores = every_samiam_score(labels, labels)
    assert scores["code_mask_mIoU"] == pytest.approx(100)
    assert scores["paper_boundary_mRecall"] == pytest.approx(100)


def test_a_list_without_masks_has_the_size_of_the_other() -> None:
    some, none = [bar(0, 10)], np.zeros((0, 4, 100), bool)
    for reading in ("code", "paper"):
        of = {"reading": reading}
        assert samiam_scores(some, [], **of) == samiam_scores(some, none, **of)  # type: ignore[arg-type]
        assert samiam_scores(some, mask_runs([]), **of) == samiam_scores(some, none, **of)  # type: ignore[arg-type]
        assert samiam_scores([], some, **of) == samiam_scores(none, some, **of)  # type: ignore[arg-type]
        assert samiam_scores(mask_runs([]), some, **of) == samiam_scores(none, some, **of)  # type: ignore[arg-type]
        assert samiam_scores([], [], **of)["mIoU"] == 100.0  # type: ignore[arg-type]


def test_no_weights_are_equal_weights() -> None:
    truth = [bar(0, 40), bar(60, 100)]
    assert samiam_scores([bar(0, 40)], truth, np.array([])) == samiam_scores([bar(0, 40)], truth)
    assert samiam_scores([bar(0, 40)], truth, [])["mIoU"] == pytest.approx(50.0)


def test_nothing_predicted_and_nothing_there() -> None:
    none, some = np.zeros((5, 5), int), np.ones((5, 5), int)
    assert samiam_scores(none, some)["mIoU"] == samiam_scores(some, none)["mIoU"] == 0.0
    assert samiam_scores([], some, reading="paper")["mRecall"] == 0.0
    assert samiam_scores(none, none) == {
        "mIoU": 100.0,
        "mRecall": 100.0,
        "mPrecision": 100.0,
        "mF1": 100.0,
        "mFPR": 0.0,
    }


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"weights": [1.0, 2.0]}, "2 weights for 1 true"),
        ({"weights": [-1.0]}, "positive"),
        ({"weights": [0.0]}, "positive"),
        ({"region": "edge"}, "'edge'"),
        ({"reading": "both"}, "'both'"),
    ],
)
def test_bad_choices_are_named(more: dict[str, Any], message: str) -> None:
    with pytest.raises(SamStarError, match=message):
        samiam_scores([bar(0, 9)], [bar(0, 9)], **more)


def test_sizes_must_agree() -> None:
    with pytest.raises(SamStarError, match=r"3 x 2 px is not 4 x 2 px"):
        samiam_scores([np.ones((2, 3), bool)], np.ones((2, 4), int))
