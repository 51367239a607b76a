"""How good is a model on real micrographs: one click, one box, and does it know when it is right?

    python benchmarks/model.py [--model NAME|PATH] [--data FOLDER] [--clicks N] [--write]

For every instance of at least 12 px equivalent diameter: a click at a random pixel of it (seeded),
of whose three masks the IoU head chooses one, and the box around it. Sets whose truth is classes
are measured on their connected pieces and stand outside of the mean.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from report import table, write_section
from scipy import ndimage
from scipy.stats import spearmanr
from segment_anything import SamPredictor
from skimage.io import imread

import napari_samstar as ss

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
BATCH = 32


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


def measure(
    predictor: SamPredictor, truth: list[NDArray[np.bool_]], rng: np.random.Generator, clicks: int
) -> dict[str, NDArray[np.float64]]:
    """One row per object and click."""
    size = truth[0].shape
    out: dict[str, list[NDArray[np.float64]]] = {
        k: [] for k in ("chosen", "best", "box", "predicted", "reached")
    }
    for start in range(0, len(truth), BATCH):
        part = truth[start : start + BATCH]
        target = torch.from_numpy(np.stack(part))
        boxes = []
        for mask in part:
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            boxes.append([columns[0], rows[0], columns[-1], rows[-1]])
        corners = predictor.transform.apply_boxes_torch(torch.tensor(boxes).float(), size)
        masks, _, _ = predictor.predict_torch(None, None, corners, multimask_output=False)
        out["box"].append(ious(masks, target)[:, 0].numpy())
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
    return {k: np.concatenate(v) for k, v in out.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="samstar-tiny", help="name or checkpoint")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of sets")
    parser.add_argument("--clicks", type=int, default=1, help="clicks per object")
    parser.add_argument("--per-image", type=int, default=0, help="most objects of an image; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    given = parser.parse_args()
    torch.set_grad_enabled(False)
    predictor = SamPredictor(ss.load_model(given.model, device="cpu"))
    sets: dict[str, list[dict[str, NDArray[np.float64]]]] = {}
    encode = []
    for path in sorted(given.data.glob("*/masks/*.png")):
        truth, instances = objects(imread(path))
        if given.per_image and len(truth) > given.per_image:
            picked = np.random.default_rng(given.seed).choice(
                len(truth), given.per_image, replace=False
            )
            truth = [truth[i] for i in sorted(picked)]
        if not truth:
            continue
        image = next((path.parents[1] / "images").glob(path.stem + ".*"))
        rgb = ss.to_rgb(ss.load_micrograph(image), ss.PreprocessSettings())
        started = time.perf_counter()
        predictor.set_image(rgb)
        encode.append(time.perf_counter() - started)
        rows = measure(predictor, truth, np.random.default_rng(given.seed), given.clicks)
        sets.setdefault(path.parents[1].name + ("" if instances else " (classes)"), []).append(rows)
    rows = [_row(name, parts) for name, parts in sets.items()]
    plain = [p for name, parts in sets.items() if "(classes)" not in name for p in parts]
    of_sets = [r for r in rows if "(classes)" not in str(r["set"])]
    mean = {k: float(np.mean([r[k] for r in of_sets])) for k in list(rows[0])[3:]}
    rows.append({"set": "**mean of sets**", "images": "", "objects": "", **mean})
    rows.append(_row("**all instances**", plain))
    text = table(rows)
    print(text)
    print(f"encoding: {1000 * np.median(encode):.0f} ms, median of {len(encode)}")
    if given.write:
        write_section(f"Model {given.model}", (__doc__ or "").split("\n\n", 2)[2] + "\n\n" + text)


def _row(name: str, parts: list[dict[str, NDArray[np.float64]]]) -> dict[str, object]:
    joined = {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    return {
        "set": name,
        "images": len(parts),
        "objects": len(joined["box"]),
        "one click": float(joined["chosen"].mean()),
        "best of three": float(joined["best"].mean()),
        "one box": float(joined["box"].mean()),
        "Spearman": float(spearmanr(joined["predicted"], joined["reached"]).statistic),
    }


if __name__ == "__main__":
    main()
