from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from napari_samstar.recipe import ImageRecord, ModelRecord, Recipe
from napari_samstar.settings import AmgSettings, Prior, SelectSettings
from napari_samstar.types import Micrograph, SamStarError

SIZE = st.floats(1e-12, 1e6)


def _recipe() -> Recipe:
    return Recipe(
        image=ImageRecord(name="film", hash="0" * 32, pixel_size=(0.5, 0.5), unit="nm"),
        model=ModelRecord(name="samstar-tiny", hash="f" * 64),
        prior=Prior(diameter=(8.0, 30.0), size_unit="nm"),
        seed=3,
    )


@given(
    size=st.tuples(SIZE, SIZE),
    name=st.text(max_size=20),
    threshold=st.floats(0, 1),
    seed=st.integers(-(2**70), 2**70),
)
def test_json_gives_the_same_recipe_back(
    size: tuple[float, float], name: str, threshold: float, seed: int
) -> None:
    recipe = Recipe(
        image=ImageRecord(name=name, pixel_size=size, unit="µm"),
        select=SelectSettings(amg=AmgSettings(pred_iou_thresh=threshold), sources=("regions",)),
        seed=seed,
    )
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_a_file_gives_the_same_recipe_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "film.recipe.json"
    _recipe().write(path)
    assert Recipe.read(path) == _recipe().model_copy(
        update={"created": json.loads(path.read_text(encoding="utf-8"))["created"]}
    )
    assert [p.name for p in path.parent.iterdir()] == ["film.recipe.json"]


def test_a_recipe_names_the_image_and_the_versions() -> None:
    image = Micrograph(np.ones((4, 5), np.float32), (2.0, 2.0), "nm", "film")
    record = ImageRecord.of(image)
    assert (record.name, record.hash, record.unit) == ("film", image.content_hash, "nm")
    recipe = Recipe(image=record)
    assert {"napari-samstar", "torch", "numpy"} <= set(recipe.versions)
    assert recipe.created.endswith("+00:00")


def test_a_recipe_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        _recipe().seed = 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "recipe format 2, and this napari-samstar reads format 1: update"),
        ({"version": None}, "recipe format None"),
        ({"format": "other"}, "not a recipe of napari-samstar"),
        ({"seed": "many"}, "cannot be used: seed"),
        ({"surprise": 1}, "cannot be used: surprise"),
    ],
)
def test_a_recipe_that_is_not_understood_says_why(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "film.recipe.json"
    path.write_text(json.dumps({**json.loads(_recipe().to_json()), **change}), encoding="utf-8")
    with pytest.raises(SamStarError, match=message) as caught:
        Recipe.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("raw", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_recipe_says_so(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "film.recipe.json"
    path.write_bytes(raw)
    with pytest.raises(SamStarError, match="is not a recipe"):
        Recipe.read(path)


def test_a_missing_recipe_says_so(tmp_path: Path) -> None:
    with pytest.raises(SamStarError, match=r"none\.json could not be read: No such file"):
        Recipe.read(tmp_path / "none.json")
