"""Problems with known fronts, as rewards from 0 to 1."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from napari_samstar.search.space import Gene, Space

Evaluate = Callable[[Mapping[str, Any]], list[float]]

ZDT1_SPACE = Space(tuple(Gene(f"x{i}", "real", 0.5) for i in range(12)))


def zdt1(genes: Mapping[str, Any]) -> list[float]:
    """Zitzler, Deb & Thiele (2000); both losses divided by 10, so that they stay under 1."""
    x = np.array(list(genes.values()))
    g = 1 + 9 * x[1:].mean()
    return [1 - x[0] / 10, 1 - g * (1 - np.sqrt(x[0] / g)) / 10]


def dtlz2(n_objectives: int) -> tuple[Space, Evaluate]:
    """Deb et al. (2002): the front is the part of a sphere where all losses are positive."""
    m = n_objectives
    space = Space(tuple(Gene(f"x{i}", "real", 0.1) for i in range(m + 9)))

    def evaluate(genes: Mapping[str, Any]) -> list[float]:
        x = np.array(list(genes.values()))
        g = ((x[m - 1 :] - 0.5) ** 2).sum()
        angles = x[: m - 1] * np.pi / 2
        losses = []
        for k in range(m):
            loss = (1 + g) * np.prod(np.cos(angles[: m - 1 - k]))
            losses.append(loss * (np.sin(angles[m - 1 - k]) if k else 1))
        return [1 - loss / 4 for loss in losses]

    return space, evaluate


MIXED_SPACE = Space(
    (
        Gene("threshold", "real", 0.9),
        Gene("area", "integer", 0, low=0, high=1000, log=True),
        Gene("source", "choice", ("a",), choices=(("a",), ("b",), ("a", "b"))),
        Gene("layer", "bool", False),
        Gene("layer.weight", "real", 1.0, low=0.0, high=5.0, when=("layer", True)),
        Gene("layer.count", "integer", 3, low=1, high=9, when=("layer", True)),
    )
)


def mixed(genes: Mapping[str, Any]) -> list[float]:
    """Best at layer on, both sources, weight 2, count 5; threshold and area trade off."""
    off = (genes["source"] != ("a", "b")) * 0.2 + (not genes["layer"]) * 0.3
    off += abs(genes["layer.weight"] - 2.0) / 20 + abs(genes["layer.count"] - 5) / 40
    trade = genes["threshold"]
    area = abs(np.log1p(genes["area"]) - np.log(101)) / 20
    return [max(0.0, 1 - trade**2 - off - area), max(0.0, 1 - (1 - trade) ** 2 - off - area)]
