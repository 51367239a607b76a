"""Square crops of every mask, however thin or small: what a texture encoder looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_samstar.booster.period import lattice_period
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import CropSettings
from napari_samstar.types import SamStarError

__all__ = [
    "Crops",
    "checked_image",
    "crop_side",
    "crops_at",
    "cut_crops",
    "fitting_side",
    "grid_crops",
    "in_gray_levels",
    "mirrored",
    "width",
]

_MOST_PLACES = 4096  # of a mask; more are thinned out before the farthest are chosen
_SHOWS = 0.4  # of the side by the lattice: nearly two periods
_LATTICE_NM = 0.4  # the usual distance of repeating columns, where the image does not show it


@dataclass(frozen=True)
class Crops:
    """N crops of K masks.

    Parameters
    ----------
    pixels : (N, S, S) float32
        Intensities; what lies outside of the mask is replaced by the mask's mirror image.
    inside : (N, S, S) bool
        Pixels that are the mask's own.
    mask : (N,) int32
        Which mask a crop is of, ascending.
    boxes : (N, 4) int32
        x0, y0, x1, y1 of the window in the image, last row and column excluded, px.
    """

    pixels: NDArray[np.float32]
    inside: NDArray[np.bool_]
    mask: NDArray[np.int32]
    boxes: NDArray[np.int32]

    def __len__(self) -> int:
        return int(self.mask.size)

    @property
    def side(self) -> int:
        """Side of the crops, px."""
        return int(self.pixels.shape[1])

    def coverage(self) -> NDArray[np.float64]:
        """Share of the mask's own pixels in each crop, (N,)."""
        return np.asarray(self.inside.mean((1, 2)))

    def centers(self) -> NDArray[np.float64]:
        """Center (y, x) of each crop, (N, 2), px."""
        x0, y0, x1, y1 = self.boxes.T.astype(np.float64)
        return np.stack([(y0 + y1) / 2, (x0 + x1) / 2], 1)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Crops:
        """Return some of the crops."""
        return Crops(self.pixels[rows], self.inside[rows], self.mask[rows], self.boxes[rows])


def checked_image(image: NDArray[np.generic], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Give an image as intensities that belong to masks.

    Parameters
    ----------
    image : (H, W) array
        Intensities; pixels that are no numbers get the median of the others.
    shape : tuple of int
        Height and width of the masks, px.

    Raises
    ------
    SamStarError
        If it has colors, is of another size, or has no pixel that is a number.
    """
    given = np.asarray(image)
    if given.ndim != 2 or given.dtype.kind not in "biuf":
        raise SamStarError(
            "Textures are looked at in one image of gray levels (H, W); this one has "
            f"{given.ndim} dimensions of type {given.dtype}."
        )
    if given.shape != tuple(shape):
        raise SamStarError(
            f"The image is {given.shape[1]} x {given.shape[0]} px and the masks are {shape[1]} x "
            f"{shape[0]} px: they must belong together."
        )
    gray = np.ascontiguousarray(given, np.float32)
    known = np.isfinite(gray)
    if not known.all():
        if not known.any():
            raise SamStarError("No pixel of the image is a number: choose another image.")
        gray = np.where(known, gray, np.median(gray[known]))
    return gray


def in_gray_levels(image: NDArray[np.generic]) -> NDArray[np.float32]:
    """Stretch intensities to 0 to 255, the units in which `IntensityEncoder.usual` is given.

    Images of 8 bits made by `to_gray` stay what they are.
    """
    gray = np.ascontiguousarray(image, np.float32)
    if gray.size == 0:
        return gray
    low, high = np.percentile(gray, (0.1, 99.9))
    return np.asarray((gray - low) * np.float32(255 / max(high - low, 1e-12)), np.float32)


def crop_side(
    image: NDArray[np.generic], settings: CropSettings, pixel_nm: float | None = None
) -> int:
    """Side of the crops for one image, px.

    Parameters
    ----------
    image : (H, W) array
        Intensities.
    settings : CropSettings
        A side given there wins; else enough periods of the strongest lattice.
    pixel_nm : float, optional
        Size of a pixel, nm: says how large a lattice would be where none shows.

    Returns
    -------
    int
        At most the image's shorter side.
    """
    side = settings.side
    if side == 0:
        period = lattice_period(image)
        if period is None and pixel_nm is not None and _LATTICE_NM / pixel_nm >= 3.0:
            period = _LATTICE_NM / pixel_nm
        side = settings.default_side if period is None else round(settings.periods * period)
        side = int(np.clip(side, settings.smallest_side, settings.largest_side))
    return int(min(side, *image.shape[:2]))


def fitting_side(runs: MaskRuns, side: int, settings: CropSettings) -> int:
    """Make crops smaller until most masks hold one, for islands as for their matrix.

    That is three quarters of the masks that hold a crop of ``smallest_side``, as long as two
    fifths of `side` are left, so that the lattice shows; and half of all masked area, down to
    ``least_side``. Where even that is too large, texture has little to say, and `side` stays.
    """
    areas = runs.areas()
    inscribed = np.array([width(runs, k) for k in range(len(runs))])
    wide = inscribed[inscribed >= settings.smallest_side]
    if wide.size:
        most = int(np.quantile(wide, 0.25))
        side = min(side, max(most, settings.smallest_side, round(_SHOWS * side)))
    order = np.argsort(-inscribed, kind="stable")
    half = np.searchsorted(np.cumsum(areas[order]), 0.5 * areas.sum())
    fits = int(inscribed[order[half]]) if half < len(runs) else 0
    return min(side, fits) if fits >= settings.least_side else side


def width(runs: MaskRuns, k: int) -> float:
    """Side of the largest square that fits into mask `k`, px; 0 where it has no pixels."""
    if not runs.areas()[k]:
        return 0.0
    x0, y0, x1, y1 = runs.boxes()[k].tolist()
    mask = np.pad(runs.window(k, (x0, y0, x1, y1)), 1).astype(np.uint8)
    return 2 * float(cv2.distanceTransform(mask, cv2.DIST_C, 3).max()) - 1


def cut_crops(
    image: NDArray[np.generic],
    runs: MaskRuns,
    settings: CropSettings | None = None,
    side: int | None = None,
) -> Crops:
    """Cut crops from every mask that has pixels, however thin or small.

    Places are all windows of which `settings.coverage` is mask, the farthest from each other
    chosen. In a mask too thin for that the middle of the window has to be covered, ever less of it;
    at last the best covered windows are taken. Mirrored pixels stand in for those outside.

    Parameters
    ----------
    image : (H, W) array
        Intensities, any aspect ratio.
    runs : MaskRuns
        The K masks.
    settings : CropSettings, optional
        How many, how covered.
    side : int, optional
        Side of the crops, px; `crop_side` finds it if not given.

    Raises
    ------
    SamStarError
        If the image is not (H, W), differs from the masks in shape, or holds no numbers.
    """
    settings = settings or CropSettings()
    gray = checked_image(image, runs.shape)
    side = side or crop_side(gray, settings)
    pixels, insides, owner, boxes = [], [], [], []
    mask_boxes, areas = runs.boxes(), runs.areas()
    fewest = min(settings.fewest, max(2, settings.budget // max(len(runs), 1)))
    for k in np.flatnonzero(areas).tolist():
        x0, y0, x1, y1 = _around(mask_boxes[k], side, runs.shape)
        mask = runs.window(k, (x0, y0, x1 - 1, y1 - 1))
        view = gray[y0:y1, x0:x1]
        wanted = int(np.clip(areas[k] // side**2, fewest, settings.most))
        rng = np.random.default_rng([settings.seed, k])
        for y, x in _places(mask, side, wanted, settings, rng).tolist():
            inside = mask[y : y + side, x : x + side]
            pixels.append(mirrored(view[y : y + side, x : x + side], inside))
            insides.append(inside)
            owner.append(k)
            boxes.append((x0 + x, y0 + y, x0 + x + side, y0 + y + side))
    return _stacked(side, pixels, insides, owner, boxes)


def crops_at(
    gray: NDArray[np.float32],
    runs: MaskRuns,
    masks: NDArray[np.int64],
    corners: NDArray[np.int64],
    side: int,
) -> Crops:
    """One crop of each of these masks, with its upper left corner (y, x) there or nearly there.

    Parameters
    ----------
    gray : (H, W) float32
        Intensities.
    runs : MaskRuns
        Masks, `masks` (N,) among them.
    masks, corners : (N,) and (N, 2) int
        Which mask, and where; windows beyond the image are moved into it.
    side : int
        Of the crops, px.
    """
    pixels, insides, boxes = [], [], []
    last = np.array(runs.shape) - side
    for k, corner in zip(masks.tolist(), np.clip(corners, 0, last).tolist(), strict=True):
        y, x = corner
        inside = runs.window(k, (x, y, x + side - 1, y + side - 1))
        pixels.append(mirrored(gray[y : y + side, x : x + side], inside))
        insides.append(inside)
        boxes.append((x, y, x + side, y + side))
    return _stacked(side, pixels, insides, masks.tolist(), boxes)


def grid_crops(
    image: NDArray[np.generic], allowed: NDArray[np.bool_], side: int, step: int, coverage: float
) -> Crops:
    """Crops every `step` px of whose windows at least `coverage` is allowed, as of one mask.

    Parameters
    ----------
    image : (H, W) array
        Intensities.
    allowed : (H, W) bool
        Where to look.
    side, step : int
        Of the windows and of the grid, px; the last row and column of windows ends at the border.
    coverage : float
        Least share.
    """
    gray = np.ascontiguousarray(image, np.float32)
    rows, columns = (
        np.unique(np.append(np.arange(0, n - side + 1, step), n - side)) for n in gray.shape
    )
    covered = _covered(cv2.integral(allowed.astype(np.uint8)), side)[np.ix_(rows, columns)]
    pixels, insides, boxes = [], [], []
    for i, j in np.argwhere(covered >= max(coverage * side**2, 1)).tolist():
        y, x = int(rows[i]), int(columns[j])
        inside = allowed[y : y + side, x : x + side]
        pixels.append(mirrored(gray[y : y + side, x : x + side], inside))
        insides.append(inside)
        boxes.append((x, y, x + side, y + side))
    return _stacked(side, pixels, insides, [0] * len(boxes), boxes)


def mirrored(view: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Replace pixels outside of the mask by the mirror image of those inside, or the nearest."""
    if inside.all():
        return view
    nearest = ndimage.distance_transform_edt(~inside, return_distances=False, return_indices=True)
    last = np.array(inside.shape)[:, None, None] - 1
    across = np.clip(2 * nearest - np.indices(inside.shape), 0, last)
    source = np.where(inside[tuple(across)], across, nearest)
    return np.asarray(view[tuple(source)], np.float32)


def _stacked(
    side: int,
    pixels: list[NDArray[np.float32]],
    insides: list[NDArray[np.bool_]],
    owner: list[int],
    boxes: list[tuple[int, int, int, int]],
) -> Crops:
    none = (0, side, side)
    return Crops(
        np.stack(pixels) if pixels else np.zeros(none, np.float32),
        np.stack(insides) if insides else np.zeros(none, np.bool_),
        np.array(owner, np.int32),
        np.array(boxes, np.int32).reshape(-1, 4),
    )


def _around(box: NDArray[np.int32], side: int, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Frame (x0, y0, x1, y1), exclusive, that holds every window that touches the box."""
    h, w = shape
    x0, y0, x1, y1 = int(box[0]), int(box[1]), int(box[2]) + 1, int(box[3]) + 1
    return max(0, x0 - side), max(0, y0 - side), min(w, x1 + side), min(h, y1 + side)


def _places(
    mask: NDArray[np.bool_],
    side: int,
    wanted: int,
    settings: CropSettings,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Upper left corners (P, 2) of windows in the frame of `mask`."""
    table = cv2.integral(mask.astype(np.uint8))
    whole = _covered(table, side)
    for share in settings.ladder:
        size = max(round(share * side), 1)
        before = (side - size) // 2
        middle = _covered(table, size)[before:, before:][: whole.shape[0], : whole.shape[1]]
        valid = np.argwhere(middle >= settings.coverage * size**2)
        if len(valid):
            return _farthest(valid, whole, wanted, rng)
    return _farthest(
        np.argwhere(whole >= max(settings.nearly * whole.max(), 1)), whole, wanted, rng
    )


def _covered(table: NDArray[Any], size: int) -> NDArray[np.int32]:
    """Mask pixels in the window of side `size` at every place where one fits."""
    return np.asarray(
        table[size:, size:] - table[:-size, size:] - table[size:, :-size] + table[:-size, :-size]
    )


def _farthest(
    places: NDArray[np.int64],
    covered: NDArray[np.int32],
    wanted: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Choose up to `wanted` places, each the farthest from those before; the best covered first."""
    if len(places) > _MOST_PLACES:
        places = places[np.sort(rng.choice(len(places), _MOST_PLACES, replace=False))]
    values = covered[places[:, 0], places[:, 1]]
    chosen = [int(rng.choice(np.flatnonzero(values == values.max())))]
    distance = np.full(len(places), np.inf)
    while len(chosen) < min(wanted, len(places)):
        step = places - places[chosen[-1]]
        distance = np.minimum(distance, (step * step).sum(1))
        chosen.append(int(distance.argmax()))
    return places[chosen]
