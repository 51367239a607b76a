"""Sample data for napari's File menu: one real micrograph, and synthetic ones with their truth."""

from __future__ import annotations

from napari_samstar._widgets.layers import LayerData, image_layer, labels_layer
from napari_samstar.samples import GLASS
from napari_samstar.types import Micrograph, Segmentation

__all__ = ["cells", "film", "glass", "grains", "nanoparticles", "pores"]


def glass() -> list[LayerData]:
    """Open a scanning electron micrograph of a glass; see `samples/README.md` for its source."""
    from napari_samstar.io.read import load_micrograph

    return [image_layer(load_micrograph(GLASS))]


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


def _synthetic(kind: str, seed: int, name: str, pixel: float, unit: str) -> list[LayerData]:
    """Image and truth, hidden at first; the pixel size is one that such images often have."""
    from napari_samstar.synth import generate

    scene = generate(kind, (512, 512), seed=seed)
    micrograph = Micrograph(scene.image, (pixel, pixel), unit, f"synthetic {name}")
    labels, options, layer_type = labels_layer(Segmentation(scene.labels, micrograph))
    options |= {"name": f"synthetic {name} truth", "visible": False}
    return [image_layer(micrograph), (labels, options, layer_type)]
