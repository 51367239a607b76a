"""How good is what the search prefers, against defaults, chance, and the classical answer?

    python benchmarks/search.py [--sets NAME ...] [--budget 2000] [--model NAME|none] [--seeds 3]
        [--write]

Every method sees the image and its prior; the labels only score. The search's smaller budgets are
the first candidates of the largest one. "SAM's defaults" is Meta's generator, and beside it with
the thresholds of predicted IoU and stability from which the bundled model is best begun with.
"defaults" is our selection before any search, "random" a search of the same space by chance. Mean
matched IoU counts every true object, a missed one as 0; spurious masks have no object at IoU 0.5.
Hypervolume is that of the Pareto front over all objectives (reference point 1.1 in 1 - reward;
estimated from the same fixed points for all); all images share one seed's random draws, so it is
compared for several seeds. Means over images.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from regions import DATA, SETS, images, otsu
from report import table as markdown
from report import write_section

from napari_samstar.cache import Store
from napari_samstar.metrics.instances import matched_iou
from napari_samstar.pipeline import SelectionFront, optimize, propose
from napari_samstar.proposals.select import select
from napari_samstar.runs import MaskRuns
from napari_samstar.sam.zoo import load_model
from napari_samstar.search.hypervolume import hypervolume
from napari_samstar.settings import AmgSettings, DecodeSettings, Prior, SearchSettings
from napari_samstar.types import Micrograph, Proposals

Row = dict[str, Any]

GENERATOR = {
    "SAM's defaults": AmgSettings(),
    "SAM's at 0.5 / 0.6": AmgSettings(pred_iou_thresh=0.5, stability_score_thresh=0.6),
}


def scored(predicted: NDArray[Any] | MaskRuns, truth: NDArray[Any], seconds: float) -> Row:
    """Figures of one method on one image."""
    found = matched_iou(predicted, truth)
    return {
        "IoU": found["matched_iou"],
        "AP50": found["ap"][0],
        "PQ": found["pq"],
        "spurious": found["n_spurious"],
        "objects": found["n_truth"],
        "s": seconds,
    }


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def first(front: SelectionFront, n: int) -> SelectionFront:
    """The front after the first `n` candidates."""
    history = tuple(h for h in front.history if h[0] <= n)
    return replace(front, evaluated=front.evaluated[:n], history=history)


def measure_image(
    micrograph: Micrograph,
    proposals: Proposals,
    truth: NDArray[Any],
    prior: Prior,
    budget: int,
    seeds: int = 3,
) -> dict[str, Row]:
    """One row for each method."""
    rows: dict[str, Row] = {}
    labels, seconds = timed(lambda: otsu(proposals.gray, prior))
    rows["Otsu + watershed"] = scored(labels, truth, seconds)
    if "grid" in proposals.provenance["sources"]:
        for name, thresholds in GENERATOR.items():
            own, seconds = timed(lambda s=thresholds: select(proposals, s))
            rows[name] = scored(own.runs, truth, seconds)

    def searched(**how: Any) -> SelectionFront:
        settings = SearchSettings(patience=0, **how)
        return optimize(proposals, micrograph, search=settings, prior=prior)

    fronts: dict[str, SelectionFront] = {}
    few = min(600, budget)
    best, seconds = timed(lambda: searched(budget=budget))
    random, seconds_random = timed(lambda: searched(budget=few, method="random"))
    for n in sorted({100, 600, 2000, budget}):
        if n <= budget:
            fronts[f"search, {n}"] = first(best, n)
    for name, front in fronts.items():
        kept = select(proposals, front.settings(front.preferred()))
        share = len(front.evaluated) / len(best.evaluated)
        rows[name] = scored(kept.runs, truth, seconds * share) | {
            "hypervolume": hypervolume(front.rewards)
        }
    pairs = [(first(best, few), random)]
    for seed in range(1, seeds):
        pairs.append(
            (searched(budget=few, seed=seed), searched(budget=few, seed=seed, method="random"))
        )
    rows[f"search, {few}"]["gained"] = [
        hypervolume(by_search.rewards) / hypervolume(by_chance.rewards)
        for by_search, by_chance in pairs
    ]
    reached = [
        matched_iou(select(proposals, best.settings(c)).runs, truth)["matched_iou"]
        for c in best.candidates
    ]
    rows[f"search, {budget}"]["best on front"] = float(np.max(reached))
    assert best.default is not None
    kept = select(proposals, best.settings(best.default))
    rows["defaults"] = scored(kept.runs, truth, 0.0)
    kept = select(proposals, random.settings(random.preferred()))
    rows["random, 600"] = scored(kept.runs, truth, seconds_random) | {
        "hypervolume": hypervolume(random.rewards)
    }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--budget", type=int, default=2000)
    parser.add_argument("--model", default="samstar-tiny")
    parser.add_argument("--seeds", type=int, default=3, help="seeds to compare hypervolumes for")
    parser.add_argument("--write", action="store_true", help="write into docs/benchmarks.md")
    args = parser.parse_args()
    sam = None if args.model == "none" else load_model(args.model)
    found: list[tuple[str, dict[str, Row]]] = []
    for name, stem, gray, truth, prior in images(args.data):
        if name not in args.sets:
            continue
        micrograph = Micrograph(gray.astype(np.float32), name=stem)
        proposals, seconds = timed(
            lambda m=micrograph, p=prior: propose(m, sam, DecodeSettings(), prior=p, store=Store())
        )
        rows = measure_image(micrograph, proposals, truth, prior, args.budget, args.seeds)
        found.append((name, rows))
        line = ", ".join(f"{k} {v['IoU']:.3f}/{v['spurious']}" for k, v in rows.items())
        print(f"{name} {stem}: proposals {seconds:.1f} s; {line}", flush=True)
    text = tables(found)
    print(text)
    if args.write:
        title = "Search" if args.model == "samstar-tiny" else f"Search ({args.model})"
        write_section(title, text + "\n\n" + __doc__.split("\n\n", 2)[2])


def tables(found: list[tuple[str, dict[str, Row]]]) -> str:
    """All methods over all images, then the sets, then who wins how often."""
    methods = list(found[0][1])
    overall = []
    for method in methods:
        rows = [r[method] for _, r in found]
        keys = ("IoU", "best on front", "AP50", "PQ", "spurious", "hypervolume", "s")
        overall.append(
            {"method": method}
            | {k: float(np.mean([r[k] for r in rows])) if k in rows[0] else "" for k in keys}
        )
    sets = []
    for name in dict.fromkeys(n for n, _ in found):
        group = [r for n, r in found if n == name]
        means = {m: float(np.mean([r[m]["IoU"] for r in group])) for m in methods}
        sets.append({"set": name, "images": len(group), **means})
    main_method = "search, 600" if "search, 600" in methods else methods[2]
    gained = np.array([r[main_method]["gained"] for _, r in found])  # (images, seeds)

    def share(test: Callable[[dict[str, Row]], bool]) -> float:
        return 100 * float(np.mean([test(r) for _, r in found]))

    wins = [
        {
            "the search's preferred candidate (600)": "better than Otsu + watershed",
            "% of images": share(lambda r: r[main_method]["IoU"] > r["Otsu + watershed"]["IoU"]),
        },
        {
            "the search's preferred candidate (600)": "larger hypervolume than random search, "
            f"mean of {gained.shape[1]} seeds",
            "% of images": 100 * float((gained > 1).mean()),
        },
        *(
            {
                "the search's preferred candidate (600)": f"the same with seed {seed}: "
                f"{100 * (ratios.mean() - 1):.1f} % larger in the mean",
                "% of images": 100 * float((ratios > 1).mean()),
            }
            for seed, ratios in enumerate(gained.T)
        ),
    ]
    return "\n\n".join(markdown(t) for t in (overall, sets, wins))


if __name__ == "__main__":
    main()
