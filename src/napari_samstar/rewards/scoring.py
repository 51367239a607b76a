"""What the search sees: one number from 0 to 1 for each term, or each family of terms."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_samstar.rewards.base import RewardTerm
from napari_samstar.types import Micrograph, SamStarError, Selection

__all__ = ["family_scores", "scores"]


def scores(
    terms: Sequence[RewardTerm], selection: Selection, micrograph: Micrograph
) -> NDArray[np.float64]:
    """Scores of all terms, (T,), each surely from 0 to 1: what is not finite becomes 0.

    Raises
    ------
    SamStarError
        If a term cannot judge this selection, with its name.
    """
    out = np.zeros(len(terms), np.float64)
    for i, term in enumerate(terms):
        try:
            value = float(term.score(selection, micrograph))
        except SamStarError:
            raise
        except Exception as err:
            raise SamStarError(
                f"The reward '{term.name}' failed ({type(err).__name__}: {err}): correct it, or "
                "leave it out."
            ) from err
        out[i] = min(max(value, 0.0), 1.0) if math.isfinite(value) else 0.0
    return out


def family_scores(terms: Sequence[RewardTerm], values: NDArray[np.float64]) -> dict[str, float]:
    """Mean score of each family, in the order in which families first occur.

    Parameters
    ----------
    terms : sequence of RewardTerm
        The terms.
    values : (T,) float64
        Their `scores`.
    """
    families: dict[str, list[float]] = {}
    for term, value in zip(terms, values.tolist(), strict=True):
        families.setdefault(term.family, []).append(value)
    return {family: sum(found) / len(found) for family, found in families.items()}
