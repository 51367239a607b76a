from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from skimage.metrics import variation_of_information as reference
from sklearn.metrics import adjusted_rand_score

from napari_samstar.metrics import adjusted_rand_index, variation_of_information
from napari_samstar.types import SamStarError

LABELS = arrays(np.int32, (6, 7), elements=st.integers(0, 4))


@given(LABELS, LABELS)
def test_rand_index_agrees_with_scikit_learn(a: NDArray[np.int32], b: NDArray[np.int32]) -> None:
    assert adjusted_rand_index(a, b) == pytest.approx(
        adjusted_rand_score(a.ravel(), b.ravel()), abs=1e-9
    )


@given(LABELS, LABELS)
def test_information_agrees_with_scikit_image(a: NDArray[np.int32], b: NDArray[np.int32]) -> None:
    # theirs is merged and split in this order, for (truth, prediction) = (a, b)
    ours = variation_of_information(b, a)
    assert ours == pytest.approx(tuple(reference(a, b)), abs=1e-9)


def test_splitting_and_joining_are_told_apart() -> None:
    truth = np.repeat([[1, 2]], 4, axis=0)
    whole, quarters = np.ones_like(truth), np.arange(8).reshape(4, 2)
    assert variation_of_information(whole, truth) == (0.0, 1.0)
    assert variation_of_information(quarters, truth) == (2.0, 0.0)


def test_sizes_must_agree() -> None:
    for measure in (adjusted_rand_index, variation_of_information):
        with pytest.raises(SamStarError, match="differ"):
            measure(np.zeros((2, 3), int), np.zeros((2, 4), int))
