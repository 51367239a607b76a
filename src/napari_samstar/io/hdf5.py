"""HDF5 by h5py: Velox EMD, Berkeley EMD (and py4DSTEM's), and any file with one clear image."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_samstar.io.stack import Stack, choose, guess_axes
from napari_samstar.types import SamStarError

__all__ = ["open_stack"]


@contextlib.contextmanager
def open_stack(path: Path, channel: int | None) -> Iterator[Stack]:
    """Open an HDF5 file; where it holds several images, `channel` counts them."""
    import h5py

    with h5py.File(path, "r") as file:
        for layout in (_velox, _berkeley, _plain):
            stack = layout(file, path.name, channel)
            if stack is not None:
                yield stack
                return
        raise SamStarError(f"{path.name} is an HDF5 file that holds no image.")


def _velox(file: Any, name: str, channel: int | None) -> Stack | None:
    """Thermo Fisher Velox: Data/Image/<id>/Data (H, W, frames), Metadata as JSON in bytes."""
    images = file.get("Data/Image")
    if images is None or not hasattr(images, "values"):
        return None
    groups = [
        (group, _velox_header(group))
        for group in images.values()
        if hasattr(group, "get") and _is_numeric(group.get("Data")) and group["Data"].ndim == 3
    ]
    if not groups:
        return None
    names = [str(header.get("Detector", "")) for _, header in groups]
    # element maps are computed (floats); what a detector recorded comes before them
    rank = [
        (_area(group["Data"], 0), group["Data"].dtype.kind in "ui", -number)
        for number, (group, _) in enumerate(groups)
    ]
    picked = choose(names, rank.index(max(rank)), channel, name)
    group, header = groups[picked]
    size = header.get("PixelSize", {})
    metadata = {"kind": "Velox EMD", "detector": names[picked], "images": names}
    return _stack(
        group["Data"],
        "YXT",
        [_number(size.get("height")), _number(size.get("width"))],
        [header.get("PixelUnitY"), header.get("PixelUnitX")],
        metadata,
    )


def _velox_header(group: Any) -> dict[str, Any]:
    raw = group.get("Metadata")
    if raw is None or raw.ndim != 2 or not raw.shape[1]:
        return {}
    with contextlib.suppress(ValueError):
        header = json.loads(bytes(raw[:, 0]).split(b"\0", 1)[0])
        return dict(header.get("BinaryResult", {}))
    return {}


def _berkeley(file: Any, name: str, channel: int | None) -> Stack | None:
    """Berkeley EMD: a group with the attribute emd_group_type, its data and one dim an axis."""
    groups: list[Any] = []

    def visit(_: str, item: Any) -> None:
        is_group = "emd_group_type" in item.attrs and hasattr(item, "get")
        if is_group and _is_image(item.get("data")):
            groups.append(item)

    file.visititems(visit)
    if not groups:
        return None
    names = [group.name.rsplit("/", 1)[-1] for group in groups]
    picked = choose(names, 0, channel, name)
    group = groups[picked]
    data = group["data"]
    first = 0 if "dim0" in group else 1
    dims = [group.get(f"dim{first + i}") for i in (data.ndim - 2, data.ndim - 1)]
    return _stack(
        data,
        "TZYX"[4 - data.ndim :],
        [_step(dim) for dim in dims],
        [dim.attrs.get("units") if dim is not None else None for dim in dims],
        {"kind": "Berkeley EMD", "images": names},
    )


def _step(dim: Any) -> float | None:
    """Distance of the first two positions: all that some writers store."""
    if dim is None or dim.ndim != 1 or dim.shape[0] < 2 or dim.dtype.kind not in "uif":
        return None
    return abs(float(dim[1]) - float(dim[0]))


def _plain(file: Any, name: str, channel: int | None) -> Stack | None:
    """Return the largest image of any HDF5 file."""
    found: list[Any] = []
    file.visititems(lambda _, item: found.append(item) if _is_image(item) else None)
    if not found:
        return None
    names = [item.name for item in found]
    areas = [_area(item, item.ndim - 2 - (item.ndim > 2 and item.shape[-1] <= 4)) for item in found]
    item = found[choose(names, areas.index(max(areas)), channel, name)]
    scale, unit = _plain_calibration(item)
    metadata = {"dataset": item.name, "images": names}
    return _stack(item, guess_axes(item.shape, name), scale, unit, metadata)


def _plain_calibration(item: Any) -> tuple[Any, Any]:
    """Attributes that ilastik, Fiji (element_size_um: z, y, x) and our own users write."""
    sizes = item.attrs.get("element_size_um")
    if sizes is not None and np.size(sizes) >= 2:
        return [float(v) for v in np.ravel(sizes)[-2:]], "um"
    size = item.attrs.get("pixel_size")
    unit = item.attrs.get("unit", item.attrs.get("units"))
    if size is None or np.asarray(size).dtype.kind not in "uif":
        return None, None
    values = [float(v) for v in np.ravel(size)]
    return (values[-2:] if len(values) > 1 else values * 2), unit


def _stack(data: Any, axes: str, scale: Any, unit: Any, metadata: dict[str, Any]) -> Stack:
    chunk = tuple(int(n) for n in data.chunks or ())
    return Stack(data.shape, axes, data.dtype, lambda i: data[i], scale, unit, metadata, chunk)


def _is_numeric(item: Any) -> bool:
    return hasattr(item, "dtype") and hasattr(item, "shape") and item.dtype.kind in "buifc"


def _is_image(item: Any) -> bool:
    return _is_numeric(item) and 2 <= item.ndim <= 4


def _area(item: Any, first: int) -> int:
    return int(item.shape[first]) * int(item.shape[first + 1])


def _number(text: Any) -> float | None:
    try:
        return float(text)
    except (TypeError, ValueError):
        return None
