"""`samstar rewards`: what a search can ask for."""

from __future__ import annotations

import argparse
import inspect
import json
from typing import Any

from napari_samstar.cli.errors import OK

__all__ = ["add_parser"]


def add_parser(commands: Any) -> None:
    """Add the command to `commands`."""
    parser = commands.add_parser(
        "rewards",
        help="list the rewards that a search can ask for",
        description="List the built-in rewards and those of installed packages.",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON line a reward")
    parser.set_defaults(function=run)


def run(args: argparse.Namespace) -> int:
    """Print every reward with its parameters."""
    from napari_samstar.rewards.registry import terms

    for name, term in terms().items():
        parameters = term.parameters()
        about = (inspect.getdoc(term) or "").partition("\n")[0]
        if args.json:
            record = {
                "name": name,
                "family": term.family,
                "about": about,
                "package": term.__module__.partition(".")[0],
                "parameters": {p.name: p.default for p in parameters},
            }
            print(json.dumps(record, default=str))
            continue
        print(f"{name} ({term.family}): {about}")
        for p in parameters:
            bounds = "" if p.low is None and p.high is None else f", {p.low:g} to {p.high:g}"
            print(f"    {p.name}={json.dumps(p.default, default=str)}{bounds}: {p.description}")
    return OK
