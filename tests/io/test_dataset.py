from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_samstar.io.dataset import add_to_dataset
from napari_samstar.io.preprocess import to_gray
from napari_samstar.types import Micrograph, SamStarError


def _image(seed: int, name: str = "film", shape: tuple[int, ...] = (12, 16)) -> Micrograph:
    data = np.random.default_rng(seed).random(shape, dtype=np.float32)
    return Micrograph(data, (0.5, 0.5), "nm", name)


def _labels(*numbers: int) -> NDArray[np.int32]:
    labels = np.zeros((12, 16), np.int32)
    for k, number in enumerate(numbers):
        labels[3 * k : 3 * k + 2, 2:14] = number
    return labels


def _document(folder: Path) -> dict[str, Any]:
    text = (folder / "annotations.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _named(document: dict[str, Any], image: int) -> list[str]:
    names = {row["id"]: row["name"] for row in document["categories"]}
    return [names[a["category_id"]] for a in document["annotations"] if a["image_id"] == image]


def test_images_gather_under_common_materials(tmp_path: Path) -> None:
    add_to_dataset(tmp_path, _image(0, "a"), _labels(3, 5), {3: 1, 5: 2}, {1: "Si", 2: "Ge"})
    # elsewhere the same material has another number
    add_to_dataset(tmp_path, _image(1, "b"), _labels(1, 2, 4), {1: 1, 2: 9}, {1: "Ge"})
    document = _document(tmp_path)
    assert [row["file_name"] for row in document["images"]] == ["a.png", "b.png"]
    assert _named(document, 1) == ["Si", "Ge"]
    assert _named(document, 2) == ["Ge", "material 9", "object"]
    ids = [a["id"] for a in document["annotations"]]
    assert ids == [1, 2, 3, 4, 5]


def test_an_image_corrected_again_replaces_what_was_said_of_it(tmp_path: Path) -> None:
    add_to_dataset(tmp_path, _image(0, "a"), _labels(1, 2, 3))
    add_to_dataset(tmp_path, _image(1, "b"), _labels(1))
    path = add_to_dataset(tmp_path, _image(0, "a"), _labels(8), {8: 1})
    document = _document(tmp_path)
    assert [(row["id"], row["file_name"]) for row in document["images"]] == [
        (1, "a.png"),
        (2, "b.png"),
    ]
    assert (_named(document, 1), _named(document, 2)) == (["material 1"], ["object"])
    assert len({a["id"] for a in document["annotations"]}) == 2
    assert path == tmp_path / "images" / "a.png"


def test_two_images_of_one_name_do_not_meet(tmp_path: Path) -> None:
    first = add_to_dataset(tmp_path, _image(0, "Film 1/x"), _labels(1))
    second = add_to_dataset(tmp_path, _image(1, "film 1/x"), _labels(1))
    assert first.name == "Film_1_x.png"
    assert second.name == f"film_1_x-{_image(1).content_hash[:8]}.png"
    assert first.exists()
    assert add_to_dataset(tmp_path, _image(1, "renamed"), _labels(1)) == second


def test_pictures_are_what_the_network_sees_or_the_values_as_read(tmp_path: Path) -> None:
    image = _image(0)
    png = add_to_dataset(tmp_path, image, _labels(1))
    with Image.open(png) as picture:
        np.testing.assert_array_equal(np.asarray(picture), to_gray(image))
    tif = add_to_dataset(tmp_path, image, _labels(1), picture="tif")
    np.testing.assert_array_equal(tifffile.imread(tif), image.data)
    assert [p.name for p in (tmp_path / "images").iterdir()] == ["film.tif"]
    color = add_to_dataset(tmp_path, _image(2, "color", (12, 16, 3)), _labels(1))
    with Image.open(color) as picture:
        assert picture.mode == "RGB"


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools'
def test_pycocotools_reads_the_masks_back(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    add_to_dataset(tmp_path, _image(0, "a"), _labels(4, 7))
    add_to_dataset(tmp_path, _image(1, "b"), np.zeros((12, 16), int))
    read = coco.COCO(tmp_path / "annotations.json")
    assert read.getAnnIds(imgIds=[2]) == []
    for annotation in read.loadAnns(read.getAnnIds(imgIds=[1])):
        np.testing.assert_array_equal(
            read.annToMask(annotation), _labels(4, 7) == annotation["label"]
        )


def test_programs_that_add_at_once_lose_nothing(tmp_path: Path) -> None:
    def work(start: int) -> None:
        for k in range(start, start + 4):
            add_to_dataset(tmp_path, _image(k, f"image {k}"), _labels(1, 2))

    threads = [threading.Thread(target=work, args=(4 * k,)) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    document = _document(tmp_path)
    assert sorted(row["id"] for row in document["images"]) == list(range(1, 13))
    assert sorted(a["id"] for a in document["annotations"]) == list(range(1, 25))


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"images": []}', '{"images": [{}], "categories": [], "annotations": []}'],
)
def test_other_documents_are_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "annotations.json").write_text(text)
    with pytest.raises(SamStarError, match="not a COCO document"):
        add_to_dataset(tmp_path, _image(0), _labels(1))
    assert (tmp_path / "annotations.json").read_text() == text


def test_labels_of_another_image_and_a_disk_that_refuses(tmp_path: Path) -> None:
    with pytest.raises(SamStarError, match="must belong together"):
        add_to_dataset(tmp_path, _image(0), np.zeros((4, 4), int))
    (tmp_path / "file").touch()
    with pytest.raises(SamStarError, match="could not be written"):
        add_to_dataset(tmp_path / "file", _image(0), _labels(1))
