"""Genes read from settings, and settings made from genes: a new parameter is one field.

A field is a gene with the field's own bounds, unless its mark in `settings` says otherwise.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from napari_samstar.search.space import Gene, Space
from napari_samstar.settings import Settings
from napari_samstar.types import SamStarError

__all__ = ["apply", "space_of"]

S = TypeVar("S", bound=Settings)

# SAM's looks at the image, whole and in tiles, go together
_TOGETHER = (("grid", "tiles"),)


def space_of(
    settings: Settings, *, prefix: str = "", sources: Sequence[str] | None = None
) -> Space:
    """Genes of all fields that may be searched; defaults are the values in `settings`.

    Numbers take the field's bounds, literals are choices, an optional part such as the reward layer
    is switched by a gene of its own, on which the genes of that part depend. Fields whose value is
    None and those marked ``{"search": False}`` are left out; a mark may also give ``low``,
    ``high``, ``log``, ``slow`` and ``when`` (see `Gene`).

    Parameters
    ----------
    settings : Settings
        Such as `SelectSettings`.
    prefix : str
        Stands before all names, e.g. ``"decode."``.
    sources : sequence of str, optional
        Sources of proposals that there are; all by default.

    Returns
    -------
    Space
        In the order of the fields.

    Examples
    --------
    >>> space_of(SelectSettings())["amg.pred_iou_thresh"].high
    1.0
    """
    return Space(tuple(_Reader(prefix, sources).genes(settings, prefix, None)))


def apply(genes: Mapping[str, Any], base: S) -> S:
    """Copy `base` with the genes' values in the fields that they name.

    Raises
    ------
    SamStarError
        If a name is not a field's.
    """
    fields = _parts(type(base))
    here: dict[str, Any] = {}
    parts: dict[str, dict[str, Any]] = {}
    for name, value in genes.items():
        first, _, rest = name.partition(".")
        if first not in fields:
            raise SamStarError(f"There is no setting named {name}.")
        if rest:
            parts.setdefault(first, {})[rest] = value
        else:
            here[first] = value
    values = {name: getattr(base, name) for name in fields}
    for name, value in here.items():
        part = fields[name]
        if part is None:
            values[name] = value
        elif not value:
            values[name] = None
            parts.pop(name, None)
        elif values[name] is None:
            values[name] = part()
    for name, inside in parts.items():
        part = values[name]
        if part is None:
            continue  # genes of a part that is off do not matter
        if not isinstance(part, Settings):
            raise SamStarError(f"There is no setting named {name}.{next(iter(inside))}.")
        values[name] = apply(inside, part)
    return type(base)(**values)


@dataclass(frozen=True)
class _Reader:
    root: str
    sources: Sequence[str] | None

    def genes(
        self, settings: Settings, prefix: str, when: tuple[str, Any] | None
    ) -> Iterator[Gene]:
        for name, info in type(settings).model_fields.items():
            mark, part, value = _mark(info), _part(info), getattr(settings, name)
            if mark is None or (value is None and part is None):
                continue
            path = prefix + name
            if part is None:
                yield self.gene(path, value, info, mark, when)
            elif type(None) in get_args(info.annotation):
                yield Gene(path, "bool", value is not None, when=when)
                yield from self.genes(value or part(), f"{path}.", (path, True))
            else:
                yield from self.genes(value, f"{path}.", when)

    def gene(
        self,
        path: str,
        value: Any,
        info: FieldInfo,
        mark: Mapping[str, Any],
        when: tuple[str, Any] | None,
    ) -> Gene:
        kind = info.annotation
        inner = get_args(kind)[0] if get_origin(kind) is tuple else None
        if "when" in mark:
            when = (self.root + mark["when"][0], mark["when"][1])
        more: dict[str, Any] = {"slow": bool(mark.get("slow")), "when": when}
        if kind is bool:
            return Gene(path, "bool", value, **more)
        if get_origin(kind) is Literal:
            return Gene(path, "choice", value, choices=get_args(kind), **more)
        if get_origin(inner) is Literal:
            known = [s for s in get_args(inner) if self.sources is None or s in self.sources]
            choices = tuple(dict.fromkeys([*_subsets(known), value]))
            return Gene(path, "choice", value, choices=choices, **more)
        low, high = _bounds(info, mark)
        if kind not in (int, float) or low is None or high is None:
            raise TypeError(f"{path} can be no gene: give it bounds, or mark it as not searched.")
        # what is the default may be kept, even where the search looks elsewhere
        more |= {"low": min(low, value), "high": max(high, value), "log": bool(mark.get("log"))}
        more["step"] = float(mark.get("step", 0.0))
        return Gene(path, "real" if kind is float else "integer", value, **more)


def _mark(info: FieldInfo) -> Mapping[str, Any] | None:
    extra = info.json_schema_extra
    mark: Any = extra.get("search", {}) if isinstance(extra, dict) else {}
    return None if mark is False else mark


@cache
def _parts(kind: type[Settings]) -> dict[str, type[Settings] | None]:
    """Class of each field of `kind` that holds settings; None for other fields."""
    return {name: _part(info) for name, info in kind.model_fields.items()}


def _part(info: FieldInfo) -> type[Settings] | None:
    """Class of a field that holds settings, perhaps optional ones."""
    kinds = [info.annotation]
    if get_origin(info.annotation) in (Union, types.UnionType):
        kinds = list(get_args(info.annotation))
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Settings):
            return kind
    return None


def _bounds(info: FieldInfo, mark: Mapping[str, Any]) -> tuple[float | None, float | None]:
    low, high = mark.get("low"), mark.get("high")
    for bound in info.metadata:
        if low is None:
            low = getattr(bound, "ge", None)
        if high is None:
            high = getattr(bound, "le", None)
    return low, high


def _subsets(sources: Sequence[str]) -> list[tuple[str, ...]]:
    """List useful sets of sources: the first alone, as in SAM, and all unions of groups."""
    groups = [tuple(s for s in group if s in sources) for group in _TOGETHER]
    taken = {s for group in groups for s in group}
    groups = [g for g in groups if g] + [(s,) for s in sources if s not in taken]
    unions = [
        tuple(s for group in chosen for s in group)
        for count in range(1, len(groups) + 1)
        for chosen in combinations(groups, count)
    ]
    return [*([(sources[0],)] if sources else []), *unions]
