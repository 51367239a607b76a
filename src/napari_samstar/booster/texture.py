"""Texture encoders behind one Protocol, and how several are made one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_samstar.settings import TextureSettings
from napari_samstar.types import SamStarError

__all__ = ["Space", "TextureEncoder", "Turned", "fit_space", "texture_encoders"]


class TextureEncoder(Protocol):
    """Describes crops by vectors: equal textures near each other, different ones apart."""

    name: str

    def __call__(
        self, crops: NDArray[np.generic], boxes: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Embed crops.

        Parameters
        ----------
        crops : (N, S, S) float32 or uint8
            Pixels.
        boxes : (N, 4) int32, optional
            Where they were cut: x0, y0, x1, y1, last row and column excluded, px. Encoders that
            pool features of the whole image need them.

        Returns
        -------
        (N, D) float32
            One row per crop.
        """
        ...


class Turned:
    """An encoder averaged over the four quarter turns of each crop.

    Parameters
    ----------
    encoder : TextureEncoder
        Must look at pixels only.
    """

    def __init__(self, encoder: TextureEncoder) -> None:
        self._encoder = encoder
        self.name = encoder.name
        if hasattr(encoder, "usual"):
            self.usual: NDArray[np.float64] = encoder.usual

    def __call__(
        self, crops: NDArray[np.generic], boxes: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Embed crops as the mean of four embeddings."""
        parts = [
            self._encoder(np.ascontiguousarray(np.rot90(crops, turns, (1, 2))), boxes)
            for turns in range(4)
        ]
        return np.asarray(sum(parts[1:], parts[0]), np.float32) / np.float32(len(parts))


def texture_encoders(
    settings: TextureSettings, embedding: Any = None, fenet: Path | None = None
) -> list[TextureEncoder]:
    """Make the encoders that the settings name.

    Parameters
    ----------
    settings : TextureSettings
        Which, and whether rotation counts.
    embedding : Embedding or sequence of Embedding, optional
        What the image encoder made of the image: "sam" pools it.
    fenet : Path, optional
        Checkpoint for "fenet", in place of ``settings.fenet``.

    Raises
    ------
    SamStarError
        If one of them lacks what it needs.
    """
    out: list[TextureEncoder] = []
    ignore = settings.rotation == "ignore"
    for name in settings.encoders:
        if name == "intensity":
            from napari_samstar.booster.physics import IntensityEncoder

            out.append(IntensityEncoder())
        elif name == "physics":
            from napari_samstar.booster.physics import PhysicsEncoder

            out.append(PhysicsEncoder(settings.rotation))
        elif name == "bundled":
            from napari_samstar.booster.bundled import BundledEncoder

            bundled = BundledEncoder()
            out.append(Turned(bundled) if ignore else bundled)
        elif name == "sam":
            from napari_samstar.booster.pooled import PooledEncoder

            if embedding is None:
                raise SamStarError(
                    "The texture encoder 'sam' needs the image's SAM embedding: run a SAM model "
                    "first, or choose 'physics' or 'bundled'."
                )
            out.append(PooledEncoder(embedding))
        else:
            from napari_samstar.booster.fenet import FractalEncoder

            weights = fenet or settings.fenet
            if weights is None:
                raise SamStarError(
                    "The texture encoder 'fenet' has no weights of its own: give a checkpoint "
                    "file, or choose 'physics' or 'bundled'."
                )
            net = FractalEncoder(Path(weights))
            out.append(Turned(net) if ignore else net)
    return out


@dataclass(frozen=True)
class Space:
    """How the outputs of several encoders become one vector; fitted to one image's crops.

    Parameters
    ----------
    means, scales : tuple of (D_i,) float64
        What each encoder's columns are shifted and divided by.
    components : (sum of D_i, D) float64
        Principal directions.
    """

    means: tuple[NDArray[np.float64], ...]
    scales: tuple[NDArray[np.float64], ...]
    components: NDArray[np.float64]

    def project(self, parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
        """Vectors (N, D) of crops, from what each encoder makes of them, (N, D_i) each."""
        return _joined(parts, self.means, self.scales) @ self.components

    def spread(self, encoders: Sequence[TextureEncoder]) -> NDArray[np.float64]:
        """Covariance (D, D) that vectors of different materials usually have.

        Of encoders that do not say what materials usually differ by, the crops at hand do.
        """
        scaled = []
        for encoder, scale in zip(encoders, self.scales, strict=True):
            finite = np.where(np.isfinite(scale), scale, 0)
            usual = getattr(encoder, "usual", finite / np.sqrt(max(finite.size, 1)))
            scaled.append(usual / scale)
        joined = np.concatenate(scaled)
        return self._of_columns(joined**2)

    def covariance(self, variances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Covariance (D, D) of vectors whose encoders' columns have these variances."""
        return self._of_columns(variances / np.concatenate(self.scales) ** 2)

    def _of_columns(self, variances: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((self.components * variances[:, None]).T @ self.components)


def fit_space(parts: Sequence[NDArray[np.float32]], dimensions: int = 32) -> Space:
    """Join several embeddings of the same crops.

    Columns are standardized over the image's crops, each encoder is given the same total variance,
    and principal components are kept.

    Parameters
    ----------
    parts : sequence of (N, D_i) float32
        One per encoder.
    dimensions : int
        Most components kept.
    """
    means = tuple(np.asarray(part, np.float64).mean(0) for part in parts)
    spreads = [np.asarray(part, np.float64).std(0) for part in parts]
    scales = tuple(
        np.where(s > 1e-9, s, np.inf) * np.sqrt(max(int((s > 1e-9).sum()), 1)) for s in spreads
    )
    _, strength, rows = np.linalg.svd(_joined(parts, means, scales), full_matrices=False)
    kept = int((strength > 1e-6 * max(float(strength[0]), 1e-30)).sum())
    components = rows[: max(1, min(dimensions, kept))].T
    # the sign of a singular vector is arbitrary: its largest entry is made positive
    largest = components[np.abs(components).argmax(0), np.arange(components.shape[1])]
    return Space(means, scales, components * np.where(largest < 0, -1.0, 1.0))


def _joined(
    parts: Sequence[NDArray[np.float32]],
    means: Sequence[NDArray[np.float64]],
    scales: Sequence[NDArray[np.float64]],
) -> NDArray[np.float64]:
    return np.concatenate(
        [(part - mean) / scale for part, mean, scale in zip(parts, means, scales, strict=True)], 1
    )
