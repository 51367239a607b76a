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
from napari_samstar.pipeline import RunResult, segment, segment_steps
from napari_samstar.pipeline.quality_scenes import prior_of
from napari_samstar.rewards.registry import make
from napari_samstar.search.events import SettingEvent
from napari_samstar.settings import PaceSettings
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


def test_polarity_is_that_of_the_image_whatever_the_network_is_shown(particles: tuple) -> None:
    micrograph, _ = particles
    known = {"prior": ss.Prior(diameter=(4, 30), size_unit="nm", polarity="dark")}
    search, boost = None, None
    counts = []
    for invert in (False, True):
        preprocess = ss.PreprocessSettings(invert=invert)
        settings = ss.RunSettings(preprocess=preprocess, search=search, boost=boost, **known)
        counts.append(len(segment(micrograph, settings=settings).table))
    assert counts[0] > 5
    assert counts[1] == pytest.approx(counts[0], rel=0.3)


def test_a_reward_in_nanometers_needs_a_pixel_size(particles: tuple) -> None:
    uncalibrated = ss.Micrograph(particles[0].data)
    made = ss.propose(uncalibrated)
    terms = [make("size_band", low=5, high=20, unit="nm")]
    with pytest.raises(ss.SamStarError, match="has no pixel size"):
        ss.optimize(made, uncalibrated, rewards=terms)


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
        boost=None,
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


def test_expected_quality_asks_for_all_good_masks_and_no_others() -> None:
    scene = synth.generate("precipitates", (192, 224), seed=5)
    micrograph = ss.Micrograph((scene.image * 255).astype(np.float32))
    p = ss.propose(micrograph)
    prior = prior_of(scene.labels, p.gray)
    term = ss.rewards.make("expected_quality")

    def score(threshold: float) -> float:
        layer = ss.RewardLayerSettings(prior=prior, threshold=threshold)
        chosen = ss.SelectSettings(sources=("regions",), reward_layer=layer)
        return term.score(ss.select(p, chosen), micrograph)

    few, sensible, all_there_is = score(0.85), score(0.3), score(0.0)
    assert sensible > few
    assert sensible > all_there_is
    assert score(1.0) == 0.0  # nothing is kept


PACE = PaceSettings(encoding=2.0, prompt=0.01, regions=1.0, measuring=1e-4)


def slow_run(**search: object) -> ss.RunSettings:
    """A search with time for a denser grid and two other views of the image."""
    asked = {"budget": 80, "population": 4, "slow_seconds": 7.0, "pace": PACE, **search}
    return ss.RunSettings(
        decode=ss.DecodeSettings(points_per_side=6, sources=("grid", "regions")),
        search=ss.SearchSettings(**asked),
        boost=None,
    )


@pytest.fixture(scope="module")
def dots() -> ss.Micrograph:
    scene = synth.generate("particles_tem", (80, 80), seed=4)
    return ss.Micrograph((scene.image * 255).astype(np.float32))


@pytest.fixture(scope="module")
def slow_events(dots: ss.Micrograph) -> tuple[RunResult, list]:
    events: list = []
    steps = segment_steps(dots, small_sam(), slow_run())
    return ss.pipeline.run(steps, events.append), events


def test_slow_settings_are_paid_for_and_told(slow_events: tuple) -> None:
    result, events = slow_events
    told = [e for e in events if isinstance(e.partial, SettingEvent)]
    settings = [e.partial for e in told]
    assert settings[0].cost_s == 0.0  # what is there already
    assert [s.number for s in settings] == [1, 2, 3, 4]
    assert {s.planned for s in settings} == {4}
    assert sum(s.cost_s for s in settings) <= 7.0
    assert all(s.eta_s >= s.cost_s > 0 for s in settings[1:])
    assert "points_per_side 12, about 2 s" in told[1].message
    assert settings[3].genes["preprocess.denoise"] == "median"
    # the cheap genes had half of the budget first, and what the network does is told, too
    assert [e.done for e in told][:2] == [0, 40]
    assert any(e.stage == "decoding" and e.done for e in events[events.index(told[1]) :])
    assert len(result.front.evaluated) == 80
    assert len(result.front.tables) == 4
    assert result.recipe.search.pace == PACE


def test_slow_candidates_know_their_settings(dots: ss.Micrograph, slow_events: tuple) -> None:
    front = slow_events[0].front
    by_table = {id(front.proposals(c)): c for c in front.evaluated}
    assert len(by_table) == 4
    for candidate in by_table.values():
        decode, view = front.slow.decode(candidate.genes), front.slow.view(candidate.genes)
        again = ss.propose(dots, small_sam(), decode, view=view)
        masks = front.selection(candidate).labels()
        assert np.array_equal(ss.select(again, front.settings(candidate)).labels(), masks)


def test_the_recipe_applies_a_slow_setting_without_a_search(
    dots: ss.Micrograph, slow_events: tuple
) -> None:
    result, _ = slow_events
    front = result.front
    other = next(c for c in front.evaluated[::-1] if c.genes["preprocess.denoise"] == "median")
    chosen = {
        "chosen": front.settings(other),
        "chosen_decode": front.slow.decode(other.genes),
        "chosen_view": front.slow.view(other.genes),
    }
    text = result.recipe.model_copy(update=chosen).to_json()
    applied = segment(dots, small_sam(), settings=ss.Recipe.from_json(text).chosen_settings())
    assert applied.front is None
    assert np.array_equal(applied.segmentation.labels, front.selection(other).labels())
    # physics was measured on the image as it is, whatever the network saw
    assert np.array_equal(applied.proposals.gray, result.proposals.gray)
    assert applied.recipe.view.denoise == "median"


def test_a_slow_search_resumes_to_the_same_front(
    dots: ss.Micrograph, slow_events: tuple, tmp_path: Path
) -> None:
    result, _ = slow_events
    settings, searches = result.recipe.run_settings(), tmp_path / "searches"
    for stop in (10, 45):
        steps = segment_steps(dots, small_sam(), settings, store=Store(tmp_path))
        first_candidates(steps, stop)
        assert list(searches.glob("*.jsonl"))
        assert not list(searches.glob("*.lock"))
    resumed = segment(dots, small_sam(), settings=settings, store=Store(tmp_path)).front
    assert resumed.evaluated == result.front.evaluated
    assert resumed.history == result.front.history
    assert not list(searches.glob("*"))  # what is complete needs no way back


def test_pace_is_measured_once(dots: ss.Micrograph, tmp_path: Path) -> None:
    settings = slow_run(pace=None, budget=10, slow_seconds=1e-3)
    runs = [segment(dots, small_sam(), settings=settings, store=Store(tmp_path)) for _ in range(2)]
    pace = runs[0].recipe.search.pace
    assert min(pace.encoding, pace.prompt, pace.regions, pace.measuring) > 0
    assert runs[1].recipe.search.pace == pace


def test_the_best_candidates_say_what_is_doubtful(particles: tuple) -> None:
    micrograph, _ = particles
    search = ss.SearchSettings(budget=40, population=10)
    prior = ss.Prior(diameter=(4, 30), size_unit="nm", polarity="dark")
    result = segment(micrograph, settings=ss.RunSettings(prior=prior, search=search, boost=None))
    agreed, labels = result.agreement, result.segmentation.labels
    assert agreed is not None
    shares = result.table.set_index("label")["agreement"]
    assert shares.between(1 / len(agreed.selections), 1).all()  # the one that is shown has a voice
    assert result.table.attrs["units"]["agreement"] == ""
    confidence = agreed.confidence(labels)
    assert confidence.dtype == np.float32
    assert confidence.shape == labels.shape
    same = [(s.labels() > 0) == (labels > 0) for s in agreed.selections]
    np.testing.assert_allclose(confidence, np.mean(same, axis=0), atol=1e-6)
    # the same from Python, also for labels that were corrected
    again = ss.agreement(result.front)
    assert np.array_equal(again.covered, agreed.covered)
    corrected = np.where(labels == labels.max(), 0, labels)
    assert len(again.of_objects(corrected)) == len(np.unique(corrected)) - 1
    only = ss.agreement(result.front, most=1)
    assert set(np.unique(only.confidence(labels))) == {1.0}
    summary = ss.summarize(result.table)
    doubtful = [one["agreement"] for one in summary["doubtful"]]
    assert doubtful == sorted(doubtful)
    assert len(doubtful) == (shares < 0.5).sum()
