"""What a search has found so far, as a viewer can show it: a front, and a picture of each of it."""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_samstar.pipeline import SelectionFront
    from napari_samstar.search.pareto import Candidate
    from napari_samstar.types import Selection

__all__ = ["LONGEST", "Found", "Plane", "Stack", "agreement", "draw", "step_for"]

#: Pictures of candidates are thinned out to at most this many pixels along their longer side.
LONGEST = 1024

_OPEN = 4  # unpacked pictures that a stack keeps


@dataclass(frozen=True)
class Plane:
    """Label image of one candidate, packed: some ten kilobytes in place of megabytes.

    Parameters
    ----------
    rows : (K,) int64
        Where its masks stand in the proposals. A mask has the same label, its row + 1, in every
        candidate that keeps it, and so the same color.
    shape : tuple of int
        (h, w), px of the picture.
    kind : str
        Type of the labels.
    packed : bytes
        The labels, deflated.
    """

    rows: NDArray[np.int64]
    shape: tuple[int, int]
    kind: str
    packed: bytes = field(repr=False)

    def __len__(self) -> int:
        return int(self.rows.size)

    def labels(self) -> NDArray[Any]:
        """Unpack: (h, w), 0 is background; a few milliseconds."""
        flat = np.frombuffer(zlib.decompress(self.packed), self.kind)
        return flat.reshape(self.shape)


@dataclass(frozen=True, eq=False)
class Found:
    """Candidates of one search, at one moment.

    Parameters
    ----------
    front : SelectionFront
        The candidates.
    planes : mapping
        Picture of each candidate on the front, and of the default, by `Candidate.index`.
    step : int
        Pixels of the image for each pixel of a picture.
    """

    front: SelectionFront
    planes: Mapping[int, Plane]
    step: int = 1

    @property
    def finished(self) -> bool:
        """Whether the search came to its end."""
        return bool(self.front.finished)

    def along(self, objective: str) -> tuple[Candidate, ...]:
        """List the front by rising reward in one objective."""
        known = self.front.objectives
        column = known.index(objective) if objective in known else 0
        return tuple(sorted(self.front.candidates, key=lambda c: (c.rewards[column], c.index)))

    def count(self, candidate: Candidate) -> int:
        """Masks that a candidate keeps."""
        plane = self.planes.get(candidate.index)
        return 0 if plane is None else len(plane)

    def follow(self, candidate: Candidate) -> Candidate | None:
        """Find a candidate that was chosen before, or what has beaten it since, on this front."""
        least = np.asarray(candidate.rewards)
        for one in self.front.candidates:
            if one.index == candidate.index:
                return one
        better = [c for c in self.front.candidates if (np.asarray(c.rewards) >= least).all()]
        return better[0] if better else None

    def preferred(self, importances: Mapping[str, float]) -> Candidate | None:
        """Choose by importances; those of rewards that this search did not have are ignored."""
        if not self.front.candidates:
            return None
        return self.front.preferred(self._known(importances))

    def best(self, importances: Mapping[str, float], most: int) -> list[Candidate]:
        """List the best compromises, the preferred one first."""
        if not self.front.candidates:
            return []
        return list(self.front.ranked(self._known(importances))[:most])

    def _known(self, importances: Mapping[str, float]) -> dict[str, float]:
        return {k: v for k, v in importances.items() if k in self.front.objectives}


class Stack:
    """Pictures as one array (K, h, w) that unpacks them as they are looked at.

    Parameters
    ----------
    planes : sequence of Plane
        Of one shape; at least one.
    lead : int
        Axes of length one between K and h.
    """

    def __init__(self, planes: Sequence[Plane], lead: int = 0) -> None:
        self._planes = list(planes)
        self._open: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self.shape = (len(self._planes), *(1,) * lead, *self._planes[0].shape)
        self.dtype = np.dtype(self._planes[0].kind)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self._planes)

    def __getitem__(self, key: Any) -> Any:
        key = key if isinstance(key, tuple) else (key,)
        if key and key[0] is Ellipsis:
            key = (*(slice(None),) * (self.ndim - len(key) + 1), *key[1:])
        first, rest = (key[0], key[1:]) if key else (slice(None), ())
        if isinstance(first, slice):
            numbers = range(*first.indices(len(self)))
            parts = [self._plane(k) for k in numbers]
            whole = np.stack(parts) if parts else np.zeros((0, *self.shape[1:]), self.dtype)
            return whole[(slice(None), *rest)]
        if np.ndim(first) > 0:  # coordinates, one array for each axis
            return np.asarray(self)[key]
        return self._plane(int(first))[rest]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)

    def _plane(self, number: int) -> NDArray[Any]:
        number = number % len(self)
        plane = self._open.pop(number, None)
        if plane is None:
            plane = self._planes[number].labels().reshape(self.shape[1:])
        self._open[number] = plane
        while len(self._open) > _OPEN:
            self._open.popitem(last=False)
        return plane


def step_for(shape: tuple[int, int]) -> int:
    """Pixels of an image of `shape` for each pixel of its candidates' pictures."""
    return -(-max(shape) // LONGEST)


def draw(selection: Selection, step: int, many: int) -> Plane:
    """Draw a candidate, smaller masks on top of larger.

    Parameters
    ----------
    selection : Selection
        What it keeps.
    step : int
        See `step_for`.
    many : int
        Number of proposals in all.
    """
    order = np.argsort(-selection.runs.areas(), kind="stable")
    rows = selection.rows.astype(np.int64)
    kind = "uint16" if many < 2**16 - 1 else "int32"
    full = selection.runs.paint(order, (rows + 1).astype(np.int32))
    labels = np.ascontiguousarray(full[step // 2 :: step, step // 2 :: step]).astype(kind)
    return Plane(rows, (labels.shape[0], labels.shape[1]), kind, zlib.compress(labels, 1))


def agreement(found: Found, importances: Mapping[str, float]) -> NDArray[np.float32] | None:
    """Share of the best compromises in which a pixel belongs to any object, (h, w).

    The same votes as `pipeline.agreement`'s, of pictures that are drawn already. 0 where all say
    background, 1 where all say object; None with no candidate.
    """
    from napari_samstar.proposals.agreement import VOICES

    best = found.best(importances, VOICES)
    planes = [found.planes[c.index] for c in best if c.index in found.planes]
    if not planes:
        return None
    votes = np.zeros(planes[0].shape, np.float32)
    for plane in planes:
        votes += plane.labels() != 0
    return votes / np.float32(len(planes))
