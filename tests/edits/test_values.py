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
    ],
)
def test_nonsense_is_refused_in_one_sentence(make: Callable[[], Any], says: str) -> None:
    with pytest.raises(SamStarError, match=says) as caught:
        make()
    assert "\n" not in str(caught.value)
