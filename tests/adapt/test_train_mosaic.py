"""The network for borders learns what cells are of one material, and repeats itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_samstar import cli
from napari_samstar.adapt.mosaic_data import make_mosaic_batch
from napari_samstar.adapt.train_mosaic import mosaic_loss, train
from napari_samstar.booster.mosaicnet import MosaicNet, evened, vectors_steps
from napari_samstar.settings import TrainMosaicSettings

SMALL = TrainMosaicSettings(steps=4, scenes=1, side=64, cells=32, evaluate_every=2)


def new_net() -> MosaicNet:
    torch.manual_seed(0)
    return MosaicNet()


def test_batches_follow_from_seed_and_step() -> None:
    first, again, other = (make_mosaic_batch(step, SMALL) for step in (3, 3, 4))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.materials, again.materials)
    assert not torch.equal(first.images, other.images)
    assert first.images.shape == (2, 64, 64)
    assert first.materials.shape == (2, 16, 16)
    np.testing.assert_allclose(first.images.mean((1, 2)), 0, atol=1e-4)


def test_images_differ_where_their_materials_do() -> None:
    """The truth belongs to the image: brightness changes across borders more than beside them."""
    settings = TrainMosaicSettings(scenes=2, side=128)
    at, beside = [], []
    for step in range(12):
        batch = make_mosaic_batch(step, settings)
        tones = torch.nn.functional.avg_pool2d(batch.images[:, None], 4)[:, 0]
        gaps = (tones[:, 4:] - tones[:, :-4]).abs()
        differ = batch.materials[:, 4:] != batch.materials[:, :-4]
        at.append(gaps[differ])
        beside.append(gaps[~differ])
    assert torch.cat(at).mean() > 1.2 * torch.cat(beside).mean()


def test_the_loss_is_low_where_only_materials_differ() -> None:
    materials = torch.zeros(1, 8, 8, dtype=torch.int64)
    materials[:, :, 4:] = 1
    right = torch.zeros(1, 16, 8, 8)
    right[:, 0, :, 4:] = 3.0
    assert mosaic_loss(right, materials, 32, 0) < 0.05
    assert mosaic_loss(right.transpose(2, 3), materials, 32, 0) > 1
    # at a distance of 1 it is as likely as not
    even = torch.zeros(1, 16, 8, 8)
    even[:, 0, :, 4:] = 1.0
    different = mosaic_loss(even, materials, 32, 0) * 2 - np.log1p(np.exp(-4))
    assert float(different) == pytest.approx(np.log(2), abs=0.02)


def test_the_written_weights_are_what_the_booster_loads(tmp_path: Path) -> None:
    net = new_net()
    path = train(net, SMALL, tmp_path)
    image = np.random.default_rng(0).random((64, 64), np.float32)
    with torch.inference_mode():
        expected = net.eval()(torch.from_numpy(evened(image))[None])[0].permute(1, 2, 0).numpy()
    steps = vectors_steps(image, path)
    next(steps)
    with pytest.raises(StopIteration) as stop:
        next(steps)
    np.testing.assert_allclose(stop.value.value, expected, atol=2e-2)


def test_learning_lowers_the_loss(tmp_path: Path) -> None:
    chosen = SMALL.model_copy(update={"steps": 30, "scenes": 2, "evaluate_every": 30})
    losses: list[float] = []
    train(new_net(), chosen, tmp_path, lambda p: losses.append(float(p.message.split()[1])))
    assert np.mean(losses[-8:]) < np.mean(losses[:8])


def test_the_command_trains_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path)
    assert cli.main(["train-mosaic", "--out", folder, "--threads", "0"]) == 2
    assert capsys.readouterr().err == "--threads takes 1 or more, not 0.\n"
    assert cli.main(["train-mosaic", "--out", folder, "--steps", "1", "--quiet"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "samstar-mosaic.safetensors")
