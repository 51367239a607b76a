"""Where the candidates of a search agree, as a layer that a box switches on."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QCheckBox, QWidget

from napari_samstar._widgets.context import Context
from napari_samstar._widgets.layers import STEP, placed_over, same_selection
from napari_samstar._widgets.pause import after_pause, begin
from napari_samstar.session import OpenImage

__all__ = ["AGREEMENT", "Agreement"]

#: Role of the layer.
AGREEMENT = "agreement"

_AGREE_MS = 1500  # counted anew at most this often while candidates stream in


class Agreement(QCheckBox):
    """Shows where the best candidates of the image at hand agree, while it is ticked.

    Parameters
    ----------
    context : Context
        Of the viewer.
    """

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__("Show where the candidates agree", parent)
        self._context = context
        self.setToolTip(
            "Adds a layer: bright where the best candidates all see an object, dark where none "
            "does, in between where one should look twice."
        )
        self._again = after_pause(self, _AGREE_MS, self._count)
        self.toggled.connect(self._on_toggled)

    def follow(self) -> None:
        """Count anew soon: there are other candidates."""
        if self.isChecked():
            begin(self._again)

    def _on_toggled(self, shown: bool) -> None:
        image = self._context.image
        if image is None:
            return
        if shown:
            self._count()
        else:
            self._context.outputs.hide(image, AGREEMENT)

    def _count(self) -> None:
        image = self._context.image
        if image is None or image.state.front is None or not self.isChecked():
            return
        step = image.state.front.step
        self._context.run_quick(
            "Comparing the candidates",
            image,
            image.agreement_steps(),
            done=lambda share: self._show(image, share, step),
        )

    def _show(self, image: OpenImage, share: Any, step: int) -> None:
        outputs, viewer = self._context.outputs, self._context.viewer
        parent, key = outputs.image_layer(image), outputs.key(image)
        if share is None or not self.isChecked() or parent is None or key is None:
            return
        data = share.reshape((1,) * len(key[1]) + share.shape)
        layer = outputs.layer(image, AGREEMENT)
        if layer is not None:
            layer.data = data
            return
        with same_selection(viewer):
            viewer.add_image(
                data,
                name=f"SAM* agreement on {image.state.source.name}",
                colormap="magma",
                contrast_limits=(0.0, 1.0),
                opacity=0.7,
                metadata={**outputs.metadata(key, AGREEMENT), STEP: step},
                **placed_over(parent, key[1], step, extra=0),
            )
