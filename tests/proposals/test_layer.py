"""The reward layer: order of single masks, and which of them stay."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage as ndi

from napari_samstar.proposals.layer import score, select_ranked
from napari_samstar.proposals.table import from_masks, join
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import Prior, RewardLayerSettings
from napari_samstar.types import Proposals, SamStarError

PHYSICS = RewardLayerSettings(learned=0.0, threshold=0.4)


def _physics(**changed: Any) -> RewardLayerSettings:
    """Physics alone, without what was learned."""
    return PHYSICS.model_copy(update=changed)


def _disc(y: float, x: float, r: float) -> NDArray[np.bool_]:
    rows, columns = np.indices((100, 140))
    return (rows - y) ** 2 + (columns - x) ** 2 <= r * r


def _scene(masks: list[NDArray[np.bool_]]) -> Proposals:
    """One bright and one dark disc on gray, with some noise."""
    clean = 110 + 70.0 * _disc(50, 40, 18) - 70.0 * _disc(50, 100, 18)
    noise = np.random.default_rng(1).normal(0, 4, clean.shape)
    gray = np.clip(ndi.gaussian_filter(clean, 1) + noise, 0, 255).astype(np.uint8)
    return from_masks(
        MaskRuns.from_dense(masks), gray, "regions", np.full(len(masks), 0.6, np.float32)
    )


def test_the_mask_on_the_object_scores_best() -> None:
    masks = [_disc(50, 40, 18), _disc(50, 40, 13), _disc(50, 40, 25), _disc(50, 48, 18)]
    masks.append(_disc(50, 70, 10))  # background
    scores = score(_scene(masks), PHYSICS)
    assert scores.argmax() == 0
    assert scores.argmin() == 4
    assert scores.dtype == np.float32
    assert 0 <= scores.min() < scores.max() <= 1


def test_polarity_and_size_of_the_prior_decide() -> None:
    table = _scene([_disc(50, 40, 18), _disc(50, 100, 18)])
    free = score(table, PHYSICS)
    assert abs(free[0] - free[1]) < 0.1
    bright = score(table, _physics(prior=Prior(polarity="bright")))
    dark = score(table, _physics(prior=Prior(polarity="dark")))
    assert bright[0] > bright[1] + 0.1
    assert dark[1] > dark[0] + 0.1
    small = score(table, _physics(prior=Prior(diameter=(5, 20))))
    assert small.tolist() == [0, 0]


def test_sizes_in_nanometers_must_be_converted_first() -> None:
    table = _scene([_disc(50, 40, 18)])
    prior = Prior(diameter=(5, 20), size_unit="nm")
    with pytest.raises(SamStarError, match="nm"):
        score(table, _physics(prior=prior))


def test_a_network_without_confidence_does_not_push_regions_aside() -> None:
    masks = [_disc(50, 40, 18), _disc(50, 42, 15)]
    regions = _scene(masks[:1])
    grid = _scene(masks[1:])
    grid.predicted_iou[:] = 0.4
    grid.stability[:] = 0.95
    grid.source[:] = 0
    table = join([grid, regions])
    layer = _physics(predicted_iou=1.0)
    kept = select_ranked(table, np.arange(2), score(table, layer), layer)
    assert kept.tolist() == [1]


def test_the_better_of_two_that_overlap_stays() -> None:
    masks = [_disc(50, 40, 18), _disc(50, 40, 8), _disc(50, 55, 18), _disc(50, 100, 18)]
    table = _scene(masks)
    layer = RewardLayerSettings(threshold=0.1)
    given = np.array([0.9, 0.8, 0.7, 0.5], np.float32)
    assert select_ranked(table, np.arange(4), given, layer).tolist() == [0, 3]
    assert select_ranked(table, np.arange(4), given[::-1].copy(), layer).tolist() == [3, 2]
    apart = layer.model_copy(update={"max_overlap": 1.0})
    assert select_ranked(table, np.arange(4), given, apart).tolist() == [0, 1, 2, 3]
    strict = layer.model_copy(update={"threshold": 0.6})
    assert select_ranked(table, np.arange(4), given, strict).tolist() == [0]
    assert select_ranked(table, np.array([3, 1]), given[[3, 1]], layer).tolist() == [1, 3]
    assert select_ranked(table, np.array([], np.int64), given[:0], layer).size == 0


@given(st.integers(0, 10_000), st.floats(0.0, 0.9))
@settings(max_examples=25, deadline=None)
def test_no_two_kept_masks_share_more_than_allowed(seed: int, allowed: float) -> None:
    rng = np.random.default_rng(seed)
    masks = [_disc(rng.uniform(0, 100), rng.uniform(0, 140), rng.uniform(2, 30)) for _ in range(20)]
    table = from_masks(
        MaskRuns.from_dense(masks), np.zeros((100, 140), np.uint8), "regions", np.ones(20)
    )
    layer = RewardLayerSettings(max_overlap=allowed, threshold=0.0)
    scores = rng.uniform(0.1, 1, 20).astype(np.float32)
    kept = select_ranked(table, np.arange(20), scores, layer)
    assert (np.diff(scores[kept]) <= 0).all()
    for n, i in enumerate(kept):
        for j in kept[:n]:
            shared = (masks[i] & masks[j]).sum()
            assert shared <= allowed * min(masks[i].sum(), masks[j].sum()) + 1e-9
    # nothing was left out without a reason
    for i in set(range(20)) - set(kept.tolist()):
        better = kept[scores[kept] >= scores[i]]
        small = [min(masks[i].sum(), masks[j].sum()) for j in better]
        shares = [(masks[i] & masks[j]).sum() for j in better]
        assert not masks[i].any() or any(
            c > allowed * s for c, s in zip(shares, small, strict=True)
        )
