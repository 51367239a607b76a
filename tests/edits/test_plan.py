from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import napari_samstar as ss
from napari_samstar import edits
from napari_samstar.types import SamStarError


@pytest.fixture
def labels() -> NDArray[np.int32]:
    """Three squares in a row and one below, with a gap between the upper ones and the lower."""
    image = np.zeros((20, 30), np.int32)
    image[0:10, 0:10] = 3
    image[0:10, 10:20] = 7
    image[0:10, 20:30] = 9
    image[12:20, 5:15] = 20
    return image


def _mask(y: slice, x: slice) -> edits.Mask:
    dense = np.zeros((20, 30), bool)
    dense[y, x] = True
    return edits.Mask.of(dense)


def test_merging_leaves_the_first_number_and_the_original_image(
    labels: NDArray[np.int32],
) -> None:
    before = labels.copy()
    out = ss.edits.apply(labels, [ss.edits.Merge(3, 7)])
    np.testing.assert_array_equal(out, np.where(labels == 7, 3, labels))
    np.testing.assert_array_equal(labels, before)


def test_merging_takes_the_material_that_is_known(labels: NDArray[np.int32]) -> None:
    editor = edits.Editor(labels, edits.segment_table(labels, {7: 2, 9: 1}))
    editor.do(edits.Merge(3, 7, 9))
    assert editor.table[3] == edits.Segment(300, (0, 0, 29, 9), 2, "reviewed")
    assert set(editor.table) == {3, 20}


def test_several_edits_follow_one_another(labels: NDArray[np.int32]) -> None:
    out = edits.apply(
        labels,
        [edits.Delete(3, 20), edits.Relabel(7, 1), edits.Add(_mask(np.s_[12:14], np.s_[0:3]))],
    )
    assert np.unique(out).tolist() == [0, 1, 9, 21]
    assert (out[12:14, 0:3] == 21).all()  # 20 was used once


def test_added_masks_spare_other_segments_or_cover_them(labels: NDArray[np.int32]) -> None:
    mask = _mask(np.s_[5:12], np.s_[0:30])
    spared = edits.apply(labels, [edits.Add(mask)])
    assert (spared == 21).sum() == 2 * 30
    covered = edits.Editor(labels)
    covered.do(edits.Add(mask, material=4, over=True))
    assert covered.table[21] == edits.Segment(7 * 30, (0, 5, 29, 11), 4, "reviewed")
    assert covered.table[3] == edits.Segment(50, (0, 0, 9, 4))


def test_strokes_of_a_brush_become_one_edit_that_can_be_undone(
    labels: NDArray[np.int32],
) -> None:
    by_hand = labels.copy()
    by_hand[0:10, 0:10] = 7  # one segment painted away,
    by_hand[4:6, 25:] = 0  # one cut by the eraser,
    by_hand[15:18, 20:24] = 33  # one new, with a number of its own
    stroke = edits.painted(labels, by_hand)
    assert stroke is not None
    editor = edits.Editor(labels)
    editor.do(stroke)
    np.testing.assert_array_equal(editor.labels, by_hand)
    assert editor.table == {
        7: edits.Segment(200, (0, 0, 19, 9), 0, "reviewed"),
        9: edits.Segment(90, (20, 0, 29, 9), 0, "reviewed"),
        20: edits.Segment(80, (5, 12, 14, 19)),
        33: edits.Segment(12, (20, 15, 23, 17), 0, "reviewed"),
    }
    editor.undo()
    np.testing.assert_array_equal(editor.labels, labels)
    assert edits.painted(labels, labels) is None
    by_hand[0, 0] = -1
    with pytest.raises(SamStarError, match="-1 cannot be"):
        edits.painted(labels, by_hand)


def test_a_segment_grows_by_a_mask_and_may_swallow_another(labels: NDArray[np.int32]) -> None:
    editor = edits.Editor(labels)
    editor.do(edits.Add(_mask(np.s_[0:10], np.s_[5:20]), 3, over=True))
    assert editor.table[3].area == 200
    assert 7 not in editor.table
    editor.undo()
    np.testing.assert_array_equal(editor.labels, labels)
    assert editor.table == edits.segment_table(labels)


def test_a_mask_cuts_its_part_off(labels: NDArray[np.int32]) -> None:
    out = edits.apply(labels, [edits.Split(7, parts=_mask(np.s_[0:4], np.s_[8:14]))])
    expected = labels.copy()
    expected[0:4, 10:14] = 21
    np.testing.assert_array_equal(out, expected)


def test_both_pieces_keep_the_material(labels: NDArray[np.int32]) -> None:
    editor = edits.Editor(labels, edits.segment_table(labels, {7: 5}))
    editor.do(edits.Split(7, line=((0, 2), (29, 2))))
    assert {k: editor.table[k].material for k in (7, 21)} == {7: 5, 21: 5}
    assert editor.table[7].area + editor.table[21].area == 100


def test_the_change_says_what_to_repaint(labels: NDArray[np.int32]) -> None:
    editor = edits.Editor(labels)
    assert editor.do(edits.Merge(3, 7)).box == (10, 0, 19, 9)
    assert editor.do(edits.SetMaterial(9, 1)).box is None
    editor.undo()
    delta = editor.undo()
    assert delta is not None
    assert (delta.box, delta.changed_pixels) == ((10, 0, 19, 9), 100)
    assert set(delta.rows_after) == {3, 7}


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (edits.Merge(3, 8), "There is no segment 8"),
        (edits.Merge(8, 3), "There is no segment 8"),
        (edits.Delete(3, 8), "There is no segment 8"),
        (edits.Relabel(3, 7), "Segment 7 exists already"),
        (edits.SetStatus(8, "accepted"), "There is no segment 8"),
        (edits.Add(_mask(np.s_[0:0], np.s_[0:0])), "The mask is empty"),
        (edits.Add(_mask(np.s_[0:5], np.s_[0:20])), "lies wholly on other segments"),
        (edits.Add(_mask(np.s_[0:5], np.s_[0:5]), 3), "holds all of the mask already"),
        (edits.Add(edits.Mask.of(np.ones((4, 4)))), "4 x 4 px does not belong"),
        (edits.Split(3, parts=_mask(np.s_[12:20], np.s_[0:30])), "holds no pixel of segment 3"),
        (edits.Split(3, parts=_mask(np.s_[0:10], np.s_[0:30])), "holds all of segment 3"),
        (edits.Split(3, line=((-5, 15), (40, 15))), "does not cut segment 3"),
        (edits.Split(3, line=((5, 2), (5, 8))), "does not cut segment 3"),
        (edits.Split(3, points=((5, 5), (15, 5))), r"point \(15, 5\) px is not in segment 3"),
        (edits.Split(3, points=((5, 5), (5.2, 5))), "same pixel"),
        (edits.Split(3, line=((-1, 5), (11, 5)), new=(30, 31)), "give 1 numbers"),
        (edits.Split(3, line=((-1, 5), (11, 5)), new=(7,)), "Segment 7 exists already"),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    labels: NDArray[np.int32], edit: edits.Edit, says: str
) -> None:
    editor = edits.Editor(labels)
    editor.do(edits.SetMaterial(3, 1))
    table, history, free = dict(editor.table), editor.history, editor.free
    with pytest.raises(SamStarError, match=says) as caught:
        editor.do(edit)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(editor.labels, labels)
    assert (dict(editor.table), editor.history, editor.free) == (table, history, free)


def test_there_is_a_sentence_when_numbers_run_out() -> None:
    labels = np.zeros((4, 4), np.int32)
    labels[:2] = 2**31 - 2
    with pytest.raises(SamStarError, match="No number is left"):
        edits.apply(labels, [edits.Add(edits.Mask.of(np.ones((4, 4))))])
    with pytest.raises(SamStarError, match="too large"):
        edits.apply(labels.astype(np.int64) + 1, [])
