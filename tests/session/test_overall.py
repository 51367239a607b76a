"""The time that is left: one count of steps over a whole preparation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_samstar.pipeline import propose_steps, run
from napari_samstar.session.overall import expected, overall
from napari_samstar.settings import DecodeSettings, PromptSettings, RunSettings
from napari_samstar.types import Micrograph, Progress
from tests.models import small_sam


@pytest.mark.parametrize(
    "decode",
    [
        DecodeSettings(points_per_side=8, points_per_batch=16),
        DecodeSettings(points_per_side=8, crop_n_layers=1, sources=("grid",), points_per_batch=16),
        DecodeSettings(points_per_side=4, tiles="on", tile_size=64, sources=("tiles", "regions")),
    ],
)
def test_the_count_rises_steadily_and_nearly_to_the_end(
    decode: DecodeSettings, rng: np.random.Generator
) -> None:
    micrograph = Micrograph(rng.random((96, 128)).astype(np.float32))
    settings = RunSettings(decode=decode, prompts=PromptSettings(max_prompts=32, max_crops=2))
    sam = small_sam()
    steps = propose_steps(micrograph, sam, decode, prompts=settings.prompts)
    events: list[Any] = []
    run(overall(steps, expected(micrograph.shape, settings, 128)), events.append)
    done = [event.done / event.total for event in events]
    assert (np.diff(done) >= 0).all()
    assert np.diff(done).max() < 0.7, "one step counts for most of the work"
    assert done[-1] > (0.3 if "prompted" in decode.sources else 0.8)
    assert len({event.total for event in events}) == 1


def test_regions_alone_need_no_network() -> None:
    plan = expected((100, 100), RunSettings(), None)
    told = [plan.tell(Progress("regions", k, 4)).done for k in range(1, 5)]
    assert told[-1] / (100 * plan.total) > 0.7
    assert plan.tell(Progress("searching", 3, 600)).done == told[-1]
