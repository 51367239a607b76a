from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from napari_samstar.io.coco import decode_counts, encode_counts, write_coco
from napari_samstar.runs import MaskRuns
from napari_samstar.types import Micrograph, SamStarError, Selection


def _selection(masks: list[NDArray[np.bool_]], material: list[int] | None = None) -> Selection:
    runs = MaskRuns.from_dense(masks)
    n = len(runs)
    return Selection(
        runs=runs,
        boxes=runs.boxes(),
        predicted_iou=np.array([0.9, np.nan][:n], np.float32),
        stability_scores=np.full(n, 0.5, np.float32),
        points=np.zeros((n, 2)),
        source=np.zeros(n, np.uint8),
        crops=np.zeros((n, 4), np.int32),
        rows=np.arange(n),
        score=np.array([0.75, 0.25][:n], np.float32),
        material=None if material is None else np.array(material, np.int32),
    )


# made with pycocotools 2.0
@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ([11, 2, 3, 2, 3, 2, 7], ";230004"),
        ([0, 30], "0n0"),
        ([1000, 1, 40, 900, 3, 16, 1_000_000], "Xo01X1Sl0kN\\TOma`n0"),
    ],
)
def test_known_texts(counts: list[int], text: str) -> None:
    assert encode_counts(np.array(counts, np.uint32)) == text
    assert decode_counts(text).tolist() == counts


@settings(deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), max_size=12))
def test_text_gives_the_runs_back(counts: list[int]) -> None:
    assert decode_counts(encode_counts(np.array(counts, np.uint32))).tolist() == counts


@settings(deadline=None)
@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_agrees_with_pycocotools(mask: NDArray[np.bool_]) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    expected = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    text = encode_counts(MaskRuns.from_dense([mask]).row(0))
    assert text.encode() == expected["counts"]


@pytest.mark.parametrize("text", ["\n", "é", "o", "ooooooooooo0", "0O"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(SamStarError, match="not COCO's"):
        decode_counts(text)


def test_labels_as_a_document(tmp_path: Path) -> None:
    labels = np.zeros((5, 6), np.int32)
    labels[1:3, 2:5] = 7
    image = Micrograph(np.zeros((5, 6), np.float32), (0.5, 0.5), "nm", "film.tif")
    write_coco(tmp_path / "a.json", labels, image)
    document = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert document["images"] == [
        {
            "id": 1,
            "file_name": "film.tif",
            "height": 5,
            "width": 6,
            "pixel_size": [0.5, 0.5],
            "unit": "nm",
        }
    ]
    assert document["categories"] == [{"id": 1, "name": "object"}]
    assert document["annotations"] == [
        {
            "id": 1,
            "image_id": 1,
            "category_id": 1,
            "segmentation": {"size": [5, 6], "counts": ";230004"},
            "area": 6,
            "bbox": [2, 1, 3, 2],
            "iscrowd": 0,
            "label": 7,
        }
    ]


def test_overlapping_masks_keep_their_pixels_scores_and_materials(tmp_path: Path) -> None:
    large = np.ones((4, 4), bool)
    small = np.zeros((4, 4), bool)
    small[1:3, 1:3] = True
    image = Micrograph(np.zeros((4, 4), np.float32))
    write_coco(tmp_path / "a.json", _selection([large, small], [1, 2]), image, {2: "oxide"})
    document = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    first, second = document["annotations"]
    assert (first["area"], second["area"]) == (16, 4)
    assert (first["category_id"], second["category_id"]) == (1, 2)
    assert [c["name"] for c in document["categories"]] == ["material 1", "oxide"]
    assert first["predicted_iou"] == pytest.approx(0.9)
    assert "predicted_iou" not in second  # no network made it
    assert (first["score"], second["score"]) == (0.75, 0.25)


def test_masks_of_another_image_are_refused(tmp_path: Path) -> None:
    image = Micrograph(np.zeros((4, 5), np.float32))
    with pytest.raises(SamStarError, match="do not belong"):
        write_coco(tmp_path / "a.json", np.zeros((4, 4), int), image)
