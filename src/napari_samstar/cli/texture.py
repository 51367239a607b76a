"""`samstar train-texture`: train the bundled texture encoder again, or another one likewise."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_samstar.cli.errors import OK
from napari_samstar.cli.training import add_training, begin, training_bar

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to `commands`."""
    parser = commands.add_parser(
        "train-texture",
        help="train a texture encoder on synthetic materials",
        description="Train a texture encoder on synthetic materials; --resume goes on.",
    )
    add_training(parser)
    parser.add_argument(
        "--model", choices=("bundled", "fenet"), default="bundled", help="network (%(default)s)"
    )
    parser.set_defaults(function=run)


def run(args: argparse.Namespace) -> int:
    """Train, and print where the weights are."""
    import torch

    from napari_samstar.adapt.train_texture import train
    from napari_samstar.settings import TrainTextureSettings

    settings = begin(args, TrainTextureSettings())
    model: torch.nn.Module
    if args.model == "fenet":
        from napari_samstar.booster.fractal import FractalNet

        model = FractalNet()
    else:
        from napari_samstar.booster.bundled import TextureNet

        model = TextureNet()
    with training_bar(settings.steps, quiet=args.quiet) as show:
        print(train(model, settings, Path(args.out), show, args.resume))
    return OK
