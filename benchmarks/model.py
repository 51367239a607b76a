"""How good is a model on real micrographs: one click, one box, and does it know when it is right?

    python benchmarks/model.py [--model NAME|PATH] [--data FOLDER] [--sets NAME ...] [--first N]
        [--clicks N] [--scenes N] [--write]

For every instance of at least 12 px equivalent diameter: a click at a random pixel of it (seeded),
of whose three masks the IoU head chooses one, and the box around it. Sets whose truth is classes
are measured on their connected pieces and stand outside of the mean. "wand" and "Otsu" are answers
without a network to the same click and the same box: the part around the click that a threshold
draws sharpest, and Otsu's threshold in the box, of its two sides the better one.

Everything at once, on the sets of instances: what Meta's generator keeps of 32 x 32 points at
thresholds of 0.5 for the predicted IoU and 0.6 for the stability, and beside it Otsu's threshold
with a distance watershed, which is told the sizes and the polarity that the image's prior knows.
Every true object of any size counts, a missed one as 0; means over images.

Synthetic scenes are of seeds that nothing was trained on, 512 x 512 px. Costs are of a process of
its own that does nothing else, at 1024 x 1024 px.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from regions import SETS, images, otsu
from report import table, write_section
from scipy import ndimage
from scipy.stats import spearmanr
from segment_anything import SamPredictor
from skimage.filters import threshold_otsu
from skimage.io import imread

import napari_samstar as ss
from napari_samstar.io.preprocess import to_gray
from napari_samstar.metrics.instances import matched_iou
from napari_samstar.proposals.select import select
from napari_samstar.proposals.wand import around_clicks
from napari_samstar.settings import AmgSettings, DecodeSettings
from napari_samstar.synth import KINDS, generate

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BATCH = 32
FIRST_SEED = 880_000  # of scenes that nothing was trained on
Rows = dict[str, NDArray[np.float64]]


def objects(labels: NDArray[Any], smallest: float = 12.0) -> tuple[list[NDArray[np.bool_]], bool]:
    """Masks of the instances, and whether the truth was instances at all."""
    instances = labels.max() > 3
    if not instances:
        pieces = [ndimage.label(labels == c)[0] for c in range(1, int(labels.max()) + 1)]
        flat = [p == k for p in pieces for k in np.flatnonzero(_large(p, smallest))]
    else:
        flat = [labels == k for k in np.flatnonzero(_large(labels, smallest))]
    return flat, bool(instances)


def _large(labels: NDArray[Any], smallest: float) -> NDArray[np.bool_]:
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return np.sqrt(areas * 4 / np.pi) >= smallest


def ious(masks: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """IoU (P, M) of (P, M, H, W) with (P, H, W)."""
    both = (masks & truth[:, None]).sum((-2, -1))
    return both / (masks | truth[:, None]).sum((-2, -1)).clamp(min=1)


def overlap(found: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """IoU of two masks."""
    return float((found & truth).sum() / max((found | truth).sum(), 1))


def by_wand(gray: NDArray[np.uint8], x: int, y: int, truth: NDArray[np.bool_]) -> float:
    """IoU of what a threshold draws around a click."""
    window, y0, x0 = around_clicks(gray, [(float(x), float(y))])
    found = np.zeros_like(truth)
    found[y0 : y0 + window.shape[0], x0 : x0 + window.shape[1]] = window
    return overlap(found, truth)


def by_otsu(gray: NDArray[np.uint8], box: list[int], truth: NDArray[np.bool_]) -> float:
    """IoU of the better side of Otsu's threshold in a box."""
    window = np.s_[box[1] : box[3] + 1, box[0] : box[2] + 1]
    part = gray[window]
    above = part > (threshold_otsu(part) if part.min() < part.max() else part.min())
    return max(overlap(side, truth[window]) for side in (above, ~above))


def measure(
    predictor: SamPredictor,
    gray: NDArray[np.uint8],
    truth: list[NDArray[np.bool_]],
    rng: np.random.Generator,
    clicks: int,
) -> Rows:
    """One row per object and click."""
    size = truth[0].shape
    out: dict[str, list[Any]] = {
        k: [] for k in ("chosen", "best", "box", "predicted", "reached", "wand", "otsu")
    }
    for start in range(0, len(truth), BATCH):
        part = truth[start : start + BATCH]
        target = torch.from_numpy(np.stack(part))
        boxes = []
        for mask in part:
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            boxes.append([int(v) for v in (columns[0], rows[0], columns[-1], rows[-1])])
        corners = predictor.transform.apply_boxes_torch(torch.tensor(boxes).float(), size)
        masks, _, _ = predictor.predict_torch(None, None, corners, multimask_output=False)
        out["box"].append(ious(masks, target)[:, 0].numpy())
        out["otsu"].append([by_otsu(gray, b, mask) for b, mask in zip(boxes, part, strict=True)])
        for _ in range(clicks):
            where = [rng.choice(np.flatnonzero(mask)) for mask in part]
            y, x = np.divmod(np.array(where), size[1])
            points = torch.from_numpy(np.stack([x, y], -1)[:, None]).float()
            points = predictor.transform.apply_coords_torch(points, size)
            labels = torch.ones(len(part), 1, dtype=torch.int)
            masks, guess, _ = predictor.predict_torch(points, labels)
            iou = ious(masks, target)
            out["chosen"].append(iou.gather(1, guess.argmax(1, keepdim=True))[:, 0].numpy())
            out["best"].append(iou.amax(1).numpy())
            out["predicted"].append(guess.flatten().numpy())
            out["reached"].append(iou.flatten().numpy())
            out["wand"].append([by_wand(gray, *at) for at in zip(x, y, part, strict=True)])
    return {k: np.concatenate(v) for k, v in out.items()}


def of_image(
    predictor: SamPredictor, image: Any, truth: list[NDArray[np.bool_]], seed: int, clicks: int
) -> Rows:
    """Embed and measure one image."""
    preprocess = ss.PreprocessSettings()
    predictor.set_image(ss.to_rgb(image, preprocess))
    rng = np.random.default_rng(seed)
    return measure(predictor, to_gray(image, preprocess), truth, rng, clicks)


def real(predictor: SamPredictor, given: argparse.Namespace) -> tuple[str, Rows]:
    """Table of the sets of real images, and the rows of all instances."""
    sets: dict[str, list[Rows]] = {}
    paths: list[Path] = []
    for name in given.sets or sorted(p.name for p in given.data.iterdir()):
        paths += sorted((given.data / name).glob("masks/*.png"))[: given.first or None]
    for path in paths:
        truth, instances = objects(imread(path))
        truth = picked(truth, given.per_image, given.seed)
        if not truth:
            continue
        image = next((path.parents[1] / "images").glob(path.stem + ".*"))
        rows = of_image(predictor, ss.load_micrograph(image), truth, given.seed, given.clicks)
        print(f"{path.stem}: best of three {rows['best'].mean():.3f}", file=sys.stderr, flush=True)
        sets.setdefault(path.parents[1].name + ("" if instances else " (classes)"), []).append(rows)
    rows = [_row("set", name, parts) for name, parts in sets.items()]
    plain = [p for name, parts in sets.items() if "(classes)" not in name for p in parts]
    of_sets = [r for r in rows if "(classes)" not in str(r["set"])]
    mean = {k: float(np.mean([r[k] for r in of_sets])) for k in list(rows[0])[3:]}
    rows.append({"set": "**mean of sets**", "images": "", "objects": "", **mean})
    rows.append(_row("set", "**all instances**", plain))
    return table(rows), _joined(plain)


def everything(model: Any, given: argparse.Namespace) -> str:
    """Table of segmenting whole images, by set and in the mean."""
    grid = DecodeSettings(points_per_side=32)
    best = AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.6)
    sets: dict[str, list[dict[str, float]]] = {}
    for name, stem, gray, truth, prior in images(given.data):
        done = sets.get(name, [])
        if name not in (given.sets or SETS) or (given.first and len(done) == given.first):
            continue
        micrograph = ss.Micrograph(gray.astype(np.float32), name=stem)
        kept = select(ss.propose(micrograph, model, grid), best)
        found, classical = matched_iou(kept.runs, truth), matched_iou(otsu(gray, prior), truth)
        row = {
            "objects": found["n_truth"],
            "everything, IoU": found["matched_iou"],
            "Otsu + watershed, IoU": classical["matched_iou"],
            "everything, AP50": found["ap"][0],
            "Otsu + watershed, AP50": classical["ap"][0],
        }
        print(f"{stem}: everything {row['everything, IoU']:.3f}", file=sys.stderr, flush=True)
        sets[name] = [*done, row]
    rows: list[dict[str, object]] = []
    for name, parts in (*sets.items(), ("**all images**", [r for s in sets.values() for r in s])):
        if parts:
            means = {k: float(np.mean([p[k] for p in parts])) for k in list(parts[0])[1:]}
            count = int(sum(p["objects"] for p in parts))
            rows.append({"set": name, "images": len(parts), "objects": count, **means})
    return table(rows)


def synthetic(predictor: SamPredictor, given: argparse.Namespace) -> str:
    """Table of held-out synthetic scenes by kind."""
    rows = []
    for number, kind in enumerate(KINDS):
        parts = []
        for k in range(given.scenes):
            scene = generate(kind, (512, 512), seed=FIRST_SEED + 100 * number + k)
            flat = [scene.labels == label for label in np.flatnonzero(_large(scene.labels, 12.0))]
            truth = picked(flat, 24, given.seed)
            if truth:
                image = ss.Micrograph((255 * scene.image).astype(np.float32))
                parts.append(of_image(predictor, image, truth, given.seed, given.clicks))
        if parts:
            rows.append(_row("kind", kind, parts))
    if not rows:
        return table(rows)
    mean = {k: float(np.mean([r[k] for r in rows])) for k in list(rows[0])[3:]}
    rows.append({"kind": "**mean of kinds**", "images": "", "objects": "", **mean})
    return table(rows)


def picked(truth: list[NDArray[np.bool_]], most: int, seed: int) -> list[NDArray[np.bool_]]:
    """At most so many of the objects; 0 for all."""
    if not most or len(truth) <= most:
        return truth
    chosen = np.random.default_rng(seed).choice(len(truth), most, replace=False)
    return [truth[i] for i in sorted(chosen)]


def calibration(rows: Rows) -> str:
    """Table of the IoU that was reached by the one that was predicted."""
    edges = np.linspace(0, 1, 11)
    which = np.clip(np.digitize(rows["predicted"], edges) - 1, 0, 9)
    lines = []
    for k in range(10):
        those = which == k
        if those.any():
            lines.append(
                {
                    "predicted IoU": f"{edges[k]:.1f} to {edges[k + 1]:.1f}",
                    "masks": int(those.sum()),
                    "predicted, mean": float(rows["predicted"][those].mean()),
                    "reached, mean": float(rows["reached"][those].mean()),
                }
            )
    return table(lines)


COSTS = """
import json, resource, sys, time
import numpy as np, torch
torch.set_grad_enabled(False)
import napari_samstar as ss
from segment_anything import SamPredictor
from napari_samstar.synth import generate
scene = generate("particles_tem", (1024, 1024), seed=1)
rgb = ss.to_rgb(ss.Micrograph(255 * scene.image), ss.PreprocessSettings())
predictor = SamPredictor(ss.load_model(sys.argv[1], device="cpu"))
place = (np.arange(32) + 0.5) * 32
points = torch.from_numpy(np.stack(np.meshgrid(place, place), -1).reshape(-1, 1, 2)).float()
labels = torch.ones(64, 1, dtype=torch.int)
def encode():
    predictor.set_image(rgb)
def decode():
    model = predictor.model
    for start in range(0, 1024, 64):
        sparse, dense = model.prompt_encoder((points[start : start + 64], labels), None, None)
        model.mask_decoder(
            image_embeddings=predictor.features, image_pe=model.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse, dense_prompt_embeddings=dense, multimask_output=True,
        )
def click():
    predictor.predict(np.array([[512.0, 512.0]]), np.array([1]))
took = {}
for name, work, times in (("encode", encode, 5), ("decode", decode, 3), ("click", click, 10)):
    work()
    spent = []
    for _ in range(times):
        began, used = time.perf_counter(), time.process_time()
        work()
        spent.append((time.perf_counter() - began, time.process_time() - used))
    took[name] = [1e3 * min(v) for v in zip(*spent)]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
took["peak"] = peak / (2**20 if sys.platform == "darwin" else 2**10)
print(json.dumps(took))
"""


def costs(model: str) -> str:
    """Table of time and memory, measured in a process of its own."""
    out = subprocess.run(
        [sys.executable, "-c", COSTS, model], capture_output=True, text=True, check=True
    )
    took = json.loads(out.stdout.strip().splitlines()[-1])
    names = {
        "encode": "encode the image",
        "decode": "decode 32 x 32 points, 64 at a time",
        "click": "one click to full-size masks",
    }
    rows: list[dict[str, object]] = [
        {"what": what, "ms": took[name][0], "ms of processor": took[name][1]}
        for name, what in names.items()
    ]
    return table(rows) + f"\n\nPeak memory, Python and torch included: {took['peak']:.0f} MiB."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="samstar-tiny", help="name or checkpoint")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of sets")
    parser.add_argument("--sets", nargs="*", default=(), help="names of sets; all by default")
    parser.add_argument("--first", type=int, default=0, help="images of each set; 0: all")
    parser.add_argument("--clicks", type=int, default=1, help="clicks per object")
    parser.add_argument("--per-image", type=int, default=0, help="most objects of an image; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=3, help="synthetic ones of each kind")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    given = parser.parse_args()
    torch.set_grad_enabled(False)
    spent = costs(given.model)
    predictor = SamPredictor(ss.load_model(given.model, device="cpu"))
    sets, rows = real(predictor, given)
    text = "\n\n".join(
        [
            sets,
            "Everything in whole images, 32 x 32 points:",
            everything(predictor.model, given),
            "How far the predicted IoU can be believed, over the three masks of each click:",
            calibration(rows),
            "Held-out synthetic scenes, at most 24 objects of each:",
            synthetic(predictor, given),
            "Costs, smallest of several times:",
            spent,
        ]
    )
    print(text)
    if given.write:
        write_section(f"Model {given.model}", (__doc__ or "").split("\n\n", 2)[2] + "\n\n" + text)


def _joined(parts: list[Rows]) -> Rows:
    return {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}


def _row(what: str, name: str, parts: list[Rows]) -> dict[str, object]:
    joined = _joined(parts)
    return {
        what: name,
        "images": len(parts),
        "objects": len(joined["box"]),
        "one click": float(joined["chosen"].mean()),
        "best of three": float(joined["best"].mean()),
        "wand": float(joined["wand"].mean()),
        "one box": float(joined["box"].mean()),
        "Otsu": float(joined["otsu"].mean()),
        "Spearman": float(spearmanr(joined["predicted"], joined["reached"]).statistic),
    }


if __name__ == "__main__":
    main()
