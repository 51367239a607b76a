"""Masks straight from low-resolution logits equal torch's upsampling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_samstar.proposals.logits import MAX_OFFSET, pack, pack_one, stability_score
from napari_samstar.proposals.scan import LADDER, scan
from napari_samstar.proposals.upsample import Upsampling, make_upsampling, values
from napari_samstar.runs import MaskRuns

SIZES = [
    ((64, 64), 256, (256, 256), (256, 256)),  # nothing to resize
    ((64, 64), 256, (214, 256), (225, 269)),  # slightly enlarged
    ((64, 64), 256, (256, 206), (99, 80)),  # shrunk
    ((64, 64), 256, (192, 256), (375, 500)),
    ((64, 64), 256, (1, 256), (1, 300)),  # a line
]


def blobs(seed: int, gain: float, shift: float) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(size=(64, 64))
    return (gaussian_filter(noise, 4) * gain + shift).astype(np.float32)


def torch_upsampled(
    low: NDArray[np.float32], model_size: int, used: tuple[int, int], out: tuple[int, int]
) -> NDArray[np.float32]:
    """The two interpolations of `segment_anything.modeling.Sam.postprocess_masks`."""
    masks = torch.from_numpy(low)[None, None]
    options = {"mode": "bilinear", "align_corners": False}
    masks = torch.nn.functional.interpolate(masks, (model_size, model_size), **options)
    masks = masks[..., : used[0], : used[1]]
    return torch.nn.functional.interpolate(masks, out, **options)[0, 0].numpy()


@pytest.mark.parametrize("sizes", SIZES)
def test_values_are_torchs_to_the_bit(sizes: tuple) -> None:
    low = blobs(1, 40, 0)
    upsampling = make_upsampling(*sizes)
    assert np.array_equal(values(low, upsampling), torch_upsampled(low, *sizes[1:]))


@pytest.mark.parametrize("sizes", SIZES)
@given(
    st.integers(0, 1000),
    st.sampled_from([5.0, 40.0, 200.0]),
    st.floats(-4, 4, width=32),
    st.floats(0, MAX_OFFSET),
    st.sampled_from([(0, 0), (4, 7)]),
)
@settings(max_examples=25)
def test_scan_is_cutting_the_full_logits(
    sizes: tuple, seed: int, gain: float, shift: float, offset: float, margin: tuple[int, int]
) -> None:
    low = blobs(seed, gain, shift)
    full = torch_upsampled(low, *sizes[1:])
    frame_mask = np.pad(full > 0, [(margin[0], margin[0]), (margin[1], margin[1])])
    runs, stats, ladder = scan(
        low, (0, 0), make_upsampling(*sizes), 0.0, offset, frame_mask.shape, margin
    )
    assert np.array_equal(runs, MaskRuns.from_dense([frame_mask]).counts)
    above, below = np.float32(offset), np.float32(-offset)
    assert stats[:3].tolist() == [(full > 0).sum(), (full > above).sum(), (full > below).sum()]
    for level, high, low_count in zip(LADDER, *ladder, strict=True):
        assert (high, low_count) == ((full > level).sum(), (full > -level).sum())
    ys, xs = np.nonzero(full > 0)
    box = [xs.min(), ys.min(), xs.max(), ys.max()] if len(xs) else [0] * 4
    assert stats[3:].tolist() == box


@given(
    st.integers(0, 1000),
    st.sampled_from([5.0, 40.0, 400.0]),
    st.floats(-8, 8, width=32),
    st.floats(0, MAX_OFFSET),
)
@settings(max_examples=60)
def test_packed_logits_know_stability_at_any_offset(
    seed: int, gain: float, shift: float, offset: float
) -> None:
    low = blobs(seed, gain, shift)
    upsampling: Upsampling = make_upsampling(*SIZES[1])
    _, _, ladder = scan(low, (0, 0), upsampling, 0.0, 1.0, (225, 269), (0, 0))
    packed = pack([pack_one(low, 0.0, ladder)], 0.0, np.zeros(1, np.int32), (upsampling,))
    full = torch_upsampled(low, *SIZES[1][1:])
    lower = (full > np.float32(-offset)).sum()
    expected = (full > np.float32(offset)).sum() / lower if lower else np.nan
    found = packed.stability(np.array([0]), offset)[0]
    assert np.isclose(found, expected, rtol=1e-6, equal_nan=True)
    lowest, highest = packed.bounds(offset)
    assert np.isnan(found) or lowest[0] <= found <= highest[0]


def test_packed_logits_are_small_where_masks_are_sharp() -> None:
    y, x = np.mgrid[:256, :256]
    disc = (60 - np.hypot(y - 128, x - 128)).astype(np.float32) * 4
    packed = pack_one(disc, 0.0, np.ones((2, len(LADDER)), np.int64))
    assert packed.nbytes < disc.nbytes / 10


def test_nothing_above_the_lower_cut_has_no_stability() -> None:
    low = np.full((64, 64), -20, np.float32)
    _, stats, _ = scan(low, (0, 0), make_upsampling(*SIZES[0]), 0.0, 1.0, (256, 256), (0, 0))
    assert np.isnan(stability_score(stats[1], stats[2]))
