"""`samstar synth`: synthetic micrographs with their exact label images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_samstar.cli.errors import OK
from napari_samstar.cli.options import add_set, list_settings, put_settings
from napari_samstar.types import SamStarError

if TYPE_CHECKING:
    from napari_samstar.synth import Scene

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to `commands`."""
    parser = commands.add_parser(
        "synth",
        help="make synthetic micrographs with exact masks",
        description="Make synthetic micrographs with exact label images.",
    )
    parser.add_argument(
        "kind",
        nargs="?",
        metavar="KIND",
        help="a kind of sample, 'mixed' for a mix, 'list' to see all",
    )
    parser.add_argument("--out", metavar="DIR", default="synth", help="(%(default)s)")
    parser.add_argument("--count", type=int, default=1, metavar="N", help="images (%(default)s)")
    parser.add_argument("--size", type=int, default=512, metavar="PX", help="side (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="first one (%(default)s)")
    parser.add_argument(
        "--bits",
        type=int,
        default=8,
        choices=(8, 12, 16),
        help="depth of the detector (%(default)s); 12 bits are kept in 16",
    )
    add_set(parser, "noise=0.5")
    parser.set_defaults(function=run)


def run(args: argparse.Namespace) -> int:
    """Write each scene, see `_write`."""
    from napari_samstar.settings import SynthSettings
    from napari_samstar.synth import KINDS, MORE_KINDS, generate

    if args.list_settings:
        print(list_settings(SynthSettings()))
        return OK
    if args.kind is None:
        raise SamStarError("samstar synth needs a KIND: 'list' shows all, 'mixed' draws one.")
    if args.kind == "list":
        print("\n".join((*KINDS, *MORE_KINDS)))
        return OK
    for name, least in (("count", 1), ("seed", 0), ("size", 32)):
        if getattr(args, name) < least:
            raise SamStarError(f"--{name} cannot be {getattr(args, name)}: give {least} or more.")
    values: dict[str, Any] = {} if args.bits == 8 else {"bits": args.bits}
    put_settings(values, args.set)
    settings = SynthSettings.model_validate(values)
    for seed in range(args.seed, args.seed + args.count):
        kind = None if args.kind == "mixed" else args.kind
        scene = generate(kind, (args.size, args.size), seed, settings)
        print(_write(scene, Path(args.out), f"{scene.kind}_{seed}", settings.bits or 8))
    return OK


def _write(scene: Scene, folder: Path, stem: str, bits: int) -> Path:
    """Write ``<stem>.tif``, ``<stem>.labels.tif``, and what else the scene has.

    Materials go into ``<stem>.materials.tif``, groups into ``<stem>.groups.tif``, and whole masks
    of objects that hide each other, a page each, into ``<stem>.whole.tif``.
    """
    import numpy as np
    import tifffile

    from napari_samstar.atomic import atomic_path
    from napari_samstar.io.write import write_labels_tiff
    from napari_samstar.types import Micrograph

    folder.mkdir(parents=True, exist_ok=True)
    image = folder / f"{stem}.tif"
    gray = np.rint((2**bits - 1) * scene.image).astype(np.uint8 if bits == 8 else np.uint16)
    micrograph = Micrograph(scene.image, name=stem)
    with atomic_path(image) as path:
        tifffile.imwrite(path, gray)
    write_labels_tiff(folder / f"{stem}.labels.tif", scene.labels, micrograph)
    if scene.materials.any():
        write_labels_tiff(folder / f"{stem}.materials.tif", scene.materials, micrograph)
    if scene.groups.any():
        write_labels_tiff(folder / f"{stem}.groups.tif", scene.groups, micrograph)
    if scene.overlapping is not None and len(scene.overlapping):
        masks = [scene.overlapping.dense(i) for i in range(len(scene.overlapping))]
        with atomic_path(folder / f"{stem}.whole.tif") as path:
            tifffile.imwrite(
                path,
                np.stack(masks).astype(np.uint8),
                photometric="minisblack",
                compression="zlib",
            )
    return image
