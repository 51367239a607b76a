"""Boosted regression trees as plain arrays: what was learned elsewhere, asked in milliseconds."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from napari_samstar.proposals.chunks import at_once, in_chunks
from napari_samstar.types import SamStarError

__all__ = ["Forest", "load_forests", "save_forests"]

_ROWS = 256  # handed to a thread at once


@dataclass(frozen=True)
class Forest:
    """A sum of regression trees.

    Parameters
    ----------
    names : tuple of str
        What the columns are that the trees ask about.
    base : float
        Added to the sum.
    roots : (T,) int32
        First node of each tree; leaves are nodes whose `feature` is -1.
    feature : (M,) int16
        Column that each node asks about.
    threshold : (M,) float32
        Values up to this go left.
    left, right : (M,) int32
        Children.
    missing_left : (M,) uint8
        Whether NaN goes left.
    value : (M,) float32
        Of the leaves.
    """

    names: tuple[str, ...]
    base: float
    roots: NDArray[np.int32]
    feature: NDArray[np.int16]
    threshold: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    missing_left: NDArray[np.uint8]
    value: NDArray[np.float32]

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sum of all trees for each of `rows` (N, F), (N,) float32."""
        return at_once(self.steps(rows))

    def steps(self, rows: NDArray[np.float32]) -> Generator[int, None, NDArray[np.float32]]:
        """Sum as a call does; yields rows done."""
        rows = np.ascontiguousarray(rows, np.float32)
        if rows.ndim != 2 or rows.shape[1] != len(self.names):
            raise ValueError(f"These trees ask about {len(self.names)} columns, not {rows.shape}.")
        nodes = (self.feature, self.threshold, self.left, self.right, self.missing_left, self.value)

        def work(start: int, stop: int) -> NDArray[np.float32]:
            return np.asarray(_sum(rows[start:stop], self.base, self.roots, *nodes))

        parts = yield from in_chunks(len(rows), work, _ROWS)
        return np.concatenate([np.zeros(0, np.float32), *parts])


@njit(cache=True, nogil=True)
def _sum(
    rows: Any,
    base: float,
    roots: Any,
    feature: Any,
    threshold: Any,
    left: Any,
    right: Any,
    missing_left: Any,
    value: Any,
) -> Any:
    out = np.empty(rows.shape[0], np.float32)
    for i in range(rows.shape[0]):
        total = base
        for t in range(roots.size):
            node = roots[t]
            while feature[node] >= 0:
                x = rows[i, feature[node]]
                goes_left = missing_left[node] != 0 if np.isnan(x) else x <= threshold[node]
                node = left[node] if goes_left else right[node]
            total += value[node]
        out[i] = total
    return out


_ARRAYS = ("roots", "feature", "threshold", "left", "right", "missing_left", "value")


def save_forests(path: str | Path, forests: Mapping[str, Forest]) -> None:
    """Write forests, each under its name, as safetensors."""
    from safetensors.numpy import save

    from napari_samstar.atomic import write_bytes_atomic

    arrays: dict[str, NDArray[Any]] = {}
    about = {}
    for name, forest in forests.items():
        arrays |= {f"{name}.{array}": getattr(forest, array) for array in _ARRAYS}
        about[name] = json.dumps({"names": forest.names, "base": forest.base})
    write_bytes_atomic(Path(path), save(arrays, metadata=about))


def load_forests(path: str | Path, names: Sequence[str]) -> dict[str, Forest]:
    """Read what `save_forests` wrote under `names`.

    Raises
    ------
    SamStarError
        If the file does not hold such forests, or is damaged.
    """
    from safetensors import SafetensorError, safe_open

    forests = {}
    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            for name in names:
                about = json.loads(metadata[name])
                arrays = {array: file.get_tensor(f"{name}.{array}") for array in _ARRAYS}
                forests[name] = Forest(tuple(about["names"]), float(about["base"]), **arrays)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as err:
        raise SamStarError(f"{path} holds no regression trees that can be read: {err}.") from err
    if not all(_sound(forest) for forest in forests.values()):
        raise SamStarError(f"{path} holds damaged regression trees: load it again from its source.")
    return forests


def _sound(forest: Forest) -> bool:
    """Whether every walk ends: children follow their parents, and columns are there."""
    size = forest.feature.size
    inside = forest.feature >= 0
    children = np.concatenate([forest.left[inside], forest.right[inside]])
    parents = np.concatenate([np.flatnonzero(inside)] * 2)
    follow = (children > parents).all() and (children < size).all() and (forest.roots < size).all()
    return bool(follow and (forest.feature < len(forest.names)).all())
