from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage

from napari_samstar.edits.split import pieces_by_line, pieces_by_points

_EIGHT = np.ones((3, 3))


def _discs(*discs: tuple[float, float, float], shape: tuple[int, int]) -> NDArray[np.bool_]:
    yy, xx = np.ogrid[: shape[0], : shape[1]]
    return np.any([(xx - x) ** 2 + (yy - y) ** 2 <= r**2 for x, y, r in discs], axis=0)


def test_a_line_cuts_where_it_is_drawn() -> None:
    inside = np.ones((20, 30), bool)
    pieces = pieces_by_line(inside, ((-3, 12), (40, 12)))
    assert (pieces[:12] == 0).all()
    assert (pieces[13:] == 1).all()


@pytest.mark.parametrize("end", [(19, 19), (25, 13), (7, 21), (3, 30)])
def test_no_diagonal_slips_through_an_oblique_line(end: tuple[int, int]) -> None:
    pieces = pieces_by_line(np.ones((20, 20), bool), ((-1, -3), end))
    for k in range(int(pieces.max()) + 1):
        assert ndimage.label(pieces == k, _EIGHT)[1] == 1
    assert pieces.max() == 1


def test_a_stroke_through_both_arms_gives_three_pieces_and_spares_other_parts() -> None:
    inside = np.zeros((30, 40), bool)
    inside[0:20, 0:5] = inside[0:20, 15:20] = inside[15:20, 0:20] = True  # a U
    inside[0:20, 30:35] = True  # apart from it
    pieces = pieces_by_line(inside, ((-1, 8), (25, 8)))
    assert pieces[0, 2] != pieces[0, 17]
    assert {int(pieces[0, 2]), int(pieces[0, 17])} == {1, 2}
    assert pieces[19, 10] == 0
    assert (pieces[:, 30:35] == 0).all()


def test_crumbs_of_a_ragged_edge_are_not_pieces() -> None:
    inside = np.ones((20, 40), bool)
    inside[0, ::2] = False
    assert not pieces_by_line(inside, ((-1, 1), (45, 1))).any()


def test_small_segments_can_be_cut_nevertheless() -> None:
    assert pieces_by_line(np.ones((2, 6), bool), ((2, -1), (2, 3))).max() == 1


@given(
    arrays(np.bool_, (9, 9)),
    st.lists(st.tuples(st.floats(-3, 12), st.floats(-3, 12)), min_size=2, max_size=4),
)
def test_lines_give_every_pixel_to_one_piece(
    inside: NDArray[np.bool_], line: list[tuple[float, float]]
) -> None:
    pieces = pieces_by_line(inside, line)
    assert (pieces[~inside] == 0).all()
    sizes = np.bincount(pieces[inside], minlength=1)
    if pieces.any():
        assert (sizes > 0).all()
        # no piece joins what was apart before
        parts = ndimage.label(inside, _EIGHT)[0]
        for k in range(1, sizes.size):
            assert np.unique(parts[pieces == k]).size == 1


def test_touching_discs_are_parted_at_their_neck_wherever_they_are_clicked() -> None:
    inside = _discs((30, 30, 25), (68, 30, 18), shape=(60, 90))
    neck = 53.0  # where the circles meet: 25**2 - (x - 30)**2 == 18**2 - (x - 68)**2
    for a, b in (((30, 30), (68, 30)), ((10, 30), (80, 25)), ((30, 50), (64, 20))):
        pieces = pieces_by_points(inside, (a, b))
        columns = np.nonzero(pieces)[1]
        wrong = (columns < neck - 2).sum() + (inside & (pieces == 0))[:, int(neck) + 3 :].sum()
        assert wrong == 0


def test_the_first_point_keeps_the_number() -> None:
    inside = _discs((20, 20, 15), (45, 20, 15), shape=(40, 65))
    assert pieces_by_points(inside, ((20, 20), (45, 20)))[20, 20] == 0
    assert pieces_by_points(inside, ((45, 20), (20, 20)))[20, 20] == 1


@pytest.mark.parametrize(("a", "b"), [(10, 50), (40, 20), (5, 15)])
def test_a_rod_is_cut_halfway(a: int, b: int) -> None:
    inside = np.zeros((20, 80), bool)
    inside[4:14, 2:78] = True
    pieces = pieces_by_points(inside, ((a, 9), (b, 9)))
    middle = (a + b) / 2
    columns = np.arange(2, 78)
    second = columns > middle if b > a else columns < middle
    clear = np.abs(columns - middle) > 1
    assert (pieces[4:14, 2:78][:, clear] == second[clear]).all()


@given(arrays(np.bool_, (8, 8)), st.data())
def test_points_part_whatever_they_lie_in(inside: NDArray[np.bool_], data: st.DataObject) -> None:
    ys, xs = np.nonzero(inside)
    if ys.size < 2:
        return
    pick = st.integers(0, ys.size - 1)
    i, j = data.draw(pick), data.draw(pick)
    pieces = pieces_by_points(inside, ((xs[i], ys[i]), (xs[j], ys[j])))
    assert (pieces[~inside] == 0).all()
    assert pieces[ys[i], xs[i]] == 0
    assert pieces[ys[j], xs[j]] == int(i != j)
