"""Materials by a classifier of crops: trained on simulated crystals, or on a few marked crops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_samstar.booster.crops import checked_image, crop_side, cut_crops
from napari_samstar.booster.materials import Materials
from napari_samstar.booster.texture import Space, TextureEncoder, fit_space
from napari_samstar.runs import MaskRuns
from napari_samstar.settings import BoostSettings, CrystalTraining
from napari_samstar.synth.noise import blur, log_uniform, white
from napari_samstar.synth.textures import Texture, paint
from napari_samstar.synth.zone_axes import phase_texture
from napari_samstar.types import Progress, SamStarError

__all__ = [
    "CropClassifier",
    "CrystalClassifier",
    "FewShotClassifier",
    "classify_masks",
    "few_shot",
    "train_on_crystals",
]


_CLOSE = 1.1  # how far pixel sizes may be apart: a lattice looks the same


class CropClassifier(Protocol):
    """Says what crops show."""

    @property
    def names(self) -> tuple[str, ...]:
        """The classes."""
        ...

    def probabilities(self, crops: NDArray[np.generic]) -> NDArray[np.float32]:
        """Probabilities (N, C) of the classes `names` for crops (N, S, S)."""
        ...


def classify_masks(
    image: NDArray[np.generic],
    runs: MaskRuns,
    classifier: CropClassifier,
    settings: BoostSettings | None = None,
    pixel_nm: float | None = None,
) -> Materials:
    """Give each mask the class that most of its crops vote for.

    Parameters
    ----------
    image : (H, W) array
        Intensities.
    runs : MaskRuns
        K masks.
    classifier : CropClassifier
        Label i + 1 is its ``names[i]``.
    settings : BoostSettings, optional
        Crops, and how clear a vote must be.
    pixel_nm : float, optional
        Size of a pixel, nm; where it is given, a classifier that knows its own is held to it.

    Returns
    -------
    Materials
        ``labels`` keep the classifier's order; ``count`` is the number of classes found.

    Raises
    ------
    SamStarError
        If the image is not (H, W), differs from the masks in shape, holds no numbers, or its
        pixels differ in size by more than a tenth from those that the classifier was trained on.
    """
    settings = settings or BoostSettings()
    _check_pixel(pixel_nm, getattr(classifier, "pixel_nm", None))
    image = checked_image(image, runs.shape)
    side = crop_side(image, settings.crops, pixel_nm)
    crops = cut_crops(image, runs, settings.crops, side)
    labels = np.zeros(len(runs), np.int32)
    confidence, margin = np.zeros(len(runs), np.float32), np.zeros(len(runs), np.float32)
    if len(crops):
        chances = classifier.probabilities(crops.pixels)
        votes = np.zeros((len(runs), len(classifier.names)))
        np.add.at(votes, (crops.mask, chances.argmax(1)), 1.0)
        total = votes.sum(1)
        given = np.flatnonzero(total)
        shares = votes[given] / total[given, None]
        sums = np.zeros_like(votes)
        np.add.at(sums, crops.mask, chances)
        winner = shares.argmax(1)
        ranked = np.sort(shares, axis=1)
        margin[given] = ranked[:, -1] - (ranked[:, -2] if ranked.shape[1] > 1 else 0.0)
        confidence[given] = sums[given, winner] / total[given]
        labels[given] = np.where(margin[given] >= settings.materials.min_margin, winner + 1, 0)
    found = np.unique(labels[labels > 0])
    names = {int(i): classifier.names[i - 1] for i in found}
    return Materials(labels, confidence, margin, found.size, 0, found.size, {"names": names})


@dataclass(frozen=True)
class FewShotClassifier:
    """Classes by marked crops; see `few_shot`."""

    names: tuple[str, ...]
    encoders: tuple[TextureEncoder, ...]
    space: Space
    decide: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    def probabilities(self, crops: NDArray[np.generic]) -> NDArray[np.float32]:
        """Probabilities (N, C) of the classes for crops (N, S, S)."""
        parts = [encoder(crops) for encoder in self.encoders]
        return self.decide(self.space.project(parts)).astype(np.float32)


def few_shot(
    crops: NDArray[np.generic],
    labels: Sequence[str],
    encoders: Sequence[TextureEncoder],
    method: Literal["prototype", "logistic"] = "prototype",
    dimensions: int = 24,
) -> FewShotClassifier:
    """Learn classes from a few crops that the user marked.

    Parameters
    ----------
    crops : (N, S, S) array
        Pixels.
    labels : sequence of str
        Class of each crop; at least two classes.
    encoders : sequence of TextureEncoder
        That look at pixels.
    method : str
        "prototype": the nearest class mean (Snell, Swersky and Zemel, NeurIPS 30, 2017);
        "logistic": regularized logistic regression, for ten crops or more a class.
    dimensions : int
        Principal components kept.

    Raises
    ------
    SamStarError
        If there are fewer than two classes, crops and labels differ in number, crops differ in
        size or are no numbers, or the method is not known.
    """
    if method not in ("prototype", "logistic"):
        raise SamStarError(f"Crops are learned by prototype or logistic, not by {method!r}.")
    crops = _checked_crops(crops)
    if len(labels) != len(crops):
        raise SamStarError(f"There are {len(labels)} labels for {len(crops)} crops: give one each.")
    names, target = np.unique(np.asarray(labels, str), return_inverse=True)
    if names.size < 2:
        raise SamStarError(
            f"Mark crops of at least two materials: {names.size} is not enough to tell apart."
        )
    parts = [encoder(crops) for encoder in encoders]
    space = fit_space(parts, dimensions)
    rows = space.project(parts)
    decide = _logistic(rows, target) if method == "logistic" else _prototypes(rows, target)
    return FewShotClassifier(tuple(names.tolist()), tuple(encoders), space, decide)


def _checked_crops(crops: Any) -> NDArray[np.float32]:
    try:
        pixels = np.asarray(crops, np.float32)
    except (TypeError, ValueError) as err:
        raise SamStarError("Crops are squares of one size, (N, S, S), of gray levels.") from err
    if pixels.ndim != 3:
        raise SamStarError(f"Crops come as an array (N, S, S), not {pixels.shape}.")
    known = np.isfinite(pixels).all((1, 2))
    if not known.all():
        raise SamStarError(
            f"Crop {int(np.argmin(known))} holds a pixel that is no number: choose another place."
        )
    return pixels


def _check_pixel(size: float | None, trained: float | None = None) -> None:
    """Raise SamStarError for a pixel size (nm) that is none or not what was trained on."""
    if size is None:
        return
    if not (np.isfinite(size) and size > 0):
        raise SamStarError(f"A pixel cannot be {size:g} nm wide: give a positive number.")
    if trained is not None and not 1 / _CLOSE <= size / trained <= _CLOSE:
        raise SamStarError(
            f"The classifier knows crystals at {trained:g} nm a pixel and the image has {size:g} "
            "nm: train one at this size, or scale the image."
        )


def _prototypes(
    rows: NDArray[np.float64], target: NDArray[np.intp]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Soft-max of negative squared distances, in units of the spread within classes."""
    count = int(target.max()) + 1
    means = np.stack([rows[target == c].mean(0) for c in range(count)])
    spread = max(float(((rows - means[target]) ** 2).sum(1).mean()), 1e-9)

    def decide(x: NDArray[np.float64]) -> NDArray[np.float64]:
        score = -((x[:, None] - means[None]) ** 2).sum(2) / (2 * spread)
        weight = np.exp(score - score.max(1, keepdims=True))
        return np.asarray(weight / weight.sum(1, keepdims=True))

    return decide


def _logistic(
    rows: NDArray[np.float64], target: NDArray[np.intp]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    from sklearn.linear_model import LogisticRegression

    scale = max(float(rows.std()), 1e-9)
    model = LogisticRegression(C=1.0, class_weight="balanced", max_iter=1000)
    model.fit(rows / scale, target)
    return lambda x: np.asarray(model.predict_proba(x / scale))


class CrystalClassifier:
    """A small network that knows simulated phases; see `train_on_crystals`.

    Parameters
    ----------
    names : tuple of str
        The phases.
    net : Module
        Crops (N, S, S) to scores (N, C).
    pixel_nm : float, optional
        Size of a pixel at which it was trained, nm; None where an older file does not say.
    """

    def __init__(self, names: tuple[str, ...], net: Any, pixel_nm: float | None = None) -> None:
        self.names = names
        self.pixel_nm = pixel_nm
        self._net = net

    def probabilities(self, crops: NDArray[np.generic]) -> NDArray[np.float32]:
        """Probabilities (N, C) of the phases for crops (N, S, S)."""
        import torch

        with torch.inference_mode():
            parts = [
                self._net(torch.from_numpy(np.ascontiguousarray(part, np.float32))).softmax(1)
                for part in np.array_split(np.asarray(crops), max(1, len(crops) // 64))
            ]
        return np.asarray(torch.cat(parts).numpy(), np.float32)

    def save(self, path: Path) -> None:
        """Write weights, names and pixel size as safetensors."""
        from safetensors.torch import save_file

        state = {n: v.contiguous() for n, v in self._net.state_dict().items()}
        facts = {"names": "\n".join(self.names)}
        if self.pixel_nm is not None:
            facts["pixel_nm"] = repr(self.pixel_nm)
        save_file(state, path, facts)

    @classmethod
    def load(cls, path: Path) -> CrystalClassifier:
        """Read what `save` wrote.

        Raises
        ------
        SamStarError
            If the file is no crystal classifier.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, "pt") as file:
                facts = file.metadata() or {}
                names = tuple(facts["names"].split("\n"))
                pixel_nm = float(facts["pixel_nm"]) if "pixel_nm" in facts else None
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            net = _network(len(names))
            net.load_state_dict(state)
        except (OSError, SafetensorError, KeyError, RuntimeError, ValueError) as err:
            raise SamStarError(f"{path} is not a crystal classifier: {err}") from err
        return cls(names, net.eval(), pixel_nm)


def _network(classes: int) -> Any:
    from torch import nn

    from napari_samstar.booster.bundled import TextureNet

    # unit vectors have small entries: without a norm the scores would start out equal
    width = TextureNet.dimension
    return nn.Sequential(TextureNet(), nn.BatchNorm1d(width), nn.Linear(width, classes))


def train_on_crystals(
    phases: Sequence[str],
    pixel_nm: float,
    settings: CrystalTraining | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> CrystalClassifier:
    """Train a crop classifier on simulated phases, from random weights.

    The paper found random weights better than those of photographs (Abebe et al., "SAM-I-Am",
    2024, section 5.2).

    Parameters
    ----------
    phases : sequence of str
        As `synth.zone_axes.phase_texture` reads them: "SrTiO3 [001]", "Ge [110]", "amorphous Pt/C".
    pixel_nm : float
        Size of a pixel, nm.
    settings : CrystalTraining, optional
        How long, and what noise to expect.
    progress : callable, optional
        Told after every step; what it raises ends the training.

    Raises
    ------
    SamStarError
        If there are fewer than two phases, or one that is not known or not resolved, or the pixel
        size is none.
    """
    import torch
    from torch.nn import functional

    settings = settings or CrystalTraining()
    _check_pixel(pixel_nm)
    textures = _textures(phases, pixel_nm)
    torch.manual_seed(settings.seed)
    net = _network(len(textures))
    optimizer = torch.optim.AdamW(net.parameters(), settings.learning_rate, weight_decay=0.02)
    for step in range(settings.steps):
        crops, target = _simulated(textures, settings, step)
        share = step / settings.steps
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * (0.01 + 0.5 * (1 + np.cos(np.pi * share)))
        loss = functional.cross_entropy(net(torch.from_numpy(crops)), torch.from_numpy(target))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if progress is not None:
            message = f"loss {float(loss.detach()):.3f}"
            progress(Progress("training", step + 1, settings.steps, message))
    return CrystalClassifier(tuple(phases), net.eval(), float(pixel_nm))


def _textures(phases: Sequence[str], pixel_nm: float) -> list[Texture]:
    if len(set(phases)) < 2:
        raise SamStarError("Name at least two different phases for the classifier to tell apart.")
    try:
        textures = [phase_texture(name, pixel_nm) for name in phases]
    except ValueError as err:
        raise SamStarError(str(err)) from err
    for name, texture in zip(phases, textures, strict=True):
        if texture.kind == "crystal" and texture.scale < 3.0:
            raise SamStarError(
                f"{name} repeats every {texture.scale:.1f} px: a lattice is not resolved at "
                f"{pixel_nm:g} nm a pixel."
            )
    return textures


def _simulated(
    textures: Sequence[Texture], settings: CrystalTraining, step: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Crops of one step and their classes, in turn; a pure function of seed and step."""
    rng = np.random.default_rng([settings.seed, step])
    side = int(rng.integers(settings.smallest_side // 4, settings.largest_side // 4 + 1)) * 4
    crops, target = [], []
    for k in range(settings.batch):
        label = k % len(textures)
        zoom = float(np.exp(rng.uniform(-1, 1) * np.log1p(settings.calibration)))
        crop = paint(rng, (side, side), textures[label], rng.uniform(0, 2 * np.pi), zoom)
        crop = blur(crop, log_uniform(rng, 0.4, 1.5))
        noise = np.float32(log_uniform(rng, *settings.noise)) * white(rng, (side, side))
        crops.append(crop + noise)
        target.append(label)
    return np.stack(crops).astype(np.float32), np.array(target)
