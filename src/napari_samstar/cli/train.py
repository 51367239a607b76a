"""`samstar train-tiny`: train the bundled model again, from nothing or from earlier weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_samstar.cli.errors import OK
from napari_samstar.cli.options import add_set, list_settings, put_settings
from napari_samstar.cli.training import training_bar
from napari_samstar.types import SamStarError

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to `commands`."""
    parser = commands.add_parser(
        "train-tiny",
        help="train the bundled model on synthetic micrographs",
        description="Train samstar-tiny on synthetic micrographs. Ctrl-C stops; --resume goes on.",
    )
    parser.add_argument("--out", metavar="DIR", help="weights, curve, checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in DIR")
    parser.add_argument("--scenes", metavar="DIR", help="keeps the generated scenes (OUT/scenes)")
    parser.add_argument("--start", metavar="FILE", help="weights to begin with (random ones)")
    parser.add_argument("--learning-rate", type=float, metavar="X", help="of the optimizer")
    parser.add_argument("--device", metavar="NAME", help="auto, cpu, cuda or mps (cpu)")
    parser.add_argument(
        "--loaders", type=int, metavar="N", help="processes that make a GPU's data (4)"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="training steps")
    parser.add_argument("--seed", type=int, metavar="N", help="for scenes and weights")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    add_set(parser, "pixels=4194304")
    parser.set_defaults(function=run)


def run(args: argparse.Namespace) -> int:
    """Train, and print where the weights are."""
    from napari_samstar.adapt.train_tiny import train
    from napari_samstar.settings import TrainTinySettings

    if args.list_settings:
        print(list_settings(TrainTinySettings()))
        return OK
    if args.out is None:
        raise SamStarError("samstar train-tiny needs --out DIR: the weights are written there.")
    names = ("device", "loaders", "steps", "seed", "learning_rate")
    given = {name: getattr(args, name) for name in names}
    values: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
    put_settings(values, args.set)
    settings = TrainTinySettings.model_validate(values)
    with training_bar(settings.steps, quiet=args.quiet) as show:
        scenes = Path(args.scenes) if args.scenes else None
        start = Path(args.start) if args.start else None
        print(train(settings, Path(args.out), show, args.resume, scenes, start))
    return OK
