from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

import napari_samstar as ss
from napari_samstar import cli
from napari_samstar.io.write import write_labels_tiff
from napari_samstar.types import Micrograph


@pytest.fixture
def truth() -> NDArray[np.uint8]:
    labels = np.zeros((40, 50), np.uint8)
    labels[2:20, 5:30], labels[22:38, 10:45] = 1, 3
    return labels


@pytest.fixture
def found(truth: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.roll(truth, 2, axis=1)


def save(path: Path, labels: NDArray[Any]) -> Path:
    if path.suffix == ".npy":
        np.save(path, labels)
    elif path.suffix == ".png":
        Image.fromarray(labels).save(path)
    else:
        tifffile.imwrite(path, labels, photometric="minisblack")
    return path


def scores_of(
    first: Path, second: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, dict[str, Any], str]:
    code = cli.main(["evaluate", str(first), str(second), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else {}, err


@pytest.mark.parametrize("ending", ["npy", "png", "tif"])
def test_every_measure_as_json(
    tmp_path: Path,
    found: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    ending: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = [save(tmp_path / f"{name}.{ending}", x) for name, x in (("f", found), ("t", truth))]
    code, scores, err = scores_of(*files, capsys)
    assert (code, err) == (0, "")
    assert scores == ss.evaluate(found, truth)


def test_a_table_for_people(
    tmp_path: Path,
    found: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = [str(save(tmp_path / f"{n}.tif", x)) for n, x in (("f", found), ("t", truth))]
    assert cli.main(["evaluate", *files]) == 0
    out, _ = capsys.readouterr()
    iou = ss.evaluate(found, truth)["matched_iou"]
    assert f"  {iou:.3f}\n" in out
    assert "spurious            " in out
    assert "mFPR" in out


def test_labels_come_through_unchanged(
    tmp_path: Path, truth: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    palette = Image.fromarray(truth)
    palette = palette.convert("P")
    palette.putdata(truth.ravel().tolist())
    palette.putpalette([7, 7, 7] * 256)  # all labels look alike
    palette.save(tmp_path / "palette.png")
    Image.fromarray(np.repeat(truth[..., None], 3, axis=2)).save(tmp_path / "gray.png")
    many = truth.astype(np.int32) * 70_000  # more than 16 bits, so written as floats
    write_labels_tiff(tmp_path / "many.tif", many, Micrograph(np.zeros(truth.shape, np.float32)))
    np.save(tmp_path / "stack.npy", np.stack([truth == 1, truth == 3]))
    reference = save(tmp_path / "t.tif", truth)
    for name in ("palette.png", "gray.png", "many.tif", "stack.npy"):
        code, scores, err = scores_of(tmp_path / name, reference, capsys)
        assert (code, err) == (0, ""), name
        assert (scores["n_predicted"], scores["matched_iou"]) == (2, 1.0), name


def test_masks_of_a_stack_may_overlap(
    tmp_path: Path, truth: NDArray[np.uint8], capsys: pytest.CaptureFixture[str]
) -> None:
    save(tmp_path / "masks.tif", 255 * np.stack([truth == 1, truth > 0, truth == 3]).astype("u1"))
    _, scores, _ = scores_of(tmp_path / "masks.tif", save(tmp_path / "t.npy", truth), capsys)
    assert scores["n_predicted"] == 3
    assert scores["matched_iou"] == 1.0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("half.npy", np.full((40, 50), 0.5), "half.npy holds 0.5"),
        ("minus.npy", np.full((40, 50), -1), "holds -1"),
        ("small.npy", np.ones((20, 50), int), "50 x 20 px"),
        ("color.png", np.arange(6000, dtype=np.uint8).reshape(40, 50, 3), "in color"),
        ("two.npy", np.eye(2, dtype=bool)[np.arange(2000).reshape(40, 50) % 2], "as (N, H, W)"),
        ("four.npy", np.eye(4)[np.arange(2000).reshape(40, 50) % 4], "these are 4 masks"),
        ("labels.npy", np.arange(30000).reshape(15, 40, 50), "15 label images"),
        ("objects.npy", np.array([{}], object), "never read"),
        ("missing.tif", None, "There is no file"),
        ("text.tif", "not an image", "text"),
        ("photo.jpg", np.ones((40, 50), np.uint8), "compression changes labels"),
    ],
)
def test_what_is_no_label_image_gets_one_sentence(
    tmp_path: Path,
    truth: NDArray[np.uint8],
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: Any,
    message: str,
) -> None:
    path = tmp_path / name
    if isinstance(content, str):
        path.write_text(content)
    elif path.suffix == ".jpg":
        Image.fromarray(content).save(path)
    elif content is not None and path.suffix == ".npy":
        np.save(path, content, allow_pickle=True)
    elif content is not None:
        save(path, content)
    reference = save(tmp_path / "truth.tif", truth)
    for files in ((path, reference), (reference, path)):
        code, scores, err = scores_of(*files, capsys)
        assert (code, scores) == (2, {})
        assert message in err or (name == "small.npy" and "50 x 40 px" in err)
        assert err.count("\n") == 1
        assert err.endswith(".\n")
