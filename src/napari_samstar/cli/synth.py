"""`samstar synth`: synthetic micrographs with their exact label images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from napari_samstar.cli.errors import OK

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to `commands`."""
    parser = commands.add_parser(
        "synth",
        help="make synthetic micrographs with exact masks",
        description="Make synthetic micrographs with exact label images.",
    )
    parser.add_argument(
        "kind", metavar="KIND", help="a kind of sample, 'mixed' for a mix, 'list' to see all"
    )
    parser.add_argument("--out", metavar="DIR", default="synth", help="(%(default)s)")
    parser.add_argument("--count", type=int, default=1, metavar="N", help="images (%(default)s)")
    parser.add_argument("--size", type=int, default=512, metavar="PX", help="side (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(%(default)s)")
    parser.set_defaults(function=run)


def run(args: argparse.Namespace) -> int:
    """Write ``<kind>_<seed>.tif`` and ``<kind>_<seed>.labels.tif``."""
    import numpy as np
    import tifffile

    from napari_samstar.atomic import atomic_path
    from napari_samstar.io.write import write_labels_tiff
    from napari_samstar.synth import KINDS, generate
    from napari_samstar.types import Micrograph

    if args.kind == "list":
        print("\n".join(KINDS))
        return OK
    folder = Path(args.out)
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(args.seed, args.seed + args.count):
        kind = None if args.kind == "mixed" else args.kind
        scene = generate(kind, (args.size, args.size), seed)
        stem = f"{scene.kind}_{seed}"
        micrograph = Micrograph(scene.image, name=stem)
        with atomic_path(folder / f"{stem}.tif") as path:
            tifffile.imwrite(path, np.round(255.0 * scene.image).astype(np.uint8))
        write_labels_tiff(folder / f"{stem}.labels.tif", scene.labels, micrograph)
        print(folder / f"{stem}.tif")
    return OK
