"""Materials of the objects without a window: found, shown by examples, named, undone, exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_samstar import edits
from napari_samstar.cache import Store
from napari_samstar.pipeline import run
from napari_samstar.session import ImageSource, OpenImage
from napari_samstar.session.corrections import Corrections, bring_back
from napari_samstar.session.materials import (
    COLORS,
    color_of,
    coloring,
    examples,
    material_image,
    material_rows,
    naming,
    one_material,
)
from napari_samstar.session.tools import NO_MODEL, Tools
from napari_samstar.settings import (
    BoostSettings,
    MaterialSettings,
    Prior,
    SearchSettings,
    TextureSettings,
)
from napari_samstar.types import SamStarError


@pytest.fixture
def image(rng: np.random.Generator, tmp_path: Path) -> OpenImage:
    """Four squares of 60 px, two gray ones and two brighter ones, corrections begun."""
    truth = np.zeros((160, 160), np.int32)
    data = np.full((160, 160), 40.0)
    for label, (y, x, gray) in enumerate(
        ((10, 10, 120.0), (10, 90, 200.0), (90, 10, 200.0), (90, 90, 120.0)), start=1
    ):
        truth[y : y + 60, x : x + 60] = label
        data[y : y + 60, x : x + 60] = gray
    made = OpenImage(
        ImageSource(data + rng.normal(0, 3, data.shape), "squares"),
        Tools(Store(tmp_path / "store")),
    )
    made.update(model=NO_MODEL)
    made.set_settings(boost=BoostSettings(materials=MaterialSettings(count=2), fallback=None))
    made.update(**run(made.segment_steps()))
    made.update(**run(made.measure_steps(truth)))
    made.update(**run(made.correct_steps()))
    return made


def corrections(image: OpenImage) -> Corrections:
    found = image.state.corrections
    assert found is not None
    return found


def take(image: OpenImage, changes: dict[str, object]) -> None:
    corrections(image).do(changes["edit"])  # type: ignore[arg-type]
    image.update(sureness=changes["sureness"])


def forget(image: OpenImage) -> None:
    """No object has a material."""
    corrections(image).do(edits.SetMaterials(dict.fromkeys((1, 2, 3, 4), 0)))


def test_what_looks_the_same_is_one_material_and_the_outlines_stay(image: OpenImage) -> None:
    found = corrections(image)
    forget(image)
    assert material_rows(image.state) == []
    before = found.labels.copy()
    take(image, dict(run(image.sort_steps())))
    np.testing.assert_array_equal(found.labels, before)
    of = found.materials
    assert of[1] == of[4] != of[2] == of[3]
    rows = material_rows(image.state)
    assert [len(row.labels) for row in rows] == [2, 2]
    np.testing.assert_allclose([row.share for row in rows], 2 * 3600 / 160**2)
    assert all(0.0 <= row.confidence <= 1.0 for row in rows)
    image.update(**run(image.corrected_steps()))
    assert image.state.result is not None
    assert image.state.result.table["material"].tolist() == [of[k] for k in (1, 2, 3, 4)]
    assert [row.confidence for row in material_rows(image.state)] == [r.confidence for r in rows]
    found.undo()
    assert material_rows(image.state) == [], "all of it is one step"


def test_sorting_says_which_encoder_lacks_what(image: OpenImage) -> None:
    boost = image.state.settings.boost
    assert boost is not None
    for encoders, reason in (("sam", "needs a SAM model"), ("fenet", "give a checkpoint file")):
        texture = TextureSettings.model_validate({"encoders": encoders})
        image.set_settings(boost=boost.model_copy(update={"texture": texture}))
        with pytest.raises(SamStarError, match=reason):
            run(image.sort_steps())


def test_a_few_examples_show_the_materials_of_the_others(image: OpenImage) -> None:
    found = corrections(image)
    forget(image)
    found.do(edits.SetMaterial(1, 5))
    with pytest.raises(SamStarError, match="two materials"):
        image.sort_like_steps()
    found.do(edits.SetMaterial(2, 3))
    assert examples(found) == {1: 5, 2: 3}
    take(image, dict(run(image.sort_like_steps())))
    assert found.materials == {1: 5, 2: 3, 3: 3, 4: 5}
    assert examples(found) == {1: 5, 2: 3}, "what was found is no example"


def test_an_object_without_material_is_undecided_and_shown_as_one_more(image: OpenImage) -> None:
    found = corrections(image)
    forget(image)
    assert material_image(image.state) is None
    found.do(edits.SetMaterial((1, 2), 3))
    found.do(edits.SetMaterial(4, 1))
    picture = material_image(image.state)
    assert picture is not None
    places = ((20, 20), (20, 100), (100, 20), (100, 100), (0, 0))
    assert [picture[place] for place in places] == [3, 3, 4, 1, 0]
    found.do(edits.NameMaterial(3, "oxide"))
    assert [(row.material, row.name) for row in material_rows(image.state)] == [
        (1, "material 1"),
        (3, "oxide"),
        (0, "undecided"),
    ]
    assert np.isnan(material_rows(image.state)[0].confidence)


def test_materials_become_one_in_one_step(image: OpenImage) -> None:
    found = corrections(image)
    found.do(edits.SetMaterials({1: 1, 2: 2, 3: 3, 4: 0}))
    assert one_material(image.state, [2]) is None
    edit = one_material(image.state, [2, 3, 0])
    assert edit is not None
    found.do(edit)
    assert found.materials == {1: 1, 2: 2, 3: 2, 4: 2}
    assert examples(found) == {}
    found.undo()
    assert found.materials == {1: 1, 2: 2, 3: 3}


def test_names_and_materials_go_out_with_an_export_and_come_back(
    image: OpenImage, tmp_path: Path
) -> None:
    found = corrections(image)
    found.do(edits.SetMaterials({1: 1, 2: 2, 3: 2, 4: 0}))
    found.do(edits.NameMaterial(2, "oxide, wet"))
    found.do(edits.ColorMaterial(2, "#123456"))
    files = run(image.export_steps(tmp_path / "out"))
    lines = files["material_table"].read_text().splitlines()
    assert lines[2].startswith('2,"oxide, wet",#123456,2,0.28125')
    assert lines[3].startswith("0,undecided,")
    assert "materials" in files
    again = OpenImage(image.state.source, image.tools)
    again.update(**run(again.reopen_steps(files["recipe"])))
    again.update(**run(again.correct_steps()))
    assert again.state.corrections.names == {1: "material 1", 2: "oxide, wet"}
    assert again.state.corrections.colors[2] == "#123456"
    assert [(r.material, r.name, r.labels) for r in material_rows(again.state)] == [
        (1, "material 1", (1,)),
        (2, "oxide, wet", (2, 3)),
        (0, "undecided", (4,)),
    ]


def test_a_name_is_one_of_the_corrections_and_outlives_the_result(image: OpenImage) -> None:
    found = corrections(image)
    found.do(edits.SetMaterials({1: 1, 2: 2, 3: 2, 4: 1}))
    edit = naming(image.state, 2, "oxide")
    assert edit is not None
    found.do(edit)
    assert naming(image.state, 2, "oxide ") is None, "it is called so"
    assert naming(image.state, 1, "material 1") is None
    assert naming(image.state, 1, "") is None
    assert [row.name for row in material_rows(image.state)] == ["material 1", "oxide"]
    found.undo()
    assert [row.name for row in material_rows(image.state)] == ["material 1", "material 2"]
    found.redo()
    image.update(result=replace(image.state.result))
    assert image.state.corrections is None
    image.update(**run(image.correct_steps()))
    assert image.state.corrections.names == {2: "oxide"}
    image.close()


def test_a_name_comes_back_after_a_crash(image: OpenImage) -> None:
    image.update(material_names={1: "glass"})
    image.update(**run(image.correct_steps()))
    image.state.corrections.do(edits.NameMaterial(2, "oxide"))
    kept = image.state.corrections.kept
    image.close()
    again, _ = bring_back(kept)
    assert again.names == {1: "glass", 2: "oxide"}
    again.undo()
    assert again.names == {1: "glass"}
    again.close()


def test_a_color_comes_back_after_a_crash_and_is_one_of_the_corrections(image: OpenImage) -> None:
    image.update(material_colors={1: "#112233"})
    image.update(**run(image.correct_steps()))
    found = image.state.corrections
    found.do(edits.SetMaterials({1: 1, 2: 2, 3: 2, 4: 1}))
    edit = coloring(image.state, 2, "#445566")
    assert edit is not None
    found.do(edit)
    assert coloring(image.state, 2, "#445566") is None, "it has this color"
    assert [row.color for row in material_rows(image.state)] == ["#112233", "#445566"]
    kept = found.kept
    image.close()
    again, _ = bring_back(kept)
    assert again.colors == {1: "#112233", 2: "#445566"}
    again.undo()
    assert again.colors == {1: "#112233"}
    again.close()


def test_what_a_search_found_is_cleaned_up_on_request(
    rng: np.random.Generator, tmp_path: Path
) -> None:
    yy, xx = np.mgrid[:96, :96]
    data = np.full((96, 96), 180.0)
    for y, x in ((24, 24), (24, 72), (72, 24), (72, 72)):
        data[(yy - y) ** 2 + (xx - x) ** 2 <= 144] = 60.0
    made = OpenImage(ImageSource(data + rng.normal(0, 3, data.shape)), Tools(Store(tmp_path)))
    made.update(model=NO_MODEL, search=SearchSettings(budget=10, population=4))
    made.set_settings(prior=Prior(diameter=(20, 28), polarity="dark"))
    steps = made.search_steps()
    for event in steps:
        if isinstance(event, dict):
            made.update(**event)
    made.update(**run(made.take_steps()))
    assert made.state.result is not None
    assert material_rows(made.state) == []
    made.update(**run(made.boost_steps()))
    result = made.state.result
    assert result is not None
    assert result.candidate is made.state.candidate
    assert result.recipe.boost is not None
    assert result.segmentation.materials is not None
    assert len(material_rows(made.state)) >= 1


def test_colors_are_apart_and_the_undecided_are_white() -> None:
    assert len({color_of(k) for k in range(1, 8)}) == len(COLORS)
    assert color_of(0) == "#ffffff"
    assert color_of(8) == color_of(1)


def test_without_objects_there_is_nothing_to_sort(tmp_path: Path) -> None:
    empty = OpenImage(ImageSource(np.eye(64)), Tools(Store(tmp_path)))
    assert material_rows(empty.state) == []
    for steps in (empty.sort_steps, empty.boost_steps):
        with pytest.raises(SamStarError, match="press Segment first"):
            steps()


def test_how_sure_a_single_material_is_nobody_can_say(image: OpenImage) -> None:
    take(image, run(image.sort_steps()))
    assert not any(np.isnan(row.confidence) for row in material_rows(image.state))
    found = [row.material for row in material_rows(image.state)]
    edit = one_material(image.state, found)
    assert edit is not None
    corrections(image).do(edit)
    (row,) = material_rows(image.state)
    assert np.isnan(row.confidence)
