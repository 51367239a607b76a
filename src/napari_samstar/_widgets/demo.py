"""Shows the result of `samstar demo` in the workbench.

Run as ``python -m napari_samstar._widgets.demo DIR``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_samstar._widgets.layers import image_layer
from napari_samstar._widgets.workbench import Workbench
from napari_samstar.samples import GLASS

if TYPE_CHECKING:
    import napari

__all__ = ["open_demo"]


def open_demo(viewer: napari.Viewer, folder: str | Path) -> Workbench:
    """Open the sample and what `samstar demo` wrote into `folder`, in a workbench."""
    from napari_samstar.io.read import load_micrograph

    data, options, _ = image_layer(load_micrograph(GLASS))
    viewer.add_image(data, **options)
    bench = Workbench(viewer)
    image = bench.context.image
    assert image is not None
    recipe = Path(folder) / f"{GLASS.stem}.recipe.json"
    bench.context.run("Opening", image, image.reopen_steps(recipe))
    return bench


def main(folder: str) -> None:
    """Open the window, and wait until it is closed."""
    import napari

    viewer = napari.Viewer(title="napari-samstar")
    bench = open_demo(viewer, folder)
    viewer.window.add_dock_widget(bench, name="SAM* workbench", area="right")
    bench.pages.setCurrentIndex(bench.pages.count() - 1)
    napari.run()


if __name__ == "__main__":
    main(sys.argv[1])
