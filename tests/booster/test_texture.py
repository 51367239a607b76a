"""Encoders tell textures apart, and do not mind what they should not mind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_samstar.booster.bundled import BundledEncoder, TextureNet, bundled_path
from napari_samstar.booster.physics import IntensityEncoder, PhysicsEncoder
from napari_samstar.booster.pooled import PooledEncoder
from napari_samstar.booster.texture import TextureEncoder, Turned, fit_space, texture_encoders
from napari_samstar.sam.embed import embed
from napari_samstar.sam.samstar_tiny import build_samstar_tiny
from napari_samstar.settings import TextureSettings
from napari_samstar.synth.lattices import LATTICES
from napari_samstar.synth.textures import Texture, paint
from tests.models import small_sam

ENCODERS: list[TextureEncoder] = [PhysicsEncoder(), IntensityEncoder(), BundledEncoder()]
MATERIALS = [
    Texture("crystal", 0.5, 0.1, 12.0, 0.2, LATTICES["square p4mm, rock salt [001]"]),
    Texture("crystal", 0.5, 0.1, 12.0, 0.2, LATTICES["hexagonal p6mm, fcc [111]"]),
    Texture("crystal", 0.5, 0.1, 12.0, 0.2, LATTICES["rectangular p2mg, diamond [110]"]),
    Texture("amorphous", 0.5, 0.1, 4.0),
    Texture("laths", 0.5, 0.1, 4.0),
]


def chips(
    rng: np.random.Generator, noise: float = 0.05, zoom: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Six crops of each material, turned at random."""
    crops, labels = [], []
    for label, material in enumerate(MATERIALS):
        for _ in range(6):
            factor = float(np.exp(rng.uniform(np.log(0.7), np.log(1.4)))) if zoom else 1.0
            crop = paint(rng, (60, 60), material, float(rng.uniform(0, 6.3)), factor)
            crops.append(crop + rng.normal(0, noise, (60, 60)).astype(np.float32))
            labels.append(label)
    return np.stack(crops), np.array(labels)


def nearest_right(rows: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    rows = fit_space([rows.astype(np.float32)], 32).project([rows.astype(np.float32)])
    distances = ((rows[:, None] - rows[None]) ** 2).sum(2)
    np.fill_diagonal(distances, np.inf)
    return float((labels[distances.argmin(1)] == labels).mean())


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: e.name)
def test_crops_become_rows_whatever_the_batch(
    encoder: TextureEncoder, rng: np.random.Generator
) -> None:
    crops, _ = chips(rng)
    whole = encoder(crops)
    assert whole.dtype == np.float32
    assert len(whole) == len(crops)
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(encoder(crops[3:5]), whole[3:5], atol=2e-4)
    eight_bit = np.clip(crops * 255, 0, 255).astype(np.uint8)
    assert encoder(eight_bit).shape == whole.shape
    assert len(encoder(crops[:0])) == 0


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda e: e.name)
def test_flat_crops_do_no_harm(encoder: TextureEncoder) -> None:
    assert np.isfinite(encoder(np.zeros((2, 24, 24), np.float32))).all()


@pytest.mark.parametrize("encoder", [PhysicsEncoder(), BundledEncoder()], ids=lambda e: e.name)
def test_turned_crops_of_one_material_are_nearest(
    encoder: TextureEncoder, rng: np.random.Generator
) -> None:
    crops, labels = chips(rng)
    assert nearest_right(encoder(crops), labels) > 0.9


def test_the_bundled_encoder_minds_magnification_less_than_physics(
    rng: np.random.Generator,
) -> None:
    crops, labels = chips(rng, zoom=True)
    bundled = nearest_right(BundledEncoder()(crops), labels)
    assert bundled > 0.75
    assert bundled >= nearest_right(PhysicsEncoder()(crops), labels)


@pytest.mark.parametrize("encoder", [PhysicsEncoder(), BundledEncoder()], ids=lambda e: e.name)
def test_brightness_and_contrast_are_left_to_the_intensity(
    encoder: TextureEncoder, rng: np.random.Generator
) -> None:
    crops, _ = chips(rng)
    np.testing.assert_allclose(encoder(3 * crops + 20), encoder(crops), atol=2e-3)
    assert IntensityEncoder()(3 * crops + 20)[:, 0] == pytest.approx(
        3 * IntensityEncoder()(crops)[:, 0] + 20, rel=1e-4
    )


def test_quarter_turns_are_averaged_away(rng: np.random.Generator) -> None:
    crops, _ = chips(rng)
    turned = Turned(BundledEncoder())
    np.testing.assert_allclose(turned(np.rot90(crops, 1, (1, 2))), turned(crops), atol=1e-5)


def test_direction_counts_where_it_is_to_be_kept(rng: np.random.Generator) -> None:
    stripes = Texture("laths", 0.5, 0.1, 4.0)
    lying = np.stack([paint(rng, (60, 60), stripes) for _ in range(4)])
    standing = np.rot90(lying, 1, (1, 2))
    apart = [
        np.abs(encoder(standing) - encoder(lying)).max()
        for encoder in (PhysicsEncoder("keep"), PhysicsEncoder("ignore"))
    ]
    assert apart[0] > 3 * apart[1]


def test_each_encoder_counts_the_same_in_the_joint_space(rng: np.random.Generator) -> None:
    wide = rng.normal(0, 100, (50, 40)).astype(np.float32)
    narrow = rng.normal(0, 1e-3, (50, 2)).astype(np.float32)
    space = fit_space([wide, narrow], 42)
    rows = space.project([wide, narrow])
    assert rows.var(0).sum() == pytest.approx(2.0)
    without = space.project([wide, np.zeros_like(narrow) + narrow.mean(0)])
    assert without.var(0).sum() == pytest.approx(1.0, abs=0.2)


def test_constant_columns_and_single_crops_are_possible() -> None:
    rows = fit_space([np.ones((3, 4), np.float32)], 8).project([np.ones((3, 4), np.float32)])
    assert np.isfinite(rows).all()
    one = np.ones((1, 4), np.float32)
    assert fit_space([one], 8).project([one]).shape[0] == 1


def test_bundled_weights_are_small_and_belong_to_the_network() -> None:
    from safetensors.torch import load_file

    assert bundled_path().stat().st_size < 2_000_000
    state = load_file(bundled_path())
    wanted = {n for n in TextureNet().state_dict() if not n.endswith("num_batches_tracked")}
    assert set(state) == wanted


@pytest.mark.parametrize("model", [small_sam(), build_samstar_tiny().eval()], ids=["sam", "tiny"])
def test_pooling_sees_what_lies_under_each_box(
    model: torch.nn.Module, rng: np.random.Generator
) -> None:
    gray = np.zeros((96, 160), np.uint8)
    gray[:, 80:] = rng.integers(0, 255, (96, 80))
    found = embed(model, np.repeat(gray[..., None], 3, 2), (0, 0, 160, 96), model_hash="x")
    boxes = np.array([[0, 0, 32, 32], [16, 40, 48, 72], [112, 8, 144, 40], [120, 60, 152, 92]])
    rows = PooledEncoder(found)(np.zeros((4, 32, 32)), boxes.astype(np.int32))
    assert rows.shape[0] == 4
    assert np.isfinite(rows).all()
    apart = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    assert max(apart[0, 1], apart[2, 3]) < apart[:2, 2:].min()


def test_pooling_needs_to_know_where_crops_are(rng: np.random.Generator) -> None:
    found = embed(small_sam(), np.zeros((64, 64, 3), np.uint8), (0, 0, 64, 64), model_hash="x")
    with pytest.raises(ValueError, match="boxes"):
        PooledEncoder(found)(np.zeros((1, 8, 8)))
    with pytest.raises(ValueError, match="No embedding"):
        PooledEncoder(found)(np.zeros((1, 8, 8)), np.array([[60, 60, 68, 68]], np.int32))


def test_encoders_that_lack_something_say_so(tmp_path: Path) -> None:
    for name, needs in (("sam", "embedding"), ("fenet", "checkpoint")):
        with pytest.raises(Exception, match=needs) as caught:
            texture_encoders(TextureSettings(encoders=(name,)))
        assert type(caught.value).__name__ == "SamStarError"
