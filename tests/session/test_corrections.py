"""Corrections of one image without a window: edits, their journal, what is offered back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_samstar import edits
from napari_samstar.cache import Store
from napari_samstar.pipeline import run
from napari_samstar.session import ImageSource, OpenImage, Session
from napari_samstar.session.corrections import Corrections
from napari_samstar.session.tools import NO_MODEL, Tools
from napari_samstar.settings import Prior
from napari_samstar.types import SamStarError


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
    """The discs, segmented by regions alone, and their corrections begun."""
    tools = Tools(Store(tmp_path / "store"))
    made = OpenImage(ImageSource(discs, "discs", pixel_size=(0.5, 0.5), unit="nm"), tools)
    made.update(model=NO_MODEL)
    prior = Prior(diameter=(7, 9), size_unit="nm", shape="round", polarity="dark")
    made.set_settings(prior=prior, boost=None)
    made.update(**run(made.segment_steps()))
    made.update(**run(made.correct_steps()))
    return made


def corrections(image: OpenImage) -> Corrections:
    found = image.state.corrections
    assert found is not None
    return found


def two(image: OpenImage) -> tuple[int, int]:
    """Labels of the upper two discs."""
    found = corrections(image)
    return found.at(20, 20), found.at(60, 20)


def test_the_table_follows_a_merge_and_its_undo(image: OpenImage) -> None:
    found = corrections(image)
    count = len(found.table)
    found.do(edits.Merge(*two(image)))
    image.update(**run(image.corrected_steps()))
    assert image.state.result is not None
    assert len(image.state.result.table) == count - 1
    assert image.state.corrections is found, "they belong to what was measured of them"
    found.undo()
    image.update(**run(image.corrected_steps()))
    assert len(image.state.result.table) == count


def test_materials_are_an_image_once_one_is_set(image: OpenImage) -> None:
    first, second = two(image)
    corrections(image).do(edits.SetMaterial(first, 3))
    image.update(**run(image.corrected_steps()))
    assert image.state.result is not None
    materials = image.state.result.segmentation.materials
    assert materials is not None
    assert (materials[20, 20], materials[20, 60], materials[0, 0]) == (3, 0, 0)
    corrections(image).do(edits.Merge(second, first))
    assert corrections(image).materials == {second: 3}


def test_an_export_has_the_last_correction_though_nobody_measured_it(
    image: OpenImage, tmp_path: Path
) -> None:
    found = corrections(image)
    left = len(found.table) - 2
    found.do(edits.Delete(*two(image)))
    files = run(image.export_steps(tmp_path / "out"))
    assert len(files["table"].read_text().splitlines()) == left + 1
    found.exported(str(tmp_path / "out"))
    assert not found.unsaved
    kept = found.kept
    found.close()
    assert kept is not None
    assert not kept.exists(), "what was exported needs no way back"


def test_a_new_segmentation_ends_the_corrections_but_keeps_them(image: OpenImage) -> None:
    found = corrections(image)
    found.do(edits.Merge(*two(image)))
    image.update(**run(image.segment_steps()))
    assert image.state.corrections is None
    offers = run(image.offers_steps())
    assert [(one.corrections, one.closed) for one in offers] == [(1, True)]
    image.update(**run(image.bring_back_steps(offers[0].path)))
    again = corrections(image)
    assert again is not found
    assert again.done == found.done
    assert again.confidence.keys() <= set(range(1, again.free))
    assert again.undo() is not None


def test_an_image_that_closes_untouched_leaves_no_journal(image: OpenImage) -> None:
    kept = corrections(image).kept
    assert kept is not None
    assert kept.exists()
    session = Session(image.tools)
    session._images[("a", ())] = image
    session.close(("a", ()))
    assert not kept.exists()


KILLED = """
import os, sys, numpy as np
from napari_samstar import edits
from napari_samstar.cache import Store
from napari_samstar.pipeline import run
from napari_samstar.session import ImageSource, OpenImage
from napari_samstar.session.tools import NO_MODEL, Tools
image = OpenImage(ImageSource(np.load(sys.argv[1]), "discs"), Tools(Store()))
image.update(model=NO_MODEL)
image.set_settings(boost=None)
image.update(**run(image.segment_steps()))
image.update(**run(image.correct_steps()))
found = image.state.corrections
found.do(edits.Merge(found.at(20, 20), found.at(60, 20)))
found.do(edits.SetStatus(found.at(20, 60), "accepted"))
found.undo()
print(found.at(20, 20), flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_was_corrected_before_a_crash_is_offered_when_the_image_is_opened(
    discs: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "discs.npy", discs)
    told = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "discs.npy"],
        capture_output=True,
        text=True,
        timeout=280,
    )
    label = int(told.stdout or told.stderr)
    again = OpenImage(ImageSource(discs, "another name"), Tools(Store()))
    (offer,) = run(again.offers_steps())
    assert (offer.corrections, offer.closed) == (1, False)
    other = OpenImage(ImageSource(discs + 1.0, "discs"), Tools(Store()))
    assert run(other.offers_steps()) == [], "offered for another image"
    again.update(**run(again.bring_back_steps(offer.path)))
    found = corrections(again)
    assert found.at(20, 20) == found.at(60, 20) == label
    assert found.can_redo
    assert again.state.model == NO_MODEL
    assert run(again.offers_steps()) == [], "open in this window, so not offered again"
    assert again.state.result is not None
    assert len(again.state.result.table) == len(found.table)


@pytest.mark.skipif(os.name == "nt", reason="folders are read-only by other means")
def test_without_a_disk_to_write_to_corrections_go_on_and_say_so(
    image: OpenImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("SAMSTAR_HOME", str(tmp_path / "file"))
    image.update(corrections=None)
    image.update(**run(image.correct_steps()))
    found = corrections(image)
    assert found.kept is None
    assert "cannot be kept on disk" in found.notice
    found.do(edits.Merge(*two(image)))
    assert len(found.done) == 1


def test_strokes_of_a_brush_are_one_correction(image: OpenImage) -> None:
    found = corrections(image)
    by_hand = found.labels.copy()
    assert found.take(by_hand) is None
    by_hand[:5, :5] = found.free
    by_hand[found.labels == two(image)[0]] = 0
    found.take(by_hand)
    np.testing.assert_array_equal(found.labels, by_hand)
    assert isinstance(found.done[-1], edits.Paint)
    found.undo()
    assert two(image)[0] in found.table
    for wrong in (by_hand[:-1], by_hand - 5, by_hand.astype(float)):
        with pytest.raises(SamStarError):
            found.take(wrong)


def test_the_queue_goes_from_the_most_doubtful_and_forgets_what_was_accepted(
    image: OpenImage,
) -> None:
    found = corrections(image)
    queue = found.queue()
    assert set(queue) == set(found.table)
    sure = [found.confidence[label] for label in queue]
    assert sure == sorted(sure)
    assert 0.0 <= sure[0] <= sure[-1] <= 1.0
    found.do(edits.SetStatus(queue[0], "accepted"))
    assert found.queue() == queue[1:]
    kept = json.loads((found.kept / "edits.jsonl").read_text().splitlines()[0])  # type: ignore[operator]
    assert len(kept["context"]["confidence"]) == len(queue)


def test_what_lies_along_a_stroke(image: OpenImage) -> None:
    first, second = two(image)
    lengths = corrections(image).along(np.array([[-30.0, 20.0], [100.0, 20.0]]))
    assert list(lengths) == [first, second]
    np.testing.assert_allclose(list(lengths.values()), 17.0, atol=2.5)
    assert corrections(image).at(-5, 3) == corrections(image).at(80, 3) == 0


def test_only_images_with_a_result_can_be_corrected(discs: np.ndarray, tmp_path: Path) -> None:
    empty: Any = OpenImage(ImageSource(discs), Tools(Store(tmp_path)))
    for command in (empty.correct_steps, empty.corrected_steps):
        with pytest.raises(SamStarError):
            run(command())
    tiny = OpenImage(ImageSource(discs[:4]), Tools(Store(tmp_path)))
    assert run(tiny.offers_steps()) == []
