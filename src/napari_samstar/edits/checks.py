"""Parts of corrections, checked as they are made: numbers, names, points."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable
from typing import Any, TypeAlias

from napari_samstar.types import SamStarError

__all__ = [
    "MOST_LABEL",
    "Point",
    "checked_color",
    "checked_label",
    "checked_labels",
    "checked_material",
    "checked_name",
    "checked_points",
    "is_color",
]

#: Largest number of a segment: the next one still fits a label image of 32 bits.
MOST_LABEL = 2**31 - 2

#: x, y in px; the center of the first pixel is 0, 0.
Point: TypeAlias = tuple[float, float]

_FAR = 1e6  # px; no picture is as wide
_LONGEST = 100  # characters of a name


def checked_label(value: Any) -> int:
    """Return the number of a segment, or raise SamStarError."""
    try:
        label = operator.index(value)
    except TypeError as err:
        raise SamStarError(f"{value!r} is not the number of a segment.") from err
    if not 1 <= label <= MOST_LABEL:
        raise SamStarError(
            f"{label} cannot be the number of a segment: they go from 1 to {MOST_LABEL}, "
            "and 0 is the background."
        )
    return label


def checked_labels(values: int | Iterable[int]) -> tuple[int, ...]:
    """Return the numbers of one segment or several, each once, or raise SamStarError."""
    several = values if isinstance(values, Iterable) else (values,)
    labels = tuple(dict.fromkeys(checked_label(value) for value in several))
    if not labels:
        raise SamStarError("No segment was chosen: choose one or several first.")
    return labels


def checked_material(value: Any, least: int = 0) -> int:
    """Return the number of a material, or raise SamStarError."""
    try:
        material = operator.index(value)
    except TypeError as err:
        raise SamStarError(f"{value!r} is not the number of a material.") from err
    if not least <= material <= MOST_LABEL:
        raise SamStarError(f"{material} cannot be the number of a material: they count from 1.")
    return material


def checked_points(values: Iterable[Iterable[float]]) -> tuple[Point, ...]:
    """Return points in px, or raise SamStarError."""
    if not isinstance(values, Iterable):
        raise SamStarError(f"Points are a list of x and y in px, not {str(values)[:60]}.")
    points = []
    for value in values:
        try:
            x, y = (float(v) for v in value)
        except (TypeError, ValueError, OverflowError) as err:
            raise SamStarError(f"A point is x and y in px, not {str(value)[:60]}.") from err
        if not (math.isfinite(x) and math.isfinite(y) and max(abs(x), abs(y)) <= _FAR):
            raise SamStarError(f"The point ({x:g}, {y:g}) px lies far outside the image.")
        points.append((x, y))
    return tuple(points)


def checked_name(value: Any) -> str:
    """Return a name as one line of printable text, or raise SamStarError."""
    if not isinstance(value, str):
        raise SamStarError(f"{value!r} is not a name.")
    name = "".join(c for c in " ".join(value.split()) if c.isprintable())
    if len(name) > _LONGEST:
        raise SamStarError(f"A name has at most {_LONGEST} characters, not {len(name)}.")
    return name


def checked_color(value: Any) -> str:
    """Return a color as "#rrggbb" in small letters, or raise SamStarError."""
    if not is_color(value):
        raise SamStarError(f"{str(value)[:60]!r} is not a color: write #rrggbb, such as #e69f00.")
    return str(value).lower()


def is_color(value: Any) -> bool:
    """Whether this is "#rrggbb"."""
    return isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value) is not None
