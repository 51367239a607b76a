"""What an error means to somebody at a microscope: one sentence."""

from __future__ import annotations

from pydantic import ValidationError

from napari_samstar.types import SamStarError

__all__ = ["explain"]

_OUT_OF_MEMORY = ("out of memory", "alloc_failed", "alloc failed", "can't allocate memory")


def explain(err: BaseException) -> tuple[str, bool]:
    """One sentence for `err`, and whether it is of a kind that was foreseen."""
    text = " ".join(str(err).split())
    if isinstance(err, SamStarError):
        return text, True
    if isinstance(err, MemoryError) or any(sign in text.lower() for sign in _OUT_OF_MEMORY):
        return (
            "The memory is too small for this image with this network: choose a smaller network "
            "or the CPU as the device, close other images, or cut the image into parts."
        ), True
    if isinstance(err, ValidationError):
        first = err.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "A setting"
        return f"{name.replace('_', ' ')}: {first['msg'].removeprefix('Value error, ')}.", True
    if isinstance(err, OSError):
        where = f"{err.filename}: " if err.filename else ""
        return f"{where}{err.strerror or err}.", True
    return (
        f"Something unexpected happened ({type(err).__name__}: {text or 'no details'}); "
        "please report it with the log that napari shows under Help.",
        False,
    )
