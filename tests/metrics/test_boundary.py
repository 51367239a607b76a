from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_cdt

from napari_samstar.masks import mask_runs
from napari_samstar.metrics import boundary_agreement, boundary_bands
from napari_samstar.metrics.boundary import band_width
from napari_samstar.runs import MaskRuns
from napari_samstar.types import SamStarError


@pytest.mark.parametrize(
    ("shape", "width"),
    [((1024, 1024), 29), ((2048, 2048), 58), ((128, 128), 4), ((96, 160), 4), ((10, 10), 1)],
)
def test_band_is_two_percent_of_the_diagonal(shape: tuple[int, int], width: int) -> None:
    assert band_width(shape) == width


@settings(max_examples=50)
@given(arrays(bool, (2, 9, 11)), st.sampled_from([0.02, 0.15, 0.2]))
def test_band_is_what_lies_near_the_outside(stack: NDArray[np.bool_], ratio: float) -> None:
    bands = boundary_bands(mask_runs(stack), ratio)
    for i, mask in enumerate(stack):
        padded = np.pad(mask, 1)  # beyond the border is outside
        distance = distance_transform_cdt(padded, "chessboard")[1:-1, 1:-1]
        expected = mask & (distance <= band_width(mask.shape, ratio))
        assert np.array_equal(bands.dense(i), expected)


def test_outlines_count_up_to_the_tolerance() -> None:
    truth = np.zeros((60, 60), int)
    truth[10:40, 10:40] = 1
    shifted = np.roll(truth, 3, axis=0)
    assert boundary_agreement(truth, truth) == {
        "boundary_f": 1.0,
        "boundary_precision": 1.0,
        "boundary_recall": 1.0,
    }
    near = boundary_agreement(shifted, truth, tolerance=3)
    assert near["boundary_f"] == 1.0
    # along the sides, which the shift leaves in place but for 3 px, outlines agree within 1 px
    far = boundary_agreement(shifted, truth, tolerance=1)
    assert far["boundary_recall"] == pytest.approx((2 * 30 - 2 * 2) / (4 * 29), abs=0.03)


def test_a_spurious_outline_costs_precision_a_missed_one_recall() -> None:
    one, two = np.zeros((40, 80), int), np.zeros((40, 80), int)
    one[10:30, 10:30] = two[10:30, 10:30] = 1
    two[10:30, 50:70] = 2
    spurious, missed = boundary_agreement(two, one), boundary_agreement(one, two)
    assert (spurious["boundary_precision"], spurious["boundary_recall"]) == (0.5, 1.0)
    assert (missed["boundary_precision"], missed["boundary_recall"]) == (1.0, 0.5)
    assert missed["boundary_f"] == pytest.approx(2 / 3)


def test_regions_that_touch_have_an_outline_and_the_image_border_has_none() -> None:
    halves = np.ones((40, 40), int)
    halves[:, 20:] = 2
    assert boundary_agreement(np.ones((40, 40), int), halves)["boundary_f"] == 0.0
    assert boundary_agreement(np.ones((40, 40), int), np.zeros((40, 40), int))["boundary_f"] == 1.0


def test_overlapping_masks_all_have_outlines() -> None:
    inner, outer = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    inner[15:25, 15:25], outer[5:35, 5:35] = True, True
    masks = [inner, outer, np.zeros((40, 40), bool)]
    scores = boundary_agreement(MaskRuns.from_dense(masks), masks[:1], tolerance=1)
    assert scores["boundary_recall"] == 1.0
    assert scores["boundary_precision"] == pytest.approx(36 / (36 + 116))


def test_sizes_must_agree() -> None:
    with pytest.raises(SamStarError, match="3 x 2 px"):
        boundary_agreement(np.zeros((2, 3), int), np.zeros((2, 4), int))
