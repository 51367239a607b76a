"""`samstar train-mosaic`: train the bundled network for borders of materials again."""

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
        "train-mosaic",
        help="train the network for borders of materials on synthetic images",
        description="Train the network for borders of materials; --resume goes on.",
    )
    add_training(parser)
    parser.add_argument(
        "--bfloat16", action="store_true", help="multiply in 16 bits, where the processor can"
    )
    parser.set_defaults(function=run)


def run(args: argparse.Namespace) -> int:
    """Train, and print where the weights are."""
    from napari_samstar.adapt.train_mosaic import train
    from napari_samstar.booster.mosaicnet import MosaicNet
    from napari_samstar.settings import TrainMosaicSettings

    settings = begin(args, TrainMosaicSettings(bfloat16=args.bfloat16))
    with training_bar(settings.steps, quiet=args.quiet) as show:
        print(train(MosaicNet(), settings, Path(args.out), show, args.resume))
    return OK
