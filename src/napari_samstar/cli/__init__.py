"""The command line: `samstar run | rewards | evaluate | models | synth | ...`.

Exit codes: 0 all went well, 2 something a user can mend (one sentence on standard error each),
1 an error that should not happen, 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from napari_samstar import __version__
from napari_samstar.cli.dataset import add_parser as add_dataset
from napari_samstar.cli.demo import add_parser as add_demo
from napari_samstar.cli.distil import add_parser as add_distil
from napari_samstar.cli.errors import FAILED, STOPPED, explain
from napari_samstar.cli.evaluate import add_parser as add_evaluate
from napari_samstar.cli.models import add_parser as add_models
from napari_samstar.cli.mosaic import add_parser as add_mosaic
from napari_samstar.cli.quality import add_parser as add_quality
from napari_samstar.cli.rewards import add_parser as add_rewards
from napari_samstar.cli.roi import add_parser as add_roi
from napari_samstar.cli.run import add_parser as add_run
from napari_samstar.cli.synth import add_parser as add_synth
from napari_samstar.cli.texture import add_parser as add_texture
from napari_samstar.cli.train import add_parser as add_train

__all__ = ["main"]


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="samstar",
        description="Segment micrographs with SAM, tuned by what you know of them.",
    )
    parser.add_argument("--version", action="version", version=f"samstar {__version__}")
    parser.add_argument(
        "--debug", action="store_true", help="show the whole traceback of an unexpected error"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for add in (
        add_run,
        add_rewards,
        add_evaluate,
        add_roi,
        add_dataset,
        add_models,
        add_synth,
        add_train,
        add_texture,
        add_mosaic,
        add_quality,
        add_distil,
        add_demo,
    ):
        add(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        The exit code.
    """
    args = _parser().parse_args(argv)
    try:
        return int(args.function(args))
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # the reader of our output left, as `| head` does
        sys.stderr.close()
        return FAILED
    except Exception as err:
        if args.debug:
            raise
        message, code = explain(err)
        print(message, file=sys.stderr)
        return code
