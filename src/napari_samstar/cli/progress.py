"""Progress on standard error, with an estimate of the time left."""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any, TypeVar

from napari_samstar.types import Progress

__all__ = ["drain", "say"]

Result = TypeVar("Result")


def say(message: str, *, quiet: bool = False) -> None:
    """One line on standard error."""
    if not quiet:
        print(message, file=sys.stderr, flush=True)


def drain(
    steps: Generator[Progress, None, Result], label: str = "", *, quiet: bool = False
) -> Result:
    """Run `steps` to their end and show how far they are.

    Parameters
    ----------
    steps : generator of Progress
        A long job; its return value is the result.
    label : str
        What stands before the bar.
    quiet : bool
        Show nothing. Nothing is shown either where standard error is not a terminal.

    Returns
    -------
    Any
        What the job returned.
    """
    from tqdm import tqdm

    bar: tqdm[Any] | None = None
    stage = None
    try:
        while True:
            try:
                event = next(steps)
            except StopIteration as stop:
                result: Result = stop.value
                return result
            if event.stage != stage:
                if bar is not None:
                    bar.close()
                stage = event.stage
                bar = tqdm(
                    total=event.total,
                    desc=f"{label}: {stage}" if label else stage,
                    leave=False,
                    disable=True if quiet else None,
                    file=sys.stderr,
                )
            if bar is not None:
                bar.total = event.total
                bar.set_postfix_str(event.message, refresh=False)
                bar.update(event.done - bar.n)
    finally:
        if bar is not None:
            bar.close()
        steps.close()
