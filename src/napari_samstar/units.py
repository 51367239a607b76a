"""Lengths as files spell them, turned into lengths that pint understands."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_samstar.types import SamStarError

__all__ = [
    "calibration",
    "length_unit",
    "meters_per_unit",
    "target_unit",
    "user_calibration",
]

# a list, not pint's word: to pint "px" is a length too, 1/96 inch of a web page
_METERS = {
    "fm": 1e-15,
    "pm": 1e-12,
    "angstrom": 1e-10,
    "nm": 1e-9,
    "um": 1e-6,
    "mm": 1e-3,
    "cm": 1e-2,
    "inch": 0.0254,
    "dm": 1e-1,
    "m": 1.0,
    "km": 1e3,
}
# spellings met in files; letter case counts, because "Mm" is not "mm"
_SPELLINGS = {
    **{text: text for text in _METERS},
    **dict.fromkeys(("µm", "μm", "\\u00b5m", "\\u00B5m", "µ", "μ", "u", "micron", "microns"), "um"),
    **dict.fromkeys(("Å", "Å", "A", "Ang", "ang", "Angstrom", "ångström", "Ångström"), "angstrom"),
    **dict.fromkeys(("in", "inches", '"'), "inch"),
}
_NAMES = {
    "picometer": "pm",
    "nanometer": "nm",
    "micrometer": "um",
    "micron": "um",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "angstrom": "angstrom",
    "inch": "inch",
}


def length_unit(text: object) -> str | None:
    """Name that pint knows for a unit of length; None for anything else ("1/nm", "px", "", None).

    Spellings of instruments are understood: "µm", "micron", "um", "[n_m]", "Å", "nanometers".
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if not isinstance(text, str):
        return None
    # Berkeley EMD writes [n_m]
    plain = text.strip().strip("\0").strip("[]()").replace("_", "")
    if plain in _SPELLINGS:
        return _SPELLINGS[plain]
    name = plain.lower().replace("metre", "meter").removesuffix("s")
    return _NAMES.get(name)


def target_unit(text: str) -> str:
    """Name of the unit in which somebody states a size: one of length, or "px".

    Raises
    ------
    ValueError
        If it is neither.
    """
    known = "px" if text == "px" else length_unit(text)
    if known is None:
        raise ValueError(f"'{text}' is no unit of length: use px, pm, nm, um or mm")
    return known


def meters_per_unit(unit: str) -> float:
    """Meters in one `unit`, a name that `length_unit` gave."""
    return _METERS[unit]


def calibration(
    size: float | Sequence[float | None] | None, unit: object
) -> tuple[tuple[float, float] | None, str]:
    """Pixel size along (y, x) and its unit, from what a file says.

    Parameters
    ----------
    size : float, (y, x) or None
        As written in the file; where one of the two is missing, pixels are taken as square.
    unit : object
        As written in the file: any spelling, or two of them for (y, x).

    Returns
    -------
    pixel_size : tuple of float or None
        In the largest of pm, nm, um and mm that keeps it at least 0.1. None where the size is
        missing, zero, negative, infinite or not a number, or the unit is not one of length.
    unit : str
        That unit; "px" with None.
    """
    sizes = (size, size) if size is None or isinstance(size, int | float) else tuple(size)
    units = tuple(unit) if isinstance(unit, list | tuple) else (unit, unit)
    meters = [_meters(s, u) for s, u in zip(sizes, units, strict=True)]
    known = [value for value in meters if value is not None]
    if not known:
        return None, "px"
    y, x = (known[0] if value is None else value for value in meters)
    best = "pm"
    for candidate in ("nm", "um", "mm"):
        # not quite 0.1, so that 0.1 um read as float32 meters stays 0.1 um
        if min(y, x) / _METERS[candidate] >= 0.0999:
            best = candidate
    return (_scaled(y, best), _scaled(x, best)), best


def _scaled(meters: float, unit: str) -> float:
    # 17 digits of a conversion say less than 12, and 2.5 nm shall read 2.5
    return float(f"{meters / _METERS[unit]:.12g}")


def _meters(size: float | None, unit: object) -> float | None:
    name = length_unit(unit)
    if name is None or size is None:
        return None
    value = float(size) * meters_per_unit(name)
    return value if math.isfinite(value) and value > 0 else None


def user_calibration(size: float, unit: str | None) -> tuple[tuple[float, float], str]:
    """Pixel size and unit that a user gave, the unit's spelling mended, the number untouched.

    Raises
    ------
    SamStarError
        If the size is not positive or the unit is missing or no length.
    """
    name = length_unit(unit)
    if name is None:
        given = "no unit was given" if unit is None else f"'{unit}' is not a unit of length"
        raise SamStarError(
            f"The pixel size {size} needs a unit, and {given}: use pm, nm, um or mm."
        )
    if not (math.isfinite(size) and size > 0):
        raise SamStarError(f"A pixel size must be a positive number, not {size}.")
    return (float(size), float(size)), name
