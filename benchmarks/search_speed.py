"""How fast is the search, against one run of Meta's generator with the same model?

    python benchmarks/search_speed.py [--write] [--side 1024] [--model NAME]

Two synthetic micrographs, a usual one and a crowded one, with 32x32 points, regions and their
prompts; 600 candidates; of three searches, each from nothing known of the masks, the fastest. Times
are of the CPU, which a busy machine does not change much: on two cores the network's part takes
half. "Cancel" is the time from a request at a random moment of the search of the crowded one, while
it runs in a thread, to the front in hand, the largest of 50, ten of them while the masks are
measured; "importances" moves one slider.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from report import table, write_section
from segment_anything import SamAutomaticMaskGenerator

import napari_samstar as ss
from napari_samstar import synth
from napari_samstar.pipeline import optimizing
from napari_samstar.search.events import CandidateEvent

BUDGET = 600
TIMES = 3
CANCELS = 50


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


@contextmanager
def counted() -> Iterator[list[float]]:
    """Collect the seconds that go into the selection and the rewards of each candidate."""
    judge = optimizing._Judge
    plain, spent = judge.evaluate, []

    def evaluate(self: Any, genes: Any) -> Any:
        found, seconds = timed(lambda: plain(self, genes))
        spent.append(seconds)
        return found

    judge.evaluate = evaluate  # type: ignore[method-assign]
    try:
        yield spent
    finally:
        judge.evaluate = plain  # type: ignore[method-assign]


def cancel(steps: Any, wait: float) -> float | None:
    """Seconds from a request to stop to the front so far; None where the search was over before."""
    stop, done, over = threading.Event(), threading.Event(), threading.Event()
    found: list[Any] = []

    def drive() -> None:
        front = None
        for event in steps:
            front = getattr(event, "front", front)
            if stop.is_set():
                break
        else:
            over.set()
        steps.close()
        if front is not None:
            found.append(front())
        done.set()

    thread = threading.Thread(target=drive)
    thread.start()
    time.sleep(wait)
    start = time.perf_counter()
    stop.set()
    done.wait()
    seconds = time.perf_counter() - start
    thread.join()
    assert all(front.candidates for front in found)
    return None if over.is_set() else seconds


#: What is searched: a usual and a crowded micrograph, (kind, seed).
SCENES = {"usual": ("particles_tem", 1), "crowded": ("particles_tem", 3)}


@dataclass(frozen=True)
class Run:
    """One search, and the seconds of its parts: of the CPU, and `wall` of the clock."""

    front: ss.pipeline.SelectionFront
    first: float
    number: int
    whole: float
    wall: float
    judged: float


@dataclass(frozen=True)
class Searched:
    """One micrograph's proposals and searches, the fastest first, and CPU seconds beside them."""

    objects: int
    micrograph: ss.Micrograph
    proposals: ss.Proposals
    propose: float
    runs: list[Run]
    meta: float

    @property
    def best(self) -> Run:
        """The fastest search."""
        return self.runs[0]


def searched_once(
    proposals: ss.Proposals, micrograph: ss.Micrograph, search: ss.SearchSettings
) -> Run:
    """Search with nothing known of the masks yet."""
    proposals.columns.clear()
    with counted() as spent:
        steps = optimizing.optimize_steps(proposals, micrograph, search=search)
        _, first = timed(lambda: next(e for e in steps if isinstance(e, CandidateEvent)))
        number, judged = -len(spent), -sum(spent)
        began = time.perf_counter()
        front, whole = timed(lambda: ss.pipeline.run(steps))
        wall = time.perf_counter() - began
        number, judged = number + len(spent), judged + sum(spent)
    return Run(front, first, number, whole, wall, judged)


def searched(kind: str, seed: int, side: int, sam: Any, search: ss.SearchSettings) -> Searched:
    """Propose and search, and run Meta's generator beside it."""
    scene = synth.generate(kind, (side, side), seed=seed)
    micrograph = ss.Micrograph((scene.image * 255).astype(np.float32))
    proposals, propose = timed(lambda: ss.propose(micrograph, sam))
    runs = [searched_once(proposals, micrograph, search) for _ in range(TIMES)]
    runs.sort(key=lambda run: run.whole)
    generator = SamAutomaticMaskGenerator(sam, points_per_side=32)
    rgb = ss.to_rgb(micrograph, ss.PreprocessSettings())
    _, meta = timed(lambda: generator.generate(rgb))
    objects = int(scene.labels.max())
    return Searched(objects, micrograph, proposals, propose, runs, meta)


def rows(found: dict[str, Searched], side: int) -> list[dict[str, object]]:
    """Make the table: one column a micrograph."""
    lines: list[tuple[str, Callable[[Searched], Any]]] = [
        ("true objects", lambda f: f.objects),
        ("masks on offer", lambda f: len(f.proposals)),
        (f"Meta's generator, {side}x{side}, 32x32 points, CPU s", lambda f: f.meta),
        ("first `propose`: grid, regions, prompts, CPU s", lambda f: f.propose),
        ("first candidate: physics of all masks on offer, CPU s", lambda f: f.best.first),
        (f"{BUDGET - 1} further candidates, CPU s", lambda f: f.best.whole),
        ("Meta's run is longer than these by", lambda f: f.meta / f.best.whole),
        ("one of them, CPU ms", lambda f: 1e3 * f.best.whole / f.best.number),
        (
            "of which outside of selection and rewards",
            lambda f: 1e3 * (f.best.whole - f.best.judged) / f.best.number,
        ),
        ("candidates in a CPU second", lambda f: f.best.number / f.best.whole),
        ("candidates in a second of the clock", lambda f: f.best.number / f.best.wall),
        (
            "the same in all runs",
            lambda f: ", ".join(f"{run.number / run.wall:.0f}" for run in f.runs),
        ),
    ]
    return [{"what": what, **{n: of(f) for n, f in found.items()}} for what, of in lines]


def cancels(of: Searched, search: ss.SearchSettings) -> list[float]:
    """Seconds that each of many cancels took."""
    chance = random.Random(0)
    waits = [chance.uniform(0.0, 2.0) for _ in range(CANCELS)]
    stops = []
    with tempfile.TemporaryDirectory() as folder:
        for i, wait in enumerate(waits):
            if i % 5 == 0:  # canceled while the masks are still measured
                of.proposals.columns.clear()
            journal = Path(folder) / f"{i}.jsonl"
            begun = optimizing.optimize_steps(
                of.proposals, of.micrograph, search=search, journal=journal
            )
            took = cancel(begun, wait)
            if took is not None:
                stops.append(took)
    return stops


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write into docs/benchmarks.md")
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--model", default="samstar-tiny")
    args = parser.parse_args()
    sam = ss.load_model(args.model)
    warm = ss.Micrograph((synth.generate("nuclei", (128, 128), seed=3).image * 255).astype("f4"))
    search = ss.SearchSettings(budget=BUDGET, patience=0)
    few = search.model_copy(update={"budget": 12})
    ss.optimize(ss.propose(warm, sam, ss.DecodeSettings(points_per_side=4)), warm, search=few)

    found = {
        name: searched(kind, seed, args.side, sam, search) for name, (kind, seed) in SCENES.items()
    }
    front = found["crowded"].best.front
    importances = [{front.objectives[0]: w} for w in np.geomspace(0.01, 100, 100)]
    front.preferred()
    _, picked = timed(lambda: [front.preferred(i) for i in importances])
    stops = cancels(found["crowded"], search)
    text = table(rows(found, args.side))
    text += (
        f"\n\nCancel, wall time: {1e3 * max(stops):.0f} ms at most, "
        f"{1e3 * np.median(stops):.1f} ms in the median of {CANCELS}. "
        f"Importances moved on a front of {len(front)}: {1e3 * picked / len(importances):.2g} ms."
    )
    print(text)
    if args.write:
        write_section("Speed of the search", text + "\n\n" + __doc__.split("\n\n", 2)[2])


if __name__ == "__main__":
    main()
