"""Shows the result of `samstar demo` in a napari window.

Run as ``python -m napari_samstar._widgets.demo DIR``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from napari_samstar._widgets.layers import show_segmentation
from napari_samstar.samples import GLASS
from napari_samstar.types import Segmentation

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_result"]


def read_result(folder: str | Path) -> tuple[Segmentation, pd.DataFrame]:
    """Read what `samstar demo` wrote into `folder`: the segmentation and its table."""
    import numpy as np
    import pandas as pd
    import tifffile

    from napari_samstar.io.read import load_micrograph
    from napari_samstar.recipe import Recipe

    stem = Path(folder) / GLASS.stem
    labels = np.asarray(tifffile.imread(f"{stem}.labels.tif"), np.int32)
    recipe = Recipe.read(f"{stem}.recipe.json").model_dump(mode="json")
    table = pd.read_csv(f"{stem}.table.csv")
    return Segmentation(labels, load_micrograph(GLASS), recipe=recipe), table


def main(folder: str) -> None:
    """Open the window, and wait until it is closed."""
    import napari

    segmentation, table = read_result(folder)
    viewer = napari.Viewer(title="napari-samstar")
    show_segmentation(viewer, segmentation, table)
    napari.run()


if __name__ == "__main__":
    main(sys.argv[1])
