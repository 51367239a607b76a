"""Truth for the booster: the number of materials asked for, each in whole segments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_samstar.synth.films import LEVELS, films
from napari_samstar.synth.textures import Texture, draw, paint, vary


@settings(max_examples=15)
@given(
    level=st.sampled_from(sorted(LEVELS)),
    count=st.integers(1, 5),
    seed=st.integers(0, 10_000),
    style=st.sampled_from(["layers", "phases", "grains"]),
)
def test_every_segment_has_one_material_and_all_materials_are_there(
    level: int, count: int, seed: int, style: str
) -> None:
    scene = films(level, count, (256, 320), seed, style)
    assert scene.image.shape == (256, 320)
    assert 0 <= scene.image.min() < scene.image.max() <= 1
    of_segment = {
        label: set(np.unique(scene.materials[scene.labels == label]).tolist())
        for label in range(1, scene.labels.max() + 1)
    }
    assert all(len(found) == 1 for found in of_segment.values())
    assert set.union(*of_segment.values()) - {0} == set(range(1, count + 1))
    vacuum = scene.params["vacuum"]
    assert {label for label, found in of_segment.items() if found == {0}} <= {vacuum}


def test_equal_seeds_give_equal_films() -> None:
    first, again = films(2, 3, (128, 128), 5), films(2, 3, (128, 128), 5)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.materials, again.materials)


def test_unknown_styles_are_refused() -> None:
    with pytest.raises(ValueError, match="layers"):
        films(style="foam")


def test_a_turned_crystal_keeps_its_brightness_and_turns(rng: np.random.Generator) -> None:
    square = Texture("crystal", 0.5, 0.1, 12.0, 0.0, ((1, 0, 0, 1), ((0, 0, 1.0),)))
    upright = paint(rng, (96, 96), square)
    tilted = paint(rng, (96, 96), square, turn=np.pi / 4)
    assert upright.mean() == pytest.approx(tilted.mean(), abs=1e-3)
    for image, angle in ((upright, 0.0), (tilted, np.pi / 4)):
        power = np.abs(np.fft.fft2(image - image.mean())) ** 2
        y, x = np.unravel_index(power.argmax(), power.shape)
        frequency = np.array([np.fft.fftfreq(96)[y], np.fft.fftfreq(96)[x]])
        assert np.hypot(*frequency) == pytest.approx(1 / 12, abs=0.75 / 96)
        turned = (np.arctan2(*frequency) - angle) % (np.pi / 2)
        assert min(turned, np.pi / 2 - turned) < 0.1


def test_a_variant_is_another_texture(rng: np.random.Generator) -> None:
    for _ in range(20):
        texture = draw(rng)
        assert vary(rng, texture) != texture
