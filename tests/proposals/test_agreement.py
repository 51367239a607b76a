"""Agreement of selections, on masks small enough to count by hand."""

import numpy as np
import pytest

from napari_samstar.proposals.agreement import object_agreement, pixel_agreement
from napari_samstar.proposals.select import select
from napari_samstar.settings import AmgSettings, SelectSettings
from napari_samstar.types import Selection
from tests.proposals.test_overlaps import SHAPE, make_table


@pytest.fixture
def masks() -> np.ndarray:
    made = np.zeros((3, *SHAPE), bool)
    made[0, 2:12, 2:12] = True
    made[1, 2:12, 3:12] = True  # the same object, drawn a little smaller
    made[2, 15:20, 20:30] = True
    return made


def all_of(masks: np.ndarray) -> Selection:
    """Everything, from proposals of their own."""
    keep_all = SelectSettings(amg=AmgSettings(box_nms_thresh=1.0), sources=("regions",))
    return select(make_table(masks), keep_all)


def test_an_object_drawn_otherwise_still_counts_as_found(masks: np.ndarray) -> None:
    chosen = [masks[[0, 2]], masks[[1]], masks[[0]], masks[[2]]]
    objects = make_table(masks).runs
    agreement = object_agreement(objects, [all_of(m) for m in chosen])
    assert agreement.tolist() == [0.75, 0.75, 0.5]


def test_halves_and_empty_masks_are_not_the_object(masks: np.ndarray) -> None:
    half = masks[:1].copy()
    half[0, :, :7] = False
    objects = make_table(np.concatenate([masks[:1], np.zeros((1, *SHAPE), bool)])).runs
    assert object_agreement(objects, [all_of(half)]).tolist() == [0.0, 0.0]


def test_pixels_get_the_share_of_selections_that_cover_them(masks: np.ndarray) -> None:
    share = pixel_agreement([all_of(masks), all_of(masks[1:2])])
    assert share.shape == SHAPE
    assert share[5, 2] == 0.5  # in the larger drawing alone
    assert share[5, 5] == 1.0
    assert share[17, 25] == 0.5
    assert share[0, 0] == 0.0
