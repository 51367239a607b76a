"""`samstar distil`: a small model of one's own, from any SAM and unlabeled micrographs."""

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
        "distil",
        help="teach the bundled model what a larger SAM sees in your micrographs",
        description="Train samstar-tiny on the masks that a larger SAM finds in unlabeled "
        "micrographs. Ctrl-C stops; the same command goes on.",
    )
    parser.add_argument("--teacher", required=True, metavar="NAME", help="model or checkpoint file")
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of micrographs")
    parser.add_argument("--out", required=True, metavar="DIR", help="weights, curve, checkpoint")
    parser.add_argument("--start", metavar="FILE", help="weights to begin with (the bundled ones)")
    parser.add_argument("--points-per-side", type=int, metavar="N", help="the teacher's grid")
    parser.add_argument("--steps", type=int, default=600, metavar="N", help="training steps (600)")
    parser.add_argument(
        "--learning-rate", type=float, default=5e-4, metavar="X", help="of the optimizer (0.0005)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="for crops and prompts")
    parser.add_argument("--device", metavar="NAME", help="of the training: auto, cpu, cuda, mps")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(function=run)


def run(args: argparse.Namespace) -> int:
    """Ask the teacher, train, and say how much nearer the student has come."""
    from napari_samstar.cli.progress import drain
    from napari_samstar.pipeline.distilling import agreement, learn, lessons_steps
    from napari_samstar.sam.device import choose_device
    from napari_samstar.sam.zoo import load_model
    from napari_samstar.settings import DecodeSettings, TrainTinySettings
    from napari_samstar.types import SamStarError

    images = Path(args.images)
    if not images.is_dir():
        raise SamStarError(f"There is no folder {images}: --images takes a folder of micrographs.")
    paths = sorted(p for p in images.iterdir() if p.is_file() and not p.name.startswith("."))
    given = {k: getattr(args, k) for k in ("steps", "seed", "learning_rate", "device")}
    settings = TrainTinySettings(**{k: v for k, v in given.items() if v is not None})
    choose_device(settings.device)  # before the teacher has worked for hours
    grid = {} if args.points_per_side is None else {"points_per_side": args.points_per_side}
    out = Path(args.out)
    lessons = drain(
        lessons_steps(
            paths, load_model(args.teacher), out / "scenes", settings, DecodeSettings(**grid)
        ),
        quiet=args.quiet,
    )
    for sentence in lessons.failed:
        print(f"Left out: {sentence}")
    start = None if args.start is None else Path(args.start)
    before = agreement(lessons, settings, start)
    with training_bar(settings.steps, quiet=args.quiet) as show:
        path = learn(lessons, settings, out, start, show)
    after = agreement(lessons, settings, path)
    told = {"one_click": "one click", "best_of_three": "best of three", "box": "one box"}
    for name, what in told.items():
        print(f"IoU with the teacher, {what}: {before[name]:.3f} before, {after[name]:.3f} now")
    print(path)
    return OK
