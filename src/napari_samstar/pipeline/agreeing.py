"""Where the best candidates of a search agree, pixel by pixel and object by object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_samstar.masks import Masks, mask_runs
from napari_samstar.pipeline.optimizing import SelectionFront
from napari_samstar.proposals.agreement import VOICES, object_agreement, pixel_agreement
from napari_samstar.types import Selection

__all__ = ["Agreement", "agreement"]


@dataclass(frozen=True)
class Agreement:
    """How far the best candidates of a search agree.

    Parameters
    ----------
    covered : (H, W) float32
        Share of candidates in which a pixel is inside any mask, 0 to 1.
    selections : tuple of Selection
        What the candidates keep, the preferred one first.
    """

    covered: NDArray[np.float32]
    selections: tuple[Selection, ...] = field(repr=False)

    def confidence(self, labels: NDArray[np.integer]) -> NDArray[np.float32]:
        """Share of candidates that say of each pixel what `labels` (H, W) say: object, or none."""
        return np.where(labels > 0, self.covered, 1 - self.covered).astype(np.float32)

    def of_objects(self, objects: Masks) -> NDArray[np.float32]:
        """Share of candidates that hold each object, nearly: up to an IoU of 0.5.

        Parameters
        ----------
        objects : masks
            A label image (H, W), or masks in any form; of a selection, its ``runs``.

        Returns
        -------
        (K,) float32
            0 to 1, by ascending label or in the order of the masks. The lowest are what a person
            should look at.
        """
        return object_agreement(mask_runs(objects), self.selections)


def agreement(
    front: SelectionFront,
    importances: Mapping[str, float] | Sequence[float] | None = None,
    most: int = VOICES,
) -> Agreement:
    """Compare the candidates on the front that give up least; well under a second.

    The far ends of a front are bought dearly, with few masks or with all there are: they would only
    add noise. So the `most` best compromises vote, each with one voice.

    Parameters
    ----------
    front : SelectionFront
        A search's result, or ``event.front()`` while it runs, with at least one candidate.
    importances : mapping or sequence of float, optional
        What "best" means, as in `SelectionFront.preferred`.
    most : int
        Voices at most.

    Returns
    -------
    Agreement
        Of pixels, and of the objects of any label image of this micrograph.

    Raises
    ------
    SamStarError
        If the front is empty.
    """
    selections = tuple(front.selection(c) for c in front.ranked(importances)[:most])
    return Agreement(pixel_agreement(selections), selections)
