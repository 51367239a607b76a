"""Bad files end in one plain sentence, quickly and in little memory."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import pytest

from napari_samstar.io.read import frame_count, load_micrograph
from napari_samstar.types import SamStarError
from tests.io.malformed import malformed_files


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Path]]:
    return malformed_files(tmp_path_factory.mktemp("malformed"))


def test_each_gives_one_sentence(files: list[tuple[str, Path]]) -> None:
    assert len(files) >= 30
    for what, path in files:
        start = time.process_time()
        with pytest.raises(SamStarError) as caught:
            load_micrograph(path)
        message = str(caught.value)
        assert path.name in message, what
        assert "\n" not in message, what
        assert message.endswith("."), what
        assert len(message) < 330, what
        assert time.process_time() - start < 5, what


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.tif", "There is no file"),
        ("empty.tif", "is empty"),
        ("text.tif", "seems to be text"),
        ("picture.tif", "rename it to picture.png"),
        ("film.mrc", "rename it to film.tif"),
        ("huge.tif", "claims 100000 x 100000 pixels"),
        ("bomb.tif", "would unpack"),
        ("hidden-bomb.tif", "unpacks to far more than its header says"),
        ("nan.tif", "every pixel is NaN"),
        ("cut.npy", "is cut short"),
        ("pickle.npy", "never read"),
        ("five.npy", "has 5 axes"),
        ("none.npy", "has no pixels"),
        ("chunks.zarr", "chunks are missing"),
        ("spectrum.h5", "holds no image"),
    ],
)
def test_the_sentence_says_what_is_wrong(
    files: list[tuple[str, Path]], name: str, words: str
) -> None:
    (path,) = (path for _, path in files if path.name == name)
    with pytest.raises(SamStarError, match=words):
        load_micrograph(path)


def test_a_bomb_does_not_go_off(files: list[tuple[str, Path]]) -> None:
    resource = pytest.importorskip("resource", reason="peak memory is read from Unix")

    def peak() -> int:
        usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return usage // (1024 if sys.platform == "linux" else 1024**2)  # MB

    before = peak()
    for _, path in files:
        if "bomb" in path.name or "huge" in path.name:
            with pytest.raises(SamStarError):
                load_micrograph(path)
    assert peak() - before < 300


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return Path.touch, (tmp_path / "sprung",)  # type: ignore[return-value]

    np.save(tmp_path / "trap.npy", np.array([[Trap()]], object), allow_pickle=True)
    with pytest.raises(SamStarError, match="pickled"):
        frame_count(tmp_path / "trap.npy")
    assert not (tmp_path / "sprung").exists()
