"""Where no mask lies: regions of even texture, offered as proposals.

A small SAM leaves parts of an image without any mask, which no merging can make good.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_samstar.booster.crops import Crops, crop_side, grid_crops
from napari_samstar.booster.texture import TextureEncoder, fit_space, texture_encoders
from napari_samstar.runs import MaskRuns, RunsBuilder
from napari_samstar.settings import CropSettings, FallbackSettings, TextureSettings

__all__ = ["uncovered_regions"]

_MOST_COMPARED = 1500  # crops, for the silhouette
_CLEARLY = 1.2  # times the silhouette of fewer textures: chance alone often gives a little more


def uncovered_regions(
    image: NDArray[np.generic],
    covered: NDArray[np.bool_],
    settings: FallbackSettings | None = None,
    crops: CropSettings | None = None,
    encoders: Sequence[TextureEncoder] | None = None,
) -> MaskRuns:
    """Segment what no mask covers by texture, on a dense grid of crops.

    Parameters
    ----------
    image : (H, W) array
        Intensities.
    covered : (H, W) bool
        Where masks lie.
    settings : FallbackSettings, optional
        Grid and number of textures.
    crops : CropSettings, optional
        Side of the crops.
    encoders : sequence of TextureEncoder, optional
        Intensity and physics, which are quick, if not given.

    Returns
    -------
    MaskRuns
        Connected regions of the uncovered area, largest first; together they need not fill it.
    """
    settings = settings or FallbackSettings()
    if encoders is None:
        encoders = texture_encoders(TextureSettings(encoders=("intensity", "physics")))
    free = ~covered
    side = crop_side(image, crops or CropSettings())
    step = max(1, round(settings.step * side), int((free.sum() / settings.crops) ** 0.5))
    grid = grid_crops(image, free, side, step, settings.coverage)
    if len(grid) == 0:
        return MaskRuns.empty((int(covered.shape[0]), int(covered.shape[1])))
    parts = [encoder(grid.pixels, grid.boxes) for encoder in encoders]
    rows = fit_space(parts, 12).project(parts)
    labels = _painted(grid, _textures(rows, settings), free)
    return _regions(labels, settings.min_area * side * side)


def _textures(rows: NDArray[np.float64], settings: FallbackSettings) -> NDArray[np.intp]:
    """Cluster crops; a further cluster has to make the silhouette clearly better."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    best = np.zeros(len(rows), np.intp)
    distinct = len(np.unique(rows.round(9), axis=0))
    evident = settings.min_silhouette
    for count in range(2, min(settings.most, len(rows) - 1, distinct) + 1):
        model = KMeans(count, n_init=5, random_state=settings.seed).fit(rows)
        if np.unique(model.labels_).size < 2:
            break
        sample = min(_MOST_COMPARED, len(rows))
        value = silhouette_score(rows, model.labels_, sample_size=sample, random_state=0)
        if value > evident:
            best, evident = model.labels_.astype(np.intp), _CLEARLY * float(value)
    return best


def _painted(grid: Crops, textures: NDArray[np.intp], free: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Texture of each free pixel from 1, by the crops over it, those around it counting most."""
    side = grid.side
    ramp = np.hanning(side + 2)[1:-1].astype(np.float32)
    weight = ramp[:, None] * ramp[None]
    votes = np.zeros((int(textures.max()) + 1, *free.shape), np.float32)
    for (x0, y0, x1, y1), texture in zip(grid.boxes.tolist(), textures.tolist(), strict=True):
        votes[texture, y0:y1, x0:x1] += weight
    labels: NDArray[np.int32] = (votes.argmax(0) + 1).astype(np.int32)
    seen = votes.max(0) > 0
    if not seen.all():
        _, (rows, columns) = ndimage.distance_transform_edt(~seen, return_indices=True)
        labels = labels[rows, columns]
    labels[~free] = 0
    return labels


def _regions(labels: NDArray[np.int32], least: float) -> MaskRuns:
    """Split into connected pieces of at least `least` px, largest first."""
    builder = RunsBuilder((int(labels.shape[0]), int(labels.shape[1])))
    found: list[tuple[int, NDArray[np.int32], int, slice, slice]] = []
    for texture in range(1, int(labels.max()) + 1):
        _, pieces = cv2.connectedComponents((labels == texture).astype(np.uint8), connectivity=4)
        sizes = np.bincount(pieces.ravel())
        for piece, box in enumerate(ndimage.find_objects(pieces), start=1):
            if box is not None and sizes[piece] >= max(least, 1):
                found.append(
                    (int(sizes[piece]), np.asarray(pieces, np.int32), piece, box[0], box[1])
                )
    for _, pieces, piece, y, x in sorted(found, key=lambda entry: -entry[0]):
        builder.add(np.ascontiguousarray(pieces[y, x] == piece), y.start, x.start)
    return builder.build()
