import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_samstar.search.fields import apply, space_of
from napari_samstar.search.space import Gene, Space
from napari_samstar.settings import (
    DecodeSettings,
    PreprocessSettings,
    RewardLayerSettings,
    RunSettings,
    SelectSettings,
)
from napari_samstar.types import SamStarError
from tests.search.problems import MIXED_SPACE

LAYERED = SelectSettings(sources=("grid", "regions"), reward_layer=RewardLayerSettings())

bounds = st.tuples(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3)).map(lambda b: (b[0], b[0] + b[1]))


@given(bounds, st.floats(0, 1), st.booleans())
def test_real_genes_stay_within_their_bounds_and_come_back(limits, unit, log):
    gene = Gene("x", "real", limits[0], low=limits[0], high=limits[1], log=log)
    value = gene.at(unit)
    assert limits[0] <= value <= limits[1]
    # a value keeps its place but for rounding to a thousandth, and rounding happens once
    assert abs(gene.unit(value) - unit) <= 2e-3 or log
    assert gene.at(gene.unit(value)) == pytest.approx(value, abs=1e-9 * max(1, abs(value)))


@given(st.integers(-5, 5), st.integers(0, 2000), st.floats(0, 1), st.booleans())
def test_integer_genes_come_back_exactly(low, span, unit, log):
    gene = Gene("n", "integer", low, low=low, high=low + span, log=log)
    value = gene.at(unit)
    assert isinstance(value, int)
    assert low <= value <= low + span
    assert gene.at(gene.unit(value)) == value


def test_choices_share_the_unit_interval_and_both_ends_are_reached():
    gene = Gene("c", "choice", "a", choices=("a", "b", "c"))
    assert [gene.at(u) for u in (0.0, 0.3, 0.34, 0.99, 1.0)] == ["a", "a", "b", "c", "c"]
    for value in gene.choices:
        assert gene.at(gene.unit(value)) == value
    flag = Gene("b", "bool", False)
    assert (flag.at(0.2), flag.at(0.8)) == (False, True)


def test_logarithmic_genes_look_closely_at_small_values():
    gene = Gene("area", "integer", 0, low=0, high=1000, log=True)
    assert gene.at(0.5) == pytest.approx(31, abs=2)
    assert (gene.at(0.0), gene.at(1.0)) == (0, 1000)


@given(st.lists(st.floats(0, 1), min_size=6, max_size=6))
def test_decoded_genes_are_complete_and_keep_their_key(position):
    genes = MIXED_SPACE.decode(position)
    assert MIXED_SPACE.complete(genes) == genes
    again = MIXED_SPACE.decode(MIXED_SPACE.encode(genes))
    assert again["source"] == genes["source"]
    assert again["layer"] == genes["layer"]


def test_genes_that_do_not_matter_do_not_distinguish():
    off = MIXED_SPACE.complete({"layer": False, "layer.weight": 4.0})
    assert MIXED_SPACE.key(off) == MIXED_SPACE.key(MIXED_SPACE.complete({"layer": False}))
    on = MIXED_SPACE.complete({"layer": True, "layer.weight": 4.0})
    assert MIXED_SPACE.key(on) != MIXED_SPACE.key(MIXED_SPACE.complete({"layer": True}))


@pytest.mark.parametrize(
    ("genes", "told"),
    [
        ({"treshold": 0.5}, "no parameter named treshold"),
        ({"threshold": 1.5}, "from 0 to 1"),
        ({"threshold": "high"}, "real number"),
        ({"area": 2.5}, "an integer number"),
        ({"source": ("c",)}, "choose one of"),
        ({"layer": 1}, "layer cannot be 1"),
    ],
)
def test_wrong_genes_are_refused_in_a_sentence(genes, told):
    with pytest.raises(SamStarError, match=told):
        MIXED_SPACE.complete(genes)


def test_lists_from_json_are_choices_too():
    assert MIXED_SPACE.complete({"source": ["a", "b"]})["source"] == ("a", "b")


def test_every_field_that_selects_is_a_gene_with_its_bounds():
    space = space_of(LAYERED)
    assert space["amg.pred_iou_thresh"].high == 1.0
    assert space["amg.stability_score_offset"].high == 2.0
    assert space["reward_layer.contrast"].when == ("reward_layer", True)
    assert space["amg.box_nms_thresh"].when == ("reward_layer", False)
    assert space["reward_layer"].default is True
    weights = {f"reward_layer.{name}" for name in RewardLayerSettings.model_fields} - {
        "reward_layer.prior"
    }
    assert weights <= set(space.names)
    # what needs the network is not among them
    assert "amg.points_per_side" not in space.names
    assert not any(gene.slow for gene in space.genes)


def test_defaults_are_the_settings_they_were_read_from():
    for settings in (LAYERED, SelectSettings()):
        assert apply(space_of(settings).defaults, settings) == settings


def test_sources_are_those_there_are():
    space = space_of(LAYERED, sources=("grid", "tiles", "regions"))
    choices = space["sources"].choices
    assert ("grid",) in choices
    assert ("grid", "tiles", "regions") in choices
    assert not any("prompted" in chosen for chosen in choices)


@given(st.lists(st.floats(0, 1), min_size=len(space_of(LAYERED)), max_size=len(space_of(LAYERED))))
def test_all_genes_make_valid_settings(position):
    space = space_of(LAYERED)
    genes = space.decode(position)
    made = apply(genes, LAYERED)
    assert SelectSettings.model_validate_json(made.model_dump_json()) == made
    assert (made.reward_layer is not None) == genes["reward_layer"]
    if made.reward_layer is not None:
        assert made.reward_layer.threshold == genes["reward_layer.threshold"]
        assert made.reward_layer.prior == LAYERED.reward_layer.prior
    assert made.sources == genes["sources"]


def test_a_layer_can_be_switched_on_where_there_was_none():
    made = apply({"reward_layer": True, "reward_layer.size": 3.0}, SelectSettings())
    assert made.reward_layer == RewardLayerSettings(size=3.0)
    assert apply({"reward_layer": False, "reward_layer.size": 3.0}, LAYERED).reward_layer is None


def test_slow_genes_fit_the_settings_of_a_run():
    run = RunSettings()
    slow = space_of(run.decode, prefix="decode.") + space_of(run.preprocess, prefix="preprocess.")
    assert all(gene.slow for gene in slow.genes)
    assert {"decode.points_per_side", "preprocess.denoise"} <= set(slow.names)
    made = apply({"decode.points_per_side": 16, "preprocess.invert": True}, run)
    assert made.decode == DecodeSettings(points_per_side=16)
    assert made.preprocess == PreprocessSettings(invert=True)
    assert made.select == run.select


@pytest.mark.parametrize("name", ["amg.pred_iou", "sources.first", "nothing"])
def test_unknown_settings_are_refused_by_name(name):
    with pytest.raises(SamStarError, match="no setting named"):
        apply({name: 1}, SelectSettings())


def test_spaces_of_different_bounds_have_different_content():
    one = Space((Gene("x", "real", 0.5),))
    two = Space((Gene("x", "real", 0.5, high=2.0),))
    assert one.content != two.content
    assert one.content == Space((Gene("x", "real", 0.5),)).content


def test_encoding_is_a_point_of_the_unit_cube():
    position = MIXED_SPACE.encode(MIXED_SPACE.defaults)
    assert position.shape == (6,)
    assert ((position >= 0) & (position <= 1)).all()
    assert np.isfinite(position).all()


def test_search_can_be_imported_without_pymoo():
    code = (
        "import sys, napari_samstar.search.study, napari_samstar.search.schedule, "
        "napari_samstar.search.fields, napari_samstar.search.sensitivity; "
        "sys.exit(any(m.split('.')[0] in ('pymoo', 'sklearn', 'torch') for m in sys.modules))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
