"""Random use of the workbench for as long as you like: does it fail, leak, or grow?

    xvfb-run -a python benchmarks/monkey.py [--minutes 60] [--seed 1] [--network] [--write]

Opens, prepares, searches, sorts, corrects, undoes, stops, closes and opens again, by a seed; every
250 steps all is let come to rest, what is seen is compared with what is kept and measured, the
window is closed, and nothing of it may be left: no thread, no image, no widget. A window before
them does each thing once, with the bundled network, so that all libraries are in memory and all
that is compiled at its first use is compiled before memory is looked at: some of the others reach
the network by chance, as it is what a new image is offered. Ends with 1 where anything was logged
as an error or an exception was raised.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from report import table, write_section

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

STEPS = 250


class Errors(logging.Handler):
    """Keeps what was logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(self.format(record))
        print(self.format(record), flush=True)


def main() -> int:
    """Do it, print how memory goes, and say what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--network", action="store_true", help="use the bundled network, too")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["SAMSTAR_HOME"] = home
        os.environ["NAPARI_CONFIG"] = str(Path(home) / "napari.yaml")
        return use(args)


def use(args: argparse.Namespace) -> int:
    """Use windows at random, one after the other."""
    from qtpy.QtWidgets import QApplication
    from tests._widgets.monkey import Monkey, memory

    app = QApplication.instance() or QApplication([])
    errors = Errors()
    logging.getLogger("napari_samstar").addHandler(errors)

    def raised(kind: type[BaseException], err: BaseException, where: object) -> None:
        errors.found.append(f"{kind.__name__}: {err}")
        sys.__excepthook__(kind, err, where)  # type: ignore[arg-type]

    sys.excepthook = raised
    first = Monkey(args.seed)
    first.use_everything()
    first.end()
    print(f"after one of each: {memory():.0f} MiB", flush=True)
    began, done, rounds = time.perf_counter(), 0, 0
    sizes: list[tuple[float, float]] = []
    counts: dict[str, int] = {}
    while time.perf_counter() - began < 60 * args.minutes:
        monkey = Monkey(args.seed + rounds, args.network)
        for _ in range(STEPS):
            monkey.step()
        monkey.check()
        monkey.end()
        done, rounds = done + STEPS, rounds + 1
        for name, count in monkey.done.items():
            counts[name] = counts.get(name, 0) + count
        minutes = (time.perf_counter() - began) / 60
        sizes.append((minutes, memory()))
        left = len(app.allWidgets())  # type: ignore[attr-defined]
        print(f"{minutes:6.1f} min {done:6d} steps {memory():7.0f} MiB {left} widgets", flush=True)
    at, size = np.array(sizes).T
    half = at >= at[-1] / 2
    rows = [
        {
            "minutes": round(float(at[-1]), 1),
            "steps": done,
            "windows": rounds,
            "errors": len(errors.found),
            "memory after the first window, MiB": round(float(size[0])),
            "half-way": round(float(size[half][0])),
            "at the end": round(float(size[-1])),
            "growth, %": round(100 * float(size[-1] / size[0] - 1), 1),
            "in the second half, %": round(100 * float(size[-1] / size[half][0] - 1), 1),
        }
    ]
    print(table(rows), counts)
    if args.write:
        write_section(
            "Random use of the window",
            f"Seed {args.seed}: images opened, prepared, searched, sorted, corrected by keys, "
            "clicks, strokes and brush, undone, jobs stopped, layers removed, windows closed and "
            f"opened again after {STEPS} steps. After each window no thread, image or workbench "
            "was left, and what was seen was what was kept and measured.\n\n" + table(rows),
        )
    return bool(errors.found)


if __name__ == "__main__":
    sys.exit(main())
