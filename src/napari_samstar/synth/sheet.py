"""A picture of all kinds at a glance."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import SynthSettings
from napari_samstar.synth import KINDS, generate

__all__ = ["contact_sheet"]


def contact_sheet(
    kinds: tuple[str, ...] = KINDS,
    columns: int = 4,
    tile: int = 256,
    seed: int = 0,
    settings: SynthSettings | None = None,
) -> NDArray[np.uint8]:
    """Draw one row a kind: the micrographs of `columns` seeds, the last with its outlines.

    Parameters
    ----------
    kinds : tuple of str
        Names out of `KINDS` or `MORE_KINDS`.
    columns : int
        Micrographs of each kind.
    tile : int
        Side of each, px; they are made at 512 px.
    seed : int
        First seed.
    settings : SynthSettings, optional
        Passed on to `generate`.

    Returns
    -------
    (H, W, 3) uint8
        The sheet, red, green, blue.
    """
    rows = []
    for kind in kinds:
        tiles = []
        for k in range(columns):
            scene = generate(kind, (512, 512), seed + k, settings)
            small = cv2.resize(scene.image, (tile, tile), interpolation=cv2.INTER_AREA)
            gray = np.rint(np.asarray(small) * 255).astype(np.uint8)
            view = np.repeat(gray[..., None], 3, axis=2)
            if k == columns - 1:
                pick = np.arange(tile) * 512 // tile
                labels = scene.labels[np.ix_(pick, pick)]
                edge = np.zeros(gray.shape, bool)
                edge[:, 1:] |= labels[:, 1:] != labels[:, :-1]
                edge[1:] |= labels[1:] != labels[:-1]
                view[edge] = (255, 170, 0)
            tiles.append(view)
        row = np.ascontiguousarray(np.hstack(tiles))
        cv2.rectangle(row, (0, 0), (10 + 8 * len(kind), 20), (0, 0, 0), -1)
        cv2.putText(
            row, kind, (5, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA
        )
        rows.append(row)
    return np.asarray(np.vstack(rows), np.uint8)
