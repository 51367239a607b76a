"""`samstar train-quality`: learn again how good a mask is expected to be."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_samstar.cli.errors import OK

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to `commands`."""
    parser = commands.add_parser(
        "train-quality",
        help="learn the quality of masks from synthetic micrographs",
        description="Learn the quality of masks from synthetic micrographs. A second call with the "
        "same folder goes on where the first was interrupted.",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="scenes, weights, log")
    parser.add_argument("--even-scenes", type=int, metavar="N", help="scenes of all kinds in turn")
    parser.add_argument("--mix-scenes", type=int, metavar="N", help="scenes of many objects")
    parser.add_argument("--crowded-scenes", type=int, metavar="N", help="of objects that touch")
    parser.add_argument("--plain-scenes", type=int, metavar="N", help="of sharp plain ellipses")
    parser.add_argument("--trees", type=int, metavar="N", help="regression trees")
    parser.add_argument("--seed", type=int, metavar="N", help="for the trees")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(function=run)


def run(args: argparse.Namespace) -> int:
    """Learn, and print where the weights are."""
    from tqdm import tqdm

    from napari_samstar.pipeline.driving import run as driven
    from napari_samstar.pipeline.quality_training import train_quality_steps
    from napari_samstar.sam.zoo import load_model
    from napari_samstar.settings import TrainQualitySettings
    from napari_samstar.types import Progress

    names = ("even_scenes", "mix_scenes", "crowded_scenes", "plain_scenes", "trees", "seed")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    settings = TrainQualitySettings(**given)
    steps = train_quality_steps(load_model("samstar-tiny"), Path(args.out), settings)
    with tqdm(total=settings.scenes, desc="scenes", disable=True if args.quiet else None) as bar:

        def show(progress: Progress) -> None:
            bar.update(progress.done - bar.n)

        path = driven(steps, show)
    print(path)
    return OK
