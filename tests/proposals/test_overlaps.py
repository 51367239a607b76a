"""Which masks share pixels, and what rewards are told, against plain boolean arithmetic."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_samstar.proposals.columns import column
from napari_samstar.proposals.overlaps import best_partner, blocks, keep
from napari_samstar.proposals.select import select
from napari_samstar.proposals.table import from_masks
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import AmgSettings, RewardLayerSettings, SelectSettings

SHAPE = (24, 31)


def make_masks(seed: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    masks = np.zeros((n, *SHAPE), bool)
    for mask in masks:
        for _ in range(rng.integers(0, 3)):  # some masks are empty, some have two parts
            y, x = rng.integers(0, SHAPE[0]), rng.integers(0, SHAPE[1])
            mask[y : y + rng.integers(1, 15), x : x + rng.integers(1, 15)] = True
        mask &= rng.random(SHAPE) < rng.choice([0.5, 1.0])
    return masks


def make_table(masks: np.ndarray, gray: np.ndarray | None = None):
    gray = np.zeros(SHAPE, np.uint8) if gray is None else gray
    return from_masks(
        MaskRuns.from_dense(masks, SHAPE), gray, "regions", np.ones(len(masks), np.float32)
    )


@given(st.integers(0, 10**6), st.integers(0, 12))
@settings(max_examples=60)
def test_pairs_are_all_that_share_pixels(seed: int, n: int) -> None:
    masks = make_masks(seed, n)
    rows = np.random.default_rng(seed).permutation(n)[: n // 2 + 1].astype(np.int64)
    first, second, shared = blocks(make_table(masks)).pairs(rows)
    got = {(a, b): s for a, b, s in zip(first, second, shared, strict=True)}
    wanted = {}
    for a in range(rows.size):
        for b in range(a + 1, rows.size):
            if both := int((masks[rows[a]] & masks[rows[b]]).sum()):
                wanted[a, b] = both
    assert got == wanted


@given(st.integers(0, 10**6), st.integers(1, 15), st.sampled_from([0.0, 0.2, 0.5, 1.0]))
@settings(max_examples=60)
def test_greedy_choice_is_the_plain_one(seed: int, n: int, share: float) -> None:
    masks = make_masks(seed, n)
    areas = masks.sum((1, 2))
    budget = 0.6 * SHAPE[0] * SHAPE[1]
    kept: list[int] = []
    for i in range(n):
        clear = all((masks[i] & masks[j]).sum() <= share * min(areas[i], areas[j]) for j in kept)
        if areas[i] and clear and areas[kept].sum() + areas[i] <= budget:
            kept.append(i)
    assert keep(make_table(masks), np.arange(n), share, budget).tolist() == kept


@given(st.integers(0, 10**6), st.integers(1, 15))
@settings(max_examples=30)
def test_a_choice_is_the_same_whatever_was_chosen_before(seed: int, n: int) -> None:
    masks, rng = make_masks(seed, n), np.random.default_rng(seed)
    table = make_table(masks)
    for share in (0.5, 0.0, 1.0, 0.2):
        order = rng.permutation(n)[: rng.integers(1, n + 1)]
        fresh = keep(make_table(masks), order, share).tolist()
        assert keep(table, order, share).tolist() == fresh


def test_threads_that_choose_at_once_do_not_mix_up_what_they_share() -> None:
    masks = make_masks(1, 60)
    orders = [np.random.default_rng(k).permutation(60) for k in range(40)]
    wanted = [keep(make_table(masks), order, 0.2).tolist() for order in orders]
    table = make_table(masks)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda order: keep(table, order, 0.2).tolist(), orders)
        assert list(found) == wanted


@given(st.integers(0, 10**6), st.integers(1, 9))
@settings(max_examples=40)
def test_a_selection_tells_what_its_masks_cover(seed: int, n: int) -> None:
    masks = make_masks(seed, n)
    gray = np.random.default_rng(seed).integers(0, 255, SHAPE).astype(np.uint8)
    chosen = SelectSettings(
        amg=AmgSettings(box_nms_thresh=1.0, crop_nms_thresh=1.0), sources=("regions",)
    )
    selection = select(make_table(masks, gray), chosen)
    measured = selection.measured
    depth = masks[selection.rows].sum(0)
    assert measured is not None
    assert measured.covered() == (int((depth >= 1).sum()), int((depth >= 2).sum()))
    assert measured.gray_mean == pytest.approx(gray.mean())
    assert measured.gray_std == pytest.approx(gray.std())


def test_masks_cleaned_of_islands_are_measured_as_they_are_now() -> None:
    masks = np.zeros((2, *SHAPE), bool)
    masks[0, 2:12, 2:12] = True
    masks[0, 20, 20] = True  # an island that the clean-up takes
    masks[1, 8:18, 8:18] = True
    chosen = SelectSettings(amg=AmgSettings(min_mask_region_area=5), sources=("regions",))
    table = make_table(masks)
    selection = select(table, chosen)
    measured = selection.measured
    assert measured is not None
    assert sorted(measured.column("area")) == [100, 100]
    assert measured.pairs()[2].tolist() == [16]
    assert measured.covered() == (184, 16)
    assert column(table, "area").tolist() == [101, 100]  # the table itself is as it was


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 80))
@settings(max_examples=40)
def test_pairs_of_cleaned_masks_are_those_of_what_is_left(seed: int, n: int, limit: int) -> None:
    amg = AmgSettings(min_mask_region_area=limit, box_nms_thresh=1.0, crop_nms_thresh=1.0)
    table = make_table(make_masks(seed, n))
    selection = select(table, SelectSettings(amg=amg, sources=("regions",)))
    assert selection.measured is not None
    left = [selection.runs.dense(i) for i in range(len(selection))]
    wanted = {
        (a, b): int((left[a] & left[b]).sum())
        for a in range(len(left))
        for b in range(a + 1, len(left))
        if (left[a] & left[b]).any()
    }
    first, second, shared = selection.measured.pairs()
    assert {(a, b): s for a, b, s in zip(first, second, shared, strict=True)} == wanted
    assert len(first) == len(wanted)


def test_the_layer_still_keeps_the_best_without_overlap() -> None:
    masks = make_masks(3, 9)
    layer = RewardLayerSettings(threshold=0.0, max_overlap=0.0)
    selection = select(make_table(masks), SelectSettings(sources=("regions",), reward_layer=layer))
    assert masks[selection.rows].sum(0).max() == 1


@given(st.integers(0, 10**6), st.integers(1, 10))
@settings(max_examples=40)
def test_groups_are_compared_by_their_best_match(seed: int, n: int) -> None:
    masks = make_masks(seed, n)
    mine = np.arange(n // 2)
    theirs = np.arange(n // 2, n)
    best, which = best_partner(make_table(masks), mine, theirs)
    for here, there in ((mine, theirs), (theirs, mine)):
        for i in here:
            ious = [
                (masks[i] & masks[j]).sum() / max((masks[i] | masks[j]).sum(), 1) for j in there
            ]
            most = max(ious, default=0.0)
            assert best[i] == pytest.approx(most if most >= 0.5 else 0.0)
            assert (which[i] >= 0) == (most >= 0.5)
            if most >= 0.5:
                assert ious[list(there).index(which[i])] == pytest.approx(most)
