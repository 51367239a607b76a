"""Decoding in steps, keeping it, and where SAM is asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import napari_samstar as ss
from napari_samstar.cache import Store
from napari_samstar.pipeline import propose_steps
from napari_samstar.proposals.grid import grid_crops, tile_crops
from napari_samstar.proposals.prompted import inner_points, plan_prompts
from napari_samstar.proposals.storage import from_bytes, to_bytes
from napari_samstar.runs import MaskRuns
from tests.models import small_sam

GRID = ss.DecodeSettings(points_per_side=8, points_per_batch=16, sources=("grid",))


@pytest.fixture
def micrograph(rng: np.random.Generator) -> ss.Micrograph:
    return ss.Micrograph(rng.integers(0, 255, (100, 140)).astype(np.float32))


def test_cancel_keeps_what_was_decoded(micrograph: ss.Micrograph) -> None:
    sam = small_sam()
    whole = ss.propose(micrograph, sam, GRID)
    steps = propose_steps(micrograph, sam, GRID)
    for event in steps:
        if event.stage == "decoding" and event.done == 32:
            kept = event.partial()
            steps.close()
            break
    assert len(kept) == 2 * 16 * 3
    assert not kept.complete
    assert whole.complete
    assert np.array_equal(kept.boxes, whole.boxes[: len(kept)])
    assert len(ss.select(kept, ss.AmgSettings(pred_iou_thresh=0.0, stability_score_thresh=0.0)))


def test_second_time_needs_no_network(micrograph: ss.Micrograph, tmp_path) -> None:
    sam = small_sam()
    first = ss.propose(micrograph, sam, GRID, store=Store(tmp_path))
    calls = []
    sam.image_encoder.register_forward_hook(lambda *_: calls.append("encoder"))
    sam.mask_decoder.register_forward_hook(lambda *_: calls.append("decoder"))
    again = ss.propose(micrograph, sam, GRID, store=Store(tmp_path))
    assert calls == []
    settings = ss.AmgSettings(
        pred_iou_thresh=0.0, stability_score_thresh=0.2, stability_score_offset=0.7
    )
    a, b = ss.select(first, settings), ss.select(again, settings)
    assert np.array_equal(a.labels(), b.labels())
    assert np.array_equal(a.stability, b.stability)
    # other pixels, another grid: not the same content
    other = ss.Micrograph(micrograph.data[::-1].copy())
    ss.propose(other, sam, GRID, store=Store(tmp_path))
    assert "encoder" in calls


def test_stored_table_is_the_table(micrograph: ss.Micrograph) -> None:
    made = ss.propose(micrograph, small_sam(), GRID)
    read = from_bytes(to_bytes(made), made.gray)
    for name in ("boxes", "predicted_iou", "stability", "points", "crop", "source"):
        assert np.array_equal(getattr(read, name), getattr(made, name), equal_nan=True)
    assert np.array_equal(read.runs.counts, made.runs.counts)
    rows = np.arange(len(made))
    assert np.array_equal(
        read.logits.stability(rows, 0.4), made.logits.stability(rows, 0.4), equal_nan=True
    )


def test_crops_are_metas() -> None:
    boxes, layers = grid_crops((300, 500), ss.DecodeSettings(crop_n_layers=2))
    assert boxes[0].tolist() == [0, 0, 500, 300]
    assert np.bincount(layers).tolist() == [1, 4, 16]


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_tiles_cover_a_large_image_and_overlap(height: int, width: int) -> None:
    view = 1024
    tiles = tile_crops((height, width), view, ss.DecodeSettings())
    if max(height, width) <= 2 * view:
        assert len(tiles) == 0
        return
    assert (tiles[:, :2] >= 0).all()
    assert (tiles[:, 2] <= width).all()
    assert (tiles[:, 3] <= height).all()
    for low, high, side in ((0, 2, width), (1, 3, height)):
        spans = np.unique(tiles[:, [low, high]], axis=0)
        assert spans[0, 0] == 0
        assert spans[-1, 1] == side
        # an object of a quarter of the view is whole in some tile
        assert (spans[:-1, 1] - spans[1:, 0] >= view // 4 - 1).all()


def test_points_lie_inside_even_rings_and_crescents() -> None:
    y, x = np.mgrid[:60, :80]
    radius = np.hypot(y - 30, x - 40)
    ring = (radius < 25) & (radius > 18)
    line = np.zeros((60, 80), bool)
    line[3, 5:60] = True
    runs = MaskRuns.from_dense([ring, line])
    for i, (px, py) in enumerate(inner_points(runs, runs.boxes())):
        assert runs.dense(i)[int(py), int(px)]


def test_small_objects_are_asked_for_in_a_zoomed_crop() -> None:
    shape = (512, 512)
    small, large = np.zeros(shape, bool), np.zeros(shape, bool)
    small[500:506, 20:26] = True
    large[100:300, 100:300] = True
    runs = MaskRuns.from_dense([small, large])
    plan = plan_prompts(runs, shape, 1024, ss.PromptSettings(zoom_below=24))
    assert plan[0].crop_box == (0, 0, 512, 512)
    assert plan[0].boxes.boxes.tolist() == [[100, 100, 300, 300]]
    x0, y0, x1, y1 = plan[1].crop_box
    assert (x1 - x0, y1 - y0) == (256, 256)
    box = plan[1].boxes.boxes[0] + [x0, y0, x0, y0]
    assert box.tolist() == [20, 500, 26, 506]
    # without crops to spare the whole image must do
    (only,) = plan_prompts(runs, shape, 1024, ss.PromptSettings(zoom_below=24, max_crops=0))
    assert len(only.boxes) == 2
