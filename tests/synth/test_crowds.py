"""Nuclei that press against each other: who gets which pixel, and who is told apart from whom."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import crowds, generate, stars


def test_two_equal_bodies_meet_halfway_and_end_there() -> None:
    table = stars.ellipses(np.full(2, 20.0), np.ones(2), np.zeros(2))
    place = np.array([[32.0, 32.0], [32.0, 60.0]])
    labels, rho = crowds.press((64, 96), place, table)
    assert set(np.unique(labels[32, 14:46])) == {1}
    assert set(np.unique(labels[32, 47:78])) == {2}
    assert rho[32, 32] < 0.1
    assert rho[32, 46] > 0.9
    assert (rho[labels == 0] == 1).all()


def test_what_is_pushed_apart_is_far_apart() -> None:
    rng = np.random.default_rng(0)
    place, radius = rng.random((60, 2)) * 100, np.full(60, 8.0)

    def closest(places: np.ndarray) -> float:
        return float(np.median(cKDTree(places).query(places, 2)[0][:, 1]))

    assert closest(crowds.pushed_apart(place, radius, 0.9)) > max(11.0, 1.5 * closest(place))
    assert np.array_equal(crowds.pushed_apart(place[:1], radius[:1], 0.9), place[:1])


def test_a_ring_holds_at_least_one_and_as_many_as_fit() -> None:
    rng = np.random.default_rng(1)
    for width in (400.0, 10.0, 1.0):
        place, across, _ = crowds.ring(rng, np.full(50, width), (64, 64))
        assert 1 <= len(place) == len(across) <= 50


def test_there_are_scenes_where_most_nuclei_touch_and_scenes_where_few_do() -> None:
    shares = []
    for seed in range(24):
        labels = generate("nuclei", (256, 256), seed, SynthSettings(overlay=0.0)).labels
        left, right = labels[:, :-1], labels[:, 1:]
        meet = (left != right) & (left > 0) & (right > 0)
        touching = np.unique(np.concatenate([left[meet], right[meet]]))
        shares.append(len(touching) / max(1, int(labels.max())))
    assert max(shares) > 0.8
    assert min(shares) < 0.2
