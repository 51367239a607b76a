"""The values that travel along the data path; frozen, so that threads may share them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import xxhash
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_samstar.runs import MaskRuns
    from napari_samstar.settings import DecodeSettings

__all__ = [
    "SOURCES",
    "Embedding",
    "Measured",
    "Micrograph",
    "Progress",
    "Proposals",
    "SamStarError",
    "Segmentation",
    "Selection",
]

#: Where a proposal came from; `Proposals.source` holds indices into this tuple.
SOURCES = ("grid", "tiles", "regions", "prompted")


class SamStarError(Exception):
    """Something a user can mend; the message is one sentence for a microscopist."""


@dataclass(frozen=True)
class Micrograph:
    """One calibrated image.

    Parameters
    ----------
    data : (H, W) or (H, W, 3) float32
        Intensities as read, in the detector's counts; finite.
    pixel_size : tuple of float or None
        Size of a pixel along (y, x) in `unit`; None where the file does not say.
    unit : str
        A length that pint understands ("nm", "um", "pm", ...); "px" where the size is unknown.
    name : str
        What to call it in tables and file names.
    metadata : mapping
        What the reader kept of the file's header; JSON values only.
    """

    data: NDArray[np.float32]
    pixel_size: tuple[float, float] | None = None
    unit: str = "px"
    name: str = "micrograph"
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        data = self.data
        if data.dtype != np.float32 or not (
            data.ndim == 2 or (data.ndim == 3 and data.shape[2] == 3)
        ):
            raise ValueError(
                "A micrograph is float32 of shape (H, W) or (H, W, 3), "
                f"not {data.dtype} {data.shape}; load_micrograph or micrograph_from_array converts."
            )
        if (self.pixel_size is None) != (self.unit == "px"):
            raise ValueError(
                "A pixel size needs a unit of length, and no pixel size means unit 'px'."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, px."""
        return int(self.data.shape[0]), int(self.data.shape[1])

    @cached_property
    def content_hash(self) -> str:
        """xxh128 of the pixels and their shape: the image's identity in caches and recipes."""
        digest = xxhash.xxh128(repr(self.data.shape).encode())
        digest.update(np.ascontiguousarray(self.data))
        return digest.hexdigest()


@dataclass(frozen=True)
class Embedding:
    """What the image encoder makes of one crop: all that the decoder needs.

    Parameters
    ----------
    features : Any
        The encoder's output, as the model's decoder takes it (tensor or nest of tensors).
    crop_box : tuple of int
        x0, y0, x1, y1 of the crop in the image, the last row and column excluded, px.
    original_size, input_size : tuple of int
        (H, W) of the crop, and of the crop resized for the encoder, px.
    """

    features: Any
    crop_box: tuple[int, int, int, int]
    original_size: tuple[int, int]
    input_size: tuple[int, int]


@dataclass(frozen=True)
class Proposals:
    """Every mask on offer for one image, one row each, as columns.

    Parameters
    ----------
    runs : MaskRuns
        The N masks.
    boxes : (N, 4) int32
        x0, y0, x1, y1, last row and column included (Meta's convention), px.
    predicted_iou : (N,) float32
        SAM's own estimate; NaN for rows that no network made.
    stability : (N,) float32
        Stability score at `stability_offset`; for regions, persistence over thresholds.
    points : (N, 2) float64
        x, y of the prompt that gave the mask, px.
    crop : (N,) int32
        Index into `crop_boxes`.
    source : (N,) uint8
        Index into `SOURCES`.
    crop_boxes : (C, 4) int32
        x0, y0, x1, y1 of each crop, last row and column excluded, px. The first is the image.
    crop_layers : (C,) int32
        Meta's crop layer of each crop; -1 for tiles.
    gray : (H, W) uint8
        The preprocessed image that the per-mask physics is measured on.
    logits : object or None
        Packed low-resolution logits of the SAM rows (see `proposals.logits`), from which the
        stability score at any offset follows without the network.
    decode : DecodeSettings or None
        How SAM was prompted; None where it was not.
    provenance : mapping
        Model name and hash, image hash, preprocessing: what a recipe records.
    columns : dict
        Per-mask physical properties, filled on first use (see `proposals.columns`).
    """

    runs: MaskRuns
    boxes: NDArray[np.int32]
    predicted_iou: NDArray[np.float32]
    stability: NDArray[np.float32]
    points: NDArray[np.float64]
    crop: NDArray[np.int32]
    source: NDArray[np.uint8]
    crop_boxes: NDArray[np.int32]
    crop_layers: NDArray[np.int32]
    gray: NDArray[np.uint8]
    stability_offset: float = 1.0
    logits: Any = None
    decode: DecodeSettings | None = None
    complete: bool = True
    provenance: Mapping[str, Any] = field(default_factory=dict)
    columns: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image, px."""
        return self.runs.shape


class Measured(Protocol):
    """Physics of the masks of one selection, gathered from what is memoized for all proposals.

    It costs array look-ups, never a walk over the image's pixels.
    """

    @property
    def gray_mean(self) -> float:
        """Mean of the preprocessed 8-bit image, gray levels."""
        ...

    @property
    def gray_std(self) -> float:
        """Standard deviation of the preprocessed 8-bit image, gray levels."""
        ...

    def column(self, name: str) -> NDArray[np.float32]:
        """One property of every mask, (K,); names and units in `proposals.columns.column`."""
        ...

    def pairs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Masks that share pixels: first and second index (P,), first < second, and px shared."""
        ...

    def covered(self) -> tuple[int, int]:
        """Pixels in at least one mask, and in at least two, px."""
        ...

    def quality(self) -> NDArray[np.float32]:
        """How likely each mask is an object, 0 to 1, (K,), whatever selected it."""
        ...

    def expected_objects(self) -> float:
        """Sum of the squared `quality` of the best masks on offer that do not overlap."""
        ...


@dataclass(frozen=True)
class Selection:
    """The masks that one setting keeps, best first, in the order of `segment_anything`.

    Parameters
    ----------
    runs : MaskRuns
        The K masks; they may overlap.
    boxes, predicted_iou, points, source : arrays
        As in `Proposals`, one row per kept mask.
    stability_scores : (K,) float32, or function that gives it
        What `stability` is; a function is called when it is first read: at a new offset, scores
        take longer to count than masks to select.
    crops : (K, 4) int32
        Crop box of each mask, x0, y0, x1, y1, last row and column excluded, px.
    rows : (K,) int64
        Where each mask stands in the proposals it was selected from.
    score : (K,) float32
        What ranked the masks: predicted IoU, or the reward layer's score.
    settings : Any
        The settings that made this selection.
    material : (K,) int32 or None
        Texture class of each mask, once boosted.
    measured : Measured or None
        Physical properties of the masks, as `select` gives them to rewards.
    """

    runs: MaskRuns
    boxes: NDArray[np.int32]
    predicted_iou: NDArray[np.float32]
    stability_scores: NDArray[np.float32] | Callable[[], NDArray[np.float32]]
    points: NDArray[np.float64]
    source: NDArray[np.uint8]
    crops: NDArray[np.int32]
    rows: NDArray[np.int64]
    score: NDArray[np.float32]
    settings: Any = None
    material: NDArray[np.int32] | None = None
    measured: Measured | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.runs)

    @cached_property
    def stability(self) -> NDArray[np.float32]:
        """Stability score of each mask at the settings' offset, (K,)."""
        given = self.stability_scores
        return given() if callable(given) else given

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the image, px."""
        return self.runs.shape

    def masks(self) -> list[dict[str, Any]]:
        """Return records as `SamAutomaticMaskGenerator.generate` does, in its order.

        Returns
        -------
        list of dict
            ``segmentation`` (H, W) bool, ``area`` px, ``bbox`` and ``crop_box`` as x, y, width,
            height, ``predicted_iou``, ``stability_score``, ``point_coords``. Once boosted also
            ``material``, from 1, or 0 where it is uncertain. ``predicted_iou`` is NaN of masks that
            no network made: classical regions, and those that the booster added.
        """
        areas = self.runs.areas()
        records: list[dict[str, Any]] = [
            {
                "segmentation": self.runs.dense(i),
                "area": int(areas[i]),
                "bbox": _xywh(self.boxes[i]),
                "predicted_iou": float(self.predicted_iou[i]),
                "point_coords": [[float(self.points[i, 0]), float(self.points[i, 1])]],
                "stability_score": float(self.stability[i]),
                "crop_box": _xywh(self.crops[i]),
            }
            for i in range(len(self))
        ]
        if self.material is not None:
            for record, material in zip(records, self.material.tolist(), strict=True):
                record["material"] = material
        return records

    def labels(self) -> NDArray[np.int32]:
        """Label image (H, W): mask i as i + 1, smaller masks on top of larger, 0 elsewhere."""
        order = np.argsort(-self.runs.areas(), kind="stable")
        return self.runs.paint(order)

    def materials(self) -> NDArray[np.int32]:
        """Label image (H, W) with one value per material; needs a boosted selection."""
        if self.material is None:
            raise SamStarError("This selection has no materials yet: apply the booster first.")
        order = np.argsort(-self.runs.areas(), kind="stable")
        return self.runs.paint(order, self.material.astype(np.int32))


def _xywh(box: NDArray[np.int32]) -> list[int]:
    x0, y0, x1, y1 = (int(v) for v in box)
    return [x0, y0, x1 - x0, y1 - y0]


@dataclass(frozen=True)
class Segmentation:
    """A label image without overlaps, ready to be measured and written.

    Parameters
    ----------
    labels : (H, W) int32
        0 is background.
    micrograph : Micrograph
        What was segmented.
    materials : (H, W) int32 or None
        One value per material.
    recipe : mapping
        Everything needed to repeat it.
    """

    labels: NDArray[np.int32]
    micrograph: Micrograph
    materials: NDArray[np.int32] | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Progress:
    """How far a long job has come.

    Parameters
    ----------
    stage : str
        In a user's words: "encoding", "decoding", "regions", ...
    done, total : int
        Steps of this stage.
    message : str
        A plain sentence, where there is something to say.
    partial : Any
        What the job has so far, where that is of use.
    """

    stage: str
    done: int
    total: int
    message: str = ""
    partial: Any = field(default=None, repr=False, compare=False)
