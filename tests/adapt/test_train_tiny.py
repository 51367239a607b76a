"""Training the bundled model: the same seed, the same run."""

from __future__ import annotations

import csv
from contextlib import closing
from multiprocessing import active_children

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_samstar.adapt.batches import batches
from napari_samstar.adapt.tiny_data import load_scene, make_batch
from napari_samstar.adapt.tiny_losses import mask_losses, true_iou
from napari_samstar.adapt.train_tiny import train
from napari_samstar.sam.samstar_tiny import build_samstar_tiny
from napari_samstar.settings import TrainTinySettings
from napari_samstar.types import SamStarError

QUICK = TrainTinySettings(
    steps=3,
    scenes=8,
    scene_size=128,
    pixels=2 * 64 * 64,
    prompts=3,
    warmup=1,
    checkpoint_every=2,
    workers=1,
)


class Stop(Exception):
    pass


def test_data_follows_from_seed_and_step(tmp_path):
    once = make_batch(4, QUICK, tmp_path)
    again = make_batch(4, QUICK, tmp_path)
    other = make_batch(5, QUICK, tmp_path)
    assert torch.equal(once.images, again.images)
    assert torch.equal(once.targets, again.targets)
    assert not torch.equal(once.images, other.images)


def test_another_mix_makes_other_scenes_beside_those_that_are_kept(tmp_path):
    usual = load_scene(0, QUICK, tmp_path)
    film = QUICK.model_copy(update={"weights": (("spinodal", 1.0),)})
    mixed = load_scene(0, film, tmp_path)
    assert not np.array_equal(usual, mixed)
    np.testing.assert_array_equal(load_scene(0, film, None), mixed)
    np.testing.assert_array_equal(load_scene(0, film, tmp_path), mixed)
    np.testing.assert_array_equal(load_scene(0, QUICK, tmp_path), usual)


@pytest.mark.parametrize("weights", [(("bakteria", 1.0),), (("bacteria", 0.0),)])
def test_shares_that_cannot_be_meant_get_a_sentence(weights, tmp_path):
    with pytest.raises(SamStarError, match="weights name kinds of scenes"):
        train(QUICK.model_copy(update={"weights": weights}), tmp_path)


def test_processes_make_the_same_batches_and_none_is_left_behind(tmp_path):
    settings = QUICK.model_copy(update={"steps": 40})
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    here = [make_batch(step, settings, tmp_path / "here") for step in (2, 3, 4)]
    assert {batch.boxes is None for batch in here} == {True, False}

    def learn():
        with closing(batches(2, settings, tmp_path / "there", 0, 2)) as made:
            for expected, (step, batch) in zip(here, made, strict=False):
                batch = batch.on(torch.device("cpu"))
                for name, value in vars(expected).items():
                    found = getattr(batch, name)
                    same = found is None if value is None else torch.equal(found, value)
                    assert same, (step, name)
            assert len(active_children()) == 2
            raise Stop

    with pytest.raises(Stop):
        learn()
    assert active_children() == []
    assert [step for step, _ in batches(37, settings, tmp_path / "here")] == [37, 38, 39]


@pytest.mark.parametrize("step", range(8))
def test_prompts_ask_for_what_they_show(step, tmp_path):
    batch = make_batch(step, QUICK, tmp_path)
    sides = batch.targets.shape[-1]
    assert batch.images.shape[-1] == sides
    assert sides % 64 == 0
    for b, p in torch.cartesian_prod(*map(torch.arange, batch.targets.shape[:2])).tolist():
        mask = batch.targets[b, p]
        if batch.points.shape[2] and mask.any():
            x, y, label = batch.points[b, p, 0].tolist()
            assert label == 1
            assert mask[int(y), int(x)]
        if batch.boxes is not None:
            x0, y0, x1, y1 = batch.boxes[b, p].tolist()
            assert 0 <= x0 < x1 <= sides
            assert 0 <= y0 < y1 <= sides
            assert mask[int(y0) : int(y1) + 1, int(x0) : int(x1) + 1].any()


def test_a_perfect_mask_costs_least():
    target = torch.zeros(1, 1, 64, 64)
    target[..., 16:32, 20:44] = 1
    coarse = target[..., ::4, ::4]
    logits = torch.stack([coarse, coarse.roll(4, -1), coarse.roll(8, -1)], 2) * 20 - 10
    extent = torch.tensor([8.0, 6.0, 3.0, 2.0]).view(1, 1, 4)
    losses = mask_losses(logits, coarse, extent)[0, 0]
    assert losses[0] < 0.05
    assert losses[0] < losses[1] < losses[2]
    ious = true_iou(logits, target)[0, 0]
    assert ious[0] > 0.8
    assert ious[0] > ious[1] > ious[2]


def test_an_interrupted_run_ends_as_the_whole_one(tmp_path):
    def stop(progress):
        if progress.done == 2:
            raise Stop

    weights = load_file(train(QUICK, tmp_path / "whole"))
    with pytest.raises(Stop):
        train(QUICK, tmp_path / "parts", progress=stop)
    resumed = load_file(train(QUICK, tmp_path / "parts", resume=True))
    for name, value in weights.items():
        assert torch.equal(value, resumed[name]), name
    build_samstar_tiny(weights)
    with (tmp_path / "whole" / "curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["3"]
    assert 0 < float(rows[0]["one_click"]) < 1
    with pytest.raises(SamStarError, match="other settings"):
        train(QUICK.model_copy(update={"seed": 7}), tmp_path / "parts", resume=True)


def test_a_run_is_resumed_without_naming_its_start_again_and_not_with_another(tmp_path):
    first, second = (
        train(QUICK.model_copy(update={"steps": 1, "seed": seed}), tmp_path / str(seed))
        for seed in (1, 2)
    )
    short = QUICK.model_copy(update={"steps": 2})
    train(short, tmp_path / "run", start=first)
    steps = []
    train(QUICK, tmp_path / "run", lambda p: steps.append(p.done), resume=True)
    assert steps == [3]
    with pytest.raises(SamStarError, match="begun with other weights"):
        train(QUICK, tmp_path / "run", resume=True, start=second)


@pytest.mark.slow
def test_two_processes_share_the_steps(tmp_path):
    settings = QUICK.model_copy(update={"workers": 2, "steps": 2, "pixels": 4 * 64 * 64})
    first = load_file(train(settings, tmp_path / "first"))
    second = load_file(train(settings, tmp_path / "second"))
    for name, value in first.items():
        assert torch.equal(value, second[name]), name
