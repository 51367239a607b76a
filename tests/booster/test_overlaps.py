from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_samstar.booster.overlaps import Resolved, resolve_overlaps
from napari_samstar.masks import mask_runs
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import BoostSettings

Stack = NDArray[np.bool_]


def rectangles(*boxes: tuple[int, int, int, int]) -> Stack:
    """Masks on 40 x 40 px, each a rectangle y, x, height, width."""
    stack = np.zeros((len(boxes), 40, 40), bool)
    for mask, (y, x, h, w) in zip(stack, boxes, strict=True):
        mask[y : y + h, x : x + w] = True
    return stack


def resolve(stack: Stack, *, min_speck: int = 0, grow: int = 0, **columns: Any) -> Resolved:
    columns = {name: np.asarray(values) for name, values in columns.items()}
    limits = BoostSettings(min_speck=min_speck, grow=grow)
    return resolve_overlaps(mask_runs(stack), settings=limits, **columns)


def test_shared_pixels_go_to_the_surer_then_the_better_then_the_smaller() -> None:
    stack = rectangles((0, 0, 20, 20), (0, 12, 20, 24))
    shared = (10, 15)
    worse_to_better: list[dict[str, list[float]]] = [
        {},  # the second is larger
        {"stability": [0.8, 0.9]},
        {"stability": [0.8, 0.9], "predicted_iou": [0.9, 0.8]},
        {"stability": [0.8, 0.9], "predicted_iou": [0.9, 0.8], "margin": [0.1, 0.4]},
        {"margin": [0.1, np.nan]},
    ]
    winners = [resolve(stack, **columns).labels[shared] for columns in worse_to_better]
    assert winners == [1, 2, 1, 2, 1]


def test_a_child_stands_above_its_parent_however_sure_that_is() -> None:
    stack = rectangles((10, 10, 8, 8), (5, 5, 20, 20), (12, 12, 3, 3))
    result = resolve(stack, margin=[0.2, 0.9, 0.1])
    assert result.rows.tolist() == [0, 1, 2]
    assert result.areas.tolist() == [64 - 9, 400 - 64, 9]


def test_one_image_by_instance_and_one_by_material() -> None:
    stack = rectangles((0, 0, 20, 20), (0, 15, 20, 10), (30, 0, 10, 40), (0, 0, 5, 5))
    result = resolve(stack, material=[2, 2, 1, 0])
    merged = result.materials()
    assert result.labels.dtype == merged.dtype == np.int32
    assert len(np.unique(result.labels)) == 5
    assert (merged[6:20, :25] == 2).all()
    assert (merged[30:] == 1).all()
    assert (merged[20:30] == 0).all()
    assert (merged[:5, :5] == 0).all()  # uncertain
    with pytest.raises(ValueError, match="not given"):
        resolve(stack).materials()


def test_masks_of_which_nothing_stays_are_left_out() -> None:
    stack = rectangles((0, 0, 10, 10), (0, 0, 10, 10), (20, 20, 9, 9))
    result = resolve(stack, margin=[0.5, 0.9, 0.1], material=[1, 2, 3])
    assert result.rows.tolist() == [1, 2]
    assert result.material is not None
    assert result.material.tolist() == [2, 3]
    assert result.labels.max() == 2


def test_scraps_go_to_what_they_touch() -> None:
    # a bar cuts a strip of 2 px off the square; another scrap lies in the open
    stack = rectangles((5, 5, 20, 20), (0, 20, 40, 3), (30, 30, 2, 2))
    stack[0, 35, 5] = True
    loose = resolve(stack, margin=[0.1, 0.9, 0.5])
    assert loose.labels[10, 24] == loose.labels[35, 5] == 1
    clean = resolve(stack, margin=[0.1, 0.9, 0.5], min_speck=60)
    assert (clean.labels[5:25, 23:25] == 2).all()
    assert clean.labels[35, 5] == 0
    assert clean.labels[30, 30] == 3  # all there is of a mask stays
    nested = rectangles((5, 5, 30, 30), (10, 10, 10, 10))
    nested[1, 30, 30] = True
    assert resolve(nested, min_speck=5).labels[30, 30] == 1


def test_growth_is_bounded_and_meets_halfway() -> None:
    stack = rectangles((0, 0, 40, 10), (0, 16, 40, 4))
    grown = resolve(stack, grow=5)
    assert grown.labels[0].tolist() == [1] * 13 + [2] * 12 + [0] * 15
    assert grown.areas.tolist() == [13 * 40, 12 * 40]
    assert not resolve(rectangles(), grow=5).labels.any()


@settings(max_examples=60)
@given(
    arrays(bool, st.tuples(st.integers(0, 6), st.just(6), st.just(7))),
    st.lists(st.sampled_from([0.1, 0.5, np.nan]), min_size=6, max_size=6),
)
def test_every_pixel_has_one_mask_and_it_is_one_of_its_own(
    stack: Stack, margin: list[float]
) -> None:
    result = resolve(stack, margin=margin[: len(stack)])
    assert np.array_equal(result.labels > 0, stack.any(axis=0))
    dense = np.array([result.runs.dense(i) for i in range(len(result.runs))]).reshape(-1, 6, 7)
    assert (dense.sum(axis=0) <= 1).all()
    assert np.array_equal(result.areas, dense.sum(axis=(1, 2)))
    assert (result.areas > 0).all()
    for i, row in enumerate(result.rows):
        assert np.array_equal(dense[i], result.labels == i + 1)
        assert not (dense[i] & ~stack[row]).any()


@settings(max_examples=60)
@given(arrays(bool, st.tuples(st.integers(1, 5), st.just(6), st.just(7))), st.integers(2, 9))
def test_clean_up_leaves_no_scrap_and_invents_no_ground(stack: Stack, min_speck: int) -> None:
    from skimage.measure import label

    result = resolve(stack, min_speck=min_speck)
    assert not ((result.labels > 0) & ~stack.any(axis=0)).any()
    for i in range(len(result.runs)):
        sizes = np.bincount(label(result.runs.dense(i), connectivity=1).ravel())[1:]
        assert ((sizes >= min_speck) | (sizes == sizes.max())).all()


def test_run_lengths_alone_are_enough() -> None:
    assert resolve_overlaps(MaskRuns.empty((5, 6))).labels.shape == (5, 6)
