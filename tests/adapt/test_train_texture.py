"""The texture encoder learns what crops are of one material, and repeats itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from napari_samstar import cli
from napari_samstar.adapt.texture_data import TextureBatch, make_texture_batch
from napari_samstar.adapt.train_texture import contrastive_loss, nearest_accuracy, train
from napari_samstar.booster.bundled import BundledEncoder, TextureNet
from napari_samstar.settings import TrainTextureSettings

SMALL = TrainTextureSettings(
    steps=6,
    images=1,
    materials=4,
    crops=3,
    smallest_side=24,
    largest_side=32,
    evaluate_every=3,
)


def new_net() -> TextureNet:
    torch.manual_seed(0)
    return TextureNet()


def test_batches_follow_from_seed_and_step() -> None:
    first, again, other = (make_texture_batch(step, SMALL) for step in (3, 3, 4))
    assert torch.equal(first.crops, again.crops)
    assert not torch.equal(first.crops[0], other.crops[0][: first.crops.shape[1]])
    assert first.crops.dtype == torch.float32
    assert torch.bincount(first.material).tolist() == [3] * 4
    several = make_texture_batch(0, SMALL.model_copy(update={"images": 2}))
    assert several.image.tolist() == [0] * 12 + [1] * 12
    assert torch.bincount(several.material).tolist() == [3] * 8


def test_the_loss_pulls_a_material_together_and_others_of_its_image_apart() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    batch = TextureBatch(torch.zeros(4, 8, 8), torch.zeros(4, dtype=torch.int64), labels)
    together = torch.eye(4)[labels]
    mixed = torch.eye(4)[[0, 1, 0, 1]]
    assert contrastive_loss(together, batch, 0.1) < 1e-3
    assert contrastive_loss(mixed, batch, 0.1) > 5
    assert nearest_accuracy(together, batch) == 1.0
    assert nearest_accuracy(mixed, batch) == 0.0
    # the same texture in another image is no contradiction
    apart = TextureBatch(batch.crops, torch.tensor([0, 0, 1, 1]), labels)
    assert contrastive_loss(torch.eye(4)[[0, 0, 0, 0]], apart, 0.1) < 1e-3


def test_the_written_weights_are_what_the_encoder_loads(tmp_path: Path) -> None:
    net = new_net()
    path = train(net, SMALL, tmp_path)
    crops = np.random.default_rng(0).random((2, 32, 32), np.float32)
    with torch.inference_mode():
        expected = net.eval()(torch.from_numpy(crops)).numpy()
    np.testing.assert_allclose(BundledEncoder(path)(crops), expected, atol=5e-3)


def test_the_network_sees_the_range_that_encoders_give(tmp_path: Path) -> None:
    seen: list[torch.Tensor] = []

    class Watching(TextureNet):
        def forward(self, crops: torch.Tensor) -> torch.Tensor:
            seen.append(crops.detach())
            return super().forward(crops)

    train(Watching(), SMALL.model_copy(update={"steps": 1}), tmp_path)
    for crops in seen:
        np.testing.assert_allclose(np.percentile(crops, (0.1, 99.9)), (0, 1), atol=1e-4)


def test_threads_are_one_or_more(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["train-texture", "--out", str(tmp_path), "--threads", "0"]) == 2
    assert capsys.readouterr().err == "--threads takes 1 or more, not 0.\n"


def test_learning_tells_held_out_materials_apart_better(tmp_path: Path) -> None:
    chosen = SMALL.model_copy(update={"steps": 24, "images": 2, "evaluate_every": 24})
    losses: list[float] = []
    train(new_net(), chosen, tmp_path, lambda p: losses.append(float(p.message.split()[1])))
    assert np.mean(losses[-6:]) < np.mean(losses[:6])
