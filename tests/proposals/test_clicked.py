"""Masks for clicks: by the bundled network, by regions, by a wand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_samstar.cache import Store
from napari_samstar.proposals.clicked import Clicks, Prompter
from napari_samstar.proposals.table import from_masks
from napari_samstar.proposals.wand import around_clicks
from napari_samstar.runs import MaskRuns
from napari_samstar.sam.base import model_hash
from napari_samstar.sam.embed import embed
from napari_samstar.sam.zoo import load_model
from napari_samstar.types import SamStarError


@pytest.fixture(scope="module")
def sam() -> Any:
    return load_model("samstar-tiny", "cpu")


@pytest.fixture
def disc(rng: np.random.Generator) -> np.ndarray:
    """One dark disc of 60 px diameter at x = 70, y = 60."""
    yy, xx = np.mgrid[:128, :160]
    gray = np.full((128, 160), 180.0)
    gray[(yy - 60) ** 2 + (xx - 70) ** 2 <= 900] = 70.0
    return np.clip(gray + rng.normal(0.0, 4.0, gray.shape), 0, 255).astype(np.uint8)


def truth() -> np.ndarray:
    yy, xx = np.mgrid[:128, :160]
    return (yy - 60) ** 2 + (xx - 70) ** 2 <= 900


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def rgb(gray: np.ndarray) -> np.ndarray:
    return np.repeat(gray[..., None], 3, axis=2)


@pytest.mark.parametrize(
    "clicks",
    [
        Clicks().with_point(70, 60, True),
        Clicks(box=(40.0, 30.0, 100.0, 90.0)),
        Clicks().with_point(60, 55, True).with_point(80, 65, True).with_point(130, 60, False),
    ],
    ids=["point", "box", "both signs"],
)
def test_the_network_answers_clicks_and_boxes(sam: Any, disc: np.ndarray, clicks: Clicks) -> None:
    prompter = Prompter(sam, rgb(disc), disc, model_hash(sam))
    (found,) = prompter.ask(clicks)
    assert 1 <= len(found.runs) <= 6
    masks = [found.runs.dense(k) for k in range(len(found.runs))]
    assert iou(masks[0], truth()) > 0.85
    for (x, y), inside in zip(clicks.points, clicks.inside, strict=True):
        assert masks[0][int(y), int(x)] == inside, "the first mask obeys the clicks"


def test_a_small_object_is_looked_at_closer_where_a_crop_is_at_hand(
    sam: Any, tmp_path: Path
) -> None:
    gray = np.full((512, 640), 180, np.uint8)
    gray[20:28, 30:38] = 60
    store = Store(tmp_path)
    prompter = Prompter(sam, rgb(gray), gray, model_hash(sam), store, zoom_below=256.0)
    clicks = Clicks(box=(28.0, 18.0, 40.0, 30.0))
    assert prompter._near(np.array(clicks.box), clicks) == (0, 0, 640, 512)
    crop = (0, 0, 80, 80)
    embed(sam, rgb(gray), crop, model_hash=model_hash(sam), store=store)
    assert prompter._near(np.array(clicks.box), clicks) == crop
    assert len(list(prompter.ask(clicks))) == 1


def test_without_a_network_a_region_that_obeys_the_clicks_is_taken(disc: np.ndarray) -> None:
    masks = np.zeros((3, 128, 160), bool)
    masks[0] = truth()
    masks[1, 50:70, 60:140] = True
    masks[2] = True  # no object fills the image
    proposals = from_masks(
        MaskRuns.from_dense(masks), disc, "regions", np.array([0.5, 0.9, 1.0], np.float32)
    )
    prompter = Prompter(None, rgb(disc), disc)
    (found,) = prompter.ask(Clicks().with_point(70, 60, True), proposals)
    np.testing.assert_allclose(found.scores, [0.9, 0.5], rtol=1e-6)
    beside = Clicks().with_point(70, 60, True).with_point(130, 60, False)
    (found,) = prompter.ask(beside, proposals)
    assert len(found.runs) == 1
    np.testing.assert_array_equal(found.runs.dense(0), truth())
    (found,) = prompter.ask(Clicks(box=(41.0, 29.0, 99.0, 92.0)), proposals)
    np.testing.assert_array_equal(found.runs.dense(0), truth())


def test_with_nothing_known_the_sharpest_outline_around_the_click_is_taken(
    disc: np.ndarray,
) -> None:
    (found,) = Prompter(None, rgb(disc), disc).ask(Clicks().with_point(66, 62, True))
    assert iou(found.runs.dense(0), truth()) > 0.95
    bright = 255 - disc
    window, y0, x0 = around_clicks(bright, [(66, 62)])
    assert window[62 - y0, 66 - x0]
    assert abs(int(window.sum()) - int(truth().sum())) < 0.05 * truth().sum()


@pytest.mark.parametrize(
    ("clicks", "says"),
    [
        (Clicks(), "Click into the object first"),
        (Clicks().with_point(5, 5, False), "Click into the object first"),
        (Clicks().with_point(-3, 5, True), "outside the image"),
        (Clicks().with_point(5, 128, True), "outside the image"),
    ],
)
def test_a_click_that_means_nothing_gets_a_sentence(
    disc: np.ndarray, clicks: Clicks, says: str
) -> None:
    with pytest.raises(SamStarError, match=says):
        list(Prompter(None, rgb(disc), disc).ask(clicks))


def test_where_nothing_is_it_says_so() -> None:
    flat = np.full((64, 64), 100, np.uint8)
    with pytest.raises(SamStarError, match="Nothing was found there"):
        list(Prompter(None, rgb(flat), flat).ask(Clicks().with_point(30, 30, True)))
