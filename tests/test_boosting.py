"""The booster in the pipeline: instances without overlaps, and what they are made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import napari_samstar as ss
from napari_samstar import synth
from napari_samstar.cache import Store
from napari_samstar.pipeline import (
    Boosted,
    BoostWarning,
    boost_steps,
    run,
    segment,
    segment_steps,
)
from napari_samstar.pipeline.boosting import pixel_nm
from napari_samstar.pipeline.encoders import encoders_steps
from napari_samstar.results import write_result
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import (
    BoostSettings,
    FallbackSettings,
    MaterialSettings,
    TextureSettings,
)
from napari_samstar.synth.films import films
from tests.models import small_sam

#: Quick, and no weights needed.
QUICK = TextureSettings(encoders=("intensity", "physics"))


def selected(masks: list[NDArray[np.bool_]], score: list[float] | None = None) -> ss.Selection:
    """Make a selection of these masks, as if a network had given them."""
    runs = MaskRuns.from_dense(masks, None if masks else (64, 64))
    n = len(runs)
    given = np.array(score or [0.9] * n, np.float32)
    return ss.Selection(
        runs=runs,
        boxes=runs.boxes(),
        predicted_iou=given,
        stability_scores=given,
        points=np.zeros((n, 2)),
        source=np.zeros(n, np.uint8),
        crops=np.zeros((n, 4), np.int32),
        rows=np.arange(n),
        score=given,
    )


@pytest.fixture(scope="module")
def film() -> tuple[ss.Micrograph, list[NDArray[np.bool_]], NDArray[np.uint8]]:
    """A film of three materials, masks of its segments and what SAM adds to them."""
    scene = films(1, 3, (384, 384), seed=3, style="layers")
    segments = [scene.labels == k for k in range(1, scene.labels.max() + 1)]
    large = max(segments, key=np.sum)
    rows, columns = np.nonzero(large)
    spot = np.zeros_like(large)  # a detail of a layer
    y, x = int(np.median(rows)), int(np.median(columns))
    spot[y - 4 : y + 4, x - 4 : x + 4] = True
    again = large.copy()
    again[rows[:40], columns[:40]] = False
    masks = [*segments, again, segments[0] | segments[1], spot & large]
    return ss.Micrograph(255 * scene.image), masks, scene.materials


def test_layers_become_materials(film: tuple) -> None:
    micrograph, masks, materials = film
    boosted = ss.boost(selected(masks), micrograph, BoostSettings(texture=QUICK))
    assert isinstance(boosted, ss.Selection)
    assert len(boosted) == len(masks) - 3
    assert boosted.removed == 3
    assert boosted.given_up == 0
    assert np.bincount(boosted.labels().ravel())[1:].tolist() == boosted.runs.areas().tolist()
    assert boosted.count == 3
    merged = boosted.materials()
    assert merged.dtype == np.int32
    for k in range(1, 4):
        inside = merged[materials == k]
        assert (inside == np.bincount(inside).argmax()).mean() > 0.95
    assert len(boosted.masks()) == len(boosted.material) == len(boosted)


@pytest.mark.parametrize(
    ("stability", "fills", "stays"),
    [
        (0.95, FallbackSettings(apart=None), True),
        (0.7, FallbackSettings(apart=None), False),
        (0.95, FallbackSettings(), False),
        (0.7, None, True),
    ],
)
def test_a_wide_mask_that_is_not_sharp_or_lies_across_borders_gives_way_to_texture(
    film: tuple, stability: float, fills: FallbackSettings | None, stays: bool
) -> None:
    micrograph, masks, _ = film
    across = np.zeros_like(masks[0])
    across[:, 40:340] = True  # all layers of the film
    settings = BoostSettings(texture=QUICK, fallback=fills)
    boosted = ss.boost(selected([across], [stability]), micrograph, settings)
    assert (0 in boosted.rows) == stays
    if not stays:
        assert boosted.count == 3
        assert boosted.removed == 1
    by_no_network = selected([across], [stability])
    by_no_network.predicted_iou[:] = np.nan
    assert 0 in ss.boost(by_no_network, micrograph, settings).rows


def test_a_known_number_of_materials_is_kept_to(film: tuple) -> None:
    micrograph, masks, _ = film
    told = BoostSettings(texture=QUICK, materials=MaterialSettings(count=2, background=False))
    assert ss.boost(selected(masks), micrograph, told).count == 2


def test_fewer_materials_than_asked_for_are_told_of(rng: np.random.Generator) -> None:
    left = np.zeros((64, 96), bool)
    left[:, :48] = True
    image = rng.normal(100, 5, (64, 96)) + 60 * left
    told = BoostSettings(
        texture=QUICK, materials=MaterialSettings(count=5, background=False), fallback=None
    )
    with pytest.warns(BoostWarning, match="2 of the 5 materials that were asked for"):
        boosted = ss.boost(
            selected([left, ~left]), ss.Micrograph(image.astype(np.float32), name="two"), told
        )
    assert boosted.count == 2
    assert boosted.evidence["asked"] == 5


def test_records_of_boosted_masks_name_their_material(film: tuple) -> None:
    micrograph, masks, _ = film
    given = selected(masks[:1])
    assert "material" not in given.masks()[0]
    boosted = ss.boost(given, micrograph, BoostSettings(texture=QUICK))
    records = boosted.masks()
    assert [record["material"] for record in records] == boosted.material.tolist()
    assert all(type(record["material"]) is int for record in records)
    added = [np.isnan(record["predicted_iou"]) for record in records]
    assert added == (boosted.rows == -1).tolist()


def test_boosting_twice_changes_nothing(film: tuple) -> None:
    micrograph, masks, _ = film
    settings = BoostSettings(texture=QUICK)
    once = ss.boost(selected(masks), micrograph, settings)
    twice = ss.boost(once, micrograph, settings)
    np.testing.assert_array_equal(once.labels(), twice.labels())
    np.testing.assert_array_equal(once.material, twice.material)


def test_what_no_mask_covers_is_split_by_texture(film: tuple) -> None:
    micrograph, masks, materials = film
    few = selected(masks[:1])
    boosted = ss.boost(few, micrograph, BoostSettings(texture=QUICK))
    assert (boosted.labels() > 0).mean() > 0.95
    assert (boosted.rows == -1).sum() == len(boosted) - 1
    assert len(boosted.masks()) == len(boosted)
    apart = ss.evaluate(boosted.materials(), materials.astype(np.int32))
    assert apart["samiam_code_mask_mIoU"] > 60
    alone = ss.boost(few, micrograph, BoostSettings(texture=QUICK, fallback=None))
    assert (alone.labels() == masks[0]).all()


def test_boosting_is_told_of_and_stops(film: tuple) -> None:
    micrograph, masks, _ = film
    steps = boost_steps(selected(masks), micrograph, BoostSettings(texture=QUICK))
    stages = [next(steps).stage for _ in range(8)]
    assert stages[:5] == ["boosting", "borders", *["boosting"] * 3]
    assert stages[-1] == "materials"
    steps.close()


def test_nothing_to_boost() -> None:
    micrograph = ss.Micrograph(np.zeros((64, 64), np.float32))
    boosted = ss.boost(selected([]), micrograph, BoostSettings(fallback=None))
    assert len(boosted) == boosted.count == 0
    assert not boosted.materials().any()
    assert len(ss.boost(selected([]), micrograph, BoostSettings(texture=QUICK))) == 1
    with pytest.raises(ss.SamStarError, match="belong together"):
        ss.boost(selected([]), ss.Micrograph(np.zeros((32, 64), np.float32)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (3, 5), (8, 300), (11, 40), (12, 40)])
def test_images_too_small_for_texture_are_one_material(
    shape: tuple[int, int], rng: np.random.Generator
) -> None:
    masks = [np.zeros(shape, bool) for _ in range(min(2, max(shape)))]
    long = int(np.argmax(shape))
    for k, mask in enumerate(masks):
        half = shape[long] // 2
        np.moveaxis(mask, long, 0)[half * k : half * (k + 1) or None] = True
    micrograph = ss.Micrograph(rng.normal(100, 20, shape).astype(np.float32))
    boosted = ss.boost(selected(masks), micrograph)
    assert boosted.count == 1
    if min(shape) < 12:
        assert len(boosted) == len(masks)
        assert (boosted.material == 1).all()


@pytest.fixture
def dots(rng: np.random.Generator) -> ss.Micrograph:
    """Six bright dots."""
    y, x = np.mgrid[:96, :96]
    image = rng.normal(50, 5, (96, 96))
    for cy, cx in [(20, 20), (20, 50), (20, 78), (65, 20), (65, 50), (65, 78)]:
        image[np.hypot(y - cy, x - cx) < 9] += 100
    return ss.Micrograph(image.astype(np.float32), name="dots")


def boosting(**texture: object) -> ss.RunSettings:
    settings = BoostSettings(
        texture=TextureSettings.model_validate(texture), tiny_percent=0, fallback=None
    )
    return ss.RunSettings(search=None, boost=settings)


def test_masks_outlive_a_booster_that_fails(dots: ss.Micrograph, tmp_path: Path) -> None:
    alone = segment(dots, settings=ss.RunSettings(search=None, boost=None))
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"no weights")
    told: list[ss.Progress] = []
    steps = segment_steps(dots, settings=boosting(encoders="fenet", fenet=str(wrong)))
    with pytest.warns(BoostWarning, match="in 'dots', and the masks stay .* cannot be read as"):
        result = run(steps, told.append)
    assert any("the masks stay as they were selected" in event.message for event in told)
    np.testing.assert_array_equal(result.segmentation.labels, alone.segmentation.labels)
    assert len(result.table) == len(alone.table) >= 6
    assert result.segmentation.materials is None
    assert result.recipe.boost is None


def test_masks_outlive_what_nobody_foresaw(
    dots: ss.Micrograph, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr("napari_samstar.booster.removal.removal", broken)
    with pytest.warns(BoostWarning, match="unexpected .*SVD did not converge"):
        result = segment(dots, settings=boosting(encoders="physics"))
    assert len(result.table) >= 6
    assert "SVD did not converge" in caplog.text


@pytest.mark.parametrize(
    ("texture", "reason"),
    [
        ({"encoders": "sam"}, "needs a SAM model"),
        ({"encoders": "physics,fenet"}, "give a checkpoint file"),
        ({"encoders": "fenet", "fenet": "/not/there.pth"}, "no file /not/there.pth"),
    ],
)
def test_encoders_that_cannot_work_are_refused_before_anything_else(
    dots: ss.Micrograph, texture: dict[str, str], reason: str
) -> None:
    with pytest.raises(ss.SamStarError, match=reason):
        next(segment_steps(dots, settings=boosting(**texture)))


def test_the_embedding_of_the_network_that_served_tells_textures(
    dots: ss.Micrograph, tmp_path: Path
) -> None:
    settings = boosting(encoders="sam").model_copy(
        update={"decode": ss.DecodeSettings(points_per_side=4)}
    )
    store = Store(tmp_path / "store")
    result = segment(dots, small_sam(), settings=settings, store=store)
    assert isinstance(result.selection, Boosted)
    assert result.selection.count >= 1
    assert result.recipe.boost == settings.boost


def test_looking_at_the_image_is_told_before_it_begins(dots: ss.Micrograph) -> None:
    settings = TextureSettings(encoders=("sam",))
    steps = encoders_steps(settings, dots, ss.PreprocessSettings(), small_sam())
    assert next(steps).stage == "encoding"
    assert [encoder.name for encoder in run(steps)] == ["sam"]


def test_encoders_may_be_typed_as_words() -> None:
    assert TextureSettings.model_validate({"encoders": "sam"}).encoders == ("sam",)
    several = TextureSettings.model_validate({"encoders": "intensity, physics"})
    assert several.encoders == ("intensity", "physics")


def test_particles_stay_what_they_were(tmp_path: Path) -> None:
    scene = synth.generate("particles_tem", (256, 256), seed=4)
    micrograph = ss.Micrograph((scene.image * 255).astype(np.float32), (0.5, 0.5), "nm", "p")
    plain = ss.RunSettings(search=None, boost=None, prior=ss.Prior(diameter=(4, 60)))
    quick = ss.RunSettings().boost.model_copy(update={"texture": QUICK})  # type: ignore[union-attr]
    alone = segment(micrograph, settings=plain)
    both = segment(micrograph, settings=plain.model_copy(update={"boost": quick}))
    assert alone.segmentation.materials is None
    assert "material" not in alone.table
    assert len(both.table) >= 0.97 * len(alone.table)
    before, after = (
        ss.evaluate(found.segmentation.labels, scene.labels) for found in (alone, both)
    )
    assert after["matched_iou"] >= before["matched_iou"] - 0.01
    materials = both.segmentation.materials
    assert ((materials > 0) <= (both.segmentation.labels > 0)).all()
    assert both.recipe.boost == quick
    assert both.recipe.run_settings().boost == quick
    table = both.table
    shares = table.groupby("material")["material_area_fraction"].first()
    assert shares.sum() == pytest.approx((both.segmentation.labels > 0).mean())
    files = write_result(both, tmp_path, "p")
    assert files["materials"].name == "p.materials.tif"
    assert "materials" not in write_result(alone, tmp_path / "plain", "p")


@pytest.mark.parametrize(
    ("size", "unit", "expected"),
    [(0.5, "µm", 500.0), (2.0, "Å", 0.2), (1.0, "mm", 1e6), ((1.0, 4.0), "nm", 2.0)],
)
def test_a_pixel_is_known_in_nm_whatever_the_unit(
    size: float | tuple[float, float], unit: str, expected: float
) -> None:
    pixels = np.zeros((8, 8))
    assert pixel_nm(ss.micrograph_from_array(pixels, size, unit)) == pytest.approx(expected)
    assert pixel_nm(ss.micrograph_from_array(pixels)) is None
