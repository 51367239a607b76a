"""`samstar dataset`: a COCO training set that grows by one corrected image."""

from __future__ import annotations

import argparse
from typing import Any

from napari_samstar.cli.corrected import add_inputs, read_inputs
from napari_samstar.cli.errors import OK

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to `commands`."""
    parser = commands.add_parser(
        "dataset",
        help="put a corrected image into a COCO training set",
        description="Put an image and its objects into a COCO training set, or replace what was "
        "said of it before.",
    )
    add_inputs(parser)
    parser.add_argument("--image", required=True, metavar="FILE", help="the micrograph")
    parser.add_argument("--out", required=True, metavar="DIR", help="the set; made if absent")
    parser.add_argument(
        "--name",
        type=_name,
        action="append",
        default=[],
        metavar="N=TEXT",
        help="how a material is called; may be repeated",
    )
    parser.add_argument(
        "--picture", choices=("png", "tif"), default="png", help="8 bits, or as read (%(default)s)"
    )
    parser.set_defaults(function=run)


def run(args: argparse.Namespace) -> int:
    """Add the image, and print where its picture is."""
    from napari_samstar.io.dataset import add_to_dataset

    labels, materials, micrograph = read_inputs(args, args.image)
    names = dict(args.name)
    print(add_to_dataset(args.out, micrograph, labels, materials, names, picture=args.picture))
    return OK


def _name(text: str) -> tuple[int, str]:
    number, _, name = text.partition("=")
    if not number.strip().isdecimal() or not name.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not a name such as 1=glass")
    return int(number), name.strip()
