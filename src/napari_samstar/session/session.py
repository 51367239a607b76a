"""The images of one viewer, and which of them is worked on."""

from __future__ import annotations

from psygnal import Signal

from napari_samstar.session.image import OpenImage
from napari_samstar.session.source import ImageSource
from napari_samstar.session.tools import Tools

__all__ = ["Key", "Session"]

#: Which image: a name for its layer, and the frame of it.
Key = tuple[str, tuple[int, ...]]


class Session:
    """State of one viewer; knows neither Qt nor napari.

    Images go by a key that the viewer chooses, one for each frame of each layer, so that neither
    viewers nor images mix.
    """

    #: The image that is worked on now, or None.
    activated = Signal(object)
    #: An image and the names of the fields of its state that have changed.
    changed = Signal(OpenImage, frozenset)
    #: An image that is no longer there.
    closed = Signal(OpenImage)

    def __init__(self, tools: Tools | None = None) -> None:
        self.tools = tools or Tools()
        self._images: dict[Key, OpenImage] = {}
        self._active: Key | None = None
        self._latest: dict[str, Key] = {}  # the frame of each layer that was worked on last

    @property
    def active(self) -> OpenImage | None:
        """The image that is worked on."""
        return None if self._active is None else self._images.get(self._active)

    @property
    def images(self) -> dict[Key, OpenImage]:
        """All open images by key."""
        return dict(self._images)

    def open(self, key: Key, source: ImageSource) -> OpenImage:
        """Return the image of `key`; a new one where it is unknown or its pixels are others.

        A new frame begins with the settings and the model of the frame of the same layer that was
        worked on last.
        """
        known = self._images.get(key)
        if known is not None:
            if known.state.source.array is source.array:
                return known
            self.close(key)
        image = OpenImage(source, self.tools)
        before = self._images.get(self._latest.get(key[0], key))
        if before is not None:
            image.begin_like(before.state)
        self._images[key] = image
        image.changed.connect(lambda names: self.changed.emit(image, names))
        return image

    def close(self, key: Key) -> None:
        """Forget an image and all that was made of it."""
        image = self._images.pop(key, None)
        if image is None:
            return
        if self._active == key:
            self.activate(None)
        if self._latest.get(key[0]) == key:
            del self._latest[key[0]]
        image.changed.disconnect()
        image.close()
        self.closed.emit(image)

    def activate(self, key: Key | None) -> None:
        """Work on the image of `key` from now on; None for no image."""
        if key != self._active:
            self._active = key
            if key is not None:
                self._latest[key[0]] = key
            self.activated.emit(self.active)

    def clear(self) -> None:
        """Forget everything."""
        for key in list(self._images):
            self.close(key)
