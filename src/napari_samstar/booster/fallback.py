"""Where no mask lies: regions of even texture, offered as proposals.

A small SAM leaves parts of an image without any mask, which no merging can make good.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_samstar.booster.crops import checked_image, crop_side, grid_crops, in_gray_levels
from napari_samstar.booster.field import texture_field
from napari_samstar.booster.mosaic import sharpened, tiles, without_slivers
from napari_samstar.booster.overlaps import without_specks
from napari_samstar.booster.parts import across, cut
from napari_samstar.booster.texture import TextureEncoder, texture_encoders
from napari_samstar.runs import MaskRuns, RunsBuilder
from napari_samstar.settings import CropSettings, FallbackSettings, TextureSettings
from napari_samstar.types import SamStarError

__all__ = ["uncovered_regions", "untrusted"]

_DIMENSIONS = 32  # principal components kept
_SHARPENED = 2  # times
_SLIVER = 0.5  # of the side: regions nowhere as wide are seams
_WORTH_IT = 0.85  # of the side: what is cut off has to be as wide, so that its texture shows


def uncovered_regions(
    image: NDArray[np.generic],
    covered: NDArray[np.bool_],
    settings: FallbackSettings | None = None,
    crops: CropSettings | None = None,
    encoders: Sequence[TextureEncoder] | None = None,
    parts: NDArray[np.int32] | None = None,
) -> MaskRuns:
    """Segment what no mask covers by texture, on a dense grid of crops.

    Borders are first where texture changes most from crop to crop, then where single pixels'
    surroundings do, and along those of `parts`. Regions of one texture may lie apart: what is one
    material is not asked here.

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
    parts : (H, W) int32, optional
        Parts that are surely of two materials, see `parts.parts_of`; no region lies across the
        border of two that are both wide enough to be told apart.

    Returns
    -------
    MaskRuns
        Connected regions of the uncovered area, largest first; together they need not fill it.

    Raises
    ------
    SamStarError
        If the image is not (H, W), differs from `covered` in shape, or holds no numbers.
    """
    settings, crops = settings or FallbackSettings(), crops or CropSettings()
    if encoders is None:
        encoders = texture_encoders(TextureSettings(encoders=("intensity", "physics")))
    covered = np.asarray(covered)
    if covered.ndim != 2:
        raise SamStarError(f"Where masks lie is said by an array (H, W), not {covered.shape}.")
    gray = in_gray_levels(checked_image(image, (covered.shape[0], covered.shape[1])))
    free = ~covered.astype(bool)
    side = _side(gray, settings, crops)
    step = max(1, round(settings.step * side), int((free.sum() / settings.crops) ** 0.5))
    grid = grid_crops(gray, free, side, step, settings.coverage)
    if len(grid) == 0:
        return MaskRuns.empty((int(covered.shape[0]), int(covered.shape[1])))
    vectors = _usual_units([encoder(grid.pixels, grid.boxes) for encoder in encoders], encoders)
    labels = tiles(texture_field(grid, vectors), free, side, settings.alike)
    for _ in range(_SHARPENED):  # cleaner regions say better what belongs to them
        labels = sharpened(gray, labels, side)
    least = max(1, round(settings.min_area * side * side))
    if parts is not None:
        labels = cut(labels, parts, _WORTH_IT * side, least)
    labels = without_slivers(labels, _SLIVER * side)
    return _regions(without_specks(labels, least), least)


def untrusted(
    image: NDArray[np.generic],
    runs: MaskRuns,
    predicted_iou: NDArray[np.float32],
    stability: NDArray[np.float32],
    settings: FallbackSettings,
    crops: CropSettings,
    parts: NDArray[np.int32] | None = None,
) -> NDArray[np.bool_]:
    """Wide masks that are not to be trusted: texture knows better, (K,).

    Those whose outline moves with the network's threshold, and those that lie across a border of
    `parts`. A network that knows no textures lays such masks across the borders of materials, and
    leaves thin layers without any.

    Parameters
    ----------
    image : (H, W) array
        Intensities.
    runs : MaskRuns
        K masks.
    predicted_iou : (K,) float32
        NaN for masks that no network made, which stay.
    stability : (K,) float32
        Stability scores.
    settings : FallbackSettings
        What is wide, and what is stable.
    crops : CropSettings
        Side of the crops.
    parts : (H, W) int32, optional
        As for `uncovered_regions`.
    """
    made = ~np.isnan(predicted_iou)
    if not made.any():
        return np.zeros(len(runs), np.bool_)
    side = _side(image, settings, crops)
    wide = np.flatnonzero(made & (runs.areas() >= settings.wide * side**2))
    out = np.zeros(len(runs), np.bool_)
    out[wide] = stability[wide] < settings.trusted
    if parts is not None:
        rest = wide[~out[wide]]
        least = settings.min_area * side**2
        out[rest] = across(runs.take(rest), parts, _WORTH_IT * side, least)
    return out


def _side(image: NDArray[np.generic], settings: FallbackSettings, crops: CropSettings) -> int:
    """Side of the crops that regions are found with, px.

    Small crops see thin layers; how much they tell together is for materials to say.
    """
    side = min(round(settings.share * crop_side(image, crops)), crops.smallest_side)
    return int(min(max(side, crops.least_side), *image.shape))


def _usual_units(
    parts: Sequence[NDArray[np.float32]], encoders: Sequence[TextureEncoder]
) -> NDArray[np.float64]:
    """Vectors (N, D) of crops, in units of what materials usually differ by."""
    scaled = []
    for part, encoder in zip(parts, encoders, strict=True):
        usual = getattr(encoder, "usual", np.maximum(part.std(0), 1e-9))
        # each encoder counts as much as a single column
        scaled.append((part - part.mean(0)) / usual / np.sqrt(part.shape[1]))
    joined = np.concatenate(scaled, 1).astype(np.float64)
    axes = np.linalg.svd(joined, full_matrices=False)[2][:_DIMENSIONS]
    return np.asarray(joined @ axes.T)


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
