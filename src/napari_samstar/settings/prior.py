"""What the microscopist knows before segmenting, and the file that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from napari_samstar.settings.base import Fraction, Settings
from napari_samstar.units import length_unit, meters_per_unit, target_unit

__all__ = ["Prior"]


# where `prior.toml` says what: lengths carry their unit in the name, as in diameter_nm
_PRIOR_ENTRIES = {
    ("shape", "class"): "shape",
    ("shape", "circularity"): "circularity",
    ("coverage", "fraction"): "coverage",
    ("contrast", "polarity"): "polarity",
    ("materials", "count"): "materials",
    ("count", "objects"): "count",
    ("overlap", "fraction"): "overlap",
}
_PRIOR_LENGTHS = {
    ("size", "diameter"): ("diameter", "size_unit"),
    ("spacing", "distance"): ("spacing", "spacing_unit"),
}


class Prior(Settings):
    """What the microscopist knows before segmenting; every part may be left out.

    Diameters are in `size_unit`, distances in `spacing_unit`: units of length, or "px".
    """

    diameter: tuple[float, float] | None = Field(None, description="Range of equivalent diameters.")
    size_unit: str = "px"
    shape: Literal["round", "compact", "irregular"] | None = Field(
        None, description="Round as discs; compact: without bays; irregular: anything else."
    )
    circularity: Fraction | None = Field(
        None, description="4 pi area / perimeter^2; 1 for a disc, 0.79 for a square."
    )
    coverage: tuple[Fraction, Fraction] | None = Field(
        None, description="Range of the share of the image that objects fill."
    )
    polarity: Literal["bright", "dark"] | None = Field(
        None, description="Whether objects are brighter or darker than around."
    )
    materials: int | None = Field(None, ge=1, le=64, description="Number of materials.")
    spacing: tuple[float, float] | None = Field(
        None, description="Range of distances between the centers of nearest neighbors."
    )
    spacing_unit: str = "px"
    count: tuple[int, int] | None = Field(None, description="Range of the number of objects.")
    overlap: Fraction | None = Field(
        None, description="Largest share of an object that another may cover."
    )

    @field_validator("size_unit", "spacing_unit")
    @classmethod
    def _known_unit(cls, unit: str) -> str:
        return target_unit(unit)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for name in ("diameter", "coverage", "spacing", "count"):
            pair = getattr(self, name)
            if pair is None:
                continue
            told = f"not {pair[0]:g} to {pair[1]:g}"
            if not 0 <= pair[0] <= pair[1]:
                raise ValueError(f"{name} must be a range from low to high, {told}")
            if name != "coverage" and pair[1] == 0:
                raise ValueError(f"{name} must end above 0, {told}")
        return self

    def diameter_px(self, pixel_size: float | None, unit: str) -> tuple[float, float] | None:
        """Diameter range in pixels, for a pixel of `pixel_size` `unit`.

        Raises
        ------
        ValueError
            If the prior is physical and the pixel size unknown.
        """
        return _in_pixels(self.diameter, self.size_unit, pixel_size, unit, "diameter_px")

    def in_pixels(self, pixel_size: float | None, unit: str) -> Prior:
        """Return the same prior with its lengths in pixels; raises as `diameter_px` does."""
        distance = _in_pixels(self.spacing, self.spacing_unit, pixel_size, unit, "distance_px")
        return self.model_copy(
            update={
                "diameter": self.diameter_px(pixel_size, unit),
                "size_unit": "px",
                "spacing": distance,
                "spacing_unit": "px",
            }
        )

    @classmethod
    def from_toml(cls, path: str | Path) -> Prior:
        """Read a `prior.toml`, e.g. ``[size] diameter_nm = [8, 30]``, ``[shape] class = "round"``.

        Raises
        ------
        ValueError
            If the file is not TOML or says something that is not understood, with the place.
        """
        import tomllib

        try:
            raw: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
            raise ValueError(f"{path} is not a TOML file: {err}.") from err
        values: dict[str, Any] = {}
        places: dict[str, str] = {}
        for section, entries in raw.items():
            if not isinstance(entries, dict):
                raise ValueError(f"{path}: '{section}' stands outside a section such as [size].")
            for name, value in entries.items():
                length, _, unit = name.partition("_")
                if (section, length) in _PRIOR_LENGTHS and unit:
                    field, field_unit = _PRIOR_LENGTHS[section, length]
                    said = {field: value, field_unit: unit}
                elif (section, name) in _PRIOR_ENTRIES:
                    field = _PRIOR_ENTRIES[section, name]
                    said = {field: value}
                else:
                    raise ValueError(f"{path}: [{section}] {name} is not known.")
                if field in places:
                    raise ValueError(
                        f"{path}: {places[field]} and [{section}] {name} say the same thing: "
                        "keep one of them."
                    )
                values |= said
                places |= dict.fromkeys(said, f"[{section}] {name}")
        try:
            return cls(**values)
        except ValidationError as err:
            raise ValueError(_misunderstood(err, path, places)) from err

    def to_toml(self) -> str:
        """Text of a `prior.toml` that `from_toml` reads as an equal prior."""
        lines: dict[str, list[str]] = {}
        for (section, name), (field, field_unit) in _PRIOR_LENGTHS.items():
            if (pair := getattr(self, field)) is not None:
                unit = getattr(self, field_unit)
                lines.setdefault(section, []).append(f"{name}_{unit} = {list(pair)}")
        for (section, name), field in _PRIOR_ENTRIES.items():
            value = getattr(self, field)
            if value is not None:
                shown = f'"{value}"' if isinstance(value, str) else value
                shown = list(value) if isinstance(value, tuple) else shown
                lines.setdefault(section, []).append(f"{name} = {shown}")
        return "".join(f"[{name}]\n" + "\n".join(rows) + "\n" for name, rows in lines.items())


def _in_pixels(
    pair: tuple[float, float] | None, given: str, pixel_size: float | None, unit: str, name: str
) -> tuple[float, float] | None:
    """Lengths in `given` as pixels of `pixel_size` `unit`; `name` is what to write instead."""
    if pair is None or given == "px":
        return pair
    if pixel_size is None:
        raise ValueError(
            f"The prior gives sizes in {given}, but the image has no pixel size: "
            f"give one with --pixel-size, or write {name} in the prior."
        )
    known = length_unit(unit)
    if known is None:
        raise ValueError(
            f"The prior gives sizes in {given}, but the image's pixel size is in '{unit}', which "
            f"is no unit of length: calibrate the image, or write {name} in the prior."
        )
    factor = meters_per_unit(given) / meters_per_unit(known) / pixel_size
    return pair[0] * factor, pair[1] * factor


def _misunderstood(err: ValidationError, path: str | Path, places: dict[str, str]) -> str:
    """Say the first thing that a file says wrong, and where it stands."""
    first = err.errors()[0]
    reason = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    if not first["loc"]:
        return f"{path}: {reason}."
    field = str(first["loc"][0])
    where = places.get(field, field)
    if first["type"] == "value_error":
        return f"{path}: {where}: {reason}."
    if field in ("diameter", "coverage", "spacing", "count"):
        kind = {
            "coverage": "two shares from 0 to 1",
            "count": "two whole numbers",
        }.get(field, "two numbers")
        return f"{path}: {where} needs {kind}, [low, high], not {first['input']!r}."
    return f"{path}: {where} cannot be {first['input']!r}: {reason[0].lower()}{reason[1:]}."
