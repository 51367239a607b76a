"""Corrections as values: what a user asked for, as it can be compared, kept and written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, TypeAlias, get_args

from napari_samstar.edits.checks import (
    Point,
    checked_color,
    checked_label,
    checked_labels,
    checked_material,
    checked_name,
    checked_points,
)
from napari_samstar.edits.mask import Mask, checked_mask, checked_masks
from napari_samstar.types import SamStarError

__all__ = [
    "Add",
    "ColorMaterial",
    "Delete",
    "Edit",
    "Merge",
    "NameMaterial",
    "Paint",
    "Relabel",
    "SetMaterial",
    "SetMaterials",
    "SetStatus",
    "Split",
    "Status",
    "edit_from_record",
]

#: Nobody looked at it; changed by hand; looked at and found good.
Status: TypeAlias = Literal["open", "reviewed", "accepted"]


@dataclass(frozen=True)
class _Edit:
    def record(self) -> dict[str, Any]:
        """Everything about the edit as JSON values; `edit_from_record` gives it back."""
        values = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        return {
            "edit": type(self).__name__,
            **{name: value for name, value in values.items() if value not in (None, [])},
        }

    @classmethod
    def _from(cls, values: Mapping[str, Any]) -> Self:
        return cls(**values)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, init=False)
class Merge(_Edit):
    """Give all pixels of other segments to one: ``Merge(3, 7, 9)`` leaves segment 3.

    It keeps the material of `into`, or takes the first known one of `others`.
    """

    into: int
    others: tuple[int, ...]

    def __init__(self, into: int, *others: int) -> None:
        chosen = dict.fromkeys(checked_label(value) for value in (into, *others))
        if len(chosen) < 2:
            raise SamStarError("Merging needs two different segments: choose another one as well.")
        first, *rest = chosen
        self._set(into=first, others=tuple(rest))

    @classmethod
    def _from(cls, values: Mapping[str, Any]) -> Self:
        return cls(values["into"], *values["others"])


@dataclass(frozen=True)
class Split(_Edit):
    """Cut one segment into pieces, by exactly one of a line, points or masks.

    Parameters
    ----------
    label : int
        The segment. The largest piece keeps this number; with `points` the piece of the first
        point; with `parts` what is left of it.
    line : sequence of (x, y)
        A polyline drawn across the segment, px.
    points : two (x, y)
        One in each of two touching objects, px: the cut is the watershed between them.
    parts : Mask or (H, W) bool, or sequence of these
        Pixels of the pieces to cut off, such as SAM's mask of a click.
    new : tuple of int
        Numbers of the pieces cut off; free ones are taken where there are none.
    """

    label: int
    line: tuple[Point, ...] = ()
    points: tuple[Point, ...] = ()
    parts: tuple[Mask, ...] = ()
    new: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self._set(
            label=checked_label(self.label),
            line=checked_points(self.line),
            points=checked_points(self.points),
            parts=checked_masks(self.parts),
            new=tuple(checked_label(value) for value in self.new),
        )
        if (bool(self.line) + bool(self.points) + bool(self.parts)) != 1:
            raise SamStarError("A split needs either a line, or two points, or a mask.")
        if self.line and len(self.line) < 2:
            raise SamStarError("A line to split by needs two points or more: draw it across.")
        if self.points and len(self.points) != 2:
            raise SamStarError(
                f"Click two points to split, one in each part, not {len(self.points)}."
            )

    @classmethod
    def _from(cls, values: Mapping[str, Any]) -> Self:
        return cls(
            **{**values, "parts": tuple(Mask.from_record(part) for part in values.get("parts", ()))}
        )


@dataclass(frozen=True, init=False)
class Delete(_Edit):
    """Turn segments into background."""

    labels: tuple[int, ...]

    def __init__(self, *labels: int) -> None:
        self._set(labels=checked_labels(labels))

    @classmethod
    def _from(cls, values: Mapping[str, Any]) -> Self:
        return cls(*values["labels"])


@dataclass(frozen=True)
class Add(_Edit):
    """Make a segment of a mask, or let one grow by it.

    Parameters
    ----------
    mask : Mask or (H, W) bool
        Pixels wanted.
    label : int or None
        The segment that grows, or the number of the new one; None takes a free number.
    material : int
        Material of a new segment, 0 for unknown.
    over : bool
        Take pixels of other segments, too; else only background.
    """

    mask: Mask
    label: int | None = None
    material: int = 0
    over: bool = False

    def __post_init__(self) -> None:
        label = None if self.label is None else checked_label(self.label)
        self._set(
            mask=checked_mask(self.mask),
            label=label,
            material=checked_material(self.material),
            over=bool(self.over),
        )

    @classmethod
    def _from(cls, values: Mapping[str, Any]) -> Self:
        return cls(**{**values, "mask": Mask.from_record(values["mask"])})


@dataclass(frozen=True)
class Paint(_Edit):
    """Give pixels other labels, as brush, bucket and eraser do.

    Parameters
    ----------
    masks : sequence of Mask or (H, W) bool
        Pixels painted, each with one label.
    labels : sequence of int
        The label of each, 0 for background.
    """

    masks: tuple[Mask, ...]
    labels: tuple[int, ...]

    def __post_init__(self) -> None:
        labels = tuple(0 if value == 0 else checked_label(value) for value in self.labels)
        self._set(masks=checked_masks(self.masks), labels=labels)
        if not self.masks or len(self.masks) != len(self.labels):
            raise SamStarError("Painting needs one label for each mask, and one mask or more.")

    @classmethod
    def _from(cls, values: Mapping[str, Any]) -> Self:
        return cls(tuple(Mask.from_record(mask) for mask in values["masks"]), values["labels"])


@dataclass(frozen=True)
class Relabel(_Edit):
    """Give a segment another number, one that no segment has."""

    label: int
    to: int

    def __post_init__(self) -> None:
        self._set(label=checked_label(self.label), to=checked_label(self.to))


@dataclass(frozen=True, init=False)
class SetMaterial(_Edit):
    """Say of which material one or several segments are; 0 is unknown."""

    labels: tuple[int, ...]
    material: int

    def __init__(self, labels: int | Iterable[int], material: int) -> None:
        self._set(labels=checked_labels(labels), material=checked_material(material))


@dataclass(frozen=True, init=False)
class SetMaterials(_Edit):
    """Say of which material each of several segments is, in one step; 0 is unknown."""

    labels: tuple[int, ...]
    materials: tuple[int, ...]

    def __init__(self, materials: Mapping[int, int]) -> None:
        self._set(
            labels=checked_labels(materials),
            materials=tuple(checked_material(m) for m in materials.values()),
        )

    @classmethod
    def _from(cls, values: Mapping[str, Any]) -> Self:
        return cls(dict(zip(values["labels"], values["materials"], strict=True)))


@dataclass(frozen=True)
class NameMaterial(_Edit):
    """Say how a material is called.

    Parameters
    ----------
    material : int
        From 1; objects that are undecided, 0, have no name.
    name : str
        One line of at most 100 characters; empty takes the name back.
    """

    material: int
    name: str

    def __post_init__(self) -> None:
        self._set(material=checked_material(self.material, least=1), name=checked_name(self.name))


@dataclass(frozen=True)
class ColorMaterial(_Edit):
    """Say in which color a material is shown.

    Parameters
    ----------
    material : int
        From 1; objects that are undecided, 0, have none.
    color : str
        "#rrggbb"; empty takes the color back.
    """

    material: int
    color: str

    def __post_init__(self) -> None:
        color = self.color and checked_color(self.color)
        self._set(material=checked_material(self.material, least=1), color=color)


@dataclass(frozen=True, init=False)
class SetStatus(_Edit):
    """Say how far the review of one or several segments has come."""

    labels: tuple[int, ...]
    status: Status

    def __init__(self, labels: int | Iterable[int], status: Status) -> None:
        if status not in get_args(Status):
            raise SamStarError(f"'{status}' is none of {', '.join(get_args(Status))}.")
        self._set(labels=checked_labels(labels), status=status)


Edit: TypeAlias = (
    Merge
    | Split
    | Delete
    | Add
    | Paint
    | Relabel
    | SetMaterial
    | SetMaterials
    | NameMaterial
    | ColorMaterial
    | SetStatus
)

_KINDS: dict[str, type[Edit]] = {kind.__name__: kind for kind in get_args(Edit)}


def edit_from_record(record: Mapping[str, Any]) -> Edit:
    """Give back the edit that `record` was called on.

    Raises
    ------
    SamStarError
        If it is not such a record.
    """
    try:
        values = dict(record)
        return _KINDS[values.pop("edit")]._from(values)
    except (KeyError, TypeError, ValueError, OverflowError) as err:
        raise SamStarError("This is not a correction that this napari-samstar knows.") from err


def _plain(value: Any) -> Any:
    """JSON value of a field; a mask as COCO writes it."""
    if isinstance(value, Mask):
        return value.record()
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return value
