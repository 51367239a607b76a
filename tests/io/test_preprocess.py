"""The 8 bits that the network sees: robust, in the order of the settings, always the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_samstar.io.array import micrograph_from_array
from napari_samstar.io.preprocess import to_gray, to_rgb
from napari_samstar.settings import PreprocessSettings

RAW = PreprocessSettings(hot_pixels=False, low_percentile=0, high_percentile=100)


def _film(rng: np.random.Generator, shape: tuple[int, int] = (200, 160)) -> NDArray[np.float64]:
    """Disks on an uneven film, 12 bits."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = 900 + 2 * x + 40 * rng.standard_normal(shape)
    for cy, cx in rng.integers(10, min(shape) - 10, (12, 2)):
        image[(y - cy) ** 2 + (x - cx) ** 2 < 40] += 1500
    return np.clip(image, 0, 4095).round()


@pytest.mark.parametrize("shape", [(200, 160), (16, 12)])
@pytest.mark.parametrize("place", [(7, 5), (0, 0), (0, 6)])
def test_one_hot_pixel_changes_nothing_else(
    rng: np.random.Generator, shape: tuple[int, int], place: tuple[int, int]
) -> None:
    image = rng.integers(0, 4095, shape).astype(np.uint16) if shape[0] < 50 else _film(rng, shape)
    before = to_gray(micrograph_from_array(image))
    hot = image.copy()
    hot[place] = 65535
    after = to_gray(micrograph_from_array(hot))
    elsewhere = np.ones(shape, bool)
    elsewhere[place] = False
    np.testing.assert_allclose(after[elsewhere].astype(int), before[elsewhere], atol=2)
    assert abs(int(after[place]) - int(np.median(after))) < 255


def test_hot_pixels_go_and_objects_stay(rng: np.random.Generator) -> None:
    image = _film(rng)
    hot = image.copy()
    hot[50, 60] = hot[120, 30] = 4000 * 3
    settings = RAW.model_copy(update={"hot_pixels": True})
    np.testing.assert_allclose(
        to_gray(micrograph_from_array(hot), settings).astype(int),
        to_gray(micrograph_from_array(image), settings),
        atol=30,
    )
    # two pixels together are an object, and counted single electrons are the signal
    pair = np.zeros((64, 64))
    pair[20, 20:22] = 100
    assert np.count_nonzero(to_gray(micrograph_from_array(pair))) == 2
    electrons = (rng.random((64, 64)) < 0.02).astype(np.uint8)
    np.testing.assert_array_equal(to_gray(micrograph_from_array(electrons)) > 0, electrons > 0)


@pytest.mark.parametrize("value", [0, 7, -1e30, 1e-40])
def test_constant_images_are_black(value: float) -> None:
    m = micrograph_from_array(np.full((5, 6), value))
    np.testing.assert_array_equal(to_rgb(m), np.zeros((5, 6, 3), np.uint8))


def test_eight_bit_images_pass_unchanged_when_nothing_is_asked(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (64, 64, 3), np.uint8)
    image[0, 0], image[0, 1] = 0, 255
    np.testing.assert_array_equal(to_rgb(micrograph_from_array(image), RAW), image)
    gray = image[..., 0]
    rgb = to_rgb(micrograph_from_array(gray), RAW)
    np.testing.assert_array_equal(rgb, np.repeat(gray[..., None], 3, axis=2))
    assert rgb.flags.c_contiguous


def test_contrast_is_common_to_the_colors() -> None:
    image = np.zeros((32, 32, 3))
    image[:16] = (10, 20, 40)
    rgb = to_rgb(micrograph_from_array(image), RAW)
    np.testing.assert_array_equal(rgb[0, 0], [64, 128, 255])


def test_percentiles_gamma_and_inversion() -> None:
    ramp = np.tile(np.arange(1000.0), (4, 1))
    settings = PreprocessSettings(low_percentile=10, high_percentile=90, hot_pixels=False)
    gray = to_gray(micrograph_from_array(ramp), settings)
    assert (gray[0, 100], gray[0, 900], gray[0, 500]) == (0, 255, 128)
    bent = to_gray(micrograph_from_array(ramp), settings.model_copy(update={"gamma": 2.0}))
    assert bent[0, 500] == 64
    swapped = to_gray(micrograph_from_array(ramp), settings.model_copy(update={"invert": True}))
    np.testing.assert_array_equal(swapped, 255 - gray)


@pytest.mark.parametrize("kind", ["median", "linear"])
def test_scan_lines_are_leveled(rng: np.random.Generator, kind: str) -> None:
    height = _film(rng).astype(float)
    height -= np.median(height, axis=1, keepdims=True)
    jumps = 1e4 * rng.standard_normal((height.shape[0], 1))
    tilt = np.linspace(-1, 1, height.shape[1]) * 500 * rng.standard_normal(jumps.shape)
    settings = PreprocessSettings(level_lines=kind)  # type: ignore[arg-type]
    clean = to_gray(micrograph_from_array(height), settings)
    scan = height + jumps + (tilt if kind == "linear" else 0)
    leveled = to_gray(micrograph_from_array(scan), settings)
    np.testing.assert_allclose(leveled.astype(int), clean, atol=1)


@pytest.mark.parametrize("sigma", [5.0, 40.0, 1000.0])
def test_flattening_takes_the_background_away(rng: np.random.Generator, sigma: float) -> None:
    y, x = np.mgrid[:300, :300]
    dots = 100.0 * ((y % 20 < 4) & (x % 20 < 4))
    uneven = dots + 10 * x if sigma < 100 else dots
    flat = to_gray(micrograph_from_array(uneven), PreprocessSettings(flatten_sigma=sigma))
    middle = flat[60:240, 60:240].astype(float)
    on = dots[60:240, 60:240] > 0
    assert middle[on].min() > middle[~on].max()


def test_denoising_calms(rng: np.random.Generator) -> None:
    image = _film(rng)
    plain = to_gray(micrograph_from_array(image))
    for kind in ("median", "gaussian"):
        calm = to_gray(micrograph_from_array(image), PreprocessSettings(denoise=kind))  # type: ignore[arg-type]
        assert np.abs(np.diff(calm.astype(int))).mean() < np.abs(np.diff(plain.astype(int))).mean()


@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    color=st.booleans(),
    settings=st.builds(
        PreprocessSettings,
        hot_pixels=st.booleans(),
        level_lines=st.sampled_from(["off", "median", "linear"]),
        flatten_sigma=st.sampled_from([0.0, 0.3, 3.0, 1000.0]),
        denoise=st.sampled_from(["off", "median", "gaussian"]),
        low_percentile=st.sampled_from([0.0, 0.1, 49.0]),
        high_percentile=st.sampled_from([51.0, 99.9, 100.0]),
        gamma=st.sampled_from([0.2, 1.0, 5.0]),
        invert=st.booleans(),
    ),
    scale=st.sampled_from([1e-38, 1e-9, 1.0, 1e30]),
)
def test_any_settings_on_any_small_image(
    shape: tuple[int, int], color: bool, settings: PreprocessSettings, scale: float
) -> None:
    rng = np.random.default_rng(0)
    image = rng.standard_normal((*shape, 3) if color else shape) * scale
    m = micrograph_from_array(image)
    kept = m.data.copy()
    rgb, gray = to_rgb(m, settings), to_gray(m, settings)
    assert (rgb.shape, gray.shape) == ((*shape, 3), shape)
    assert rgb.dtype == gray.dtype == np.uint8
    np.testing.assert_array_equal(rgb, to_rgb(m, settings))
    np.testing.assert_array_equal(m.data, kept)  # what travels is never written to


def test_large_images_are_sampled_evenly(rng: np.random.Generator) -> None:
    image = np.tile(np.arange(3000, dtype=np.uint16), (3000, 1))
    settings = PreprocessSettings(low_percentile=25, high_percentile=75, hot_pixels=False)
    gray = to_gray(micrograph_from_array(image), settings)
    black, white = np.count_nonzero(gray[0] == 0), np.count_nonzero(gray[0] == 255)
    assert black == pytest.approx(750, abs=8)
    assert white == pytest.approx(750, abs=8)
