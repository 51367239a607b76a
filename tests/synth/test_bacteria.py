"""Colonies: cells grow until there are as many as asked for, and are pressed, not piled."""

from __future__ import annotations

import numpy as np

from napari_samstar.synth import generate
from napari_samstar.synth.colonies import grow, paint, push_apart


def touching(labels: np.ndarray) -> float:
    """Share of all outlines that is between two cells."""
    pairs = [(labels[:, 1:], labels[:, :-1]), (labels[1:], labels[:-1])]
    outline = sum(int((a != b).sum()) for a, b in pairs)
    return sum(int(((a != b) & (a > 0) & (b > 0)).sum()) for a, b in pairs) / max(outline, 1)


def test_a_colony_grows_to_its_number_of_cells_side_by_side() -> None:
    rng = np.random.default_rng(0)
    cells = np.zeros((60, 5))
    cells[0, 3] = 2.0
    grow(cells, 1, np.full(60, 6.0), rng.normal(0, 0.1, 60), 0.03, 8)
    assert (cells[:, 3] >= 1.9).all()
    assert (cells[:, 3] <= 6.5).all()
    middles = np.linalg.norm(cells[:, None, :2] - cells[None, :, :2], axis=2)
    assert (middles + 9 * np.eye(60)).min() > 1.4  # nearly two radii apart


def test_cells_that_overlap_are_pushed_apart() -> None:
    cells = np.array([[0.0, 0.0, 0.0, 4.0, 0.0], [0.5, 0.3, 0.2, 4.0, 0.0]])
    push_apart(cells, 2, 50)
    assert np.hypot(*(cells[1, :2] - cells[0, :2])) > 1.8


def test_a_wall_lies_half_way_between_two_cells() -> None:
    segments = np.array([[10.0, 5, 6, 10, 35, 6], [20.0, 5, 6, 20, 35, 6]])
    owner, depth, other, size = paint((32, 41), segments, np.array([1, 2], np.int32), 3.0)
    assert owner[14, 20] == 1
    assert owner[16, 20] == 2
    assert depth[10, 20] == 6
    assert np.isclose(depth[14, 20], 2)
    assert np.isclose(other[14, 20], 0)
    assert (size[owner > 0] == 6).all()
    assert (owner[:, 40] > 0).any()  # known a little way outside


def test_half_of_the_scenes_are_dense_and_no_colony_is_a_group() -> None:
    scenes = [generate("bacteria", (256, 256), seed) for seed in range(40)]
    dense = [s for s in scenes if s.labels.max() >= 25 and touching(s.labels) > 0.25]
    assert len(dense) >= 20
    assert len({s.params["habit"] for s in scenes}) >= 6
    assert not any(s.groups.any() for s in scenes)
