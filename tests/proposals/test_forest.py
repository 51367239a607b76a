"""Trees as arrays give what scikit-learn's give, and damaged files are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from sklearn.ensemble import HistGradientBoostingRegressor

from napari_samstar.pipeline.quality_training import fit
from napari_samstar.proposals.evidence import NAMES
from napari_samstar.proposals.forest import Forest, load_forests, save_forests
from napari_samstar.proposals.population import NAMES as POPULATION
from napari_samstar.proposals.quality import quality_path
from napari_samstar.settings import TrainQualitySettings
from napari_samstar.types import SamStarError


@pytest.fixture(scope="module")
def learned() -> tuple[Forest, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3000, len(NAMES))).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = np.nan_to_num(x[:, 0], nan=2.0) * (np.nan_to_num(x[:, 1]) > 0) + 0.1 * rng.normal(size=3000)
    y = np.clip(0.5 + 0.2 * y, 0, 1).astype(np.float32)
    settings = TrainQualitySettings(trees=40, leaves=24, learning_rate=0.06)
    return fit(x, y, np.ones(3000, np.float32), settings), x, y


def test_the_forest_is_scikit_learns_to_the_rounding(learned: tuple) -> None:
    forest, x, y = learned
    model = HistGradientBoostingRegressor(
        max_iter=40,
        learning_rate=0.06,
        max_leaf_nodes=24,
        min_samples_leaf=80,
        l2_regularization=2.0,
        max_features=0.4,
        early_stopping=False,
        random_state=0,
    ).fit(x, y, 0.3 + y)  # good masks count more
    assert np.allclose(forest(x), model.predict(x), atol=1e-5)
    assert np.corrcoef(forest(x), y)[0, 1] > 0.8
    assert forest(x[:0]).shape == (0,)
    with pytest.raises(ValueError, match="columns"):
        forest(x[:, 1:])


def test_a_file_gives_the_same_forests(learned: tuple, tmp_path: Path) -> None:
    forest, x, _ = learned
    path = tmp_path / "a.safetensors"
    other = replace(forest, base=forest.base + 1)
    save_forests(path, {"one": forest, "other": other})
    read = load_forests(path, ("one", "other"))
    assert np.array_equal(read["one"](x), forest(x))
    assert np.array_equal(read["other"](x), other(x))
    with pytest.raises(SamStarError, match="third"):
        load_forests(path, ("one", "third"))


def test_a_damaged_file_is_refused(learned: tuple, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_forests(path, {"one": learned[0]})
    arrays = load_file(path)
    looping = {**arrays, "one.left": np.zeros_like(arrays["one.left"])}
    about = {"one": '{"names": ["a"], "base": 0.0}'}
    save_file(looping, path, metadata=about)
    with pytest.raises(SamStarError, match="damaged"):
        load_forests(path, ("one",))
    path.write_bytes(b"no trees")
    with pytest.raises(SamStarError, match="can be read"):
        load_forests(path, ("one",))


def test_the_bundled_trees_ask_about_the_evidence_there_is() -> None:
    trees = load_forests(quality_path(), ("first", "second"))
    assert trees["first"].names == NAMES
    assert trees["second"].names == NAMES + POPULATION
