"""Masks are taken in whatever form they come."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from napari_samstar.masks import mask_runs
from napari_samstar.runs import MaskRuns
from napari_samstar.types import SamStarError

stacks = st.tuples(st.integers(1, 3), st.integers(1, 11), st.integers(1, 11)).flatmap(
    lambda shape: arrays(bool, shape)
)


@given(stacks)
def test_encoding_by_words_is_encoding_by_pixels(stack: NDArray[np.bool_]) -> None:
    expected = MaskRuns.from_dense(stack)
    forms: list[Any] = [stack, list(stack), 255 * stack.astype(np.uint8), np.asfortranarray(stack)]
    for form in forms:
        runs = mask_runs(form)
        assert runs.shape == expected.shape
        assert np.array_equal(runs.counts, expected.counts)
        assert np.array_equal(runs.offsets, expected.offsets)
    turned = mask_runs([mask.T for mask in stack])
    assert np.array_equal([turned.dense(i).T for i in range(len(stack))], stack)


def test_a_finely_striped_mask_has_many_runs() -> None:
    stripes = np.zeros((1000, 4), bool)
    stripes[::2] = True
    runs = mask_runs([stripes])
    assert runs.counts.size == 4000 + 1
    assert np.array_equal(runs.dense(0), stripes)


def test_label_images_give_one_mask_a_label() -> None:
    labels = np.array([[0, 7, 7], [3, 3, 0]])
    runs = mask_runs(labels)
    assert np.array_equal(runs.dense(0), labels == 3)
    assert np.array_equal(runs.dense(1), labels == 7)
    assert len(mask_runs(labels > 0)) == 1
    assert mask_runs(runs) is runs


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([np.ones((2, 2), bool), np.ones((2, 3), bool)], "3 x 2 px is not 2 x 2 px"),
        ([np.ones((2, 4), bool), np.ones((2, 4), bool)], "4 x 2 px is not 2 x 2 px"),
        ([np.ones((2, 2, 3), bool)], "3 dimensions"),
        ([np.ones((2, 2))], "type float64"),
        (np.ones((2, 2)), "whole numbers"),
        (np.ones(4, bool), "list of"),
        (np.ones((4, 4), bool), "4 x 4 px, where 2 x 2 px are needed"),
    ],
)
def test_what_is_not_a_mask_is_named(masks: Any, message: str) -> None:
    with pytest.raises(SamStarError, match=message):
        mask_runs(masks, (2, 2))


def test_no_masks_have_the_size_that_is_asked_for() -> None:
    assert mask_runs([], (3, 2)).shape == (3, 2)
    assert mask_runs(np.zeros((0, 3, 2), bool)).shape == (3, 2)
    assert len(mask_runs([])) == 0
