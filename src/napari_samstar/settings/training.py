"""How synthetic micrographs are made, and how what comes with the program is trained."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_samstar.settings.base import Fraction, Settings

__all__ = [
    "CrystalTraining",
    "FitSettings",
    "SynthSettings",
    "TrainMosaicSettings",
    "TrainQualitySettings",
    "TrainTextureSettings",
    "TrainTinySettings",
]


class SynthSettings(Settings):
    """Ranges and chances of the generator of synthetic micrographs."""

    weights: tuple[tuple[str, Annotated[float, Field(ge=0.0)]], ...] = Field(
        (), description="Share of each kind in a random mix; empty is the built-in mix."
    )
    min_diameter: float = Field(5.0, ge=3.0, le=500.0, description="Smallest object, px.")
    max_diameter_fraction: Fraction = Field(
        0.5, gt=0.0, description="Largest object, share of the shorter side."
    )
    max_objects: int = Field(500, ge=1, le=10_000, description="Most objects of one population.")
    min_visible: int = Field(
        12, ge=1, le=10_000, description="Instances showing less are dropped, px."
    )
    noise: float = Field(1.0, ge=0.0, le=5.0, description="Factor on all noise.")
    max_blur: float = Field(1.8, ge=0.0, le=10.0, description="Widest point spread, sigma in px.")
    min_contrast: float = Field(
        0.12, gt=0.0, le=1.0, description="Least share of the gray range that an image uses."
    )
    overlay: Fraction = Field(0.15, description="Chance of a burnt-in bar, text or banner.")
    jpeg: Fraction = Field(0.3, description="Chance of JPEG blocks.")
    bits: Literal[8, 12, 16] | None = Field(
        None, description="Depth of the detector; null draws it, 8 bits most often."
    )
    inversion: Fraction = Field(0.15, description="Chance of swapped dark and bright.")
    uneven: Fraction = Field(0.5, description="Chance of uneven illumination.")
    contamination: Fraction = Field(0.05, description="Chance of an earlier scan's rectangle.")
    charging: Fraction = Field(0.1, description="Chance of charging streaks.")
    scan_errors: Fraction = Field(0.2, description="Chance of line jitter.")
    drift: Fraction = Field(0.08, description="Chance of drift during the scan.")


class TrainTinySettings(Settings):
    """How `samstar-tiny` is trained on synthetic micrographs."""

    steps: int = Field(4000, ge=1, le=10_000_000, description="Steps of the optimizer.")
    seed: int = Field(0, ge=0, description="Seeds weights, scenes, crops and prompts.")
    scenes: int = Field(6000, ge=8, description="Different synthetic micrographs in all.")
    joining: int = Field(
        3, ge=0, le=10_000, description="Scenes that join with each step, until all are in use."
    )
    scene_size: int = Field(512, ge=128, le=4096, description="Side of a scene, px.")
    weights: tuple[tuple[str, Annotated[float, Field(ge=0.0)]], ...] = Field(
        (), description="Share of each kind of scene, [[name, share], ...]; empty: the usual mix."
    )
    pixels: int = Field(
        8 * 256 * 256, ge=64 * 64, description="Pixels of the crops of one step together."
    )
    prompts: int = Field(12, ge=1, le=256, description="Prompts in each crop.")
    learning_rate: float = Field(2e-3, gt=0.0, le=1.0, description="Between warm-up and decay.")
    warmup: int = Field(150, ge=0, description="Steps over which the learning rate rises.")
    decay: float = Field(
        0.35, ge=0.0, le=1.0, description="Last share of the steps: the learning rate falls."
    )
    frozen: float = Field(
        0.5,
        ge=0.0,
        le=1.0,
        description="Last share of the steps: batch statistics stay, crops grow up to 768 px.",
    )
    weight_decay: float = Field(0.02, ge=0.0, le=1.0, description="Of AdamW, on matrices.")
    average: float = Field(0.998, ge=0.0, lt=1.0, description="Decay of the averaged weights.")
    evaluate_every: int = Field(200, ge=1, description="Steps between held-out measurements.")
    checkpoint_every: int = Field(100, ge=1, description="Steps between checkpoints.")
    workers: int = Field(
        2, ge=1, le=64, description="Processes that share each step on a CPU; a GPU takes one."
    )
    threads: int = Field(1, ge=1, le=256, description="CPU threads of each process.")
    loaders: int = Field(
        4,
        ge=0,
        le=64,
        description="Processes that make the data of a GPU; 0 makes it beside the training.",
    )
    device: str = Field("cpu", description="Where to train: auto, cpu, cuda, mps.")


class TrainQualitySettings(Settings):
    """How the mask quality is learned from synthetic micrographs."""

    even_scenes: int = Field(76, ge=1, le=10_000, description="Scenes of all kinds in turn.")
    mix_scenes: int = Field(60, ge=0, le=10_000, description="More scenes, of many objects each.")
    crowded_scenes: int = Field(48, ge=0, le=10_000, description="More, of objects that touch.")
    plain_scenes: int = Field(0, ge=0, le=10_000, description="More, of sharp plain ellipses.")
    smallest_side: int = Field(240, ge=64, le=2048, description="Least height of a scene, px.")
    largest_side: int = Field(560, ge=64, le=2048, description="Largest height of a scene, px.")
    masks: int = Field(2600, ge=10, le=100_000, description="Masks drawn of each scene.")
    trees: int = Field(300, ge=1, le=5000, description="Regression trees of either opinion.")
    leaves: int = Field(48, ge=2, le=1000, description="Most leaves of a tree.")
    learning_rate: float = Field(0.07, gt=0.0, le=1.0, description="Weight of each tree.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seeds the trees.")

    @property
    def scenes(self) -> int:
        """How many scenes there are in all."""
        return self.even_scenes + self.mix_scenes + self.crowded_scenes + self.plain_scenes


class FitSettings(Settings):
    """How a small network is fitted to synthetic data."""

    steps: int = Field(1200, ge=1, le=10_000_000, description="Steps of the optimizer.")
    seed: int = Field(0, ge=0, description="Seeds weights and data.")
    learning_rate: float = Field(3e-3, gt=0.0, le=1.0, description="After warm-up.")
    weight_decay: float = Field(0.02, ge=0.0, le=1.0, description="Of AdamW.")
    evaluate_every: int = Field(
        50, ge=1, description="Steps between held-out measurements and checkpoints."
    )


class TrainTextureSettings(FitSettings):
    """How the bundled texture encoder is trained on synthetic materials."""

    images: int = Field(4, ge=1, le=256, description="Synthetic images in one step.")
    materials: int = Field(8, ge=2, le=64, description="Materials of each image.")
    crops: int = Field(3, ge=2, le=64, description="Crops of each material.")
    smallest_side: int = Field(40, ge=16, le=512, description="Smallest side of a crop, px.")
    largest_side: int = Field(72, ge=16, le=512, description="Largest side of a crop, px.")
    temperature: float = Field(0.1, gt=0.0, le=10.0, description="Divides the cosines.")


class TrainMosaicSettings(FitSettings):
    """How the network for borders of materials is trained on synthetic images."""

    steps: int = Field(5500, ge=1, le=10_000_000, description="Steps of the optimizer.")
    scenes: int = Field(4, ge=1, le=256, description="Scenes of one step; two images of each.")
    side: int = Field(256, ge=64, le=1024, multiple_of=32, description="Side of an image, px.")
    cells: int = Field(384, ge=8, le=65536, description="Cells of an image that are compared.")
    learning_rate: float = Field(2e-3, gt=0.0, le=1.0, description="After warm-up.")
    bfloat16: bool = Field(
        False, description="Multiply in 16 bits: faster on processors that are made for it."
    )
    evaluate_every: int = Field(
        100, ge=1, description="Steps between held-out measurements and checkpoints."
    )


class CrystalTraining(Settings):
    """How a crop classifier is trained on simulated phases."""

    steps: int = Field(200, ge=1, le=1_000_000, description="Steps of the optimizer.")
    batch: int = Field(48, ge=2, le=4096, description="Crops of one step.")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seeds weights and crops.")
    smallest_side: int = Field(40, ge=16, le=512, description="Smallest side of a crop, px.")
    largest_side: int = Field(72, ge=16, le=512, description="Largest side of a crop, px.")
    noise: tuple[float, float] = Field(
        (0.02, 0.25), description="Range of the noise, full scale 1; columns deviate by 0.12."
    )
    calibration: float = Field(
        0.05, ge=0.0, le=1.0, description="How far the pixel size may be wrong, share."
    )
    learning_rate: float = Field(3e-3, gt=0.0, le=1.0, description="At the beginning.")
