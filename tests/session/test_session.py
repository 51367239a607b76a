"""What one viewer knows, without a window: images, their settings, their commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_samstar.cache import Store
from napari_samstar.pipeline import run
from napari_samstar.session import ImageSource, OpenImage, Session
from napari_samstar.session.advice import next_step
from napari_samstar.session.tools import NO_MODEL, Tools, reported
from napari_samstar.settings import Prior
from napari_samstar.types import Progress, SamStarError


@pytest.fixture
def discs(rng: np.random.Generator) -> np.ndarray:
    """Four dark discs of 16 px on a bright ground."""
    yy, xx = np.mgrid[:80, :80]
    image = np.full((80, 80), 180.0)
    for y in (20, 60):
        for x in (20, 60):
            image[(yy - y) ** 2 + (xx - x) ** 2 <= 64] = 60.0
    return image + rng.normal(0.0, 3.0, image.shape)


@pytest.fixture
def image(discs: np.ndarray, tmp_path: Path) -> OpenImage:
    """The discs, 0.5 nm a pixel, without a network."""
    tools = Tools(Store(tmp_path / "store"))
    made = OpenImage(ImageSource(discs, "discs", pixel_size=(0.5, 0.5), unit="nm"), tools)
    made.update(model=NO_MODEL)
    made.set_settings(prior=Prior(diameter=(7, 9), size_unit="nm", shape="round", polarity="dark"))
    return made


def do(image: OpenImage, steps: Any) -> None:
    image.update(**run(steps))


def test_from_pixels_to_a_table_in_nanometers(image: OpenImage) -> None:
    do(image, image.prepare_steps())
    assert image.state.ready
    do(image, image.segment_steps())
    result = image.state.result
    assert result is not None
    found = [result.segmentation.labels[y, x] for y in (20, 60) for x in (20, 60)]
    rows = result.table.set_index("label").loc[sorted(set(found) - {0})]
    assert len(rows) == 4
    np.testing.assert_allclose(rows["equivalent_diameter_nm"], 8.0, rtol=0.05)


def test_segmenting_prepares_where_that_was_not_done(image: OpenImage) -> None:
    do(image, image.segment_steps())
    assert image.state.ready
    assert image.state.result is not None


def test_segmenting_again_proposes_nothing_again(image: OpenImage) -> None:
    do(image, image.prepare_steps())
    prepared = image.state.prepared
    do(image, image.segment_steps())
    assert image.state.prepared is prepared
    assert image.state.result is not None
    assert image.state.result.proposals is prepared.proposals


def test_a_new_contrast_asks_for_a_new_preparation(image: OpenImage) -> None:
    do(image, image.prepare_steps())
    preprocess = image.state.settings.preprocess.model_copy(update={"gamma": 2.0})
    image.set_settings(preprocess=preprocess)
    assert not image.state.ready
    image.set_settings(preprocess=preprocess.model_copy(update={"gamma": 1.0}))
    assert image.state.ready, "back at the old contrast, what was prepared serves again"


def test_a_pixel_size_changes_the_unit_and_not_the_masks(image: OpenImage) -> None:
    do(image, image.segment_steps())
    before = image.state.result
    image.set_pixel_size(1.0, "um")
    assert image.state.ready
    do(image, image.recalibrate_steps())
    after = image.state.result
    assert before is not None
    assert after is not None
    assert after.segmentation.labels is before.segmentation.labels
    ratio = after.table["equivalent_diameter_um"] / before.table["equivalent_diameter_nm"]
    np.testing.assert_allclose(ratio, 2.0)
    assert after.recipe.image.unit == "um"


def test_corrected_labels_are_measured_and_exported(image: OpenImage, tmp_path: Path) -> None:
    do(image, image.segment_steps())
    assert image.state.result is not None
    labels = image.state.result.segmentation.labels.copy()
    labels[labels == labels.max()] = 0
    left = len(image.state.result.table) - 1
    do(image, image.measure_steps(labels))
    assert image.state.result is not None
    assert len(image.state.result.table) == left
    files = run(image.export_steps(tmp_path / "out"))
    assert (tmp_path / "out" / "discs.recipe.json") in files.values()
    assert len(files["table"].read_text().splitlines()) == left + 1
    assert files["coco"].read_text().count('"segmentation"') == left, "the deleted one was exported"


def test_a_recipe_brings_back_settings_and_model(image: OpenImage, tmp_path: Path) -> None:
    do(image, image.segment_steps())
    assert image.state.result is not None
    recipe = image.state.result.recipe
    other = OpenImage(image.state.source, image.tools)
    other.use_recipe(recipe)
    assert (other.state.model, other.state.settings) == (image.state.model, image.state.settings)
    do(other, other.segment_steps())
    assert other.state.result is not None
    np.testing.assert_array_equal(
        other.state.result.segmentation.labels, image.state.result.segmentation.labels
    )


def test_what_the_network_sees_follows_the_contrast(image: OpenImage) -> None:
    plain = run(image.view_steps())
    assert plain.shape == (80, 80, 3)
    image.set_settings(
        preprocess=image.state.settings.preprocess.model_copy(update={"invert": True})
    )
    np.testing.assert_array_equal(run(image.view_steps()), 255 - plain)


def test_only_what_changed_is_told(image: OpenImage) -> None:
    told = []
    image.changed.connect(told.append)
    image.update(model=image.state.model, device="cpu")
    image.set_pixel_size(0.5, "nm")
    image.set_settings(prior=image.state.settings.prior)
    assert told == [frozenset({"device"})]
    with pytest.raises(TypeError, match="nonsense"):
        image.update(nonsense=1)


def test_a_command_does_not_see_what_changes_meanwhile(image: OpenImage) -> None:
    steps = image.segment_steps()
    next(steps)
    image.set_pixel_size(7.0, "um")
    do(image, steps)
    assert image.state.result is not None
    assert "area_nm2" in image.state.result.table.columns


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 100)), "at least 16 px"),
        (np.full((32, 32), np.nan), "no finite number"),
        (np.zeros((32, 32), "U1"), "not numbers"),
    ],
)
def test_what_is_no_micrograph_gets_a_sentence(
    array: np.ndarray, message: str, tmp_path: Path
) -> None:
    image = OpenImage(ImageSource(array, "film"), Tools(Store(tmp_path)))
    with pytest.raises(SamStarError, match=message):
        run(image.prepare_steps())


def test_a_physical_prior_without_pixel_size_gets_a_sentence(image: OpenImage) -> None:
    image.set_pixel_size(None, None)
    with pytest.raises(SamStarError, match="page Image"):
        run(image.segment_steps())
    for command in (image.export_steps("nowhere"), image.measure_steps(np.zeros((80, 80)))):
        with pytest.raises(SamStarError, match="press Segment first"):
            run(command)


def test_a_frame_of_a_stack_is_an_image(discs: np.ndarray) -> None:
    stack = np.stack([discs, discs.T + 5])
    source = ImageSource(stack, index=(1,))
    assert (source.shape, source.frames) == ((80, 80), (2,))
    np.testing.assert_allclose(source.micrograph.data, stack[1], rtol=1e-6)
    assert source.calibrated((2.0, 2.0), "nm").micrograph.data is source.micrograph.data


def test_images_of_a_session_do_not_mix(discs: np.ndarray) -> None:
    session = Session()
    told: list[Any] = []
    session.activated.connect(lambda image: told.append(("active", image)))
    session.changed.connect(lambda image, names: told.append((image, names)))
    session.closed.connect(lambda image: told.append(("closed", image)))
    first = session.open(("a", ()), ImageSource(discs))
    second = session.open(("b", ()), ImageSource(discs.T.copy()))
    session.activate(("a", ()))
    second.update(device="cpu")
    assert (first.state.device, session.active) == ("auto", first)
    assert session.open(("a", ()), ImageSource(discs)) is first, "the same pixels were opened anew"
    session.open(("a", ()), ImageSource(discs + 1))
    assert told == [
        ("active", first),
        (second, frozenset({"device"})),
        ("active", None),
        ("closed", first),
    ]
    session.clear()
    assert session.images == {}


def test_the_next_step_is_named(image: OpenImage) -> None:
    assert "Open a micrograph" in next_step(None)
    assert "Prepare" in next_step(image.state)
    do(image, image.segment_steps())
    assert image.state.result is not None
    assert f"{len(image.state.result.table)} objects" in next_step(image.state)


def test_a_reporting_call_becomes_steps_and_stops_when_they_are_closed() -> None:
    went = []

    def download(report: Any) -> str:
        for done in range(1000):
            went.append(done)
            report(Progress("downloading", done, 1000))
        return "file"

    steps = reported(download)
    assert next(steps).done == 0
    steps.close()
    assert len(went) <= 1000
    assert run(reported(lambda report: report(Progress("downloading", 1, 1)) or "file")) == "file"
    with pytest.raises(SamStarError, match="no network"):
        run(reported(_fails))


def _fails(report: Any) -> None:
    raise SamStarError("There is no network.")


def test_what_is_prepared_is_not_asked_for_its_pixel_size(image: OpenImage) -> None:
    image.set_pixel_size(None, None)
    assert "Give the pixel size" in next_step(image.state)
    image.set_settings(prior=Prior(shape="round"))
    do(image, image.prepare_steps())
    assert "press Segment" in next_step(image.state)


def test_where_nothing_is_found_the_advice_fits(tmp_path: Path) -> None:
    tools = Tools(Store(tmp_path / "store"))
    flat = OpenImage(ImageSource(np.full((64, 64), 7.0), "flat"), tools)
    flat.update(model=NO_MODEL)
    do(flat, flat.segment_steps())
    assert "All pixels of this image have the same value" in next_step(flat.state)
    noise = np.random.default_rng(0).normal(100.0, 1.0, (64, 64))
    plain = OpenImage(ImageSource(noise, "plain"), tools)
    plain.update(model=NO_MODEL)
    plain.set_settings(prior=Prior(diameter=(500, 600), size_unit="px"))
    do(plain, plain.segment_steps())
    assert "Widen the sizes." in next_step(plain.state)
    plain.set_settings(prior=Prior())
    assert "Change the contrast in Image" in next_step(plain.state)


def test_frames_do_not_overwrite_each_other(discs: np.ndarray, tmp_path: Path) -> None:
    session = Session(Tools(Store(tmp_path / "store")))
    stack = np.stack([discs, discs[::-1]])[None]
    kept = set()
    for frame in (0, 1):
        index = (0, frame)
        one = session.open(("a", index), ImageSource(stack, "series", index))
        one.update(model=NO_MODEL)
        do(one, one.segment_steps())
        files = run(one.export_steps(tmp_path / "out"))
        assert files["table"].name == f"series_frame0001-000{frame + 1}.table.csv"
        kept |= set(files.values())
    assert all(file.exists() for file in kept)


def test_the_files_of_another_image_of_the_same_name_are_left_alone(
    image: OpenImage, discs: np.ndarray, tmp_path: Path
) -> None:
    do(image, image.segment_steps())
    before = run(image.export_steps(tmp_path / "out"))["recipe"].read_bytes()
    run(image.export_steps(tmp_path / "out"))
    other = OpenImage(ImageSource(discs[::-1], image.state.source.name), image.tools)
    other.update(model=NO_MODEL)
    do(other, other.segment_steps())
    with pytest.raises(SamStarError, match="belongs to another image of this name"):
        run(other.export_steps(tmp_path / "out"))
    recipe = tmp_path / "out" / f"{image.state.source.name}.recipe.json"
    assert "overwritten" not in recipe.read_text()
    assert before.split(b'"created"')[0] == recipe.read_bytes().split(b'"created"')[0]
    other.rename("flipped")
    assert run(other.export_steps(tmp_path / "out"))["table"].name == "flipped.table.csv"


def test_a_new_frame_begins_like_the_one_that_was_worked_on(discs: np.ndarray) -> None:
    session = Session()
    stack = np.stack([discs, discs[::-1], discs.T])
    first = session.open(("a", (0,)), ImageSource(stack, "series", (0,)))
    session.activate(("a", (0,)))
    first.update(model=NO_MODEL, device="cpu")
    first.set_settings(prior=Prior(shape="round"))
    second = session.open(("a", (1,)), ImageSource(stack, "series", (1,)))
    assert (second.state.model, second.state.device) == (NO_MODEL, "cpu")
    assert second.state.settings == first.state.settings
    assert second.state.untouched
    other = session.open(("b", ()), ImageSource(discs, "other"))
    session.activate(("b", ()))
    assert other.state.settings.prior == Prior()
    second.set_settings(prior=Prior(shape="compact"))
    third = session.open(("a", (2,)), ImageSource(stack, "series", (2,)))
    assert third.state.settings.prior.shape == "round", "of the frame that was worked on last"
