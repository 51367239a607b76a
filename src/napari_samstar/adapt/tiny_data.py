"""Crops of synthetic micrographs with prompts, a pure function of seed and step.

So an interrupted training goes on with exactly the data it would have seen.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_samstar import synth
from napari_samstar.settings import SynthSettings, TrainTinySettings

__all__ = ["HELD_OUT", "Batch", "load_scene", "make_batch", "scene_path"]

#: Scenes from this number on are never trained on.
HELD_OUT = 10_000_000

_HELD_OUT_PIXELS = 8 * 256 * 256  # of a batch, however large those of the training are
_SMALLEST = 20  # px; objects showing less in a crop are not asked for


@dataclass(frozen=True)
class Batch:
    """B crops of side S with P prompts each.

    Parameters
    ----------
    images : (B, 3, S, S) uint8
        As the network is given them, before normalization.
    targets : (B, P, S, S) bool, or (B, P, S, S/8) uint8
        The mask each prompt asks for; empty for clicks on nothing. As bits (`numpy.packbits`)
        where it has been carried between processes.
    points : (B, P, N, 3) float32
        x, y, px, pixel centers at halves, and label; N is 0 where boxes are given alone.
    boxes : (B, P, 4) float32 or None
        x0, y0, x1, y1, px.
    centers : (B, 3, S/4, S/4) float32
        For each pixel of an instance x and y of its center and half its diameter, px; else 0.
    edges : (B, 2, S/4, S/4) float32
        Whether a pixel is of an instance, and whether it is on an outline.
    """

    images: Tensor
    targets: Tensor
    points: Tensor
    boxes: Tensor | None
    centers: Tensor
    edges: Tensor

    def on(self, device: torch.device) -> Batch:
        """Move to `device`, and unpack masks there."""
        targets = self.targets.to(device)
        if targets.dtype == torch.uint8:
            place = torch.arange(7, -1, -1, dtype=torch.uint8, device=device)
            targets = ((targets.unsqueeze(-1) >> place) & 1).flatten(-2).bool()
        return Batch(
            self.images.to(device),
            targets,
            self.points.to(device),
            None if self.boxes is None else self.boxes.to(device),
            self.centers.to(device),
            self.edges.to(device),
        )


def scene_path(folder: Path, seed: int, index: int) -> Path:
    """File of one scene, as it is kept."""
    return folder / f"{seed}-{index:08d}.npy"


def load_scene(index: int, settings: TrainTinySettings, folder: Path | None) -> NDArray[np.uint16]:
    """Scene number `index` as (3, H, W): gray values of 8 bit, labels, groups.

    Parameters
    ----------
    index : int
        Which one; equal numbers and seeds give equal scenes.
    settings : TrainTinySettings
        Seed, size and mix.
    folder : Path or None
        Where scenes are kept, once made; None keeps none.
    """
    path = None
    if folder is not None:
        if settings.weights:  # another mix: other scenes of the same numbers
            folder = folder / hashlib.sha256(repr(settings.weights).encode()).hexdigest()[:12]
            folder.mkdir(exist_ok=True)
        path = scene_path(folder, settings.seed, index)
    if path is not None and path.exists():
        kept: NDArray[np.uint16] = np.load(path, allow_pickle=False)
        return kept
    side = settings.scene_size
    seed = int(np.random.SeedSequence([settings.seed, index]).generate_state(1)[0])
    scene = synth.generate(None, (side, side), seed, SynthSettings(weights=settings.weights))
    gray = np.clip(scene.image * 255.0 + 0.5, 0, 255)
    out = np.stack([gray, scene.labels, scene.groups]).astype(np.uint16)
    if path is not None:
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.save(file, out)
        part.replace(path)
    return out


def make_batch(
    step: int,
    settings: TrainTinySettings,
    folder: Path | None = None,
    rank: int = 0,
    held_out: bool = False,
) -> Batch:
    """Make one worker's data of one step.

    Parameters
    ----------
    step : int
        Number of the step; with the settings' seed it decides everything.
    settings : TrainTinySettings
        Sizes and seed.
    folder : Path or None
        See `load_scene`.
    rank : int
        Number of the worker.
    held_out : bool
        Use held-out scenes, small crops, and clicks (even steps) or boxes (odd steps).
    """
    rng = np.random.default_rng([settings.seed, step, int(held_out)])
    side = 256 if held_out else _crop_side(rng, step, settings)
    if held_out:
        share = min(settings.pixels, _HELD_OUT_PIXELS)
    else:
        share = settings.pixels // settings.workers
    side = min(side, max(128, int((2 * share) ** 0.5) // 64 * 64))
    draw = rng.random()
    kind = ("click", "box", "both")[step % 2 if held_out else int((draw > 0.55) + (draw > 0.88))]
    rng = np.random.default_rng([settings.seed, step, int(held_out), rank])
    parts = []
    for _ in range(max(1, share // side**2)):
        if held_out:
            index = HELD_OUT + int(rng.integers(1 << 20))
        else:  # new scenes join while training goes on
            index = int(rng.integers(min(settings.scenes, 128 + settings.joining * step)))
        while True:
            part = _one(rng, load_scene(index, settings, folder), side, settings.prompts, kind)
            if part is not None:
                break
            index = index + 1 if held_out else (index + 1) % settings.scenes
        parts.append(part)
    images, targets, points, boxes, centers, edges = (
        torch.from_numpy(np.stack(column)) for column in zip(*parts, strict=True)
    )
    if kind == "box":
        points = points[:, :, :0]
    return Batch(images, targets, points, None if kind == "click" else boxes, centers, edges)


def _crop_side(rng: np.random.Generator, step: int, settings: TrainTinySettings) -> int:
    late = step >= settings.steps * (1 - settings.frozen)
    chances = (0.5, 0.25, 0.17, 0.08) if late else (0.85, 0.15, 0.0, 0.0)
    return int(rng.choice((256, 384, 512, 768), p=chances))


def _one(
    rng: np.random.Generator, scene: NDArray[np.uint16], side: int, prompts: int, kind: str
) -> tuple[NDArray[np.generic], ...] | None:
    """One crop with its prompts, or None where the scene shows nothing."""
    window = _window(rng, scene, side)
    if window is None:
        return None
    gray, labels, groups = window
    areas = np.bincount(labels.ravel(), minlength=2)
    areas[0] = 0
    seen = np.flatnonzero(areas >= _SMALLEST)
    if seen.size == 0:
        return None
    odds = areas[seen] ** 0.35
    chosen = rng.choice(seen, prompts, p=odds / odds.sum())
    targets = np.zeros((prompts, side, side), np.bool_)
    points = np.zeros((prompts, 1, 3), np.float32)
    boxes = np.zeros((prompts, 4), np.float32)
    empty = (labels == 0) & (groups == 0)
    nothing = np.flatnonzero(empty) if kind == "click" and empty.mean() > 0.05 else None
    for i, label in enumerate(chosen):
        if nothing is not None and i % 8 == 7:
            y, x = np.divmod(rng.choice(nothing), side)
            points[i, 0] = x + 0.5, y + 0.5, 1
            continue
        mask = labels == label
        if rng.random() < 0.25:
            inside = groups[mask]
            group = np.bincount(inside).argmax()
            if group:
                mask = groups == group
        targets[i] = mask
        where = np.flatnonzero(mask)
        y, x = np.divmod(rng.choice(where), side)
        points[i, 0] = x + 0.5, y + 0.5, 1
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
        size = np.array([box[2] - box[0], box[3] - box[1]] * 2)
        noise = np.clip(rng.normal(0, 0.07, 4) * size, -20, 20)
        boxes[i] = np.clip(box + noise, 0, side)
        boxes[i, 2:] = np.maximum(boxes[i, 2:], boxes[i, :2] + 2)
    return _image(rng, gray), targets, points, boxes, *_dense(labels, areas)


def _window(
    rng: np.random.Generator, scene: NDArray[np.uint16], side: int
) -> NDArray[np.uint16] | None:
    """Cut a zoomed, turned part (3, side, side) in which one object gets a drawn size."""
    labels = scene[1]
    size = labels.shape[0]
    areas = np.bincount(labels.ravel(), minlength=2)
    areas[0] = 0
    seen = np.flatnonzero(areas >= 12)
    if seen.size == 0:
        return None
    label = rng.choice(seen)
    diameter = 1.13 * np.sqrt(areas[label])
    wanted = np.exp(rng.uniform(np.log(10.0), np.log(0.75 * side)))
    zoom = float(np.clip(wanted / diameter, 0.35, 5.0))
    # objects cut by the frame are well, but most of them should be seen whole
    extent = int(np.clip(side / zoom, 48, size))
    y, x = np.divmod(rng.choice(np.flatnonzero(labels == label)), size)
    shift = rng.uniform(0.2, 0.8, 2)
    y0 = int(np.clip(y - shift[0] * extent, 0, size - extent))
    x0 = int(np.clip(x - shift[1] * extent, 0, size - extent))
    part = scene[:, y0 : y0 + extent, x0 : x0 + extent]
    used = side
    if rng.random() < 0.15:  # as `segment_anything` pads what is not square
        used = int(side * rng.uniform(0.6, 1.0))
    shrink = extent > used
    gray = cv2.resize(
        np.ascontiguousarray(part[0]),
        (side, used),
        interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR,
    )
    rest = [
        cv2.resize(np.ascontiguousarray(p), (side, used), interpolation=cv2.INTER_NEAREST)
        for p in part[1:]
    ]
    out = np.zeros((3, side, side), np.uint16)
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    out[:, :used] = np.stack([gray, *rest])
    out[0, used:] = 256  # padding, see `_image`
    out = np.rot90(out, turns, (1, 2))
    return np.ascontiguousarray(out[:, :, ::-1] if flip else out)


def _image(rng: np.random.Generator, gray: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """(3, S, S) uint8 with another contrast, as other instruments and operators would give."""
    padding = gray == 256
    x: Any = gray.astype(np.float32) / 255.0
    if rng.random() < 0.2:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.4, 2.0))
    if rng.random() < 0.3:
        x = x + rng.normal(0, rng.uniform(0.01, 0.08), x.shape).astype(np.float32)
    if rng.random() < 0.08:  # too little light for the bits there were
        levels = rng.uniform(10, 60)
        x = np.rint(x * levels) / levels
    low, high = np.percentile(x[~padding][::7], (0.1, 99.9)) if rng.random() < 0.7 else (0.0, 1.0)
    x = np.clip((x - low) / max(high - low, 1e-3), 0, 1)
    x **= np.float32(np.exp(rng.normal(0, 0.3)))
    if rng.random() < 0.2:
        x = 1 - x
    if rng.random() < 0.3:
        top = rng.uniform(0.3, 1.0)
        x = x * top + rng.uniform(0, 1 - top)
    rgb = np.repeat(x[None], 3, axis=0)
    if rng.random() < 0.12:  # stained or colored
        tint = rng.uniform(0.5, 1.0, (3, 1, 1)).astype(np.float32)
        rgb = 1 - (1 - rgb) * tint if rng.random() < 0.5 else rgb * tint
    mean = np.array([123.675, 116.28, 103.53], np.float32)[:, None, None]
    out = np.where(padding, mean, np.clip(rgb, 0, 1) * 255.0)
    return (out + 0.5).astype(np.uint8)


def _dense(
    labels: NDArray[np.uint16], areas: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`Batch.centers` and `Batch.edges` of one crop."""
    side = labels.shape[0]
    flat = labels.ravel()
    y, x = np.divmod(np.arange(flat.size), side)
    count = np.maximum(areas, 1)
    cx = np.bincount(flat, x + 0.5, areas.size) / count
    cy = np.bincount(flat, y + 0.5, areas.size) / count
    radius = np.sqrt(areas / np.pi)
    coarse = labels[2::4, 2::4]
    table = np.stack([cx, cy, radius]).astype(np.float32)
    table[:, 0] = 0
    change = cv2.morphologyEx(labels, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    edge = cv2.resize(change.astype(np.float32), coarse.shape[::-1], interpolation=cv2.INTER_AREA)
    inside = cv2.resize(
        (labels > 0).astype(np.float32), coarse.shape[::-1], interpolation=cv2.INTER_AREA
    )
    return table[:, coarse], np.stack([inside, np.minimum(edge * 2, 1)]).astype(np.float32)
