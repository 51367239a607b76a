"""What clicks, strokes and keys become: edits, or a sentence."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from napari_samstar import edits
from napari_samstar.proposals.clicked import Suggestion
from napari_samstar.runs import MaskRuns
from napari_samstar.session.corrections import Corrections
from napari_samstar.session.hand import TOOLS, Hand, Tool
from napari_samstar.types import SamStarError


@pytest.fixture
def found() -> Corrections:
    """Three squares in a row, one more below."""
    labels = np.zeros((40, 60), np.int32)
    for label, (y, x) in {1: (5, 5), 2: (5, 25), 3: (5, 45), 4: (25, 5)}.items():
        labels[y : y + 10, x : x + 10] = label
    return Corrections(edits.Editor(labels), confidence={1: 0.9, 2: 0.2, 3: 0.5})


def line(*points: tuple[float, float]) -> np.ndarray:
    return np.array(points, np.float64)


def test_every_tool_says_what_it_wants() -> None:
    assert set(TOOLS) == set(get_args(Tool))
    assert Hand().tool == "choose"


def test_click_one_then_the_others_that_belong_to_it(found: Corrections) -> None:
    hand = Hand()
    hand.take("merge")
    assert hand.click(found, 8, 8) is None
    assert hand.chosen == (1,)
    edit = hand.click(found, 28, 8)
    assert edit == edits.Merge(1, 2)
    found.do(edit)
    assert hand.click(found, 48, 8) == edits.Merge(1, 3), "the first one still leads"
    with pytest.raises(SamStarError, match="same object"):
        hand.click(found, 28, 8)
    with pytest.raises(SamStarError, match="no object"):
        hand.click(found, 20, 8)
    assert hand.click(found, 8, 28) is None, "after a click beside, the next one leads"
    assert hand.chosen == (4,)


def test_drag_across_all_that_belong_together(found: Corrections) -> None:
    hand = Hand()
    hand.take("merge")
    assert hand.draw(found, line((48, 8), (8, 8))) == edits.Merge(3, 2, 1)
    hand.choose((2,))
    assert hand.draw(found, line((48, 8), (8, 8))) == edits.Merge(2, 3, 1), "the chosen one leads"
    for stroke in (line((8, 8), (12, 8)), line((0, 0), (59, 0)), line((-9, -9), (-5, -5))):
        with pytest.raises(SamStarError, match="two objects"):
            hand.draw(found, stroke)


def test_cut_what_the_line_crosses_longest(found: Corrections) -> None:
    hand = Hand()
    hand.take("split")
    edit = hand.draw(found, line((0, 10), (28, 10)))
    assert edit == edits.Split(1, line=((0, 10), (28, 10)))
    found.do(edit)
    hand.choose((2,))
    chosen = hand.draw(found, line((0, 9), (28, 9)))
    assert isinstance(chosen, edits.Split)
    assert chosen.label == 2
    with pytest.raises(SamStarError, match="crosses no object"):
        hand.draw(found, line((0, 0), (59, 0)))


def test_two_clicks_in_one_object_cut_between_them(found: Corrections) -> None:
    hand = Hand()
    hand.take("split")
    assert hand.click(found, 6, 8) is None
    assert hand.click(found, 28, 8) is None, "another object: that click is the first one now"
    edit = hand.click(found, 33, 8)
    assert edit == edits.Split(2, points=((28, 8), (33, 8)))
    found.do(edit)
    assert hand.first is None


def test_choosing_several_and_letting_go(found: Corrections) -> None:
    hand = Hand()
    hand.click(found, 8, 8)
    hand.click(found, 28, 8, plain=False)
    hand.click(found, 48, 8, plain=False)
    hand.click(found, 28, 8, plain=False)
    assert hand.chosen == (1, 3)
    assert hand.set_material(2) == edits.SetMaterial((1, 3), 2)
    assert hand.delete() == edits.Delete(1, 3)
    with pytest.raises(SamStarError, match="one object alone"):
        hand.renumber(9)
    found.do(edits.Delete(1))
    hand.keep(found)
    assert hand.chosen == (3,)
    assert hand.renumber(9) == edits.Relabel(3, 9)
    with pytest.raises(SamStarError):
        hand.click(found, 0, 0)
    assert hand.chosen == ()
    with pytest.raises(SamStarError, match="Choose an object first"):
        hand.delete()
    assert hand.delete(pointed=2) == edits.Delete(2)


def test_clicks_for_a_new_object_become_a_mask(found: Corrections) -> None:
    hand = Hand()
    hand.take("add")
    with pytest.raises(SamStarError, match="Click into the object first"):
        hand.click(found, 40, 30, plain=False)
    assert hand.clicks.empty
    assert hand.click(found, 40, 30) is None
    hand.click(found, 50, 30, plain=False)
    assert hand.clicks.points == ((40, 30), (50, 30))
    assert hand.clicks.inside == (True, False)
    with pytest.raises(SamStarError, match="Click into what is missing"):
        hand.add()
    window = np.zeros((2, 40, 60), bool)
    window[0, 25:35, 35:45] = True
    window[1, 20:39, 30:59] = True
    hand.suggested(Suggestion(MaskRuns.from_dense(window), (0.9, 0.5)))
    first = hand.add()
    hand.other()
    assert hand.add() != first
    hand.other()
    assert hand.add() == first
    found.do(first)
    assert found.at(40, 30) == 5
    hand.take("add")
    assert hand.clicks.empty
    hand.draw(found, line((30, 20), (70, 50)))
    assert hand.clicks.box == (30, 20, 59, 39), "a box ends with the image"
    with pytest.raises(SamStarError, match="Draw the box"):
        hand.draw(found, line((30, 20), (30, 50)))


def test_the_review_walks_the_doubtful_and_comes_round(found: Corrections) -> None:
    hand = Hand()
    assert hand.doubtful(found) == 4, "what nothing is known of comes first"
    found.do(hand.judge(good=True))
    assert hand.doubtful(found) == 2
    assert hand.doubtful(found) == 3, "passed over"
    found.do(hand.judge(good=False))
    hand.keep(found)
    assert 3 not in found.table
    assert hand.doubtful(found) == 1
    assert hand.doubtful(found) == 2, "round again"
    found.do(hand.judge(good=True))
    assert hand.doubtful(found) == 1
    found.do(hand.judge(good=True))
    assert hand.doubtful(found) == 0
    assert hand.chosen == ()
