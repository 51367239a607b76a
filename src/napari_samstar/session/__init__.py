"""What one viewer knows: the images that are open, and all that was made of them. No Qt here."""

from napari_samstar.session.image import ImageState, OpenImage, Prepared
from napari_samstar.session.session import Key, Session
from napari_samstar.session.source import ImageSource

__all__ = ["ImageSource", "ImageState", "Key", "OpenImage", "Prepared", "Session"]
