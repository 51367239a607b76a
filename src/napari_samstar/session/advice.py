"""What to do next, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_samstar.pipeline import RunResult
    from napari_samstar.search.pareto import Candidate
    from napari_samstar.session.found import Found
    from napari_samstar.session.image import ImageState
    from napari_samstar.settings import Prior

__all__ = ["OPEN", "difference", "headline", "known", "next_step", "range_in_words"]

#: A range that ends so high, or higher, in whatever unit, is open.
OPEN = 1e6


def next_step(state: ImageState | None) -> str:
    """Say what to do next with an image in this state; None for no image."""
    if state is None:
        return (
            "Open a micrograph: drag its file into the window, or try one of "
            "File > Open Sample > SAM star."
        )
    if state.result is not None:
        count = len(state.result.table)
        found = f"{count} object{'' if count == 1 else 's'} found."
        if count == 0:
            return f"{found} {_none_found(state)}"
        better = "" if state.front is not None else " Not all of them right? Try Search."
        return f"{found} Click one to see its row in Measure; export when you are content.{better}"
    if state.ready:
        return "Say what you know of the objects in Segment, then press Segment."
    if state.source.pixel_size is None:
        return "Give the pixel size, if you know it, so that results are in nm. Then Prepare."
    return "Check the pixel size, then Prepare: the network looks at the image once."


def _none_found(state: ImageState) -> str:
    """Say what to try where no object was found."""
    assert state.result is not None
    data, prior = state.result.segmentation.micrograph.data, state.settings.prior
    # one row tells of nearly every image that it is not flat
    if np.ptp(data[0]) == 0 and np.ptp(data) == 0:
        return "All pixels of this image have the same value: there is nothing to find in it."
    ways = []
    if prior.diameter is not None:
        ways.append("widen the sizes")
    if prior.shape is not None:
        ways.append("allow any shape")
    if prior.polarity is not None:
        ways.append("do not say whether they are dark or bright")
    if not ways:
        ways = ["change the contrast in Image", "use a finer grid of points there"]
    text = ", or ".join(ways)
    return f"{text[0].upper()}{text[1:]}."


def headline(result: RunResult) -> str:
    """Say what was found in a phrase: count, median size, coverage."""
    from napari_samstar.measurements.summary import summarize

    summary = summarize(result.table)
    unit = result.segmentation.micrograph.unit
    parts = [f"{summary['n']} object{'' if summary['n'] == 1 else 's'}"]
    column = next((c for c in summary["columns"] if c.startswith("equivalent_diameter")), "")
    median = summary["columns"].get(column, {}).get("median")
    if median is not None:
        parts.append(f"median diameter {median:.3g} {unit.replace('um', 'µm')}")
    if summary["coverage"] is not None:
        parts.append(f"{100 * summary['coverage']:.3g} % covered")
    return ", ".join(parts)


def difference(found: Found, shown: Candidate, before: Candidate | None = None) -> str:
    """Say how the candidate that is shown differs from another, by default the default settings.

    The largest changes come first; settings that do not matter for either are left out.
    """
    from napari_samstar.report.wording import describe

    other = before or found.front.default
    count = found.count(shown)
    if other is None or other.index == shown.index:
        return f"{_objects(count)}, with the default settings."
    old, new = _in_use(other.genes), _in_use(shown.genes)
    names = sorted(new, key=lambda name: -_change(old.get(name), new[name]))
    text = describe(old, {name: new[name] for name in names}, found.count(other), count)
    against = "the default settings" if before is None else "the one before"
    return f"{_objects(count)}. Against {against}: {text}."


def _objects(count: int) -> str:
    return f"{count} object{'' if count == 1 else 's'}"


def _in_use(genes: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what the reward layer replaces, or what it would take were it on."""
    layered = genes.get("reward_layer", True)
    always = ("amg.min_mask_region_area", "reward_layer")
    unused = "amg." if layered else "reward_layer."
    return {k: v for k, v in genes.items() if k in always or not k.startswith(unused)}


def _change(old: Any, new: Any) -> float:
    """Size of a change, 0 to 1; what is no number changes wholly or not at all."""
    if isinstance(old, int | float) and isinstance(new, int | float):
        return abs(new - old) / max(abs(new), abs(old), 1e-9)
    return float(old != new)


def range_in_words(low: float, high: float, unit: str = "") -> str:
    """Say from where to where: "7 to 9 nm"; below 0 and above a million nobody looks."""
    unit = f" {unit.replace('um', 'µm')}" if unit else ""
    if high >= OPEN:
        return f"at least {low:.4g}{unit}" if low else "any"
    return f"{low:.4g} to {high:.4g}{unit}" if low else f"at most {high:.4g}{unit}"


def known(prior: Prior) -> str:
    """Say what is known of the objects in a phrase; empty where nothing is."""
    parts = []
    if prior.diameter is not None:
        parts.append(range_in_words(*prior.diameter, prior.size_unit))
    if prior.shape is not None:
        parts.append(prior.shape)
    if prior.polarity is not None:
        parts.append("darker than around" if prior.polarity == "dark" else "brighter than around")
    if prior.coverage is not None:
        low, high = prior.coverage
        parts.append(f"filling {100 * low:g} to {100 * high:g} %")
    if prior.count is not None:
        parts.append(f"{prior.count[0]} to {prior.count[1]} of them")
    return ", ".join(parts)
