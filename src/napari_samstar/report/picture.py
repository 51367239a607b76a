"""The Pareto front as a picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_samstar.io.overlay import PALETTE

if TYPE_CHECKING:
    from napari_samstar.search.pareto import Candidate, Front

__all__ = ["draw_front"]

_GRAY = "0.75"


def draw_front(front: Front, marks: Mapping[str, Candidate]) -> bytes:
    """Draw the front's candidates over all objectives, and how the search went.

    Parameters
    ----------
    front : Front
        With at least one candidate.
    marks : mapping
        Candidates to point out, by name; those of one index share a line.

    Returns
    -------
    bytes
        A PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(2.2, 1))
    _objectives(left, front, marks)
    _history(right, front)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def _objectives(axes: Any, front: Front, marks: Mapping[str, Candidate]) -> None:
    """One line for each candidate, from objective to objective."""
    places = np.arange(len(front.objectives))
    lines = front.rewards.T
    axes.plot(places, lines, color=_GRAY, linewidth=0.8, zorder=1)
    called: dict[int, list[str]] = {}
    for name, candidate in marks.items():
        if not name.startswith("best "):
            called.setdefault(candidate.index, []).append(name)
    for k, (index, names) in enumerate(called.items()):
        color = PALETTE[(5, 4, 2, 0)[k % 4]] / 255
        axes.plot(
            places,
            front.evaluated[index].rewards,
            color=color,
            linewidth=2.4,
            marker="o",
            label=", ".join(names),
            zorder=3,
        )
    axes.set_xticks(places, [name.replace("_", " ") for name in front.objectives], fontsize=9)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel("reward (more is better)")
    axes.set_title(f"{len(front.candidates)} candidates that none other beats", fontsize=11)
    axes.grid(axis="x", color="0.9")
    if called:
        axes.legend(loc="lower left", fontsize=9)


def _history(axes: Any, front: Front) -> None:
    """Hypervolume after each generation."""
    if front.history:
        evaluated, volume = zip(*front.history, strict=True)
        axes.plot(evaluated, volume, color=PALETTE[4] / 255, marker=".", drawstyle="steps-post")
    axes.set_xlabel("candidates evaluated")
    axes.set_ylabel("hypervolume")
    axes.set_title("how the search went", fontsize=11)
    axes.grid(color="0.93")
