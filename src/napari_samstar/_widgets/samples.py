"""Sample data for napari's File menu: real micrographs, and synthetic ones with their truth."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from napari_samstar._widgets.layers import LayerData, image_layer, labels_layer
from napari_samstar.cache import home
from napari_samstar.samples import GLASS
from napari_samstar.types import Micrograph, SamStarError, Segmentation

__all__ = [
    "cell",
    "cells",
    "film",
    "glass",
    "grains",
    "gravel",
    "nanoparticles",
    "nuclei",
    "pores",
    "tissue",
]

# human cells by David Root (CC0), as scikit-image publishes them with this SHA-256
_NUCLEI = (
    "https://gitlab.com/scikit-image/data/-/raw/2cdc5ce89b334d28f06a58c9f0ca21aa6992a5ba/"
    "AS_09125_050116030001_D03f00d0.tif"
)
_NUCLEI_SHA256 = "2751ba667c4067c5d30817cff004aa06f6f6287f1cdbb5b8c9c6a500308cb456"
_PATIENCE_S = 15


def glass() -> list[LayerData]:
    """Open a scanning electron micrograph of a glass; see `samples/README.md` for its source."""
    from napari_samstar.io.read import load_micrograph

    return [image_layer(load_micrograph(GLASS))]


def cell() -> list[LayerData]:
    """Open a phase image of one living cell (P. Müller et al., CC0), from scikit-image."""
    return _layers(_packaged("cell"), "cell in saline", (0.107, 0.107), "um")


def tissue() -> list[LayerData]:
    """Open stained tissue of a colon in color, from scikit-image; its pixel size is not known."""
    return _layers(_packaged("immunohistochemistry"), "stained tissue")


def gravel() -> list[LayerData]:
    """Open a photograph of gravel (CC0), from scikit-image; its pixel size is not known."""
    return _layers(_packaged("gravel"), "gravel")


def nuclei() -> list[LayerData]:
    """Open nuclei of human cells in fluorescence (David Root, CC0); downloaded the first time.

    Raises
    ------
    SamStarError
        If they cannot be downloaded, or what came is not this image.
    """
    import tifffile

    path = downloaded(_NUCLEI, _NUCLEI_SHA256, "nuclei.tif")
    return _layers(tifffile.imread(path), "human nuclei")


def downloaded(url: str, sha256: str, name: str) -> Path:
    """Path of a sample, downloaded and verified where it is not here yet.

    Raises
    ------
    SamStarError
        If it cannot be downloaded, or has another SHA-256.
    """
    import pooch
    import requests

    folder = home() / "samples"
    fetcher = pooch.HTTPDownloader(timeout=_PATIENCE_S)
    try:
        return Path(pooch.retrieve(url, f"sha256:{sha256}", name, folder, downloader=fetcher))
    except requests.RequestException as err:
        raise SamStarError(
            f"This sample is downloaded the first time, and {urlsplit(url).hostname} cannot be "
            "reached: check the network, or open another sample, all others are offline."
        ) from err
    except ValueError as err:  # another checksum
        raise SamStarError(
            f"What came from {urlsplit(url).hostname} is not the sample that was asked for, and "
            "was thrown away: try again later, or open another sample."
        ) from err
    except OSError as err:
        raise SamStarError(f"The sample could not be kept in {folder}: {err}.") from err


def nanoparticles() -> list[LayerData]:
    """Make nanoparticles as in a transmission electron microscope, and where they are."""
    return _synthetic("particles_tem", 2, "nanoparticles", 0.4, "nm")


def film() -> list[LayerData]:
    """Make the layers of a film on a substrate, seen from the side, and where they are."""
    return _synthetic("oxide", 2, "film interface", 5.0, "nm")


def grains() -> list[LayerData]:
    """Make grains of a polycrystal, and where they are."""
    return _synthetic("grains", 1, "grains", 0.2, "um")


def pores() -> list[LayerData]:
    """Make pores in a slice of an X-ray tomogram, and where they are."""
    return _synthetic("tomogram", 1, "pores", 1.5, "um")


def cells() -> list[LayerData]:
    """Make cells in phase contrast, and where they are."""
    return _synthetic("cells", 2, "cells", 0.6, "um")


def _packaged(name: str) -> NDArray[Any]:
    """Image that comes within scikit-image's package; nothing is downloaded."""
    data: Any = import_module("skimage.data")
    return np.asarray(getattr(data, name)())


def _layers(
    pixels: NDArray[Any], name: str, size: tuple[float, float] | None = None, unit: str = "px"
) -> list[LayerData]:
    return [image_layer(Micrograph(pixels.astype(np.float32), size, unit, name))]


def _synthetic(kind: str, seed: int, name: str, pixel: float, unit: str) -> list[LayerData]:
    """Image and truth, hidden at first; the pixel size is one that such images often have."""
    from napari_samstar.synth import generate

    scene = generate(kind, (512, 512), seed=seed)
    micrograph = Micrograph(scene.image, (pixel, pixel), unit, f"synthetic {name}")
    labels, options, layer_type = labels_layer(Segmentation(scene.labels, micrograph))
    options |= {"name": f"synthetic {name} truth", "visible": False}
    return [image_layer(micrograph), (labels, options, layer_type)]
