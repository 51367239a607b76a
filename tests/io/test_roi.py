from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from napari_samstar.io.outline import outline, wkt
from napari_samstar.io.roi import Stage, regions_of_interest, write_roi_csv, write_roi_json
from napari_samstar.types import Micrograph, SamStarError

IMAGE = Micrograph(np.zeros((10, 20), np.float32), (0.5, 0.25), "nm", "film")


@pytest.fixture
def labels() -> NDArray[np.int32]:
    image = np.zeros((10, 20), np.int32)
    image[1:5, 2:8] = 3
    image[2:9, 10:17] = 7
    image[4:7, 12:15] = 0  # a ring
    return image


def _area(ring: NDArray[np.float64]) -> float:
    x, y = ring.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def test_a_square_with_a_hole_has_the_outline_one_would_draw() -> None:
    mask = np.ones((3, 3), bool)
    mask[1, 1] = False
    assert wkt(outline(mask, x0=10, y0=20)) == (
        "MULTIPOLYGON (((12.5 19.5, 12.5 22.5, 9.5 22.5, 9.5 19.5, 12.5 19.5), "
        "(11.5 21.5, 11.5 20.5, 10.5 20.5, 10.5 21.5, 11.5 21.5)))"
    )
    assert wkt(outline(np.zeros((2, 2), bool))) == "MULTIPOLYGON EMPTY"


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=12)))
def test_outlines_enclose_exactly_the_pixels(mask: NDArray[np.bool_]) -> None:
    polygons = outline(mask)
    assert sum(_area(ring) for polygon in polygons for ring in polygon) == mask.sum()
    for outer, *holes in polygons:
        assert _area(outer) > 0
        assert all(_area(hole) < 0 for hole in holes)
        for ring in (outer, *holes):
            steps = np.diff(np.vstack((ring, ring[:1])), axis=0)
            assert ((steps == 0).sum(1) == 1).all()  # along the pixels' edges
            turned = steps[:, 0] * np.roll(steps[:, 1], -1) - steps[:, 1] * np.roll(steps[:, 0], -1)
            assert (turned != 0).all()  # corners only
            assert np.unique(ring, axis=0).shape == ring.shape  # touches itself nowhere


def test_simpler_outlines_stay_close() -> None:
    yy, xx = np.ogrid[:60, :60]
    mask = (yy - 30) ** 2 + (xx - 30) ** 2 < 25**2
    ((exact,),) = outline(mask)
    ((few,),) = outline(mask, tolerance=1.0)
    assert len(few) < len(exact) / 3
    radii = np.hypot(*(few - 30).T)
    assert (np.abs(radii - 25) < 1.5).all()
    assert abs(_area(few) / mask.sum() - 1) < 0.05
    assert outline(np.ones((1, 1), bool), tolerance=50.0)[0][0].shape == (4, 2)


def test_regions_are_picked_by_label_and_by_material(labels: NDArray[np.int32]) -> None:
    materials = {3: 1, 7: 2}
    assert [r.label for r in regions_of_interest(labels, materials=materials)] == [3, 7]
    assert [r.label for r in regions_of_interest(labels, materials=materials, of={2})] == [7]
    assert [r.label for r in regions_of_interest(labels, only={3})] == [3]
    assert regions_of_interest(labels, only=set()) == []
    with pytest.raises(SamStarError, match="no segment 8"):
        regions_of_interest(labels, only={3, 8})


def test_a_probe_is_sent_onto_the_ring_not_into_its_hole(labels: NDArray[np.int32]) -> None:
    (ring,) = regions_of_interest(labels, only={7})
    assert ring.centroid == (13.0, 5.0)
    assert labels[5, 13] == 0
    x, y = ring.inside
    assert labels[int(y), int(x)] == 7
    assert ring.area == 40


def test_a_centered_stage_with_y_up() -> None:
    stage = Stage.at(IMAGE, (100.0, -50.0), "um")
    np.testing.assert_allclose(stage((9.5, 4.5)), (100.0, -50.0))
    # a pixel is 0.25 nm wide and 0.5 nm high
    np.testing.assert_allclose(stage((10.5, 4.5)), (100.00025, -50.0), rtol=1e-12)
    np.testing.assert_allclose(stage((9.5, 5.5)), (100.0, -50.0005), rtol=1e-12)


def test_a_turned_stage_counted_from_the_first_pixel() -> None:
    stage = Stage.at(IMAGE, (5.0, 6.0), "nm", rotation=90.0, y_up=False, corner=True)
    np.testing.assert_allclose(stage((0, 0)), (5.0, 6.0))
    np.testing.assert_allclose(stage((4, 0)), (5.0, 7.0))  # rows along the stage's Y
    np.testing.assert_allclose(stage((0, 2)), (4.0, 6.0), atol=1e-12)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Stage(((1, 0, 0), (2, 0, 0)), "um"), "on a line"),
        (lambda: Stage(((1, 0, 0), (0, 1, 0)), "V"), "not a unit of length"),
        (lambda: Stage(((1, 0, 0), (0, float("nan"), 0)), "um"), "two rows of three numbers"),
        (lambda: Stage.at(IMAGE, (0, 0), "px"), "not a unit of length"),
        (lambda: Stage.at(Micrograph(IMAGE.data), (0, 0)), "has no pixel size"),
    ],
)
def test_impossible_stages_are_refused(make: Any, says: str) -> None:
    with pytest.raises(SamStarError, match=says):
        make()


def test_csv_says_where_regions_are_in_every_unit(
    tmp_path: Path, labels: NDArray[np.int32]
) -> None:
    stage = Stage(((0.0, 2.0, 1000.0), (2.0, 0.0, 500.0)), "µm")
    regions = regions_of_interest(labels, materials={3: 1})
    write_roi_csv(tmp_path / "film.roi.csv", regions, IMAGE, stage)
    with (tmp_path / "film.roi.csv").open(newline="", encoding="utf-8") as file:
        first, second = csv.DictReader(file)
    assert (first["label"], first["material"], second["material"]) == ("3", "1", "0")
    assert float(first["area_px2"]) == 24
    assert float(first["area_nm2"]) == 24 * 0.125
    assert (float(first["centroid_x_px"]), float(first["centroid_y_px"])) == (4.5, 2.5)
    assert (float(first["centroid_x_nm"]), float(first["centroid_y_nm"])) == (1.125, 1.25)
    assert (float(first["stage_centroid_x_um"]), float(first["stage_centroid_y_um"])) == (1005, 509)
    assert [float(first[f"box_{k}_px"]) for k in ("low_x", "low_y", "high_x", "high_y")] == [
        1.5, 0.5, 7.5, 4.5,
    ]  # fmt: skip
    assert [float(first[f"stage_box_{k}_um"]) for k in ("low_x", "high_y")] == [1001, 515]
    assert first["outline_px"].startswith("MULTIPOLYGON (((7.5 0.5, 7.5 4.5")
    assert first["stage_outline_um"].startswith("MULTIPOLYGON (((1001 515, 1009 515")
    assert second["outline_nm"].count("((") == 1


def test_without_a_pixel_size_there_are_pixels_only(
    tmp_path: Path, labels: NDArray[np.int32]
) -> None:
    image = Micrograph(IMAGE.data)
    write_roi_csv(tmp_path / "a.csv", regions_of_interest(labels), image)
    heads = (tmp_path / "a.csv").read_text().splitlines()[0].split(",")
    assert {name.rsplit("_", 1)[1] for name in heads[2:]} == {"px2", "px"}
    write_roi_csv(tmp_path / "none.csv", [], image)
    assert (tmp_path / "none.csv").read_text().splitlines() == [",".join(heads)]


@given(scale=st.floats(0.01, 100), shift=st.floats(-1e4, 1e4))
def test_json_holds_closed_rings_of_the_right_area(
    tmp_path_factory: pytest.TempPathFactory, scale: float, shift: float
) -> None:
    labels = np.zeros((10, 20), np.int32)
    labels[2:9, 10:17] = 7
    labels[4:7, 12:15] = 0
    stage = Stage(((scale, 0.0, shift), (0.0, -scale, shift)), "um")
    path = tmp_path_factory.getbasetemp() / "film.roi.json"
    write_roi_json(path, regions_of_interest(labels), IMAGE, stage)
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["hash"] == IMAGE.content_hash
    assert document["stage"]["matrix"][0] == [scale, 0.0, shift]
    (region,) = document["regions"]
    ((outer, hole),) = region["stage_outline_um"]
    assert outer[0] == outer[-1]
    area = _area(np.array(outer[:-1]) - outer[0]) + _area(np.array(hole[:-1]) - hole[0])
    assert abs(area) == pytest.approx(40 * scale**2, rel=1e-6)
