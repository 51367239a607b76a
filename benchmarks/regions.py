"""How good are the classical regions, and the fixed physics that ranks them, with no network?

    python benchmarks/regions.py [--data FOLDER] [--write]

Per set: the best region per true object (what a perfect choice could reach), the mean matched IoU
of the ranked selection with each image's prior and with none, and that of Otsu's threshold with a
distance watershed. Every true object counts, a missed one as 0; means over objects, then images.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from report import table as markdown
from report import write_section
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.io import imread
from skimage.segmentation import watershed

from napari_samstar.io.preprocess import to_gray
from napari_samstar.io.read import load_micrograph
from napari_samstar.metrics.instances import instance_overlaps, matched_iou
from napari_samstar.proposals.layer import score, select_ranked
from napari_samstar.proposals.regions import Regions, find_regions
from napari_samstar.proposals.table import from_masks
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import Prior, RewardLayerSettings

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = (
    "emps_em_particles",
    "am_powder_sem",
    "precipitates_cr_superalloy_sem",
    "melt_pools_am",
    "spheroidite_carbides_sem",
    "perovskite_grains_sem",
    "dsb2018_nuclei",
    "t98g_phase_contrast",
    "bacteria_phase_omnipose",
)


def images(data: Path) -> Iterator[tuple[str, str, NDArray[np.uint8], NDArray[Any], Prior]]:
    """Set, stem, gray image, true instances and prior of every instance image."""
    for name in SETS:
        for path in sorted((data / name / "images").glob("*")):
            truth = imread(data / name / "masks" / f"{path.stem}.png").astype(np.int32)
            if name == "spheroidite_carbides_sem":  # binary: connected pieces are the instances
                truth = ndimage.label(truth > 0, np.ones((3, 3)))[0]
            prior = Prior.from_toml(data / name / "priors" / f"{path.stem}.toml")
            yield name, path.stem, to_gray(load_micrograph(path)), truth, prior


def run(gray: NDArray[np.uint8]) -> Regions:
    """All regions, without the steps between."""
    work = find_regions(gray)
    while True:
        try:
            next(work)
        except StopIteration as stop:
            return stop.value


def best_per_object(runs: MaskRuns, truth: NDArray[Any]) -> float:
    """Mean over true objects of the best IoU that any mask has with it."""
    _, second, iou, _, n_truth = instance_overlaps(runs, truth)
    best = np.zeros(n_truth)
    np.maximum.at(best, second, iou)
    return float(best.mean())


def otsu(gray: NDArray[np.uint8], prior: Prior) -> NDArray[np.int32]:
    """Otsu's threshold in the prior's polarity, split at necks, sizes outside the prior dropped."""
    smooth = gaussian(gray, 1)
    mask = smooth > threshold_otsu(smooth)
    if prior.polarity == "dark":
        mask = ~mask
    distance = gaussian(ndimage.distance_transform_edt(mask), 1)
    low, high = prior.diameter or (4.0, 1e9)
    peaks = peak_local_max(distance, min_distance=max(int(low / 2), 2), labels=mask.astype(int))
    markers = np.zeros(gray.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    labels = watershed(-distance, markers, mask=mask)
    diameters = np.sqrt(4 / np.pi * np.bincount(labels.ravel()))
    labels[((diameters < low) | (diameters > high))[labels]] = 0
    return labels


def measure_image(
    gray: NDArray[np.uint8], truth: NDArray[Any], prior: Prior
) -> dict[str, float | int]:
    """One row of figures."""
    start = time.process_time()
    found = run(gray)
    seconds = time.process_time() - start
    proposals = from_masks(found.runs, gray, "regions", found.persistence)
    row: dict[str, float | int] = {"best": best_per_object(found.runs, truth)}
    for name, given in (("ranked", prior), ("no prior", Prior())):
        layer = RewardLayerSettings(prior=given, learned=0.0, threshold=0.4)
        start = time.process_time()
        scores = score(proposals, layer)
        kept = select_ranked(proposals, np.arange(len(proposals)), scores, layer)
        if name == "ranked":
            row["rank s"] = time.process_time() - start
        row[name] = matched_iou(found.runs.take(kept), truth)["matched_iou"]
        row[f"{name}: masks per object"] = kept.size / max(np.unique(truth).size - 1, 1)
    row["Otsu + watershed"] = matched_iou(otsu(gray, prior), truth)["matched_iou"]
    row["rows"] = len(found)
    row["CPU s/Mpx"] = seconds / gray.size * 2**20
    return row


def table(shared_data: Path) -> list[dict[str, Any]]:
    """Figures per set, and over all images in the last row."""
    run(np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8))  # compile
    names, rows = [], []
    for name, _, gray, truth, prior in images(shared_data):
        names.append(name)
        rows.append(measure_image(gray, truth, prior))
    out = []
    for name in (*dict.fromkeys(names), "all images"):
        group = [r for n, r in zip(names, rows, strict=True) if name in (n, "all images")]
        means = {key: float(np.mean([r[key] for r in group])) for key in group[0]}
        out.append({"set": name, "images": len(group), **means})
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--write", action="store_true", help="write into docs/benchmarks.md")
    args = parser.parse_args()
    text = markdown(table(args.data))
    print(text)
    if args.write:
        write_section("Classical regions", text + "\n\n" + __doc__.split("\n\n", 2)[2])


if __name__ == "__main__":
    main()
