"""Which terms there are: the built-in ones, and those of other packages by entry point."""

from __future__ import annotations

import warnings
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from napari_samstar.rewards import (
    confidence,
    contrast,
    coverage,
    overlap,
    shape,
    size,
    spacing,
)
from napari_samstar.rewards.base import RewardTerm
from napari_samstar.types import SamStarError

__all__ = ["BUILT_IN", "GROUP", "RewardWarning", "make", "terms"]

#: Group under which other packages name their terms.
GROUP = "napari_samstar.rewards"

#: The terms that come with this package.
BUILT_IN: tuple[type[RewardTerm], ...] = (
    size.SizeBand,
    size.SizeDistribution,
    size.Count,
    size.NumberDensity,
    shape.Circularity,
    shape.Roundness,
    shape.Solidity,
    shape.AspectRatio,
    shape.BoundarySmoothness,
    shape.OrientationOrder,
    overlap.Overlap,
    overlap.Ambiguity,
    coverage.Coverage,
    coverage.Border,
    spacing.NeighborSpacing,
    spacing.ClarkEvans,
    contrast.Contrast,
    contrast.Polarity,
    contrast.EdgeAlignment,
    contrast.Homogeneity,
    contrast.Separability,
    confidence.ExpectedQuality,
    confidence.PredictedIou,
    confidence.Stability,
)


class RewardWarning(UserWarning):
    """A reward of another package could not be used."""


def terms() -> dict[str, type[RewardTerm]]:
    """All terms by name: the built-in ones first, then those of other packages.

    Warns
    -----
    RewardWarning
        For each term of another package that cannot be used, with the package's name; the others
        are unharmed.
    """
    known, broken = _survey()
    for message in broken.values():
        warnings.warn(message, RewardWarning, stacklevel=2)
    return known


def make(name: str, **parameters: Any) -> RewardTerm:
    """Make the term `name` with `parameters`; those left out have their defaults.

    Raises
    ------
    SamStarError
        If there is no such term, its package is broken, or a parameter is unknown or out of bounds.
    """
    known = _built_in()
    if name not in known:  # other packages are looked through only where need be
        known, broken = _survey()
        if name in broken:
            raise SamStarError(broken[name])
        if name not in known:
            raise SamStarError(f"There is no reward '{name}': known are {', '.join(known)}.")
    try:
        return known[name](**parameters)
    except ValidationError as err:
        first = err.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        said = str(first["msg"]).removeprefix("Value error, ")
        reason = f"{where}: {said}" if where else said
    except TypeError as err:
        reason = str(err)
    raise SamStarError(f"The reward '{name}' cannot be made: {reason}.")


def _built_in() -> dict[str, type[RewardTerm]]:
    return {term.name: term for term in BUILT_IN}


def _survey() -> tuple[dict[str, type[RewardTerm]], dict[str, str]]:
    """Terms that work by name, and what is wrong with those that do not."""
    known = _built_in()
    broken: dict[str, str] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        package = point.dist.name if point.dist is not None else point.module
        if point.name in known:
            if known[point.name].__module__ != point.module:
                broken[point.name] = (
                    f"The package '{package}' offers a reward '{point.name}', which there is "
                    "already: it must be renamed there."
                )
            continue
        problem, loaded = _load(point)
        if loaded is None:
            broken[point.name] = (
                f"The reward '{point.name}' of the package '{package}' cannot be used ({problem}): "
                "update or uninstall that package."
            )
        else:
            known[point.name] = loaded
    return known, broken


def _load(point: EntryPoint) -> tuple[str, type[RewardTerm] | None]:
    """Load an entry point: what is wrong with it, or its class."""
    try:
        found = point.load()
    except Exception as err:  # another package's code may fail in any way
        return f"{type(err).__name__}: {err}", None
    if not isinstance(found, type):
        return "it is not a class", None
    if getattr(found, "name", None) != point.name:
        return f"its class is named {getattr(found, 'name', None)!r}", None
    needed = ("family", "needs_pixel_size", "parameters", "values", "score")
    missing = [part for part in needed if not hasattr(found, part)]
    if missing or getattr(found, "__abstractmethods__", None):
        return f"it lacks {', '.join(missing) or 'a score'}", None
    return "", found
