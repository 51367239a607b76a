"""Opens micrographs in napari with their pixel size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from napari_samstar._widgets.layers import LayerData, stack_layer

__all__ = ["get_reader"]

Paths = str | Path | Sequence[str | Path]


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """Return the reader for `path`; npe2 asks only for the patterns in the manifest."""
    return read


def read(path: Paths) -> list[LayerData]:
    """Read one or several micrographs, one image layer each; frames of a file become a stack.

    Raises
    ------
    SamStarError
        If a file cannot be read; napari shows the sentence.
    """
    from napari_samstar.io.read import iter_frames

    paths = [path] if isinstance(path, str | Path) else list(path)
    return [stack_layer(list(iter_frames(one))) for one in paths]
