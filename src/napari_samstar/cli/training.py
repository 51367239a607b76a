"""What the commands that train small networks share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from napari_samstar.cli.progress import say
from napari_samstar.settings import FitSettings
from napari_samstar.types import Progress, SamStarError

__all__ = ["add_training", "begin", "training_bar"]

_Chosen = TypeVar("_Chosen", bound=FitSettings)


def add_training(parser: argparse.ArgumentParser) -> None:
    """Add what every training is told."""
    parser.add_argument("--out", required=True, metavar="DIR", help="weights, curve, checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in DIR")
    parser.add_argument("--steps", type=int, metavar="N", help="training steps")
    parser.add_argument("--seed", type=int, metavar="N", help="for data and weights")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU (%(default)s)")
    parser.add_argument("--quiet", action="store_true", help="show no progress")


def begin(args: argparse.Namespace, settings: _Chosen) -> _Chosen:
    """Give the settings what was given to `add_training`, and make chance and threads ready."""
    import torch

    if args.threads < 1:
        raise SamStarError(f"--threads takes 1 or more, not {args.threads}.")
    given = {name: getattr(args, name) for name in ("steps", "seed")}
    known = {name: value for name, value in given.items() if value is not None}
    settings = type(settings)(**{**settings.model_dump(), **known})
    torch.set_num_threads(args.threads)
    torch.manual_seed(settings.seed)
    return settings


@contextmanager
def training_bar(total: int, *, quiet: bool = False) -> Iterator[Callable[[Progress], None]]:
    """Bar of a training, as a function to be told of each step.

    Parameters
    ----------
    total : int
        Steps of the optimizer.
    quiet : bool
        Draw no bar. What there is to say of a training that is over is said all the same.
    """
    from tqdm import tqdm

    said: list[str] = []
    with tqdm(total=total, desc="training", disable=True if quiet else None) as bar:

        def show(progress: Progress) -> None:
            if progress.stage == "trained":
                said.append(progress.message)
            else:
                bar.set_postfix_str(progress.message, refresh=False)
            bar.update(progress.done - bar.n)

        yield show
    for sentence in said:
        say(sentence)
