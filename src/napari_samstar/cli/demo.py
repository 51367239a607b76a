"""`samstar demo`: the main job on a real micrograph that ships with the program."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from typing import Any

from napari_samstar.cli.errors import OK
from napari_samstar.cli.progress import drain, say

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to `commands`."""
    parser = commands.add_parser(
        "demo",
        help="segment a real micrograph that ships with the program",
        description="Find and measure bubbles and grains in an electron micrograph of a glass.",
    )
    parser.add_argument("--out", default="samstar-demo", metavar="DIR", help="(%(default)s)")
    parser.add_argument(
        "--no-window", action="store_true", help="do not open napari, even where there is a display"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    parser.set_defaults(function=run)


def run(args: argparse.Namespace) -> int:
    """Segment, write, print what was found, and show it where that is possible."""
    from napari_samstar.cache import Store
    from napari_samstar.cli.run import DEFAULT_MODEL, headline
    from napari_samstar.io.read import load_micrograph
    from napari_samstar.pipeline import segment_steps
    from napari_samstar.results import write_result
    from napari_samstar.sam.zoo import load_model
    from napari_samstar.samples import GLASS, GLASS_PRIOR
    from napari_samstar.settings import Prior, RunSettings

    start = time.perf_counter()
    say(f"Segmenting {GLASS.name}: bubbles and grains in a glass, scanning electron microscope.")
    micrograph = load_micrograph(GLASS)
    settings = RunSettings(prior=Prior.from_toml(GLASS_PRIOR))
    steps = segment_steps(micrograph, load_model(DEFAULT_MODEL), settings, store=Store())
    result = drain(steps, quiet=args.quiet)
    files = write_result(result, args.out, GLASS.stem)
    print(f"{headline(result)}, {time.perf_counter() - start:.1f} s")
    for kind, path in files.items():
        print(f"{kind:>8}: {path.resolve()}")
    if not args.no_window and _has_display():
        _show(args.out)
    return OK


def _has_display() -> bool:
    if find_spec("napari") is None:
        return False
    if sys.platform.startswith("linux"):
        return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return True


def _show(folder: str) -> None:
    """Open napari in a process of its own: where Qt cannot start, it ends the process."""
    say("Opening napari; close its window to end the demo.")
    command = [sys.executable, "-m", "napari_samstar._widgets.demo", folder]
    if subprocess.run(command, check=False).returncode:
        say("The window could not be opened; the results are in the files above.")
