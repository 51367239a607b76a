from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from napari_samstar import edits
from napari_samstar.edits.values import edit_from_record
from napari_samstar.types import SamStarError

MASK = edits.Mask.of([[1, 0], [1, 1]], 1, 2, (5, 6))
EVERY_KIND = [
    edits.Merge(3, 7, 9),
    edits.Split(3, line=((0, 1.5), (4, 2))),
    edits.Split(3, points=((0, 1), (4, 2))),
    edits.Split(3, parts=(MASK,), new=(8,)),
    edits.Delete(4, 5),
    edits.Add(MASK, material=2, over=True),
    edits.Add(MASK, 12),
    edits.Paint((MASK, MASK), (0, 4)),
    edits.Relabel(3, 4),
    edits.SetMaterial((3, 4), 0),
    edits.SetMaterials({3: 1, 4: 0}),
    edits.SetStatus(3, "accepted"),
]


@pytest.mark.parametrize("edit", EVERY_KIND, ids=str)
def test_every_edit_survives_being_written_down(edit: edits.Edit) -> None:
    assert edit_from_record(json.loads(json.dumps(edit.record()))) == edit
    assert hash(edit) == hash(edit_from_record(edit.record()))


def test_numbers_and_points_of_numpy_are_taken() -> None:
    labels = np.array([[3, 7]], np.int32)
    assert edits.Merge(labels[0, 0], labels[0, 1]) == edits.Merge(3, 7)
    assert edits.SetMaterial(np.array([3, 7]), np.int64(1)) == edits.SetMaterial((3, 7), 1)
    assert edits.Split(3, line=np.zeros((2, 2))) == edits.Split(3, line=((0.0, 0.0), (0.0, 0.0)))


def test_a_mask_keeps_its_window() -> None:
    window, box = MASK.window()
    assert box == (2, 1, 3, 2)
    assert window.tolist() == [[True, False], [True, True]]


def _of_size(side: float) -> dict[str, Any]:
    return {"edit": "Add", "mask": {"size": [side, 6], "counts": "0"}}


def test_arrays_are_masks_and_one_edit_is_a_list_of_one() -> None:
    labels = np.kron([[1, 2, 0]], np.ones((4, 4), int))
    left = np.zeros((4, 12), bool)
    left[:, :2] = True
    free = labels == 0
    assert edits.Add(free) == edits.Add(edits.Mask.of(free))  # type: ignore[arg-type]
    for parts in (left, [left], (edits.Mask.of(left),)):
        assert edits.Split(1, parts=parts) == edits.Split(1, parts=edits.Mask.of(left))  # type: ignore[arg-type]
    assert edits.Paint((left,), (2,)) == edits.Paint((edits.Mask.of(left),), (2,))  # type: ignore[arg-type]
    merged = edits.apply(labels, edits.Merge(1, 2))
    np.testing.assert_array_equal(merged, edits.apply(labels, [edits.Merge(1, 2)]))
    assert (edits.apply(labels, edits.Add(free))[free] == 3).all()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: edits.Merge(3, 3), "two different segments"),
        (lambda: edits.Merge(0, 3), "0 is the background"),
        (lambda: edits.Delete(), "No segment was chosen"),
        (lambda: edits.Delete(2.5), "2.5 is not the number of a segment"),  # type: ignore[arg-type]
        (lambda: edits.Relabel(3, 2**31), "2147483648 cannot be"),
        (lambda: edits.SetMaterial(3, -1), "-1 cannot be the number of a material"),
        (lambda: edits.SetStatus(3, "fine"), "'fine' is none of open"),  # type: ignore[arg-type]
        (lambda: edits.Paint((MASK,), (-1,)), "-1 cannot be"),
        (lambda: edits.Paint((MASK,), (1, 2)), "one label for each mask"),
        (lambda: edits.Split(3), "either a line, or two points, or a mask"),
        (lambda: edits.Split(3, line=((1, 1),)), "two points or more"),
        (lambda: edits.Split(3, points=((1, 1), (2, 2), (3, 3))), "two points to split"),
        (lambda: edits.Split(3, line=((0, 0), (float("nan"), 1))), "far outside"),
        (lambda: edits.Mask.of([[1]], 0, 9, (5, 6)), "beyond the image"),
        (lambda: edits.Mask("11", (5, 6)).runs(), "do not fill 6 x 5 px"),
        (lambda: edit_from_record({"edit": "Paint"}), "not a correction"),
        (lambda: edit_from_record({"edit": "Merge", "into": 1}), "not a correction"),
        (lambda: edit_from_record({"edit": "Add", "mask": 3}), "not a correction"),
        (lambda: edit_from_record(_of_size(float("inf"))), "not a correction"),
        (lambda: edits.Mask("0" + "o" * 7 + "0", (5, 6)).runs(), "longer than any image"),
        (lambda: edits.Mask.of(np.full((5, 6), np.nan)), "holds NaN"),
        (lambda: edits.Mask.of(np.full((5, 6), "a")), "true or false"),
        (lambda: edits.Add(np.ones(5, bool)), "two dimensions; this one has 1"),  # type: ignore[arg-type]
        (lambda: edits.Add([[True]]), "not \\[\\[True"),  # type: ignore[arg-type]
        (lambda: edits.Split(1, parts=np.ones(4, bool)), "A mask is a Mask"),  # type: ignore[arg-type]
        (lambda: edits.Split(1, parts=3), "A mask is a Mask"),  # type: ignore[arg-type]
        (lambda: edits.Split(1, line=[1, 2]), "x and y in px, not 1"),  # type: ignore[arg-type,list-item]
        (lambda: edits.Split(1, line=[(1, 2, 3), (4, 5, 6)]), "x and y in px, not \\(1, 2, 3"),  # type: ignore[arg-type,list-item]
        (lambda: edits.Split(1, points=4), "x and y in px"),  # type: ignore[arg-type]
        (lambda: edits.apply(np.ones((5, 6), int), ["Merge"]), "Merge is not a correction"),  # type: ignore[list-item]
        (lambda: edits.apply(np.ones((5, 6), int), 3), "3 is not a correction"),  # type: ignore[arg-type]
    ],
)
def test_nonsense_is_refused_in_one_sentence(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(SamStarError, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)
