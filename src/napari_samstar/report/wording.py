"""How one candidate differs from another, in a plain line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["changes", "describe"]


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return the parameters that differ: name to the value before and after.

    Parameters
    ----------
    before, after : mapping
        Genes of two candidates of one search (`Candidate.genes`).
    """
    return {
        name: (before[name], value)
        for name, value in after.items()
        if name in before and before[name] != value
    }


def describe(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    n_before: int,
    n_after: int,
    noun: str = "object",
    most: int = 3,
) -> str:
    """Say what changed between two candidates, and what came of it.

    Parameters
    ----------
    before, after : mapping
        Genes of two candidates.
    n_before, n_after : int
        Masks that each keeps.
    noun : str
        What a mask shows, in the singular.
    most : int
        Name at most so many parameters; the others are counted.

    Returns
    -------
    str
        Such as "pred_iou_thresh 0.88 -> 0.71: 34 more objects".
    """
    found = changes(before, after)
    parts = [f"{_short(name)} {_say(old)} -> {_say(new)}" for name, (old, new) in found.items()]
    if len(parts) > most:
        rest = len(parts) - most
        parts = [*parts[:most], f"{rest} more setting{'s' * (rest > 1)}"]
    more = n_after - n_before
    if more == 0:
        result = f"still {n_after} {noun}{'s' * (n_after != 1)}"
    else:
        word = "more" if more > 0 else "fewer"
        result = f"{abs(more)} {word} {noun}{'s' * (abs(more) > 1)}"
    return f"{', '.join(parts) or 'same settings'}: {result}"


def _short(name: str) -> str:
    return name.removeprefix("amg.").removeprefix("reward_layer.").replace("reward_layer", "layer")


def _say(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, (tuple, list)):
        return "+".join(str(v) for v in value)
    return str(value)
