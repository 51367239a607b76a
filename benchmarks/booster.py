"""How much better are materials after boosting than SAM's masks before?

    python benchmarks/booster.py [--images N] [--model NAME] [--all-encoders] [--pipeline] [--write]

Films, phases and grains of `synth.films` with 1 to 5 materials (in turn), 512 x 512 px, at three
levels of difficulty by the likeness of textures and the noise. The truth is one mask per material,
vacuum among them, as in the paper. "vanilla" is Meta's generator with 16 points a side, as the
paper ran it, and thresholds 0.5 and 0.6 in place of 0.88 and 0.95, at which the bundled model keeps
next to nothing; "boosted" is `boost` of the very same masks, its
regions where no mask lies among them; with `--pipeline`, "pipeline" is `boost` of all sources
with the reward layer, as `samstar run` has them, without a search. Scores in percent, in the code's
reading of the paper; "count right" is the percentage of images whose number of materials is right,
vacuum not counted, which is possible only as far as the masks show each of them.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from numpy.typing import NDArray
from report import table as markdown
from report import write_section

import napari_samstar as ss
from napari_samstar.booster.removal import remove_ambiguous
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import BoostSettings, MaterialSettings, TextureSettings
from napari_samstar.synth.films import LEVELS, films

FIRST_SEED = 70_000  # far from those that settings were chosen on
SHAPE = (512, 512)
SCORES = ("mIoU", "mRecall", "mPrecision", "mFPR")
ENCODERS: dict[str, tuple[str, ...]] = {
    "intensity + physics": ("intensity", "physics"),
    "intensity + bundled": ("intensity", "bundled"),
    "intensity + physics + bundled": ("intensity", "physics", "bundled"),
}
DEFAULT = " + ".join(TextureSettings().encoders)
Stack = list[NDArray[np.bool_]]


def classes(labels: NDArray[np.integer], zero: bool = False) -> Stack:
    """One mask per value; 0 only where it means vacuum."""
    return [labels == value for value in np.unique(labels) if value or zero]


def scored(masks: Stack | MaskRuns, truth: Stack) -> dict[str, float]:
    row: dict[str, float] = {}
    for region, name in (("mask", ""), ("boundary", "boundary ")):
        found = ss.metrics.samiam_scores(masks, truth, region=region, reading="code")
        row |= {name + score: float(found[score]) for score in SCORES}
    return row


def measure(
    level: int, number: int, sam: object, every: bool, whole: bool
) -> dict[str, dict[str, float]]:
    scene = films(level, 1 + number % 5, SHAPE, seed=FIRST_SEED + number)
    count = int(np.unique(scene.materials[scene.materials > 0]).size)
    truth = classes(scene.materials, zero=bool(scene.params["vacuum"]))
    micrograph = ss.Micrograph(255 * scene.image)
    decode = ss.DecodeSettings(points_per_side=16)
    if not whole:
        decode = decode.model_copy(update={"sources": ("grid",)})
    proposals = ss.propose(micrograph, sam, decode)
    plain = ss.select(proposals, ss.AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.6))
    out = {"vanilla": scored(plain.runs, truth)}
    ways = [("boosted", plain, DEFAULT, None), ("boosted", plain, DEFAULT, count)]
    if every:
        ways += [("boosted", plain, e, k) for e in ENCODERS if e != DEFAULT for k in (None, count)]
    if whole:
        made = {"sources": tuple(proposals.provenance["sources"])}
        layered = ss.select(proposals, ss.RunSettings().select.model_copy(update=made))
        ways += [("pipeline", layered, DEFAULT, known) for known in (None, count)]
    for what, selection, encoders, known in ways:
        settings = BoostSettings(
            texture=TextureSettings(encoders=ENCODERS[encoders]),  # type: ignore[arg-type]
            materials=MaterialSettings(count=known),
        )
        start = time.process_time()
        found = ss.boost(selection, micrograph, settings)
        row = scored(classes(found.materials()), truth)
        row["count right"] = 100.0 * (found.count == count)
        row["CPU s"] = time.process_time() - start
        out[f"{what}, {encoders}, number {'known' if known else 'found'}"] = row
    return out


def run(images: int, model: str, every: bool, whole: bool) -> list[dict[str, object]]:
    sam = ss.load_model(model)
    rows: list[dict[str, object]] = []
    for level in LEVELS:
        found = []
        for number in range(images):
            found.append(measure(level, number, sam, every, whole))
            print(level, number, {k: round(v["mIoU"], 1) for k, v in found[-1].items()}, flush=True)
        for way in found[0]:
            keys = [*found[0]["vanilla"], "count right", "CPU s"]
            means: dict[str, object] = {
                key: float(np.mean([f[way][key] for f in found])) if key in found[0][way] else ""
                for key in keys
            }
            rows.append({"level": level, "images": images, "masks": way, **means})
    return rows


def removal_seconds(count: int = 500, side: int = 1024) -> float:
    """Seconds of this process for the removal among `count` ellipses, nested and repeated."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    masks = []
    for _ in range(count):
        cy, cx = rng.uniform(0, side, 2)
        ry, rx = np.exp(rng.uniform(np.log(8), np.log(side / 3), 2))
        masks.append(((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1)
    runs = MaskRuns.from_dense(masks)
    remove_ambiguous(runs)  # compiled once
    start = time.process_time()
    remove_ambiguous(runs)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=30, help="per level (%(default)s)")
    parser.add_argument("--model", default="samstar-tiny")
    parser.add_argument("--all-encoders", action="store_true", help="besides the default ones")
    parser.add_argument("--pipeline", action="store_true", help="all sources, too: slow")
    parser.add_argument("--write", action="store_true", help="write into docs/benchmarks.md")
    args = parser.parse_args()
    seconds = removal_seconds()
    text = markdown(run(args.images, args.model, args.all_encoders, args.pipeline))
    text += f"\n\nRemoval among 500 masks of 1024 x 1024 px: {seconds:.2f} CPU s (`robust`).\n"
    print(text)
    if args.write:
        body = __doc__.split("\n\n", 2)[2]
        write_section("Booster", f"{body}\nModel: `{args.model}`.\n\n{text}")


if __name__ == "__main__":
    main()
