from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from napari_samstar.labels import index_labels, label_runs
from napari_samstar.runs import MaskRuns

LABELS = arrays(
    np.int64,
    array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.sampled_from([0, 1, 2, 5, 9]),
)


@settings(deadline=None)
@given(LABELS, st.sampled_from([1, 3, 10**9, 10**12]))
def test_index_counts_labels_without_gaps(labels: NDArray[np.int64], factor: int) -> None:
    index, ids = index_labels(labels * factor)
    values = np.unique(labels)
    np.testing.assert_array_equal(ids, values[values > 0] * factor)
    np.testing.assert_array_equal(np.array([0, *ids])[index], labels * factor)


@settings(deadline=None)
@given(LABELS)
def test_runs_of_labels_are_the_runs_of_their_masks(labels: NDArray[np.int64]) -> None:
    index, ids = index_labels(labels)
    shape = (int(labels.shape[0]), int(labels.shape[1]))
    expected = MaskRuns.from_dense([labels == i for i in ids], shape)
    found = label_runs(index, ids.size)
    np.testing.assert_array_equal(found.offsets, expected.offsets)
    np.testing.assert_array_equal(found.counts, expected.counts)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16, np.int32, np.uint64])
def test_any_whole_number_will_do(dtype: type[np.generic]) -> None:
    index, ids = index_labels(np.eye(3).astype(dtype))
    assert ids.tolist() == [1]
    assert index.dtype == np.int32
