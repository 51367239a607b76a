"""How often is the number of materials right, and how well are masks told apart?

    python benchmarks/materials.py [--images N] [--all-encoders] [--write]

Films, phases and grains of `synth.films` with 1 to 5 materials (as many images of each number),
768 x 768 px, and their exact masks. "count" is the percentage of images whose automatic number of
materials is right, vacuum not counted; "area" the percentage of the area whose material is right
(materials matched one to one), with the number chosen and with it known, by linkage and by the
paper's k-means; "vacuum" the percentage of images where exactly the vacuum, if any, was kept out.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray
from report import table as markdown
from report import write_section
from scipy.optimize import linear_sum_assignment

from napari_samstar.booster.materials import Materials, find_materials
from napari_samstar.labels import label_runs
from napari_samstar.settings import BoostSettings, MaterialSettings, TextureSettings
from napari_samstar.synth.films import LEVELS, films
from napari_samstar.synth.scene import Scene

FIRST_SEED = 50_000  # far from those that settings were chosen on


def truth(scene: Scene) -> NDArray[np.int64]:
    """Material of each segment, (K,); 0 is vacuum."""
    first = np.unique(scene.labels[scene.labels > 0], return_index=True)[1]
    return scene.materials[scene.labels > 0][first].astype(np.int64)


def right_area(found: Materials, true: NDArray[np.int64], areas: NDArray[np.int64]) -> float:
    """Share of the solid area in masks whose material is matched to the true one."""
    solid = true > 0
    table = np.zeros((int(found.labels.max()) + 1, int(true.max()) + 1))
    np.add.at(table, (found.labels[solid], true[solid]), areas[solid])
    rows, columns = linear_sum_assignment(-table[1:, 1:])
    return float(table[1:, 1:][rows, columns].sum() / areas[solid].sum())


def measure(scene: Scene, encoders: tuple[str, ...], known: bool) -> dict[str, float]:
    runs = label_runs(scene.labels, int(scene.labels.max()))
    true, areas = truth(scene), runs.areas()
    count = int(np.unique(true[true > 0]).size)
    texture = TextureSettings(encoders=encoders)  # type: ignore[arg-type]
    image = 255 * scene.image
    start = time.process_time()
    automatic = find_materials(image, runs, BoostSettings(texture=texture))
    row = {"CPU s": time.process_time() - start}
    vacuum = automatic.labels == automatic.background if automatic.background else true < 0
    row["count"] = 100.0 * (automatic.count == count)
    row["area"] = 100 * right_area(automatic, true, areas)
    row["vacuum"] = 100.0 * np.array_equal(vacuum, true == 0)
    row["uncertain masks"] = 100 * float((automatic.labels == 0).mean())
    if known:
        for grouping in ("linkage", "kmeans"):
            given = MaterialSettings(count=count, grouping=grouping)  # type: ignore[arg-type]
            told = find_materials(image, runs, BoostSettings(texture=texture, materials=given))
            row[f"area, number known, {grouping}"] = 100 * right_area(told, true, areas)
    return row


def run(images: int, every: bool) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    default = TextureSettings().encoders
    others = [("intensity", "physics"), ("intensity", "bundled")] if every else []
    for encoders in (default, *others):
        of_level = []
        for level in LEVELS:
            scenes = (films(level, 1 + i % 5, seed=FIRST_SEED + i) for i in range(images))
            found = []
            for scene in scenes:
                found.append(measure(scene, encoders, every and encoders == default))
                print(level, encoders, scene.params["count"], found[-1], flush=True)
            means = {key: float(np.mean([row[key] for row in found])) for key in found[0]}
            of_level.append(means)
            rows.append({"encoders": " + ".join(encoders), "level": level, **means})
        overall = {key: float(np.mean([m[key] for m in of_level])) for key in of_level[0]}
        rows.append({"encoders": " + ".join(encoders), "level": "all", **overall})
    columns = list(rows[0])
    order = ["encoders", "level", "count", *(c for c in columns if c not in ("CPU s", "count"))]
    order = [*dict.fromkeys(order), "CPU s"]
    return [{column: row.get(column, "") for column in order} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=30, help="per level (%(default)s)")
    parser.add_argument("--write", action="store_true", help="write into docs/benchmarks.md")
    parser.add_argument("--all-encoders", action="store_true", help="others, and known numbers")
    args = parser.parse_args()
    text = markdown(run(args.images, args.all_encoders))
    print(text)
    if args.write:
        body = f"{__doc__.split(chr(10) * 2, 2)[2]}\n{args.images} images a level.\n\n{text}"
        write_section("Number of materials", body)


if __name__ == "__main__":
    main()
