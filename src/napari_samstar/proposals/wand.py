"""The object around a click, by the threshold that draws it sharpest; no network, no regions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["around_clicks"]

_REACH = 96  # px around the clicks where it looks
_LEVELS = 32  # thresholds tried
_LEAST = 9  # px; less is noise


def around_clicks(
    gray: NDArray[np.uint8],
    points: Sequence[tuple[float, float]],
    box: tuple[float, float, float, float] | None = None,
) -> tuple[NDArray[np.bool_], int, int]:
    """Grow an object from clicks.

    Of the connected parts that hold the first click and are brighter (or darker) than a threshold,
    it is the one with the largest mean gradient along its outline; those that reach the window's
    edge are none.

    Parameters
    ----------
    gray : (H, W) uint8
        The image.
    points : sequence of (x, y)
        In the object, px; those outside the image are an error of the caller.
    box : (x0, y0, x1, y1), optional
        The object lies in it, px.

    Returns
    -------
    mask : (h, w) bool
        All False where there is no such object.
    y0, x0 : int
        Where it lies in the image.
    """
    import cv2

    height, width = gray.shape
    at = np.floor(np.array(points, np.float64).reshape(-1, 2) + 0.5).astype(int)
    low, high = at.min(axis=0) - _REACH, at.max(axis=0) + _REACH
    if box is not None:
        low, high = np.floor(box[:2]).astype(int) - 3, np.ceil(box[2:]).astype(int) + 3
        low, high = np.minimum(low, at.min(axis=0)), np.maximum(high, at.max(axis=0))
    x0, y0 = (int(v) for v in np.maximum(low, 0))
    x1, y1 = (int(v) for v in np.minimum(high + 1, (width, height)))
    window = cv2.GaussianBlur(gray[y0:y1, x0:x1], (0, 0), 1.5).astype(np.float32)
    gradient = np.hypot(cv2.Sobel(window, -1, 1, 0), cv2.Sobel(window, -1, 0, 1))
    rows, columns = at[:, 1] - y0, at[:, 0] - x0
    value = float(window[rows, columns].mean())
    best: tuple[float, NDArray[Any]] = (0.0, np.zeros(window.shape, np.bool_))
    for sign, end in ((1.0, float(window.min())), (-1.0, float(window.max()))):
        for level in np.linspace(value, end, _LEVELS + 1, endpoint=False)[1:]:
            inside = (sign * (window - level) > 0).astype(np.uint8)
            _, parts = cv2.connectedComponents(inside, connectivity=4)
            part = parts == parts[rows[0], columns[0]]
            if not parts[rows[0], columns[0]] or part.sum() < _LEAST or _leaves(part, x0, y0, gray):
                continue
            outline = part & (cv2.erode(part.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
            sharpness = float(gradient[outline].mean()) * float(part[rows, columns].mean())
            if sharpness > best[0]:
                best = sharpness, part
    return np.asarray(best[1], np.bool_), y0, x0


def _leaves(part: NDArray[np.bool_], x0: int, y0: int, gray: NDArray[np.uint8]) -> bool:
    """Whether a part reaches an edge of the window that is none of the image."""
    height, width = part.shape
    return bool(
        (y0 > 0 and part[0].any())
        or (x0 > 0 and part[:, 0].any())
        or (y0 + height < gray.shape[0] and part[-1].any())
        or (x0 + width < gray.shape[1] and part[:, -1].any())
    )
