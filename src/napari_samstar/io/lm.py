"""Light microscopes' own formats: Nikon ND2, Zeiss CZI and Leica LIF, where installed."""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_samstar.io.stack import Stack, choose

__all__ = ["open_czi", "open_lif", "open_nd2"]


@contextlib.contextmanager
def open_nd2(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open a Nikon ND2 file."""
    import nd2

    with nd2.ND2File(path) as file:
        axes = _letters(file.sizes)
        array = file.to_dask()
        yield Stack(
            tuple(array.shape),
            axes,
            np.dtype(array.dtype),
            lambda i: array[i].compute(),
            _nd2_scale(file),
            "um",
        )


def _nd2_scale(file: Any) -> list[float] | None:
    size = file.voxel_size()
    with contextlib.suppress(AttributeError, IndexError, TypeError):
        # a file without calibration says 1 um and that this is none
        x_known, y_known, *_ = file.metadata.channels[0].volume.axesCalibrated
        if not (x_known and y_known):
            return None
    return [float(size.y), float(size.x)]


@contextlib.contextmanager
def open_czi(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open a Zeiss CZI file; its lengths are in meters."""
    import czifile

    # opened here, because czifile leaves a damaged file open
    with path.open("rb") as raw, czifile.CziFile(raw) as file:
        # the last axis "0" holds the color samples
        axes = _letters(file.axes.replace("0", "S"))
        shape = tuple(int(n) for n in file.shape)
        if shape[-1] == 1 and axes.endswith("S"):
            axes = axes[:-1] + "T"
        load = functools.cache(file.asarray)
        yield Stack(
            shape,
            axes,
            np.dtype(file.dtype),
            lambda i: load()[i],
            _czi_scale(file),
            "m",
        )


def _czi_scale(file: Any) -> list[float | None]:
    from xml.etree import ElementTree

    scale: dict[str, float] = {}
    with (
        contextlib.suppress(ElementTree.ParseError, AttributeError, TypeError, ValueError),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore", UserWarning)  # of metadata that is not there
        root = ElementTree.fromstring(file.metadata())
        for distance in root.iterfind(".//Scaling/Items/Distance"):
            scale[str(distance.get("Id"))] = float(distance.findtext("Value") or 0)
    return [scale.get("Y"), scale.get("X")]


@contextlib.contextmanager
def open_lif(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open a Leica LIF file; of several images `channel` chooses one."""
    import liffile

    with liffile.LifFile(path) as file:
        names = [image.name for image in file.images]
        areas = [int(np.prod(image.shape)) for image in file.images]
        wanted = channel if len(names) > 1 else None
        picked = choose(names, areas.index(max(areas)), wanted, path.name)
        image = file.images[picked]
        axes = _letters(image.dims)
        load = functools.cache(image.asarray)
        steps = [_step(image.coords.get(a)) for a in "YX"]
        yield Stack(
            tuple(int(n) for n in image.shape),
            axes,
            np.dtype(image.dtype),
            lambda i: load()[i],
            steps,
            "m",
            {"title": names[picked], "images": names},
        )


def _step(positions: Any) -> float | None:
    if positions is None or len(positions) < 2:
        return None
    return abs(float(positions[1]) - float(positions[0]))


def _letters(axes: Iterable[str]) -> str:
    return "".join(a if a in "YXCS" else "T" for a in axes)
