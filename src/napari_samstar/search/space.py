"""What a search may vary: genes with bounds, read from the fields in `settings`."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from napari_samstar.types import SamStarError

__all__ = ["Gene", "Space"]

_STEPS = 1000  # a real gene is rounded to about this many steps: the recipe stays readable


@dataclass(frozen=True)
class Gene:
    """One parameter that a search may vary.

    Parameters
    ----------
    name : str
        Dotted path of the field, e.g. ``"amg.pred_iou_thresh"``.
    kind : {"real", "integer", "choice", "bool"}
        What its values are.
    default : Any
        Its value when nothing is known.
    low, high : float
        Smallest and largest value of a real or integer gene, in the field's unit.
    choices : tuple
        Values of a choice gene.
    log : bool
        Numbers are spread evenly in their logarithm (of value + 1 where `low` is 0).
    step : float
        Where it is not 0, real values are multiples of it.
    slow : bool
        A new value needs the network, see `schedule`.
    when : (str, Any) or None
        Name of another gene and the value it must have for this one to matter.
    """

    name: str
    kind: Literal["real", "integer", "choice", "bool"]
    default: Any
    low: float = 0.0
    high: float = 1.0
    choices: tuple[Any, ...] = ()
    log: bool = False
    step: float = 0.0
    slow: bool = False
    when: tuple[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.kind == "bool":
            object.__setattr__(self, "choices", (False, True))
        elif self.kind == "choice" and not self.choices:
            raise ValueError(f"The gene {self.name} has no choices.")
        elif self.kind in ("real", "integer") and not -math.inf < self.low <= self.high < math.inf:
            raise ValueError(f"The gene {self.name} needs finite bounds, low to high.")

    def at(self, unit: float) -> Any:
        """Value at `unit`, 0 to 1: bounds at the ends, choices in equal shares."""
        unit = min(max(float(unit), 0.0), 1.0)
        if self.choices:
            return self.choices[min(int(unit * len(self.choices)), len(self.choices) - 1)]
        if self.kind == "integer" and not self.log:
            # equal shares, so that the ends are as likely as the rest
            span = int(self.high) - int(self.low) + 1
            return int(self.low) + min(int(unit * span), span - 1)
        low, high = self._axis(self.low), self._axis(self.high)
        return self._round(self._off_axis(low + unit * (high - low)))

    def unit(self, value: Any) -> float:
        """Where `value` stands between 0 and 1; the inverse of `at` but for rounding."""
        if self.choices:
            return (self.choices.index(value) + 0.5) / len(self.choices)
        if self.kind == "integer" and not self.log:
            return float((value - self.low + 0.5) / (self.high - self.low + 1))
        low, high = self._axis(self.low), self._axis(self.high)
        return 0.5 if high == low else float((self._axis(value) - low) / (high - low))

    def check(self, value: Any) -> Any:
        """Return `value` in this gene's type.

        Raises
        ------
        SamStarError
            If the gene cannot have this value.
        """
        if self.choices:
            value = tuple(value) if isinstance(value, list) else value
            if value in self.choices and (self.kind != "bool" or isinstance(value, bool)):
                return value
            wanted = ", ".join(str(c) for c in self.choices)
            raise SamStarError(f"{self.name} cannot be {value}: choose one of {wanted}.")
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        whole = self.kind == "real" or (number and float(value).is_integer())
        if number and whole and self.low <= value <= self.high:
            return int(value) if self.kind == "integer" else float(value)
        raise SamStarError(
            f"{self.name} cannot be {value}: choose a{'n' * (self.kind == 'integer')} {self.kind} "
            f"number from {self.low:g} to {self.high:g}."
        )

    def _axis(self, value: float) -> float:
        if not self.log:
            return float(value)
        return math.log(value) if self.low > 0 else math.log1p(value - self.low)

    def _off_axis(self, position: float) -> float:
        if not self.log:
            return position
        return math.exp(position) if self.low > 0 else math.expm1(position) + self.low

    def _round(self, value: float) -> float | int:
        if self.kind == "integer":
            return int(min(max(round(value), self.low), self.high))
        if self.step:
            value = round(value / self.step) * self.step
            return float(min(max(value, self.low), self.high))
        # decimals of the step: of the whole range, or of the value itself on a logarithmic axis
        span = max(abs(value), 1e-9) if self.log else max(self.high - self.low, 1e-9)
        value = round(value, max(0, math.ceil(-math.log10(span / _STEPS))))
        return float(min(max(value, self.low), self.high))


@dataclass(frozen=True)
class Space:
    """All genes of one search, in a fixed order.

    Parameters
    ----------
    genes : tuple of Gene
        Names must differ.
    """

    genes: tuple[Gene, ...]
    _by_name: dict[str, Gene] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {gene.name: gene for gene in self.genes})
        if len(self._by_name) != len(self.genes):
            raise ValueError("Two genes of a search space have the same name.")

    def __len__(self) -> int:
        return len(self.genes)

    def __add__(self, other: Space) -> Space:
        return Space(self.genes + other.genes)

    def __getitem__(self, name: str) -> Gene:
        return self._by_name[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the genes, in order."""
        return tuple(self._by_name)

    @property
    def defaults(self) -> dict[str, Any]:
        """Every gene at its default."""
        return {gene.name: gene.default for gene in self.genes}

    @property
    def cheap(self) -> Space:
        """The genes that need no network."""
        return Space(tuple(gene for gene in self.genes if not gene.slow))

    @property
    def slow(self) -> Space:
        """The genes that need the network."""
        return Space(tuple(gene for gene in self.genes if gene.slow))

    def complete(self, genes: Mapping[str, Any]) -> dict[str, Any]:
        """Check values, fill in defaults, and reset genes that do not matter to their default.

        Two settings that must give the same masks so become equal.

        Raises
        ------
        SamStarError
            If a name is not a gene's or a value out of bounds.
        """
        unknown = [name for name in genes if name not in self._by_name]
        if unknown:
            raise SamStarError(f"The search has no parameter named {unknown[0]}.")
        given = {name: self._by_name[name].check(value) for name, value in genes.items()}
        return self._reset({**self.defaults, **given})

    def encode(self, genes: Mapping[str, Any]) -> NDArray[np.float64]:
        """Position in the unit cube, (n,); the inverse of `decode` but for rounding."""
        return np.array([gene.unit(genes[gene.name]) for gene in self.genes], np.float64)

    def decode(self, position: Sequence[float] | NDArray[np.float64]) -> dict[str, Any]:
        """Genes at a position (n,) in the unit cube."""
        pairs = zip(self.genes, position, strict=True)
        return self._reset({gene.name: gene.at(unit) for gene, unit in pairs})

    def key(self, genes: Mapping[str, Any]) -> Hashable:
        """Equal for genes that `complete` or `decode` made equal."""
        return tuple([genes[name] for name in self._by_name])

    def matters(self, name: str, genes: Mapping[str, Any]) -> bool:
        """Whether a gene has an effect beside the others' values."""
        when = self._by_name[name].when
        if when is None or when[0] not in genes:
            return True
        return bool(genes[when[0]] == when[1]) and self.matters(when[0], genes)

    @cached_property
    def content(self) -> str:
        """Hash of names, bounds, choices and defaults."""
        return xxhash.xxh128(repr(self.genes).encode()).hexdigest()

    def _reset(self, genes: dict[str, Any]) -> dict[str, Any]:
        for gene in self.genes:
            if gene.when is not None and not self.matters(gene.name, genes):
                genes[gene.name] = gene.default
        return genes


def distinct(space: Space, many: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Complete each, drop repetitions, keep the order."""
    return list({space.key(c): c for c in map(space.complete, many)}.values())
