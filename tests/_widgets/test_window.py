"""One real window: what is drawn, not only what is stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from napari_samstar._widgets.layers import show_segmentation
from napari_samstar.types import Micrograph, Segmentation


def test_the_window_draws_image_and_objects(make_napari_viewer: Callable[..., Any]) -> None:
    yy, xx = np.mgrid[:64, :64]
    labels = ((yy - 32) ** 2 + (xx - 32) ** 2 < 200).astype(np.int32)
    micrograph = Micrograph((xx * 1.0).astype(np.float32), (2.0, 2.0), "nm", "ramp")
    viewer = make_napari_viewer(show=True)
    show_segmentation(viewer, Segmentation(labels, micrograph))

    shown = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(float)
    viewer.layers["ramp objects"].visible = False
    hidden = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(float)
    assert hidden.std() > 5, "the image is not drawn"
    assert np.abs(shown - hidden).max() > 50, "the objects are not drawn"
