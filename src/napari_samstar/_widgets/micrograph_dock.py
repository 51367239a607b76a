"""The first step: which image, how large its pixels are, what the network will see of it."""

from __future__ import annotations

from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QPushButton
from superqt import QElidingLabel

from napari_samstar._widgets.dock import Dock
from napari_samstar._widgets.fields import Fold, length
from napari_samstar._widgets.forms import SettingsForm
from napari_samstar._widgets.job_bar import duration
from napari_samstar._widgets.models import DEVICES, fill_models, model_sentence
from napari_samstar._widgets.outputs import VIEW
from napari_samstar._widgets.pixel_size import PixelSizeEditor
from napari_samstar.session import OpenImage
from napari_samstar.settings import DecodeSettings, PreprocessSettings

__all__ = ["MicrographDock"]

_PREPROCESS = {
    "low_percentile": "Black below, %",
    "high_percentile": "White above, %",
    "gamma": "Gamma",
    "denoise": "Denoise",
    "flatten_sigma": "Flatten, px",
    "level_lines": "Level lines",
    "hot_pixels": "Remove hot pixels",
    "invert": "Swap dark and bright",
}
_PREPROCESS_TIPS = {
    "low_percentile": "This share of the darkest pixels is shown black to the network.",
    "high_percentile": "What is brighter than this share of the pixels is shown white.",
    "gamma": "Below 1 lifts dark details, above 1 lifts bright ones.",
    "denoise": "A 3 x 3 median, or a Gaussian of 1 px, against noise.",
    "flatten_sigma": "Removes shading wider than this many pixels; 0 leaves it. Use several times "
    "the size of your largest object.",
    "level_lines": "For AFM: subtracts each scan line's median or tilt.",
    "hot_pixels": "Replaces single pixels far brighter than all around them.",
    "invert": "The network sees the negative. Rarely of use: it was trained on both.",
}


class MicrographDock(Dock):
    """Shows the active image, calibrates it and prepares it."""

    title = "Image"
    tip = "The image, its pixel size, what the network sees of it, and the network."

    def build(self) -> None:
        """Make the widgets."""
        form = self.form()
        self._name = QElidingLabel()
        form.addRow("Image", self._name)
        self._size = QElidingLabel()
        form.addRow("Size", self._size)
        self._pixel = PixelSizeEditor(self.context)
        form.addRow("Pixel size", self._pixel)
        self._field = QLabel()
        self._field.setToolTip("Width and height of what the image shows.")
        form.addRow("Field of view", self._field)

        self._view = QCheckBox("Show what the network sees")
        self._view.setToolTip(
            "Adds a layer with exactly the 8-bit image that the network is given, and keeps it up "
            "to date with the contrast below."
        )
        self._view.toggled.connect(self._show_view)
        self.needs(self._view)
        self.body.addWidget(self._view)
        self._contrast = SettingsForm(PreprocessSettings(), _PREPROCESS, _PREPROCESS_TIPS)
        self._contrast.changed.connect(self._on_contrast)
        self.needs(self._contrast)
        fold = Fold(
            "Contrast and noise",
            self._contrast,
            "How the intensities become what the network sees.",
        )
        self.body.addWidget(fold)

        form = self.form()
        self._model = QComboBox()
        self._model.setToolTip(
            "The network that looks at the image; larger ones are better, and slower."
        )
        self._model.setSizeAdjustPolicy(
            QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
        )
        self._model.setMinimumContentsLength(16)
        fill_models(self._model)
        self._model.activated.connect(self._on_model)
        self.needs(self._model, idle=True)
        form.addRow("Network", self._model)
        self._about = self.note()
        form.addRow(self._about)
        self._device = QComboBox()
        for name, label in DEVICES.items():
            self._device.addItem(label, name)
        self._device.setToolTip("Where the network runs. Automatic takes a GPU where there is one.")
        self._device.activated.connect(self._on_device)
        self.needs(self._device, idle=True)
        form.addRow("Runs on", self._device)
        self._grid = SettingsForm(
            DecodeSettings(),
            {"points_per_side": "Grid of points"},
            {
                "points_per_side": "The network is asked at so many points along each side. More "
                "finds smaller objects, and takes longer with its square."
            },
        )
        self._grid.changed.connect(self._on_grid)
        self.needs(self._grid, idle=True)
        form.addRow(self._grid)

        self._prepare = QPushButton("Prepare")
        self._prepare.setToolTip(
            "The network looks at the image, once. Everything after that is quick. The result is "
            "kept on disk, so that the same image is ready at once the next time."
        )
        self._prepare.clicked.connect(lambda: self.run("Preparing", OpenImage.prepare_steps))
        self.needs(self._prepare, lambda image: not image.state.ready, idle=True)
        self.body.addWidget(self._prepare)
        self._state = self.note()
        self.body.addWidget(self._state)
        self.body.addStretch(1)

    def refresh(self, image: OpenImage | None, names: frozenset[str]) -> None:
        """Show the image's state."""
        if image is None:
            self._name.setText("none: open a file, or File > Open Sample")
            for label in (self._size, self._field, self._state):
                label.clear()
            return
        state, source = image.state, image.state.source
        if names & {"source", "name"}:
            self._name.setText(source.name)
            self._name.setToolTip(source.name)
        if "source" in names:
            height, width = source.shape
            frame = "".join(
                f", frame {at + 1} of {n}"
                for at, n in zip(source.index, source.frames, strict=True)
            )
            color = ", color" if source.color else ""
            self._size.setText(f"{width} x {height} px, {source.dtype}{color}{frame}")
            if source.pixel_size is None:
                self._field.setText(f"{width} x {height} px")
            else:
                y, x = source.pixel_size
                self._field.setText(
                    f"{length(width * x, source.unit)} x {length(height * y, source.unit)}"
                )
        if "settings" in names:
            self._contrast.set_value(state.settings.preprocess)
            self._grid.set_value(state.settings.decode)
            self._refresh_view(image)
        if "model" in names:
            self._model.setCurrentIndex(self._model.findData(state.model))
            self._about.setText(model_sentence(state.model))
        if "device" in names:
            self._device.setCurrentIndex(self._device.findData(state.device))
        if state.ready and state.prepared is not None:
            self._state.setText(f"Prepared: {len(state.prepared.proposals):,} masks are on offer.")
            return
        seconds = image.seconds_to_prepare()
        time = "" if seconds is None else f", which takes {duration(seconds)}"
        if state.prepared is not None:
            self._state.setText(f"Changed since it was prepared: prepare again{time}.")
        else:
            self._state.setText(f"Not prepared yet{time}.")

    def _on_contrast(self, settings: object) -> None:
        if self.image is not None:
            self.image.set_settings(preprocess=settings)

    def _on_grid(self, settings: object) -> None:
        if self.image is not None:
            self.image.set_settings(decode=settings)

    def _on_model(self) -> None:
        if self.image is not None:
            self.image.update(model=self._model.currentData())

    def _on_device(self) -> None:
        if self.image is not None:
            self.image.update(device=self._device.currentData())

    def _show_view(self, shown: bool) -> None:
        image = self.image
        if image is None:
            return
        if shown:
            self._refresh_view(image)
        else:
            self.context.outputs.hide(image, VIEW)

    def _refresh_view(self, image: OpenImage) -> None:
        if not self._view.isChecked():
            return
        self.context.run_quick(
            "Drawing what the network sees",
            image,
            image.view_steps(),
            done=lambda rgb: self.context.outputs.show(
                image, VIEW, rgb, "image", rgb=True, name=f"{image.state.source.name} as seen"
            ),
        )
