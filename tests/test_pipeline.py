"""From a micrograph to its table, in one piece, after a kill, and in physical units."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import napari_samstar as ss
from napari_samstar import synth
from napari_samstar.cache import Store
from napari_samstar.pipeline import segment, segment_steps
from tests.models import small_sam

ROOT = Path(__file__).resolve().parents[1]

CHILD = """
import sys
import numpy as np
import napari_samstar as ss
from napari_samstar.cache import Store
from tests.models import small_sam
print("ready", flush=True)
sam, store = small_sam(), Store(sys.argv[1])
for seed in range(10_000):
    data = np.random.default_rng(seed).integers(0, 255, (96, 96)).astype(np.float32)
    decode = ss.DecodeSettings(points_per_side=6, sources=("grid",))
    ss.propose(ss.Micrograph(data), sam, decode, store=store)
"""


@pytest.fixture(scope="module")
def particles() -> tuple[ss.Micrograph, np.ndarray]:
    scene = synth.generate("particles_tem", (256, 256), seed=4)
    data = (scene.image * 255).astype(np.float32)
    return ss.Micrograph(data, (0.5, 0.5), "nm", "particles"), scene.labels


def test_regions_alone_find_particles_in_nanometers(particles: tuple) -> None:
    micrograph, truth = particles
    areas = np.bincount(truth.ravel())[1:]
    diameters = 0.5 * 2 * np.sqrt(areas[areas > 0] / np.pi)
    prior = ss.Prior(diameter=(diameters.min() / 1.25, diameters.max() * 1.25), size_unit="nm")
    result = segment(micrograph, settings=ss.RunSettings(prior=prior))
    assert result.table["equivalent_diameter_nm"].median() == pytest.approx(
        np.median(diameters), rel=0.35
    )
    assert result.segmentation.labels.max() == len(result.table)
    assert result.recipe.prior.size_unit == "nm"
    assert result.recipe.model is None


def test_all_sources_stand_in_one_table(particles: tuple) -> None:
    micrograph, _ = particles
    decode = ss.DecodeSettings(points_per_side=4)
    result = segment(micrograph, small_sam(), settings=ss.RunSettings(decode=decode))
    made = result.proposals
    assert set(np.unique(made.source)) == {0, 2, 3}  # no tiles: the image is small
    assert len(result.selection) > 0
    # what Meta would keep is still there, untouched by the other sources
    grid_only = decode.model_copy(update={"sources": ("grid",)})
    alone = ss.propose(micrograph, small_sam(), grid_only)
    amg = ss.AmgSettings(pred_iou_thresh=0.0, stability_score_thresh=0.2)
    assert np.array_equal(ss.select(made, amg).labels(), ss.select(alone, amg).labels())


def test_physical_prior_without_pixel_size_is_refused(particles: tuple) -> None:
    uncalibrated = ss.Micrograph(particles[0].data)
    prior = ss.Prior(diameter=(5, 20), size_unit="nm")
    with pytest.raises(ss.SamStarError, match="no pixel size"):
        segment(uncalibrated, settings=ss.RunSettings(prior=prior))


def test_large_image_is_tiled_without_seams() -> None:
    y, x = np.mgrid[:400, :400]
    data = np.full((400, 400), 200, np.float32)
    for cy, cx in [(96, 96), (200, 200), (300, 96), (96, 288)]:  # some lie on tile borders
        data[np.hypot(y - cy, x - cx) < 12] = 40
    decode = ss.DecodeSettings(points_per_side=8, sources=("tiles",), tiles="on", tile_size=128)
    made = ss.propose(ss.Micrograph(data), small_sam(), decode)
    assert len(made.crop_boxes) == 16
    # no mask ends at a tile's inner border
    crops = made.crop_boxes[made.crop]
    inner_right = crops[:, 2] < 400
    assert not (inner_right & (made.boxes[:, 2] >= crops[:, 2] - 1)).any()
    inner_left = crops[:, 0] > 0
    assert not (inner_left & (made.boxes[:, 0] <= crops[:, 0])).any()


def test_killed_while_proposing_the_next_run_starts_clean(tmp_path: Path) -> None:
    chance = random.Random(3)
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        deadline = time.monotonic() + chance.uniform(0.05, 1.5)
        while time.monotonic() < deadline and child.poll() is None:
            pass
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    decode = ss.DecodeSettings(points_per_side=6, sources=("grid",))
    for seed in range(3):
        data = np.random.default_rng(seed).integers(0, 255, (96, 96)).astype(np.float32)
        micrograph = ss.Micrograph(data)
        again = ss.propose(micrograph, small_sam(), decode, store=Store(tmp_path))
        fresh = ss.propose(micrograph, small_sam(), decode)
        assert np.array_equal(again.runs.counts, fresh.runs.counts)
        assert np.array_equal(again.stability, fresh.stability, equal_nan=True)


def test_a_search_is_repeated_by_its_seed_and_by_its_recipe(particles: tuple) -> None:
    micrograph, _ = particles
    settings = ss.RunSettings(
        prior=ss.Prior(diameter=(4, 30), size_unit="nm", polarity="dark"),
        search=ss.SearchSettings(budget=60, population=12, seed=3),
    )
    first = segment(micrograph, settings=settings)
    again = segment(micrograph, settings=settings)
    assert first.front is not None
    assert again.front is not None
    assert first.front.candidates == again.front.candidates
    assert np.array_equal(first.segmentation.labels, again.segmentation.labels)
    # the recipe's chosen settings give the same masks without a search
    chosen = first.recipe.chosen
    assert chosen is not None
    assert np.array_equal(ss.select(first.proposals, chosen).labels(), first.segmentation.labels)
    assert {name for name, _ in first.recipe.rewards or ()} >= {"size_band", "contrast"}


def test_an_importance_chooses_on_the_front_without_another_candidate(particles: tuple) -> None:
    micrograph, _ = particles
    p = ss.propose(micrograph)
    search = ss.SearchSettings(budget=60, population=12)
    front = ss.optimize(p, micrograph, search=search, prior=ss.Prior(diameter=(8, 60)))
    size = front.preferred({name: float(name == "contrast") for name in front.objectives})
    assert size.rewards[front.objectives.index("contrast")] == pytest.approx(
        max(c.rewards[front.objectives.index("contrast")] for c in front.candidates)
    )
    assert len(front.evaluated) <= 60


def test_a_search_resumes_from_its_journal(particles: tuple, tmp_path: Path) -> None:
    micrograph, _ = particles
    p = ss.propose(micrograph)
    search = ss.SearchSettings(budget=40, population=10)
    whole = ss.optimize(p, micrograph, search=search)
    steps = ss.pipeline.optimize_steps(
        p, micrograph, search=search, journal=tmp_path / "front.jsonl"
    )
    for _ in range(17):
        next(steps)
    steps.close()
    rest = ss.optimize(p, micrograph, search=search, journal=tmp_path / "front.jsonl")
    assert rest.evaluated == whole.evaluated


SEARCHER = """
import sys
import numpy as np
import napari_samstar as ss
from napari_samstar.cache import Store
from napari_samstar.pipeline import segment_steps
data = np.load(sys.argv[1])
settings = ss.RunSettings(search=ss.SearchSettings(budget=10_000, population=10, patience=0))
for event in segment_steps(ss.Micrograph(data), settings=settings, store=Store(sys.argv[2])):
    if event.stage == "searching":
        print(event.done, flush=True)
"""


def first_candidates(steps, n: int) -> list:
    """Events of the first `n` candidates; the rest of the run is canceled."""
    events: list = []
    for event in steps:
        if hasattr(event.partial, "candidate"):
            events.append(event.partial)
        if len(events) == n:
            break
    steps.close()
    return events


def test_a_killed_search_goes_on_to_the_same_front(particles: tuple, tmp_path: Path) -> None:
    micrograph = ss.Micrograph(particles[0].data)
    np.save(tmp_path / "image.npy", micrograph.data)
    arguments = [sys.executable, "-c", SEARCHER, str(tmp_path / "image.npy"), str(tmp_path / "s")]
    with subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if int(line) >= 25:
                child.send_signal(signal.SIGKILL)
                break
    assert len(list((tmp_path / "s" / "searches").glob("*.jsonl"))) == 1
    search = ss.SearchSettings(budget=10_000, population=10, patience=0)
    settings = ss.RunSettings(search=search)
    store = Store(tmp_path / "s")
    resumed = first_candidates(segment_steps(micrograph, settings=settings, store=store), 40)
    assert resumed[20].replayed
    assert not resumed[-1].replayed
    fresh = first_candidates(segment_steps(micrograph, settings=settings), 40)
    assert [e.candidate for e in resumed] == [e.candidate for e in fresh]


def test_expected_quality_asks_for_all_good_masks_and_no_others(particles: tuple) -> None:
    micrograph, _ = particles
    p = ss.propose(micrograph)
    prior = ss.Prior(diameter=(8, 60), polarity="dark")
    term = ss.rewards.make("expected_quality")

    def score(threshold: float) -> float:
        layer = ss.RewardLayerSettings(prior=prior, threshold=threshold)
        chosen = ss.SelectSettings(sources=("regions",), reward_layer=layer)
        return term.score(ss.select(p, chosen), micrograph)

    few, sensible, all_there_is = score(0.6), score(0.4), score(0.0)
    assert sensible > few
    assert sensible > all_there_is
    assert score(1.0) == 0.0  # nothing is kept
