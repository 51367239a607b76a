"""How far two ways of dividing an image into regions agree; background counts as one region."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_samstar.labels import index_labels
from napari_samstar.types import SamStarError

__all__ = ["adjusted_rand_index", "variation_of_information"]


def adjusted_rand_index(predicted: NDArray[Any], truth: NDArray[Any]) -> float:
    """Agreement of two label images over pairs of pixels.

    1 is equality, 0 what chance would give.

    Parameters
    ----------
    predicted, truth : (H, W) int
        Label images.

    Raises
    ------
    SamStarError
        If the two do not have the same height and width.

    References
    ----------
    Hubert and Arabie, "Comparing partitions", Journal of Classification 2 (1985).
    """
    cells, in_a, in_b = (_pairs(sizes) for sizes in _contingency(predicted, truth))
    expected = in_a * in_b / max(_pairs(np.array([np.size(truth)])), 1.0)
    largest = (in_a + in_b) / 2.0
    return 1.0 if largest == expected else (cells - expected) / (largest - expected)


def variation_of_information(predicted: NDArray[Any], truth: NDArray[Any]) -> tuple[float, float]:
    """Information that one label image leaves open about the other, bits a pixel.

    Parameters
    ----------
    predicted, truth : (H, W) int
        Label images.

    Returns
    -------
    split : float
        Conditional entropy of the prediction, given the truth: true regions fell apart.
    merged : float
        Conditional entropy of the truth, given the prediction: true regions were joined. The sum
        of the two is the variation of information; 0 is equality.

    Raises
    ------
    SamStarError
        If the two do not have the same height and width.

    References
    ----------
    Meila, "Comparing clusterings - an information based distance", Journal of Multivariate
    Analysis 98 (2007).
    """
    cells, in_predicted, in_truth = (_entropy(s) for s in _contingency(predicted, truth))
    return max(cells - in_truth, 0.0), max(cells - in_predicted, 0.0)


def _contingency(
    a: NDArray[Any], b: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Pixels of each pair of regions that meet, of each region in `a`, and in `b`."""
    index_a, ids_a = index_labels(a)
    index_b, ids_b = index_labels(b)
    if index_a.shape != index_b.shape:
        raise SamStarError("The two label images differ in height or width: choose a pair.")
    code = index_a.astype(np.int64) * (ids_b.size + 1) + index_b
    return (
        np.unique(code, return_counts=True)[1],
        np.bincount(index_a.ravel(), minlength=ids_a.size + 1),
        np.bincount(index_b.ravel(), minlength=ids_b.size + 1),
    )


def _pairs(sizes: NDArray[np.int64]) -> float:
    counts = sizes.astype(np.float64)
    return float((counts * (counts - 1.0) / 2.0).sum())


def _entropy(sizes: NDArray[np.int64]) -> float:
    """Entropy of what falls into regions of these sizes, bits."""
    share = sizes[sizes > 0] / max(sizes.sum(), 1)
    return float(-(share * np.log2(share)).sum())
