"""Burnt-in scale bars, captions and panel letters: things that are not objects."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from napari_samstar.synth.noise import Field

__all__ = ["burn_in"]

_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)


def _text(rng: np.random.Generator, height: int) -> str:
    number = int(rng.choice([1, 2, 5, 10, 20, 50, 100, 200, 500]))
    unit = str(rng.choice(["nm", "um", "nm", "mm"]))
    if height > 300 and rng.random() < 0.4:
        return f"{rng.integers(1, 30)}.0kV x{rng.integers(1, 300)}00 WD{rng.integers(3, 15)}mm"
    return f"{number} {unit}"


def burn_in(rng: np.random.Generator, image: Field) -> tuple[Field, NDArray[np.bool_]]:
    """Draw a scale bar, a panel letter or a data banner.

    Returns
    -------
    image : (H, W) float32
        With the drawing.
    covered : (H, W) bool
        Opaque boxes, under which nothing of the image is left. Thin text and bars do not count.
    """
    image = image.copy()
    h, w = image.shape
    covered = np.zeros((h, w), bool)
    pen = np.zeros((h, w), np.uint8)
    font = int(rng.choice(_FONTS))
    size = h / 512 * float(rng.uniform(0.5, 1.3))
    ink = float(rng.random() < 0.7)

    def write(text: str, x: int, y: int, scale: float, weight: int) -> None:
        cv2.putText(pen, text, (x, y), font, scale, (255.0,), weight, cv2.LINE_AA)

    def bar(x: int, y: int, length: int, thick: int) -> None:
        pen[max(0, y) : y + thick, max(0, x) : x + length] = 255

    if rng.random() < 0.3:  # a banner below
        top = h - max(8, int(h * rng.uniform(0.05, 0.1)))
        covered[top:] = True
        write(_text(rng, h), int(0.02 * w), h - 5, size * 0.6, 1)
        bar(int(w * 0.7), (top + h) // 2, int(w * rng.uniform(0.05, 0.27)), 3)
    elif rng.random() < 0.8:  # a bar in a corner, its text above
        length, thick = int(w * rng.uniform(0.08, 0.35)), max(2, int(h * rng.uniform(0.004, 0.02)))
        x0 = int(0.04 * w) if rng.random() < 0.4 else w - length - int(0.04 * w)
        y0 = h - thick - int(0.04 * h)
        if rng.random() < 0.25:
            covered[max(0, y0 - int(40 * size)) : h, max(0, x0 - 6) : x0 + length + 6] = True
        bar(x0, y0, length, thick)
        write(_text(rng, 0), x0 + 4, y0 - 6, size, int(rng.integers(1, 3)))
    if rng.random() < 0.3:  # a panel letter
        if rng.random() < 0.5:
            covered[: min(int(60 * size), h), : min(int(70 * size), w)] = True
        letter = str(rng.choice(["a", "b", "(c)", "D", "e)", "(b)"]))
        write(letter, int(8 * size), int(42 * size), 1.5 * size, 2)
    image[covered] = 1 - ink
    alpha = pen.astype(np.float32) / np.float32(255)
    return np.asarray(image * (1 - alpha) + np.float32(ink) * alpha, np.float32), covered
