"""The prior that a few typical masks show: three clicks instead of three numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import Prior
from napari_samstar.types import Micrograph, SamStarError, Selection

__all__ = ["learn_prior"]

# what is known of the spread of ln d before any example, and for how many examples that counts
_SPREAD, _SPREAD_COUNT = 0.3, 3
_LEAST_CONTRAST = 0.3  # of the examples' mean, in units of the noise, to speak of a polarity
_LEAST_AREA = 30  # px, for shape


@dataclass(frozen=True)
class _Example:
    """One mask: diameter px, shape, contrast with its ring, and whether the frame cuts it."""

    area: int
    circularity: float
    solidity: float
    contrast: float
    cut: bool


def learn_prior(
    masks: Selection | NDArray[Any] | Sequence[NDArray[Any]], micrograph: Micrograph
) -> Prior:
    """Learn size, shape and polarity from a few masks of typical objects.

    The range of diameters is where 95 percent of all objects are expected: for n examples with mean
    m of ln d it is ``m +- 2 s sqrt(1 + 1 / n)``, with s^2 the examples' variance and that of
    common particles (0.3^2, counted as three examples) together; it holds all examples. One
    example gives a range of 0.4 to 2.3 times its diameter, three equal ones of 0.6 to 1.7 times.

    Parameters
    ----------
    masks : Selection, (H, W) int or sequence of (H, W) bool
        The examples: a selection, a label image, or masks, which may overlap.
    micrograph : Micrograph
        Their image.

    Returns
    -------
    Prior
        Diameters in the micrograph's unit, in px where it has none; circularity and class of shape;
        polarity where the examples agree on one. Coverage, spacing and count cannot be learned
        from examples.

    Raises
    ------
    SamStarError
        If there are no masks, or they do not fit the image.

    References
    ----------
    Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), section 3.3, for the spread.
    """
    gray = micrograph.data if micrograph.data.ndim == 2 else micrograph.data.mean(axis=2)
    dense = [mask for mask in _dense(masks, micrograph) if mask.any()]
    if not dense:
        raise SamStarError("There are no masks to learn from: click on a few typical objects.")
    taken = np.any(dense, axis=0)
    examples = [_measure(mask, taken, gray) for mask in dense]
    whole = [e for e in examples if not e.cut] or examples
    factor = 1.0
    if micrograph.pixel_size is not None:
        factor = math.sqrt(micrograph.pixel_size[0] * micrograph.pixel_size[1])
    shaped = [e for e in whole if e.area >= _LEAST_AREA]
    round_ = float(np.median([e.circularity for e in shaped])) if shaped else None
    solid = float(np.median([e.solidity for e in shaped])) if shaped else None
    return Prior(
        diameter=_range([math.sqrt(4 * e.area / math.pi) * factor for e in whole]),
        size_unit=micrograph.unit,
        circularity=None if round_ is None else round(round_, 2),
        shape=None if round_ is None or solid is None else _shape(round_, solid),
        polarity=_polarity([e.contrast for e in examples]),
    )


def _dense(
    masks: Selection | NDArray[Any] | Sequence[NDArray[Any]], micrograph: Micrograph
) -> Iterator[NDArray[np.bool_]]:
    """Give every mask as (H, W) bool."""
    if isinstance(masks, Selection):
        found: Iterator[NDArray[np.bool_]] = (masks.runs.dense(i) for i in range(len(masks)))
    elif isinstance(masks, np.ndarray) and masks.ndim == 2:
        from napari_samstar.labels import index_labels

        index, ids = index_labels(masks)
        found = (np.asarray(index == i) for i in range(1, ids.size + 1))
    else:
        found = (np.asarray(mask, bool) for mask in masks)
    for mask in found:
        if mask.shape != micrograph.shape:
            raise SamStarError(
                f"A mask of {' x '.join(map(str, mask.shape[::-1]))} px does not fit the image "
                f"'{micrograph.name}' of {micrograph.shape[1]} x {micrograph.shape[0]} px."
            )
        yield mask


def _measure(
    mask: NDArray[np.bool_], taken: NDArray[np.bool_], gray: NDArray[np.float32]
) -> _Example:
    """Measure one mask in a window around it; the ring leaves out the other examples."""
    from scipy.ndimage import distance_transform_edt
    from skimage.measure import regionprops

    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    window = tuple(slice(max(int(line[0]) - 6, 0), int(line[-1]) + 7) for line in (rows, columns))
    here = mask[window]
    area = int(here.sum())
    padded = np.pad(here, 1)
    measure: Any = regionprops
    shape = measure(padded.astype(np.uint8))[0]
    perimeter = max(float(shape.perimeter_crofton), 1e-9)
    # as the columns of proposals: 1 px away, 2 to 4 px wide
    wide = min(max(round(0.1 * math.sqrt(4 * area / math.pi)), 2), 4)
    away = distance_transform_edt(~here)
    ring = gray[window][(away > 1) & (away <= 1 + wide) & ~taken[window]]
    inside = gray[window][here]
    contrast = 0.0
    if ring.size:
        noise = math.sqrt(float(inside.var()) + float(ring.var()))
        step = float(inside.mean()) - float(ring.mean())
        contrast = step / max(noise, 1e-6 * max(abs(step), 1e-9))
    return _Example(
        area=area,
        circularity=min(4 * math.pi * area / perimeter**2, 1.0),
        solidity=float(shape.solidity),
        contrast=contrast,
        cut=bool(mask[[0, -1]].any() or mask[:, [0, -1]].any()),
    )


def _range(diameters: Sequence[float]) -> tuple[float, float]:
    """Range that holds nearly all objects like these, three digits."""
    log = np.log(diameters)
    n = log.size
    deviations = float(((log - log.mean()) ** 2).sum())
    spread = math.sqrt((_SPREAD_COUNT * _SPREAD**2 + deviations) / (_SPREAD_COUNT + n - 1))
    reach = 2 * spread * math.sqrt(1 + 1 / n)
    low = min(float(log.mean()) - reach, float(log.min()))
    high = max(float(log.mean()) + reach, float(log.max()))
    return float(f"{math.exp(low) * 0.999:.3g}"), float(f"{math.exp(high) * 1.001:.3g}")


def _shape(circularity: float, solidity: float) -> Literal["round", "compact", "irregular"]:
    if circularity >= 0.85 and solidity >= 0.9:
        return "round"
    return "compact" if solidity >= 0.85 else "irregular"


def _polarity(contrasts: Sequence[float]) -> Literal["bright", "dark"] | None:
    """Polarity that most examples share clearly."""
    mean = float(np.median(contrasts))
    agree = np.mean(np.sign(contrasts) == np.sign(mean))
    if abs(mean) < _LEAST_CONTRAST or agree < 0.75:
        return None
    return "bright" if mean > 0 else "dark"
