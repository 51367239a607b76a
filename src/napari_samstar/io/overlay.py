"""A picture of the result: outlines on the micrograph, with a scale bar."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from napari_samstar.atomic import atomic_path
from napari_samstar.labels import index_labels
from napari_samstar.types import SamStarError
from napari_samstar.units import length_unit, meters_per_unit

__all__ = ["PALETTE", "bar_length", "overlay", "write_overlay_png"]

#: Okabe and Ito's colors, which the color-blind tell apart, without black; RGB.
PALETTE = np.array(
    [
        (230, 159, 0),
        (86, 180, 233),
        (0, 158, 115),
        (240, 228, 66),
        (0, 114, 178),
        (213, 94, 0),
        (204, 121, 167),
    ],
    np.uint8,
)

_LARGEST = 2048  # longest side of the picture, px
_SMALLEST = 768  # images smaller than this are enlarged
_FILL = 0.4
_BAR_SHARE = 0.25  # longest scale bar, share of the picture's width


def write_overlay_png(
    path: str | Path,
    rgb: NDArray[np.uint8],
    labels: NDArray[Any],
    pixel_size: tuple[float, float] | None = None,
    unit: str = "px",
) -> None:
    """Write the picture that `overlay` draws, as PNG.

    Raises
    ------
    SamStarError
        If image and labels differ in size, or the disk refuses.
    """
    picture = overlay(rgb, labels, pixel_size, unit)
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


def overlay(
    rgb: NDArray[np.uint8],
    labels: NDArray[Any],
    pixel_size: tuple[float, float] | None = None,
    unit: str = "px",
) -> NDArray[np.uint8]:
    """Draw objects over their micrograph, and a scale bar where the pixel size is known.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        The micrograph as displayed, see `to_rgb`.
    labels : (H, W) int
        0 is background.
    pixel_size : tuple of float or None
        Size of a pixel along (y, x) in `unit`; None draws no scale bar.
    unit : str
        A length.

    Returns
    -------
    (h, w, 3) uint8
        At most 2048 px along its longer side. Small images are enlarged by a whole factor.

    Raises
    ------
    SamStarError
        If image and labels differ in size.
    """
    index, _ = index_labels(labels)
    if rgb.shape != (*index.shape, 3):
        raise SamStarError(
            f"The picture is {rgb.shape[1]} x {rgb.shape[0]} px and the label image "
            f"{index.shape[1]} x {index.shape[0]} px: they must belong together."
        )
    height, width = index.shape
    longest = max(height, width)
    scale = _LARGEST / longest if longest > _LARGEST else float(max(1, _SMALLEST // longest))
    shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    index = _nearest(index, shape)
    image = Image.fromarray(np.ascontiguousarray(rgb, np.uint8))
    how = Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC
    picture = _paint(np.asarray(image.resize(shape[::-1], how)), index)
    name = length_unit(unit)
    if pixel_size is not None and name is not None:
        meters = pixel_size[1] * meters_per_unit(name) * width / shape[1]
        picture = _draw_bar(picture, meters)
    return picture


def bar_length(longest: float) -> tuple[float, str]:
    """Roundest length up to `longest` meters, 1, 2 or 5 times a power of ten, and its text.

    Returns
    -------
    meters : float
    text : str
        Such as "200 nm" or "5 µm".
    """
    power = math.floor(math.log10(longest * (1.0 + 1e-9)))
    digit = max(d for d in (1, 2, 5) if d * 10.0**power <= longest * (1.0 + 1e-9))
    step = min(max(power // 3, -4), 0)  # pm, nm, µm, mm, m
    name = {-4: "pm", -3: "nm", -2: "µm", -1: "mm", 0: "m"}[step]
    return digit * 10.0**power, f"{digit * 10.0 ** (power - 3 * step):g} {name}"


def _nearest(index: NDArray[np.int32], shape: tuple[int, int]) -> NDArray[np.int32]:
    rows, columns = (
        ((np.arange(n) + 0.5) * old / n).astype(np.intp)
        for n, old in zip(shape, index.shape, strict=True)
    )
    return np.asarray(index[rows[:, None], columns[None, :]])


def _paint(picture: NDArray[np.uint8], index: NDArray[np.int32]) -> NDArray[np.uint8]:
    colors = PALETTE[(index - 1) % len(PALETTE)]
    inside = index > 0
    edge = np.zeros(index.shape, np.bool_)
    for _ in range(2 if max(index.shape) > 1024 else 1):
        edge |= _outline(np.where(edge, 0, index))
    out = picture.astype(np.float32)
    out[inside] += _FILL * (colors[inside] - out[inside])
    out[edge] = colors[edge]
    return np.asarray(np.round(out), np.uint8)


def _outline(index: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels of objects that have a neighbor of another kind."""
    edge = np.zeros(index.shape, np.bool_)
    down = index[1:] != index[:-1]
    across = index[:, 1:] != index[:, :-1]
    edge[1:] |= down
    edge[:-1] |= down
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    return edge & (index > 0)


def _draw_bar(picture: NDArray[np.uint8], meters: float) -> NDArray[np.uint8]:
    """Add a white bar with its length, on a dark ground, at the lower left."""
    height, width = picture.shape[:2]
    length, text = bar_length(_BAR_SHARE * width * meters)
    bar = max(1, round(length / meters))
    unit = max(4, round(0.01 * min(height, width)))  # all distances are multiples of this
    size = 3.2 * unit
    font = ImageFont.load_default(size=size)
    plain = text.replace("µ", "u")  # Pillow's font has no µ: it gets its tail below
    left, top, right, bottom = font.getbbox(plain)
    inner = max(bar, int(right - left))
    box = (inner + 4 * unit, int(bottom - top) + 6 * unit)
    if box[0] > width or box[1] > height:
        return picture  # too small a picture for a bar
    x, y = min(2 * unit, width - box[0]), max(height - box[1] - 2 * unit, 0)
    white = (255, 255, 255, 255)
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image, "RGBA")
    draw.rectangle((x, y, x + box[0] - 1, y + box[1] - 1), fill=(0, 0, 0, 160))
    start = x + (box[0] - bar) // 2
    base = y + box[1] - 2 * unit
    draw.rectangle((start, base - unit + 1, start + bar - 1, base), fill=white)
    at_x, at_y = x + (box[0] - (right - left)) / 2 - left, y + 1.5 * unit - top
    draw.text((at_x, at_y), plain, fill=white, font=font)
    if "µ" in text:
        # where the stem of that font's u stands and how wide it is, in parts of the font's size
        stem = at_x + font.getlength(text[: text.index("µ")]) + 0.065 * size
        foot = at_y + font.getbbox("u")[3]
        tail = (stem, foot - 0.1 * size, stem + 0.06 * size, foot + 0.2 * size)
        draw.rectangle(tail, fill=white)
    return np.asarray(image)
