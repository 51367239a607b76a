"""A training set, grown image by image: pictures in a folder and one COCO document."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from napari_samstar.atomic import atomic_path, write_text_atomic
from napari_samstar.io.coco import coco_document
from napari_samstar.io.preprocess import to_gray, to_rgb
from napari_samstar.labels import check_labels
from napari_samstar.settings import PreprocessSettings
from napari_samstar.types import Micrograph, SamStarError

__all__ = ["add_to_dataset"]

_ANNOTATIONS, _IMAGES, _LOCK = "annotations.json", "images", "annotations.lock"
_WAIT_S = 30.0
_NO_MATERIAL = "object"


def add_to_dataset(
    folder: str | Path,
    micrograph: Micrograph,
    labels: NDArray[Any],
    materials: Mapping[int, int] | None = None,
    names: Mapping[int, str] | None = None,
    *,
    picture: Literal["png", "tif"] = "png",
    preprocess: PreprocessSettings | None = None,
) -> Path:
    """Put a corrected image into a COCO training set, or replace what was said of it before.

    ``annotations.json`` has the categories of all images, one a material; ``images/`` has the
    pictures. An image is known by its pixels: the same one again keeps its file and its number,
    and its annotations are replaced. Several programs may add to one folder.

    Parameters
    ----------
    folder : path
        Made if absent.
    micrograph : Micrograph
        The image.
    labels : (H, W) int
        0 is background; none at all is a picture without objects.
    materials : mapping of label to material, optional
        0, or nothing said, is the category "object".
    names : mapping of material to name, optional
        "material 1" and so on by default. Categories go by name: numbers may differ from one
        image to the next.
    picture : {"png", "tif"}
        8 bits as the network sees them, or the values as read in 32 bits.
    preprocess : PreprocessSettings, optional
        How intensities become 8 bits.

    Returns
    -------
    Path
        The picture's file.

    Raises
    ------
    SamStarError
        If the labels do not fit, the folder holds another kind of document, or the disk refuses.
    """
    labels = check_labels(labels, micrograph)
    folder = Path(folder)
    try:
        (folder / _IMAGES).mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK, timeout=_WAIT_S)
        with lock:
            document = _read(folder / _ANNOTATIONS)
            entry, former = _entry(document, micrograph, picture)
            path: Path = folder / _IMAGES / entry["file_name"]
            _write_picture(path, micrograph, preprocess or PreprocessSettings())
            _annotate(document, entry, micrograph, labels, materials or {}, names or {})
            write_text_atomic(folder / _ANNOTATIONS, json.dumps(document) + "\n")
            if former is not None and former != path.name:
                (folder / _IMAGES / former).unlink(missing_ok=True)
    except Timeout as err:
        raise SamStarError(f"{folder} is in use by another program: try again later.") from err
    except OSError as err:
        raise SamStarError(f"{folder} could not be written: {err.strerror or err}.") from err
    return path


def _read(path: Path) -> dict[str, Any]:
    """Document that is there, or an empty one."""
    if not path.exists():
        return {
            "info": {"description": "Corrected micrographs", "version": "1"},
            "images": [],
            "categories": [],
            "annotations": [],
        }
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        lists = [document[name] for name in ("images", "categories", "annotations")]
        good = all(isinstance(row["id"], int) for rows in lists for row in rows)
    except (ValueError, KeyError, TypeError, RecursionError):
        good = False
    if not good:
        raise SamStarError(f"{path} is not a COCO document: choose another folder, or mend it.")
    return dict(document)


def _entry(
    document: dict[str, Any], micrograph: Micrograph, ending: str
) -> tuple[dict[str, Any], str | None]:
    """Describe the image; the same pixels keep their number. And the file they had, if any."""
    images = document["images"]
    digest = micrograph.content_hash
    known = next((row for row in images if row.get("hash") == digest), None)
    former = Path(str(known["file_name"])).name if known else None
    stem = re.sub(r"[^0-9A-Za-z._-]+", "_", micrograph.name).strip("._") or "image"
    file_name = f"{stem}.{ending}"
    # letter case does not tell files apart everywhere
    others = {str(row.get("file_name")).lower() for row in images if row is not known}
    if former is not None and Path(former).suffix == f".{ending}":
        file_name = former
    elif file_name.lower() in others:  # another image of the same name
        file_name = f"{stem}-{digest[:8]}.{ending}"
    entry = {
        "id": known["id"] if known else _next(images),
        "file_name": file_name,
        "height": micrograph.shape[0],
        "width": micrograph.shape[1],
        "pixel_size": list(micrograph.pixel_size) if micrograph.pixel_size else None,
        "unit": micrograph.unit,
        "name": micrograph.name,
        "hash": digest,
    }
    if known:
        images[images.index(known)] = entry
    else:
        images.append(entry)
    return entry, former


def _annotate(
    document: dict[str, Any],
    entry: Mapping[str, Any],
    micrograph: Micrograph,
    labels: NDArray[Any],
    materials: Mapping[int, int],
    names: Mapping[int, str],
) -> None:
    """Replace the annotations of one image."""
    annotations = [a for a in document["annotations"] if a["image_id"] != entry["id"]]
    categories = {row["name"]: row["id"] for row in document["categories"]}
    first = _next(document["annotations"])
    for k, one in enumerate(coco_document(labels, micrograph)["annotations"]):
        material = int(materials.get(one["label"], 0))
        name = names.get(material, f"material {material}" if material else _NO_MATERIAL)
        if name not in categories:
            number = _next(document["categories"])
            document["categories"].append({"id": number, "name": name})
            categories[name] = number
        annotations.append(
            {**one, "id": first + k, "image_id": entry["id"], "category_id": categories[name]}
        )
    document["annotations"] = annotations


def _next(rows: list[dict[str, Any]]) -> int:
    return max((row["id"] for row in rows), default=0) + 1


def _write_picture(path: Path, micrograph: Micrograph, settings: PreprocessSettings) -> None:
    if path.suffix == ".tif":
        import tifffile

        photometric = "rgb" if micrograph.data.ndim == 3 else "minisblack"
        with atomic_path(path) as temporary:
            tifffile.imwrite(temporary, micrograph.data, photometric=photometric)
        return
    from PIL import Image

    gray = micrograph.data.ndim == 2
    pixels = to_gray(micrograph, settings) if gray else to_rgb(micrograph, settings)
    with atomic_path(path) as temporary:
        Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, format="PNG")
