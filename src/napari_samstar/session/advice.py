"""What to do next, in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_samstar.pipeline import RunResult
    from napari_samstar.session.image import ImageState

__all__ = ["headline", "next_step"]


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
            return f"{found} Widen the sizes, or try without the contrast."
        return f"{found} Click one to see its row in Measure; export when you are content."
    if state.source.pixel_size is None:
        return "Give the pixel size, if you know it, so that results are in nm. Then Prepare."
    if not state.ready:
        return "Check the pixel size, then Prepare: the network looks at the image once."
    return "Say what you know of the objects in Segment, then press Segment."


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
