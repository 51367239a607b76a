"""Segment one micrograph and measure its objects, then change the settings at no cost.

Run as ``python examples/segment.py [IMAGE] [OUT]``; without an image, the glass micrograph that
ships with the program is taken.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import napari_samstar as ss
from napari_samstar.pipeline import segment
from napari_samstar.results import write_result
from napari_samstar.samples import GLASS, GLASS_PRIOR
from napari_samstar.settings import Prior, RunSettings


def main(image: Path = GLASS, out: Path = Path("example-output")) -> None:
    """Segment `image` and write the results into `out`."""
    micrograph = ss.load_micrograph(image)
    sam = ss.load_model("samstar-tiny")
    print(f"{micrograph.name}: {micrograph.shape} px, {micrograph.pixel_size} {micrograph.unit}")

    # the whole way, guided by what is known of the sample
    prior = Prior.from_toml(GLASS_PRIOR) if image == GLASS else Prior()
    decode = ss.DecodeSettings(points_per_side=16)
    result = segment(micrograph, sam, settings=RunSettings(prior=prior, decode=decode))
    for path in write_result(result, out, micrograph.name).values():
        print(path)
    print(result.table.describe().loc[["50%"]].T)

    # the masks are decoded: another setting of Meta's generator costs milliseconds
    for threshold in (0.4, 0.5, 0.6):
        start = time.perf_counter()
        amg = ss.AmgSettings(pred_iou_thresh=threshold, stability_score_thresh=0.6)
        kept = ss.select(result.proposals, amg)
        milliseconds = 1000 * (time.perf_counter() - start)
        print(f"pred_iou_thresh {threshold}: {len(kept)} masks in {milliseconds:.1f} ms")


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:]))
