"""How long does a result take, and how much memory? Side by side with Meta's generator.

    python benchmarks/speed.py [--write] [--large]

Same model, same image, one run after the other in one process; memory is the peak resident size of
a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np
from report import table, write_section
from segment_anything import SamAutomaticMaskGenerator

import napari_samstar as ss
from napari_samstar import synth


def image(side: int, seed: int = 3) -> ss.Micrograph:
    """A synthetic micrograph, tiled from smaller ones where it is large."""
    block = min(side, 1024)
    scene = synth.generate(None, (block, block), seed).image
    repeats = -(-side // block)
    data = np.tile(scene, (repeats, repeats))[:side, :side] * np.float32(255)
    return ss.Micrograph(np.ascontiguousarray(data, dtype=np.float32))


def random_settings(count: int, proposals: ss.Proposals) -> list[ss.AmgSettings]:
    """Settings that no run has seen before, spread over the scores that the model really gives."""
    rng = np.random.default_rng(5)
    iou = np.quantile(proposals.predicted_iou, [0.3, 0.9])
    stability = np.nanquantile(proposals.stability, [0.1, 0.8])
    return [
        ss.AmgSettings(
            pred_iou_thresh=float(np.clip(rng.uniform(*iou), 0, 1)),
            stability_score_thresh=float(rng.uniform(*stability)),
            stability_score_offset=1.0,
            box_nms_thresh=float(rng.uniform(0.3, 0.9)),
        )
        for _ in range(count)
    ]


def speed(side: int = 1024, points: int = 32) -> list[dict[str, object]]:
    """Rows of the table of times."""
    sam = ss.load_model("samstar-tiny")
    micrograph = image(side)
    rgb = ss.to_rgb(micrograph, ss.PreprocessSettings())
    decode = ss.DecodeSettings(points_per_side=points, sources=("grid",))
    warm = ss.DecodeSettings(points_per_side=2, sources=("grid",))
    ss.select(ss.propose(micrograph, sam, warm), ss.AmgSettings())  # compile before the clock runs

    started = time.perf_counter()
    proposals = ss.propose(micrograph, sam, decode)
    propose = time.perf_counter() - started
    settings = random_settings(200, proposals)
    started = time.perf_counter()
    kept = [len(ss.select(proposals, one)) for one in settings]
    select = (time.perf_counter() - started) / len(settings)

    # every setting has an offset of its own, so no score counted for one serves another
    offsets = np.linspace(0.5, 1.5, len(settings))
    fresh = [
        s.model_copy(update={"stability_score_offset": float(offset)})
        for s, offset in zip(settings, offsets, strict=True)
    ]
    started = time.perf_counter()
    kept_offset = [len(ss.select(proposals, one)) for one in fresh]
    select_offset = (time.perf_counter() - started) / len(fresh)
    started = time.perf_counter()
    for one in fresh:
        ss.select(proposals, one).stability.sum()
    select_read = (time.perf_counter() - started) / len(fresh)

    generator = SamAutomaticMaskGenerator(
        sam,
        points_per_side=points,
        pred_iou_thresh=settings[0].pred_iou_thresh,
        stability_score_thresh=settings[0].stability_score_thresh,
    )
    started = time.perf_counter()
    generator.generate(rgb)
    meta = time.perf_counter() - started

    def row(what: str, seconds: float) -> dict[str, object]:
        return {"what": what, "seconds": seconds, "Meta's run is longer by": meta / seconds}

    return [
        row(f"Meta's generator, {side}x{side}, {points}x{points} points", meta),
        row("first `propose` at the same settings", propose),
        row(f"`select` with a new setting (mean of 200; {np.mean(kept):.0f} masks kept)", select),
        row(
            "`select` with a new stability offset too "
            f"(mean of 200; {np.mean(kept_offset):.0f} masks kept)",
            select_offset,
        ),
        row("the same, and the stability scores of the kept masks read", select_read),
    ]


def peak_memory(side: int, sources: str) -> dict[str, object]:
    """Peak resident memory of one process that proposes and selects."""
    command = [sys.executable, __file__, "--child", str(side), "--sources", sources]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        "image": f"{side}x{side}",
        "sources": sources,
        "rows": result["rows"],
        "kept": result["kept"],
        "seconds": result["seconds"],
        "peak resident, MB": result["megabytes"],
    }


def child(side: int, sources: str) -> None:
    """Run in a process of its own; prints one JSON line."""
    started = time.perf_counter()
    micrograph = image(side)
    sam = ss.load_model("samstar-tiny")
    asked = tuple(sources.split(","))
    proposals = ss.propose(micrograph, sam, ss.DecodeSettings(sources=asked))
    if asked == ("grid",):
        kept = {"pred_iou_thresh": 0.2, "stability_score_thresh": 0.5}
        selection = ss.select(proposals, ss.AmgSettings(**kept))
    else:
        layer = ss.RewardLayerSettings()
        selection = ss.select(proposals, ss.SelectSettings(sources=asked, reward_layer=layer))
    labels = selection.labels()
    print(
        json.dumps(
            {
                "rows": len(proposals),
                "kept": int(labels.max()),
                "seconds": round(time.perf_counter() - started),
                "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            }
        )
    )


def main() -> None:
    """Print the tables, and write them if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--large", action="store_true", help="also 10,000 x 10,000")
    parser.add_argument("--only-speed", action="store_true", help="times, no memory")
    parser.add_argument("--only-memory", action="store_true", help="memory, no times")
    parser.add_argument("--child", type=int)
    parser.add_argument("--sources", default="grid")
    options = parser.parse_args()
    if options.child:
        child(options.child, options.sources)
        return
    if not options.only_memory:
        times = table(speed())
        print(times)
        if options.write:
            write_section("Speed", times)
    if options.only_speed:
        return
    every = "grid,tiles,regions,prompted"
    sizes = [(1024, "grid"), (4096, "grid"), (4096, every)]
    if options.large:
        sizes.append((10_000, every))
    memory = table([peak_memory(*size) for size in sizes])
    print(memory)
    if options.write:
        write_section("Memory", memory)


if __name__ == "__main__":
    main()
