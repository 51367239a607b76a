"""Agreement of candidates, on masks small enough to count by hand."""

import numpy as np
import pytest

from napari_samstar.proposals.agreement import object_agreement, pixel_agreement
from napari_samstar.proposals.select import select
from napari_samstar.settings import AmgSettings, SelectSettings
from tests.proposals.test_overlaps import SHAPE, make_table


@pytest.fixture
def masks() -> np.ndarray:
    made = np.zeros((3, *SHAPE), bool)
    made[0, 2:12, 2:12] = True
    made[1, 2:12, 3:12] = True  # the same object, drawn a little smaller
    made[2, 15:20, 20:30] = True
    return made


def test_an_object_drawn_otherwise_still_counts_as_found(masks: np.ndarray) -> None:
    table = make_table(masks)
    candidates = [np.array([0, 2]), np.array([1]), np.array([0]), np.array([], np.int64)]
    agreement = object_agreement(table, np.array([0, 1, 2]), candidates)
    assert agreement.tolist() == [0.75, 0.75, 0.25]


def test_pixels_get_the_share_of_candidates_that_cover_them(masks: np.ndarray) -> None:
    keep_all = SelectSettings(amg=AmgSettings(box_nms_thresh=1.0), sources=("regions",))
    both = select(make_table(masks), keep_all)
    one = select(make_table(masks[1:2]), keep_all)
    share = pixel_agreement([both, one])
    assert share.shape == SHAPE
    assert share[5, 2] == 0.5  # in the larger drawing alone
    assert share[5, 5] == 1.0
    assert share[17, 25] == 0.5
    assert share[0, 0] == 0.0
