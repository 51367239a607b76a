"""Which texture encoder tells materials apart, turned and magnified?

    python benchmarks/texture.py [--data FOLDER] [--sam] [--write]

Share of crops whose nearest other crop, in the encoder's own space, is of the same class, percent.
Chips: the few-shot chips that people chose from three real images (fig2_A: dots, snowmen, other;
fig2_b: diamonds, squares; fig2_c: background, edge, flat, which differ by shape more than by
texture), each left out once and looked for among the others of its image, as it is and (8 times)
turned by any angle and magnified by 0.7 to 1.4. Lattices: 12 crops of 64 px of each of the eight
lattices of `synth.lattices`, 13 px a period, all of one orientation and size, or each turned and
magnified likewise, with noise of half and of twice the columns' contrast.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from report import table as markdown
from report import write_section
from skimage.io import imread

from napari_samstar.booster.bundled import BundledEncoder
from napari_samstar.booster.physics import IntensityEncoder, PhysicsEncoder
from napari_samstar.booster.pooled import PooledEncoder
from napari_samstar.booster.texture import TextureEncoder, Turned, fit_space
from napari_samstar.sam.embed import embed
from napari_samstar.sam.zoo import load_model
from napari_samstar.synth.lattices import LATTICES
from napari_samstar.synth.textures import Texture, paint

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CHIPS = "formats/film_interfaces/fewshot_chips"
VARIANTS = 8
PER_LATTICE = 12

Array = NDArray[np.float32]
Labels = NDArray[np.int64]


class SamPerCrop:
    """SAM's features of each crop alone, magnified to the whole view: for want of an image."""

    name = "sam"

    def __init__(self) -> None:
        self._sam = load_model("samstar-tiny")

    def __call__(self, crops: NDArray[np.generic], boxes: object = None) -> Array:
        rows = []
        low, high = float(crops.min()), float(crops.max())
        for crop in np.asarray(crops, np.float32):
            gray = np.clip((crop - low) / (high - low) * 255, 0, 255).astype(np.uint8)
            side = gray.shape[0]
            found = embed(
                self._sam, np.repeat(gray[..., None], 3, 2), (0, 0, side, side), model_hash="-"
            )
            rows.append(PooledEncoder(found)(crop[None], np.array([[0, 0, side, side]])))
        return np.concatenate(rows)


def encoders(sam: bool) -> dict[str, list[TextureEncoder]]:
    intensity, physics, bundled = IntensityEncoder(), PhysicsEncoder(), Turned(BundledEncoder())
    slow: dict[str, list[TextureEncoder]] = {"sam (samstar-tiny)": [SamPerCrop()]} if sam else {}
    return {
        "intensity alone": [intensity],
        "physics": [physics],
        "bundled": [bundled],
        **slow,
        "physics + bundled": [physics, bundled],
        "intensity + physics + bundled (default)": [intensity, physics, bundled],
    }


def turned(rng: np.random.Generator, crop: Array) -> Array:
    """One crop turned by any angle and magnified by 0.7 to 1.4; mirrored pixels fill it."""
    side = crop.shape[0]
    zoom = float(np.exp(rng.uniform(np.log(0.7), np.log(1.4))))
    matrix = cv2.getRotationMatrix2D(
        ((side - 1) / 2, (side - 1) / 2), float(rng.uniform(0, 360)), zoom
    )
    return np.asarray(
        cv2.warpAffine(
            crop, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
        ),
        np.float32,
    )


def accuracy(
    chosen: list[TextureEncoder], gallery: Array, labels: Labels, queries: Array, of: Labels
) -> float:
    """Percent of `queries` (made of crop `of`) whose nearest other crop of the gallery is right."""
    known = [encoder(gallery) for encoder in chosen]
    space = fit_space(known, 24)
    rows = space.project(known)
    asked = space.project([encoder(queries) for encoder in chosen])
    distances = ((asked[:, None] - rows[None]) ** 2).sum(2)
    distances[np.arange(len(of)), of] = np.inf
    return 100 * float((labels[distances.argmin(1)] == labels[of]).mean())


def chips(folder: Path) -> tuple[Array, Labels]:
    crops, labels = [], []
    for label, group in enumerate(sorted(p for p in folder.iterdir() if p.is_dir())):
        for path in sorted(group.iterdir()):
            gray = imread(path).astype(np.float32)
            gray = gray.mean(2) if gray.ndim == 3 else gray
            side = min(gray.shape)
            crops.append(gray[:side, :side])
            labels.append(label)
    return np.stack(crops), np.array(labels)


def lattices(rng: np.random.Generator, noise: float, turn: bool) -> tuple[Array, Labels]:
    crops, labels = [], []
    for label, cell in enumerate(LATTICES.values()):
        texture = Texture("crystal", 0.5, 0.1, 13.0, 0.1, cell, 0.22)
        for _ in range(PER_LATTICE):
            angle = float(rng.uniform(0, 2 * np.pi)) if turn else 0.0
            zoom = float(np.exp(rng.uniform(np.log(0.7), np.log(1.4)))) if turn else 1.0
            crop = paint(rng, (64, 64), texture, angle, zoom)
            crops.append(crop + rng.normal(0, noise, (64, 64)).astype(np.float32))
            labels.append(label)
    return np.stack(crops), np.array(labels)


def tasks(data: Path) -> dict[str, tuple[Array, Labels, Array, Labels]]:
    out = {}
    for name in ("fig2_A", "fig2_b", "fig2_c"):
        crops, labels = chips(data / CHIPS / name)
        of = np.arange(len(crops))
        out[f"{name} as is"] = (crops, labels, crops, of)
        rng = np.random.default_rng(0)
        many = np.repeat(of, VARIANTS)
        queries = np.stack([turned(rng, crops[i]) for i in many])
        out[f"{name} turned, scaled"] = (crops, labels, queries, many)
    for noise, word in ((0.05, "low"), (0.2, "high")):
        for turn in (False, True):
            crops, labels = lattices(np.random.default_rng(1), noise, turn)
            name = f"lattices{' turned, scaled' if turn else ''}, {word} noise"
            out[name] = (crops, labels, crops, np.arange(len(crops)))
    return out


def run(data: Path, sam: bool, say: Callable[[str], None] = print) -> list[dict[str, object]]:
    given = tasks(data)
    rows = []
    for name, chosen in encoders(sam).items():
        row: dict[str, object] = {"encoder": name}
        for task, (gallery, labels, queries, of) in given.items():
            row[task] = accuracy(chosen, gallery, labels, queries, of)
        say(str(row))
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sam", action="store_true", help="the bundled SAM, too: slow")
    parser.add_argument("--write", action="store_true", help="write into docs/benchmarks.md")
    args = parser.parse_args()
    text = markdown(run(args.data, args.sam))
    print(text)
    if args.write:
        write_section("Texture encoders", __doc__.split("\n\n", 2)[2] + "\n" + text)


if __name__ == "__main__":
    main()
