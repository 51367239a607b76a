"""`samstar train-texture`: train the bundled texture encoder again, or another one likewise."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_samstar.cli.errors import OK
from napari_samstar.cli.training import training_bar

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to `commands`."""
    parser = commands.add_parser(
        "train-texture",
        help="train a texture encoder on synthetic materials",
        description="Train a texture encoder on synthetic materials; --resume goes on.",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="weights, curve, checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in DIR")
    parser.add_argument(
        "--model", choices=("bundled", "fenet"), default="bundled", help="network (%(default)s)"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="training steps")
    parser.add_argument("--seed", type=int, metavar="N", help="for materials and weights")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU (%(default)s)")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(function=run)


def run(args: argparse.Namespace) -> int:
    """Train, and print where the weights are."""
    import torch

    from napari_samstar.adapt.train_texture import train
    from napari_samstar.settings import TrainTextureSettings
    from napari_samstar.types import SamStarError

    if args.threads < 1:
        raise SamStarError(f"--threads takes 1 or more, not {args.threads}.")
    given = {name: getattr(args, name) for name in ("steps", "seed")}
    settings = TrainTextureSettings(**{k: v for k, v in given.items() if v is not None})
    torch.set_num_threads(args.threads)
    torch.manual_seed(settings.seed)
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
