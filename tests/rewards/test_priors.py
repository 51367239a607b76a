"""From what is known to terms, and from a few masks to what is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from scipy import ndimage as ndi

from napari_samstar.pipeline.segmenting import rewards_of
from napari_samstar.rewards import family_scores, learn_prior, scores, terms, terms_for
from napari_samstar.rewards.presets import PRESETS, preset_in, without_presets
from napari_samstar.rewards.priors import beyond_prior
from napari_samstar.rewards.shape import AspectRatio
from napari_samstar.settings import Prior, RunSettings
from napari_samstar.types import SamStarError
from tests.rewards.scenes import Mask, disc, lattice, micrograph, paint, rod, selected
from tests.rewards.test_prior_toml import PRIORS

SHAPE = (200, 240)
DISCS = lattice()
GRAY = ndi.gaussian_filter(paint(DISCS, SHAPE), 1)
IMAGE = micrograph(GRAY)
SIX = selected(DISCS[:6], GRAY)
DIAMETER = math.sqrt(4 * DISCS[0].sum() / math.pi)
KNOWN = Prior(
    diameter=(15, 26), shape="round", coverage=(0.1, 0.2), polarity="bright", spacing=(35, 45)
)


def _total(prior: Prior, masks: list[Mask]) -> float:
    """Mean over families: what a search with equal importances prefers."""
    found = terms_for(prior, IMAGE)
    families = family_scores(found, scores(found, selected(masks, GRAY), IMAGE))
    return sum(families.values()) / len(families)


@given(PRIORS)
@hypothesis_settings(max_examples=25)
def test_every_prior_has_terms_that_score(prior: Prior) -> None:
    found = terms_for(prior, IMAGE)
    names = [term.name for term in found]
    assert len(set(names)) == len(names)
    assert set(names) <= set(terms())
    values = scores(found, SIX, IMAGE)
    assert ((values >= 0) & (values <= 1)).all()


def test_what_a_search_went_by_is_the_prior_and_what_was_added() -> None:
    added = AspectRatio(low=1.0, high=2.0)
    went_by = [(term.name, term.values()) for term in terms_for(KNOWN, IMAGE, [added])]
    assert beyond_prior(went_by, KNOWN) == ((added.name, added.values()),)
    changed = KNOWN.model_copy(update={"diameter": (3, 9)})
    assert "size_band" in dict(beyond_prior(went_by, changed)), "it was said of another prior"


def test_nothing_is_missing_where_everything_may_be_covered() -> None:
    full = terms_for(Prior(coverage=(0.7, 1.0)), IMAGE)
    assert "separability" not in {term.name for term in full}
    assert "separability" in {term.name for term in terms_for(Prior(coverage=(0.1, 0.6)), IMAGE)}


def test_each_part_of_the_prior_adds_its_term() -> None:
    names = {term.name for term in terms_for(Prior(), IMAGE)}
    for part, term in (
        ({"diameter": (5, 9)}, "size_band"),
        ({"shape": "round"}, "roundness"),
        ({"circularity": 0.5}, "circularity"),
        ({"coverage": (0.1, 0.2)}, "coverage"),
        ({"count": (3, 9)}, "count"),
        ({"spacing": (3, 9)}, "neighbor_spacing"),
    ):
        assert term not in names
        assert term in {t.name for t in terms_for(Prior(**part), IMAGE)}


def test_the_objects_beat_everything_that_is_not_them() -> None:
    truth = _total(KNOWN, DISCS)
    assert truth > 0.85
    background = ~np.any(DISCS, axis=0)
    wrong = {
        "nothing": [],
        "one perfect mask": DISCS[:1],
        "a few perfect masks": DISCS[:4],
        "the background": [background],
        "objects and background": [*DISCS, background],
        "all as one": [np.any(DISCS, axis=0)],
        "everything twice": DISCS + DISCS,
        "too small": lattice(radius=6),
        "too large": lattice(radius=16),
        "halves": [m & half for m in DISCS for half in _halves(m)],
        "beside them": [np.roll(m, (9, 9), (0, 1)) for m in DISCS],
        "specks": [disc(SHAPE, y, x, 1) for y in range(5, 195, 9) for x in range(5, 235, 9)],
    }
    for what, masks in wrong.items():
        for prior in (KNOWN, Prior()):
            if prior == Prior() and what == "too small":
                continue  # smaller inside is told by the size alone
            assert _total(prior, masks) < _total(prior, DISCS) - 0.02, what
    assert _total(KNOWN, []) == 0


def _halves(mask: Mask) -> tuple[Mask, Mask]:
    columns = np.indices(SHAPE)[1]
    left = columns <= np.flatnonzero(mask.any(axis=0)).mean()
    return left, ~left


def test_physical_priors_need_a_pixel_size_and_then_give_the_same() -> None:
    physical = Prior(
        diameter=(7.5, 13), size_unit="nm", spacing=(0.0175, 0.0225), spacing_unit="um"
    )
    pixels = Prior(diameter=(15, 26), spacing=(35, 45))
    for what in (physical, Prior(spacing=(1, 2), spacing_unit="nm")):
        with pytest.raises(SamStarError, match="has no pixel size: give one"):
            terms_for(what, IMAGE)
    selection = selected(DISCS, GRAY)
    calibrated = micrograph(GRAY, 0.5, "nm")
    one = scores(terms_for(physical, calibrated), selection, calibrated)
    other = scores(terms_for(pixels, IMAGE), selection, IMAGE)
    np.testing.assert_allclose(one, other, atol=1e-9)
    with pytest.raises(ValueError, match="'parsec' is no unit of length"):
        Prior(diameter=(1, 2), size_unit="parsec")


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_work_without_a_size_and_take_what_is_known(name: str) -> None:
    preset = PRESETS[name]
    assert preset.prior.diameter is None
    alone = preset.terms_for(IMAGE)
    assert {t.name for t in preset.extra} <= {t.name for t in alone}
    values = scores(alone, selected(DISCS, GRAY), IMAGE)
    assert ((values >= 0) & (values <= 1)).all()
    known = Prior(diameter=(8, 30), size_unit="nm", coverage=(0.3, 0.4))
    together = preset.prior_with(known)
    assert together.diameter == (8, 30)
    assert together.coverage == (0.3, 0.4)
    assert together.shape == preset.prior.shape
    assert any(t.name == "size_band" for t in preset.terms_for(micrograph(GRAY, 1.0, "nm"), known))


def test_choosing_a_preset_replaces_what_presets_say_and_keeps_other_facts() -> None:
    known = Prior(
        diameter=(8, 30),
        size_unit="nm",
        circularity=0.8,
        spacing=(9, 20),
        materials=3,
        count=(1, 9),
    )
    found = PRESETS["grains"].known_with(known)
    assert found == known.model_copy(
        update={"shape": "compact", "coverage": (0.7, 1.0), "overlap": 0.02, "count": None}
    )
    assert PRESETS["layers"].known_with(found).count == (1, 20)
    assert PRESETS["pores"].known_with(PRESETS["layers"].known_with(known)).count is None


def test_choosing_a_preset_brings_its_terms_and_keeps_those_of_the_user() -> None:
    own = ("neighbor_spacing", {"low": 3.0, "high": 9.0})
    first = PRESETS["layers"].rewards_with((own,))
    terms = [term.name for term in PRESETS["layers"].extra]
    assert [name for name, _ in first] == [*terms, "neighbor_spacing"]
    assert preset_in(first) == "layers"
    second = PRESETS["nanoparticles"].rewards_with(first)
    assert [name for name, _ in second] == ["size_distribution", "border", "neighbor_spacing"]
    assert preset_in(second) == "nanoparticles"
    assert without_presets(second) == (own,)
    assert preset_in((own,)) is None
    cells = PRESETS["cells"]
    assert preset_in(cells.rewards_with(())) == "cells", "it shares a term with nanoparticles"
    mine = ("solidity", {"border": False})
    assert preset_in(PRESETS["layers"].rewards_with((mine,))) == "layers"
    mine = ("size_distribution", {"spread": 0.1})
    assert PRESETS["nanoparticles"].rewards_with((mine,))[-1] == mine
    assert [n for n, _ in PRESETS["nanoparticles"].rewards_with((mine,))].count(mine[0]) == 1


def test_the_terms_of_a_preset_survive_settings_and_their_file() -> None:
    rewards = PRESETS["layers"].rewards_with(())
    settings = RunSettings(rewards=rewards)
    again = RunSettings.model_validate_json(settings.model_dump_json())
    assert preset_in(again.rewards) == "layers"
    found = {term.name: term for term in rewards_of(settings, IMAGE)}
    assert [found[term.name] for term in PRESETS["layers"].extra] == list(PRESETS["layers"].extra)


def test_presets_prefer_what_they_are_for() -> None:
    rods = [rod(SHAPE, y, 120, 200, 10, 0) for y in (30, 70, 110, 150)]
    gray = ndi.gaussian_filter(paint(rods, SHAPE), 1)

    def value(name: str, masks: list[Mask], image: np.ndarray) -> float:
        found = PRESETS[name].terms_for(IMAGE)
        families = family_scores(found, scores(found, selected(masks, image), IMAGE))
        return sum(families.values()) / len(families)

    assert value("layers", rods, gray) > value("nanoparticles", rods, gray) + 0.1
    assert value("nanoparticles", DISCS, GRAY) > value("layers", DISCS, GRAY) + 0.1
    holes = (255 - GRAY).astype(np.uint8)
    assert value("pores", DISCS, holes) > value("pores", DISCS, GRAY) + 0.05


def test_three_clicks_teach_size_shape_and_polarity() -> None:
    rng = np.random.default_rng(8)
    sizes = np.exp(rng.normal(math.log(10), 0.15, 40))
    places = [(y + 0.3, x + 0.4) for y in range(25, 180, 35) for x in range(25, 220, 35)]
    masks = [disc(SHAPE, y, x, r) for (y, x), r in zip(places, sizes, strict=False)]
    diameters = [math.sqrt(4 * m.sum() / math.pi) for m in masks]
    for gray, polarity in ((paint(masks, SHAPE), "bright"), (paint(masks, SHAPE, 60, 150), "dark")):
        for start in range(0, 9, 3):
            prior = learn_prior(masks[start : start + 3], micrograph(gray))
            low, high = prior.diameter
            assert np.mean([low <= d <= high for d in diameters]) > 0.9
            assert high / low < 4
            assert prior.shape == "round"
            assert prior.circularity > 0.9
            assert prior.polarity == polarity
            assert prior.size_unit == "px"


def test_more_examples_give_a_narrower_range_that_holds_them_all() -> None:
    ranges = [learn_prior(DISCS[:n], IMAGE).diameter for n in (1, 3, 10, 20)]
    widths = [high / low for low, high in ranges]
    assert widths == sorted(widths, reverse=True)
    assert all(low < DIAMETER < high for low, high in ranges)
    low, high = learn_prior([DISCS[0], disc(SHAPE, 100, 100, 40)], IMAGE).diameter
    assert low < DIAMETER < 81 < high


def test_learning_takes_labels_masks_or_a_selection_in_the_image_s_unit() -> None:
    labels = np.zeros(SHAPE, np.int32)
    for value, mask in zip((3, 7, 20), DISCS, strict=False):
        labels[mask] = value
    image = micrograph(GRAY, 0.5, "nm")
    taught = [
        learn_prior(labels, image),
        learn_prior(DISCS[:3], image),
        learn_prior(selected(DISCS[:3], GRAY), image),
    ]
    assert taught[0] == taught[1] == taught[2]
    assert taught[0].size_unit == "nm"
    low, high = taught[0].diameter
    assert low < DIAMETER / 2 < high


def test_cut_examples_and_splinters_say_nothing_of_size_and_shape() -> None:
    cut = disc(SHAPE, 0, 100, 30)
    assert learn_prior([*DISCS[:3], cut], IMAGE).diameter == learn_prior(DISCS[:3], IMAGE).diameter
    assert learn_prior([cut], IMAGE).diameter is not None
    speck = disc(SHAPE, 90, 90, 1)
    prior = learn_prior([speck], IMAGE)
    assert prior.shape is None
    assert prior.circularity is None


def test_examples_of_both_polarities_leave_it_open() -> None:
    gray = paint(DISCS, SHAPE, 110, 110)
    for i, mask in enumerate(DISCS):
        gray[mask] = 200 if i % 2 else 20
    assert learn_prior(DISCS[:4], micrograph(gray)).polarity is None
    flat = micrograph(np.full(SHAPE, 7, np.uint8))
    assert learn_prior(DISCS[:4], flat).polarity is None


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([], "no masks to learn from: click"),
        ([np.zeros(SHAPE, bool)], "no masks to learn from: click"),
        (np.zeros(SHAPE, np.int32), "no masks to learn from: click"),
        ([np.ones((20, 30), bool)], "mask of 30 x 20 px does not fit .* 240 x 200 px"),
    ],
)
def test_what_cannot_teach_is_said(masks, message) -> None:
    with pytest.raises(SamStarError, match=message):
        learn_prior(masks, IMAGE)


def test_a_learned_prior_finds_its_own_examples_good() -> None:
    prior = learn_prior(DISCS[:3], IMAGE)
    assert _total(prior, DISCS) > 0.85
