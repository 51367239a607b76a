"""Masks as run lengths are what they encode."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from segment_anything.utils.amg import mask_to_rle_pytorch

from napari_samstar.runs import MaskRuns, encode_window

masks = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(lambda s: arrays(bool, (3, *s)))


@given(masks)
def test_round_trip_and_properties(stack: NDArray[np.bool_]) -> None:
    runs = MaskRuns.from_dense(stack)
    assert np.array_equal([runs.dense(i) for i in range(3)], stack)
    assert np.array_equal(runs.areas(), stack.sum((1, 2)))
    for box, mask in zip(runs.boxes(), stack, strict=True):
        ys, xs = np.nonzero(mask)
        assert box.tolist() == ([xs.min(), ys.min(), xs.max(), ys.max()] if len(xs) else [0] * 4)
    i, j = (k.ravel() for k in np.meshgrid(range(3), range(3)))
    shared = [(stack[a] & stack[b]).sum() for a, b in zip(i, j, strict=True)]
    assert np.array_equal(runs.intersections(i, j), shared)


@given(masks)
def test_runs_are_those_of_segment_anything(stack: NDArray[np.bool_]) -> None:
    import torch

    theirs = mask_to_rle_pytorch(torch.from_numpy(stack))
    ours = MaskRuns.from_dense(stack)
    assert [r["counts"] for r in theirs] == [ours.row(i).tolist() for i in range(3)]


@given(masks, st.integers(0, 4), st.integers(0, 4), st.integers(0, 3), st.integers(0, 3))
def test_window_is_placed_in_its_frame(
    stack: NDArray[np.bool_], y: int, x: int, below: int, right: int
) -> None:
    window = stack[0]
    h, w = window.shape
    frame = np.zeros((y + h + below, x + w + right), bool)
    frame[y : y + h, x : x + w] = window
    runs = encode_window(window, y, x, *frame.shape)
    assert np.array_equal(runs, MaskRuns.from_dense([frame]).counts)
    placed = MaskRuns.from_rows([runs], frame.shape)
    assert np.array_equal(placed.window(0, (x, y, x + w - 1, y + h - 1)), window)


@given(masks, st.integers(0, 10**6))
def test_a_mask_holds_the_pixels_that_it_shows(stack: NDArray[np.bool_], place: int) -> None:
    runs = MaskRuns.from_dense(stack, stack.shape[1:])
    y, x = np.divmod(place % stack[0].size, stack.shape[2])
    rows = np.arange(len(stack))[::-1]
    assert runs.hold(rows, y, x).tolist() == stack[::-1, y, x].tolist()


def test_later_masks_are_painted_on_top() -> None:
    large, small = np.ones((4, 4), bool), np.zeros((4, 4), bool)
    small[1, 1] = True
    runs = MaskRuns.from_dense([small, large])
    assert runs.paint(np.array([1, 0]))[1, 1] == 1
    assert runs.paint(np.array([0, 1]))[1, 1] == 2


def test_rows_are_indices_and_not_booleans() -> None:
    both = MaskRuns.from_dense(np.eye(2, dtype=bool)[:, None])
    assert len(both.take([])) == 0
    with pytest.raises(TypeError, match="flatnonzero"):
        both.take(np.array([True, False]))


def test_joining_keeps_order_and_refuses_other_frames() -> None:
    one = MaskRuns.from_dense([np.eye(3, dtype=bool)])
    two = MaskRuns.from_dense([~np.eye(3, dtype=bool)])
    both = one + two
    assert len(both) == 2
    assert np.array_equal(both.take([1]).dense(0), two.dense(0))
    with pytest.raises(ValueError, match="frames"):
        one + MaskRuns.empty((4, 4))
    with pytest.raises(ValueError, match="share one shape"):
        MaskRuns.from_dense([np.ones((2, 2), bool), np.ones((3, 2), bool)])
