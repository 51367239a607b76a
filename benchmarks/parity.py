"""Does `select` give what Meta's automatic mask generator gives? Random settings, mask by mask.

    python benchmarks/parity.py [--settings 200] [--write]

Both see the same weights. So that hundreds of settings can be compared in minutes, the network's
answers to equal inputs are remembered between runs of Meta's generator; all its other code runs
as it is.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from report import table, write_section
from segment_anything import SamAutomaticMaskGenerator

import napari_samstar as ss
from napari_samstar import synth

IMAGES = (
    ("particles_tem", (211, 288)),
    ("grains", (256, 256)),
    ("precipitates", (300, 200)),
    ("nuclei", (260, 260)),
    ("powder", (133, 400)),
)


class Remembering(torch.nn.Module):
    """A part of the network that answers equal inputs from memory."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = module
        self.answers: dict[bytes, Any] = {}

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        import xxhash

        digest = xxhash.xxh128()
        for value in (*args, *kwargs.values()):
            if isinstance(value, torch.Tensor):
                digest.update(np.ascontiguousarray(value.cpu().numpy()))
            elif isinstance(value, (tuple, list)):
                for part in value:
                    digest.update(np.ascontiguousarray(part.cpu().numpy()))
            else:
                digest.update(repr(value).encode())
        key = digest.digest()
        if key not in self.answers:
            self.answers[key] = self.module(*args, **kwargs)
        return self.answers[key]

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)


def random_decode(rng: np.random.Generator, layers: int, small: bool) -> dict[str, Any]:
    """Draw the four parameters that need the network."""
    return {
        "points_per_side": int(rng.integers(4, 5 if small else (9, 6, 5)[layers])),
        "crop_n_layers": layers,
        "crop_overlap_ratio": float(rng.uniform(0.1, 0.5)),
        "crop_n_points_downscale_factor": int(rng.integers(1, 3)) if not small else 1,
    }


def random_amg(rng: np.random.Generator, quantiles: NDArray[np.float64]) -> dict[str, Any]:
    """Draw the six others, around what the model's scores really are."""
    low, high = float(quantiles[0]), float(quantiles[1])
    return {
        "pred_iou_thresh": float(rng.choice([0.0, np.clip(rng.uniform(low, high), 0, 1)])),
        "stability_score_thresh": float(rng.choice([0.0, rng.uniform(0.0, 0.9)])),
        "stability_score_offset": float(rng.choice([1.0, rng.uniform(0.05, 3.0)])),
        "box_nms_thresh": float(rng.uniform(0.1, 1.0)),
        "crop_nms_thresh": float(rng.uniform(0.1, 1.0)),
        "min_mask_region_area": int(rng.choice([0, rng.integers(1, 500)])),
    }


def compare(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, float]:
    """Largest differences between two lists of masks in the same order."""
    result = {"same_count": len(ours) == len(theirs), "score": 0.0, "box": 0.0, "pixels": 0.0}
    for a, b in zip(ours, theirs, strict=False):
        for name in ("predicted_iou", "stability_score"):
            if not (np.isnan(a[name]) and np.isnan(b[name])):
                result["score"] = max(result["score"], abs(a[name] - b[name]))
        for name in ("bbox", "crop_box", "point_coords"):
            result["box"] = max(result["box"], np.abs(np.subtract(a[name], b[name])).max())
        wrong = float((a["segmentation"] != b["segmentation"]).mean())
        result["pixels"] = max(result["pixels"], wrong)
    return result


def run(name: str, sam: Any, images: list[NDArray[np.uint8]], count: int, small: bool) -> dict:
    """Compare `count` random settings; a row of the table."""
    rng = np.random.default_rng(7)
    per_decode = 8
    done = masks = unequal = refused = 0
    worst = {"score": 0.0, "box": 0.0, "pixels": 0.0}
    started = time.perf_counter()
    encoder, decoder = sam.image_encoder, sam.mask_decoder
    layers = 0
    while done < count:
        rgb = images[(done // per_decode) % len(images)]
        decode = random_decode(rng, layers if not small else 0, small)
        layers = (layers + 1) % 3
        micrograph = ss.Micrograph(rgb.astype(np.float32))
        settings = ss.DecodeSettings(**decode, sources=("grid",))
        proposals = ss.propose(micrograph, sam, settings)
        quantiles = np.quantile(proposals.predicted_iou, [0.05, 0.8])
        network_image = ss.to_rgb(micrograph, ss.PreprocessSettings())
        sam.image_encoder, sam.mask_decoder = Remembering(encoder), Remembering(decoder)
        try:
            for _ in range(min(per_decode, count - done)):
                amg = random_amg(rng, quantiles)
                ours = ss.select(proposals, ss.AmgSettings(**amg)).masks()
                done += 1
                generator = SamAutomaticMaskGenerator(sam, **decode, **amg)
                try:
                    theirs = generator.generate(network_image)
                except IndexError:
                    # Meta's code fails where crops were asked for and no mask is left
                    refused += 1
                    unequal += bool(ours)
                    continue
                found = compare(ours, theirs)
                masks += len(theirs)
                unequal += not found["same_count"]
                worst = {key: max(worst[key], found[key]) for key in worst}
        finally:
            sam.image_encoder, sam.mask_decoder = encoder, decoder
        print(f"{name}: {done}/{count} settings, {masks} masks, {unequal} unequal, {worst}")
    return {
        "model": name,
        "settings": done,
        "masks compared": masks,
        "settings with another number of masks": unequal,
        "largest score difference": worst["score"],
        "largest box difference, px": worst["box"],
        "largest share of unequal pixels": worst["pixels"],
        "Meta's generator failed": refused,
        "minutes": (time.perf_counter() - started) / 60,
    }


def main() -> None:
    """Print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=int, default=200)
    parser.add_argument("--vit-b-settings", type=int, default=8)
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    images = []
    for seed, (kind, shape) in enumerate(IMAGES):
        scene = synth.generate(kind, shape, seed)
        gray = np.round(np.clip(scene.image, 0, 1) * 255).astype(np.uint8)
        images.append(np.repeat(gray[..., None], 3, axis=2))
    rows = [run("samstar-tiny", ss.load_model("samstar-tiny"), images, options.settings, False)]
    if options.vit_b_settings:
        from segment_anything import sam_model_registry

        torch.manual_seed(0)
        vit = sam_model_registry["vit_b"]().eval()
        with torch.no_grad():  # random weights give flat masks: steeper ones have outlines
            for mlp in vit.mask_decoder.output_hypernetworks_mlps:
                mlp.layers[-1].weight.mul_(40.0)
            vit.mask_decoder.iou_prediction_head.layers[-1].bias.fill_(0.7)
        rows.append(run("ViT-B, random weights", vit, images, options.vit_b_settings, True))
    text = table(rows)
    print(text)
    if options.write:
        write_section(
            "Parity with Meta's generator", (__doc__ or "").split("\n\n")[-1] + "\n" + text
        )


if __name__ == "__main__":
    main()
