"""The search of one image, without a window: what it tells, what is shown, what is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_samstar import edits
from napari_samstar.cache import Store
from napari_samstar.pipeline import run
from napari_samstar.session import ImageSource, OpenImage
from napari_samstar.session.found import Found, Stack, agreement, draw, step_for
from napari_samstar.session.searching import families_of, wanted_of
from napari_samstar.session.tools import NO_MODEL, Tools
from napari_samstar.settings import Prior, SearchSettings
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
    made.update(model=NO_MODEL, search=SearchSettings(budget=40, population=8))
    made.set_settings(prior=Prior(diameter=(7, 9), size_unit="nm", shape="round", polarity="dark"))
    return made


def drive(image: OpenImage, steps: Any) -> list[Any]:
    """Do as the window does: changes on the way first, then those at the end."""
    events: list[Any] = []

    def take(event: Any) -> None:
        events.append(event)
        if not isinstance(event, Progress):
            image.update(**event)

    image.update(**run(steps, take))
    return events


@pytest.fixture
def searched(image: OpenImage) -> OpenImage:
    drive(image, image.search_steps())
    return image


def test_a_search_prepares_and_ends_with_a_front_of_pictures(searched: OpenImage) -> None:
    state = searched.state
    assert state.ready
    found = state.front
    assert found is not None
    assert found.finished
    assert len(found.front.evaluated) == 40
    assert {c.index for c in found.front.candidates} <= set(found.planes)
    assert state.candidate is found.preferred({})
    picture = found.planes[state.candidate.index].labels()
    assert len({picture[y, x] for y in (20, 60) for x in (20, 60)} - {0}) == 4


def test_a_search_that_is_stopped_keeps_its_front(image: OpenImage) -> None:
    steps = image.search_steps()
    for event in steps:
        if not isinstance(event, Progress):
            image.update(**event)
            if event.get("front") is not None:
                break
    steps.close()
    found = image.state.front
    assert found is not None
    assert not found.finished
    assert image.state.candidate is not None
    drive(image, image.take_steps())
    result = image.state.result
    assert result is not None
    assert result.recipe.search is None, "half a search cannot be repeated"
    assert result.recipe.select == found.front.settings(image.state.candidate)


def test_a_stopped_search_goes_on_where_it_was(image: OpenImage) -> None:
    steps = image.search_steps()
    first = next(e for e in steps if not isinstance(e, Progress) and e.get("front") is not None)
    steps.close()
    drive(image, image.search_steps())
    assert image.state.front is not None
    evaluated = image.state.front.front.evaluated
    before = first["front"].front.evaluated
    assert [c.genes for c in evaluated[: len(before)]] == [c.genes for c in before]


def test_importances_choose_without_evaluating_and_a_click_holds(searched: OpenImage) -> None:
    found = searched.state.front
    assert found is not None
    for name in found.front.objectives:
        only = {k: float(k == name) for k in found.front.objectives}
        for objective, value in only.items():
            searched.set_importance(objective, value)
        best = max(c.rewards[found.front.objectives.index(name)] for c in found.front.candidates)
        assert searched.state.candidate is not None
        shown = searched.state.candidate.rewards[found.front.objectives.index(name)]
        assert shown == best
    clicked = found.front.candidates[0]
    searched.show(clicked)
    assert (searched.state.candidate, searched.state.pinned) == (clicked, True)
    searched.update(front=Found(found.front, found.planes))
    assert searched.state.candidate is clicked, "a front that grows lost what was chosen"
    searched.show(None)
    assert searched.state.candidate is found.preferred(searched.importances)


def test_the_result_is_what_was_shown_and_its_recipe_repeats_it(searched: OpenImage) -> None:
    found = searched.state.front
    assert found is not None
    for candidate in (searched.state.candidate, found.front.default):
        searched.show(candidate)
        drive(searched, searched.take_steps())
        result = searched.state.result
        assert result is not None
        plane = found.planes[candidate.index]
        assert len(result.selection) == len(plane)
        np.testing.assert_array_equal(result.segmentation.labels > 0, plane.labels() > 0)
        searched.use_recipe(result.recipe)
        drive(searched, searched.repeat_steps())
        np.testing.assert_array_equal(
            searched.state.result.segmentation.labels, result.segmentation.labels
        )
        searched.update(front=found)


def test_rewards_that_are_switched_off_are_no_objectives(image: OpenImage) -> None:
    families = families_of(image.state)
    known = set(families)
    assert {"size", "shape", "contrast"} <= known
    off = tuple(name for f in ("size", "shape") for name, _ in families[f])
    image.set_settings(without=off)
    drive(image, image.search_steps())
    assert image.state.front is not None
    assert set(image.state.front.front.objectives) == known - {"size", "shape"}


def test_what_rewards_want_of_each_object_is_listed(image: OpenImage) -> None:
    prior = image.state.settings.prior
    wanted = wanted_of(image.state)
    size = wanted["size"]["size_band"]
    assert (size.measure, (size.low, size.high), size.unit) == (
        "equivalent_diameter",
        prior.diameter,
        prior.size_unit,
    )
    assert {one.measure for one in wanted["shape"].values()} <= {"circularity", "solidity"}
    assert "quality" not in wanted, "it asks for no range"
    median = (("size_distribution", {"median": 10.0, "spread": 0.5, "unit": "nm"}),)
    image.set_settings(rewards=median)
    spread = wanted_of(image.state)["size"]["size_distribution"]
    assert spread.low * spread.high == pytest.approx(100.0)
    assert spread.high / spread.low == pytest.approx(np.e)
    image.set_settings(rewards=(("size_distribution", {}),))
    assert "size_distribution" not in wanted_of(image.state)["size"], "no median, no range"


def test_with_no_reward_at_all_a_sentence_says_so(image: OpenImage) -> None:
    every = [name for terms in families_of(image.state).values() for name, _ in terms]
    image.set_settings(without=tuple(every))
    with pytest.raises(SamStarError, match="at least one reward"):
        drive(image, image.search_steps())


def test_segmenting_quickly_keeps_the_candidates(searched: OpenImage) -> None:
    found = searched.state.front
    drive(searched, searched.segment_steps())
    assert searched.state.front is found
    assert searched.state.candidate is None
    searched.set_settings(
        preprocess=searched.state.settings.preprocess.model_copy(update={"gamma": 2.0})
    )
    drive(searched, searched.prepare_steps())
    assert searched.state.front is None, "they belong to masks that are gone"


def test_a_stack_reads_like_the_array_that_it_stands_for(searched: OpenImage) -> None:
    found = searched.state.front
    assert found is not None
    planes = 3 * [found.planes[c.index] for c in found.along("quality")]
    dense = np.stack([p.labels() for p in planes])
    stack = Stack(planes)
    assert (stack.shape, stack.dtype, stack.ndim) == (dense.shape, dense.dtype, 3)
    for key in [
        0,
        -1,
        (slice(None), 3, 4),
        (0, slice(2, 9), slice(None)),
        (slice(1, 2),),
        (Ellipsis, 5),
        (np.array([0, 1]), np.array([3, 20]), np.array([4, 20])),
    ]:
        np.testing.assert_array_equal(stack[key], dense[key])
    np.testing.assert_array_equal(np.asarray(stack), dense)
    assert Stack(planes, lead=1).shape == (len(planes), 1, 80, 80)


def test_pictures_of_large_images_are_thinned_out() -> None:
    assert [step_for(s) for s in ((80, 80), (1024, 700), (1025, 700), (4096, 9))] == [1, 1, 2, 4]


def test_a_thinned_picture_shows_every_second_pixel(searched: OpenImage) -> None:
    from napari_samstar.proposals.select import select

    state = searched.state
    assert state.front is not None
    assert state.prepared is not None
    assert state.candidate is not None
    selection = select(state.prepared.proposals, state.front.front.settings(state.candidate))
    whole = draw(selection, 1, 1000).labels()
    np.testing.assert_array_equal(draw(selection, 2, 1000).labels(), whole[1::2, 1::2])


def test_agreement_is_the_share_of_the_best_candidates(searched: OpenImage) -> None:
    from napari_samstar.pipeline.agreeing import agreement as exported

    front = searched.state.front
    assert front is not None
    assert front.best({}, 1)[0] is front.preferred({})
    # as many voices in what is shown as in what is exported
    np.testing.assert_allclose(agreement(front, {}), exported(front.front).covered, atol=1e-6)


def test_an_export_opened_again_knows_how_far_the_candidates_agreed(
    searched: OpenImage, tmp_path: Path
) -> None:
    searched.update(**run(searched.take_steps()))
    files = run(searched.export_steps(tmp_path / "out"))
    again = OpenImage(searched.state.source, searched.tools)
    again.update(**run(again.reopen_steps(files["recipe"])))
    assert searched.state.result is not None
    assert again.state.result is not None
    agreed = searched.state.result.table["agreement"]
    np.testing.assert_allclose(again.state.result.table["agreement"], agreed, rtol=1e-6)
    again.update(**run(again.correct_steps()))
    assert again.state.corrections is not None
    gone = int(again.state.result.table["label"].iloc[0])
    again.state.corrections.do(edits.Delete(gone))
    again.update(**run(again.corrected_steps()))
    np.testing.assert_allclose(again.state.result.table["agreement"], agreed.iloc[1:], rtol=1e-6)
