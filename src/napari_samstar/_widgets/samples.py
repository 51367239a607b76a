"""Sample data for napari's File menu: one real micrograph, some synthetic ones with their truth."""

from __future__ import annotations

from napari_samstar._widgets.layers import LayerData, image_layer, labels_layer
from napari_samstar.samples import GLASS
from napari_samstar.types import Micrograph, Segmentation

__all__ = ["glass", "grains", "particles"]


def glass() -> list[LayerData]:
    """Open a scanning electron micrograph of a glass; see `samples/README.md` for its source."""
    from napari_samstar.io.read import load_micrograph

    return [image_layer(load_micrograph(GLASS))]


def particles() -> list[LayerData]:
    """Make particles as in a transmission electron microscope, and where they are."""
    return _synthetic("particles_tem")


def grains() -> list[LayerData]:
    """Make grains of a polycrystal, and where they are."""
    return _synthetic("grains")


def _synthetic(kind: str) -> list[LayerData]:
    from napari_samstar.synth import generate

    scene = generate(kind, (512, 512), seed=1)
    micrograph = Micrograph(scene.image.astype("float32"), name=f"synthetic {kind}")
    truth = Segmentation(scene.labels, micrograph)
    return [image_layer(micrograph), labels_layer(truth)]
