"""What is trained goes on where it stopped, and loses nothing that it learned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from napari_samstar.adapt import train_mosaic, train_texture
from napari_samstar.adapt.fitting import fit
from napari_samstar.booster.bundled import TextureNet
from napari_samstar.booster.mosaicnet import MosaicNet
from napari_samstar.settings import FitSettings, TrainMosaicSettings, TrainTextureSettings
from napari_samstar.types import Progress, SamStarError

QUICK = FitSettings(steps=4, evaluate_every=2)
MOSAIC = TrainMosaicSettings(steps=4, scenes=1, side=64, cells=32, evaluate_every=2)
TEXTURE = TrainTextureSettings(
    steps=4, images=1, materials=4, smallest_side=24, largest_side=32, evaluate_every=2
)


class Line(nn.Linear):
    """Learns to give nothing."""

    def __init__(self) -> None:
        super().__init__(2, 2)


def fitted(
    model: nn.Module,
    folder: Path,
    settings: FitSettings = QUICK,
    resume: bool = False,
    value: Callable[[], float] = lambda: 0.0,
) -> Path:
    def loss_at(step: int) -> torch.Tensor:
        out: torch.Tensor = model(torch.full((1, 2), float(step)))
        return out.square().mean()

    weights = folder / "line.safetensors"
    return fit(model, settings, weights, loss_at, ("held_out", value), resume=resume)


@pytest.mark.parametrize(
    ("train", "network", "settings", "column"),
    [
        (train_texture.train, TextureNet, TEXTURE, "nearest"),
        (train_mosaic.train, MosaicNet, MOSAIC, "held_out"),
    ],
)
def test_an_interrupted_run_ends_like_one_in_one_go(
    train: Any, network: type[nn.Module], settings: FitSettings, column: str, tmp_path: Path
) -> None:
    def new_net() -> nn.Module:
        torch.manual_seed(0)
        return network()

    def stop(progress: Progress) -> None:
        if progress.done == 3:
            raise KeyboardInterrupt

    whole = train(new_net(), settings, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(new_net(), settings, tmp_path / "parts", stop)
    parts = train(new_net(), settings, tmp_path / "parts", resume=True)
    first, second = load_file(whole), load_file(parts)
    assert all(torch.equal(first[name], second[name]) for name in first)
    curves = [(tmp_path / name / "curve.csv").read_text() for name in ("whole", "parts")]
    assert curves[0] == curves[1]
    assert curves[0].startswith(f"step,loss,{column}\n")


def test_other_settings_do_not_resume(tmp_path: Path) -> None:
    fitted(Line(), tmp_path)
    with pytest.raises(SamStarError, match="other settings"):
        fitted(Line(), tmp_path, QUICK.model_copy(update={"seed": 1}), resume=True)


def test_another_network_does_not_resume(tmp_path: Path) -> None:
    fitted(Line(), tmp_path)

    class Other(Line):
        pass

    with pytest.raises(SamStarError, match="holds Line, not Other"):
        fitted(Other(), tmp_path, resume=True)
    # what was written before networks were named
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del state["network"]
    torch.save(state, tmp_path / "checkpoint.pt")
    fitted(Line(), tmp_path, resume=True)
    with pytest.raises(SamStarError, match="holds another network, not Sequential"):
        fitted(nn.Sequential(Line()), tmp_path, resume=True)


def test_weights_are_there_before_they_are_measured(tmp_path: Path) -> None:
    def impatient() -> float:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(Line(), tmp_path, value=impatient)
    assert (tmp_path / "line.safetensors").exists()
    assert (tmp_path / "checkpoint.pt").exists()


def test_a_training_that_diverges_says_so(tmp_path: Path) -> None:
    model = Line()
    with torch.no_grad():
        model.weight.fill_(torch.nan)
    with pytest.raises(SamStarError, match="diverged at step 0: lower the learning rate"):
        fitted(model, tmp_path)
