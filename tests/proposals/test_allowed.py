"""What the user says of single masks holds whatever judges them."""

from __future__ import annotations

import numpy as np
import pytest

import napari_samstar as ss
from napari_samstar import synth
from napari_samstar.settings import RewardLayerSettings
from tests.models import small_sam

ANY = ss.AmgSettings(
    pred_iou_thresh=0.0, stability_score_thresh=0.0, box_nms_thresh=1.0, crop_nms_thresh=1.0
)
BY_PHYSICS = ss.SelectSettings(
    sources=("grid", "regions"), reward_layer=RewardLayerSettings(threshold=0.0, max_overlap=1.0)
)
BY_META = ss.SelectSettings(amg=ANY)


@pytest.fixture(scope="module")
def made() -> ss.Proposals:
    scene = synth.generate("particles_tem", (160, 160), seed=4)
    decode = ss.DecodeSettings(points_per_side=5, sources=("grid", "regions"))
    return ss.propose(ss.Micrograph((255 * scene.image).astype(np.float32)), small_sam(), decode)


@pytest.mark.parametrize("settings", [BY_META, BY_PHYSICS])
def test_areas_and_the_frame_leave_masks_out(
    made: ss.Proposals, settings: ss.SelectSettings
) -> None:
    free = ss.select(made, settings)
    areas = free.runs.areas()
    low, high = np.quantile(areas, (0.25, 0.75)).astype(int).tolist()
    limits = {"min_area": low, "max_area": high}
    kept = ss.select(made, settings.model_copy(update=limits)).runs.areas()
    assert low > areas.min()
    assert high < areas.max()
    assert ((kept >= low) & (kept <= high)).all()
    assert len(kept)
    whole = ss.select(made, settings.model_copy(update={"border": "drop"}))
    cut = (whole.boxes[:, :2] == 0).any(1) | (whole.boxes[:, 2:] == 159).any(1)
    assert (free.boxes[:, :2] == 0).any()
    assert not cut.any()


def test_the_best_mask_of_each_prompt(made: ss.Proposals) -> None:
    every = ss.select(made, BY_META)
    best = ss.select(made, BY_META.model_copy(update={"multimask": "best"}))
    prompts = {tuple(point) for point in every.points.tolist()}
    assert len(best) == len(prompts) < len(every)
    for point in prompts:
        here = (every.points == point).all(1)
        chosen = (best.points == point).all(1)
        assert best.predicted_iou[chosen] == every.predicted_iou[here].max()


def test_a_range_of_areas_that_is_empty_is_refused() -> None:
    with pytest.raises(ValueError, match="max_area must be at least min_area, 50 px, not 10"):
        ss.SelectSettings(min_area=50, max_area=10)
