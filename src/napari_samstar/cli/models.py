"""`samstar models`: what can be had, what is here, and whether it is sound."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from napari_samstar.cli.errors import OK, USER
from napari_samstar.cli.progress import say

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to `commands`."""
    parser = commands.add_parser("models", help="list, download, verify or import models")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    show = actions.add_parser("list", help="show every model by name")
    show.add_argument("--json", action="store_true", help="print one JSON line a model")
    show.set_defaults(function=_list)

    download = actions.add_parser("download", help="fetch a model's weights and check them")
    download.add_argument("name", metavar="NAME")
    download.add_argument(
        "--from", dest="offline", metavar="DIR", help="folder with model files, for no network"
    )
    download.add_argument("--quiet", action="store_true", help="show no progress")
    download.set_defaults(function=_download)

    verify = actions.add_parser("verify", help="check a model's file against its checksum")
    verify.add_argument("name", metavar="NAME|PATH")
    verify.set_defaults(function=_verify)

    take = actions.add_parser("import", help="take a checkpoint of your own, to load it by name")
    take.add_argument("path", metavar="PATH")
    take.add_argument("--name", metavar="NAME", help="name to load it by (the file's)")
    take.set_defaults(function=_import)


def _list(args: argparse.Namespace) -> int:
    from napari_samstar.sam.zoo import listing

    rows = listing()
    if args.json:
        for row in rows:
            print(json.dumps(asdict(row), default=str))
        return OK
    table = [("NAME", "STATE", "SIZE", "LICENCE", "GOOD FOR")] + [
        (row.name, row.state, _megabytes(row.size), row.licence, row.good_for) for row in rows
    ]
    widths = [max(len(line[column]) for line in table) for column in range(4)]
    for *cells, last in table:
        print("  ".join([*(c.ljust(w) for c, w in zip(cells, widths, strict=True)), last]))
    return OK


def _download(args: argparse.Namespace) -> int:
    from napari_samstar.sam.download import fetch_model, progress_bar

    if args.quiet:
        print(fetch_model(args.name, offline=args.offline))
        return OK
    with progress_bar() as progress:
        path = fetch_model(args.name, progress, args.offline)
    print(path)
    return OK


def _verify(args: argparse.Namespace) -> int:
    from napari_samstar.sam.checkpoints import build_sam, card_of, open_checkpoint, verify
    from napari_samstar.sam.download import file_digest

    path = Path(args.name)
    if not path.is_file():
        answer = verify(args.name)
        print(answer.message) if answer.ok else say(answer.message)
        return OK if answer.ok else USER
    checkpoint = open_checkpoint(path)
    build_sam(checkpoint)
    checksum = file_digest(path)
    card = card_of(checksum)
    known = f"the published {card.name}" if card else "not a published file"
    print(f"{path} is a sound {checkpoint.architecture}, {known}: {checksum}.")
    return OK


def _import(args: argparse.Namespace) -> int:
    from napari_samstar.sam.checkpoints import import_checkpoint

    print(import_checkpoint(args.path, args.name))
    return OK


def _megabytes(size: int | None) -> str:
    return "" if size is None else f"{size / 1e6:.0f} MB"
