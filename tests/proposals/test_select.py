"""`select` gives what Meta's automatic mask generator gives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.utils.amg import remove_small_regions
from torchvision.ops.boxes import batched_nms

import napari_samstar as ss
from napari_samstar.proposals.postprocess import clean_masks, smallest_parts
from napari_samstar.proposals.suppress import box_nms
from napari_samstar.runs import MaskRuns
from tests.models import small_sam

DECODE = [
    {"points_per_side": 7},
    {"points_per_side": 4, "crop_n_layers": 1, "crop_overlap_ratio": 0.4},
    {"points_per_side": 4, "crop_n_layers": 2, "crop_n_points_downscale_factor": 2},
]
AMG = [
    {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0},
    {"pred_iou_thresh": 0.3, "stability_score_thresh": 0.5, "box_nms_thresh": 0.7},
    {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.4, "stability_score_offset": 0.63},
    {"pred_iou_thresh": 0.2, "stability_score_thresh": 0.0, "min_mask_region_area": 150},
    {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.3, "crop_nms_thresh": 0.2},
]


def image(seed: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (*shape, 3)).astype(np.uint8)


@pytest.fixture
def _two_threads() -> Iterator[None]:
    """With one thread torch takes another kernel for three masks at once: the last bit differs."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_two_threads")
@pytest.mark.parametrize(
    ("decode", "shape", "at_least"),
    [(DECODE[0], (90, 217), 20), (DECODE[1], (256, 256), 2), (DECODE[2], (211, 300), 2)],
)
def test_equals_metas_generator(decode: dict, shape: tuple[int, int], at_least: int) -> None:
    sam = small_sam(seed=shape[0])
    micrograph = ss.Micrograph(image(1, shape).astype(np.float32))
    proposals = ss.propose(micrograph, sam, ss.DecodeSettings(**decode, sources=("grid",)))
    rgb = ss.to_rgb(micrograph, ss.PreprocessSettings())
    total = 0
    for amg in AMG:
        ours = ss.select(proposals, ss.AmgSettings(**amg)).masks()
        try:
            theirs = SamAutomaticMaskGenerator(sam, **decode, **amg).generate(rgb)
        except IndexError:  # what Meta's code makes of crops without any mask
            theirs = []
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert np.array_equal(a["segmentation"], b["segmentation"])
            assert a["bbox"] == b["bbox"]
            assert a["crop_box"] == b["crop_box"]
            assert a["point_coords"] == b["point_coords"]
            assert a["area"] == b["area"]
            assert a["predicted_iou"] == pytest.approx(b["predicted_iou"], abs=1e-6)
            stable = b["stability_score"]
            assert a["stability_score"] == pytest.approx(stable, abs=1e-6, nan_ok=True)
        total += len(theirs)
    assert total >= at_least  # otherwise nothing was compared


def test_fewer_crop_layers_than_decoded_are_free() -> None:
    micrograph = ss.Micrograph(image(2, (128, 128)).astype(np.float32))
    sam = small_sam()
    kept = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    with_crops = ss.propose(
        micrograph, sam, ss.DecodeSettings(points_per_side=4, crop_n_layers=1, sources=("grid",))
    )
    without = ss.propose(micrograph, sam, ss.DecodeSettings(points_per_side=4, sources=("grid",)))
    few = ss.select(with_crops, ss.AmgSettings(crop_n_layers=0, **kept))
    assert np.array_equal(few.rows, ss.select(without, ss.AmgSettings(**kept)).rows)


def test_says_what_the_proposals_lack() -> None:
    micrograph = ss.Micrograph(image(3, (64, 64)).astype(np.float32))
    decode = ss.DecodeSettings(points_per_side=4, sources=("grid",))
    proposals = ss.propose(micrograph, small_sam(), decode)
    with pytest.raises(ss.SamStarError, match=r"points_per_side = 8 .* decoded with 4"):
        ss.select(proposals, ss.AmgSettings(points_per_side=8))
    with pytest.raises(ss.SamStarError, match="crop_n_layers"):
        ss.select(proposals, ss.AmgSettings(crop_n_layers=1))
    with pytest.raises(ss.SamStarError, match="no 'regions' masks"):
        ss.select(proposals, ss.SelectSettings(sources=("regions",)))


@given(st.integers(0, 10_000), st.integers(1, 60), st.floats(0.0, 1.0))
@example(6, 6, 0.2)  # an IoU of 0.2, which is above 0.2 in 32 bits
def test_suppression_is_torchvisions(seed: int, count: int, threshold: float) -> None:
    import torch

    rng = np.random.default_rng(seed)
    corner = rng.integers(0, 40, (count, 2))
    boxes = np.concatenate([corner, corner + rng.integers(0, 20, (count, 2))], 1).astype(np.int32)
    scores = rng.choice([0.1, 0.5, 0.7, 0.9], count).astype(np.float32)
    theirs = batched_nms(
        torch.from_numpy(boxes).float(), torch.from_numpy(scores), torch.zeros(count), threshold
    )
    assert box_nms(boxes, scores, threshold).tolist() == theirs.tolist()


@given(st.integers(0, 10_000), st.sampled_from([0.02, 0.3, 0.6, 0.98]), st.integers(1, 300))
@settings(max_examples=80)
def test_clean_up_is_metas(seed: int, density: float, min_area: int) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(3, 24, 2)
    mask = np.zeros((height, width), bool)
    y0, x0 = rng.integers(0, height), rng.integers(0, width)
    part = mask[y0 : y0 + rng.integers(1, 24), x0 : x0 + rng.integers(1, 24)]
    part[...] = rng.random(part.shape) < density
    mask[:: height - 1] |= rng.random(width) < rng.choice([0, 0.9])  # runs that go on below
    expected, filled = remove_small_regions(mask, min_area, mode="holes")
    expected, dropped = remove_small_regions(expected, min_area, mode="islands")
    runs = MaskRuns.from_dense([mask])
    cleaned, changed = clean_masks(runs, min_area)
    assert np.array_equal(cleaned.dense(0), expected)
    assert changed[0] == (filled or dropped)
    smallest = smallest_parts(runs, np.zeros(1, np.int64))[0]
    assert (smallest < min_area) == (filled or dropped)


@given(st.integers(0, 10_000), st.integers(1, 9))
@settings(max_examples=60)
def test_of_equal_islands_the_same_stays_as_in_metas(seed: int, side: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((24, 31), bool)
    for _ in range(12):
        y, x = rng.integers(0, 24 - side), rng.integers(0, 31 - side)
        if not mask[max(y - 1, 0) : y + side + 1, max(x - 1, 0) : x + side + 1].any():
            mask[y : y + side, x : x + side] = True
    limit = side * side + 1
    expected, _ = remove_small_regions(mask, limit, mode="islands")
    cleaned, changed = clean_masks(MaskRuns.from_dense([mask]), limit)
    assert changed[0]
    assert np.array_equal(cleaned.dense(0), expected)
    assert np.array_equal(cleaned.counts, MaskRuns.from_dense([expected]).counts)
