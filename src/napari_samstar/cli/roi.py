"""`samstar roi`: objects as regions of interest for an instrument."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_samstar.cli.corrected import add_inputs, read_inputs
from napari_samstar.cli.errors import OK

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to `commands`."""
    parser = commands.add_parser(
        "roi",
        help="write objects as places to visit, in px, lengths and on the stage",
        description="Write objects as regions of interest: centroid, a point inside, box, outline.",
    )
    add_inputs(parser)
    parser.add_argument("--out", required=True, metavar="FILE", help="ends with .csv or .json")
    parser.add_argument(
        "--material", type=int, action="append", metavar="N", help="only these; may be repeated"
    )
    parser.add_argument(
        "--only", type=int, action="append", metavar="LABEL", help="only these; may be repeated"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.0,
        metavar="PX",
        help="how far simpler outlines may stray (%(default)s)",
    )
    parser.add_argument("--image", metavar="FILE", help="the micrograph, for its name and pixels")
    parser.add_argument(
        "--stage", type=float, nargs=2, metavar=("X", "Y"), help="where the image's middle lies"
    )
    parser.add_argument("--stage-unit", default="um", metavar="UNIT", help="of X, Y (%(default)s)")
    parser.add_argument(
        "--rotation", type=float, default=0.0, metavar="DEG", help="of the image on the stage"
    )
    parser.set_defaults(function=run)


def run(args: argparse.Namespace) -> int:
    """Write the regions, and print where they are."""
    from napari_samstar.io.roi import Stage, regions_of_interest, write_roi_csv, write_roi_json
    from napari_samstar.types import SamStarError

    out = Path(args.out)
    writers = {".csv": write_roi_csv, ".json": write_roi_json}
    if out.suffix.lower() not in writers:
        raise SamStarError(f"{out.name} must end with .csv or .json.")
    if not 0 <= args.tolerance < float("inf"):
        raise SamStarError(f"--tolerance takes 0 px or more, not {args.tolerance:g}.")
    labels, materials, micrograph = read_inputs(args, args.image)
    if args.material and materials is None:
        raise SamStarError("The materials are not known: give their image with --materials.")
    stage = None
    if args.stage is not None:
        x, y = args.stage
        stage = Stage.at(micrograph, (x, y), args.stage_unit, rotation=args.rotation)
    regions = regions_of_interest(
        labels, only=args.only, materials=materials, of=args.material, tolerance=args.tolerance
    )
    if not regions:
        raise SamStarError("No object is of these materials: look at the table for their numbers.")
    writers[out.suffix.lower()](out, regions, micrograph, stage)
    print(out)
    return OK
