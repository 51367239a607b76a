"""Everything needed to repeat a result, as one JSON document."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, ValidationError

from napari_samstar.atomic import write_text_atomic
from napari_samstar.settings import (
    BoostSettings,
    DecodeSettings,
    PreprocessSettings,
    Prior,
    PromptSettings,
    RegionSettings,
    RunSettings,
    SearchSettings,
    SelectSettings,
    Settings,
)
from napari_samstar.types import Micrograph, SamStarError

__all__ = ["FORMAT_VERSION", "ImageRecord", "ModelRecord", "Recipe", "versions"]

#: Raised when a document written before could no longer be read as it was meant.
FORMAT_VERSION = 1

_FORMAT = "samstar-recipe"
_PACKAGES = (
    "napari-samstar",
    "torch",
    "torchvision",
    "segment-anything",
    "numpy",
    "scipy",
    "scikit-image",
    "opencv-python-headless",
    "numba",
    "pymoo",
)


def versions(packages: Iterable[str] = _PACKAGES) -> dict[str, str]:
    """Versions of the packages that results depend on, as far as they are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class ImageRecord(Settings):
    """Which image a result was made from."""

    name: str
    hash: str = Field("", description="xxh128 of the pixels, see `Micrograph.content_hash`.")
    pixel_size: tuple[float, float] | None = Field(None, description="(y, x) in `unit`.")
    unit: str = "px"

    @classmethod
    def of(cls, micrograph: Micrograph) -> ImageRecord:
        """Record of `micrograph`."""
        return cls(
            name=micrograph.name,
            hash=micrograph.content_hash,
            pixel_size=micrograph.pixel_size,
            unit=micrograph.unit,
        )


class ModelRecord(Settings):
    """Which weights a result was made with."""

    name: str
    hash: str = Field("", description="SHA-256 of the weights' file.")


class Recipe(Settings):
    """One way from a micrograph to its segmentation, complete enough to be repeated.

    ``None`` means that the step was left out: no `model` where classical regions served alone,
    no `prompts` where SAM was not prompted by regions, no `search` where `select` was used as it
    stands, no `boost` where masks were not merged by material.
    """

    format: Literal["samstar-recipe"] = "samstar-recipe"
    version: Literal[1] = 1
    image: ImageRecord
    preprocess: PreprocessSettings = PreprocessSettings()
    view: PreprocessSettings | None = Field(
        None, description="What network and regions saw, where that was not `preprocess`."
    )
    decode: DecodeSettings | None = None
    regions: RegionSettings | None = None
    prompts: PromptSettings | None = None
    select: SelectSettings = SelectSettings()
    search: SearchSettings | None = None
    rewards: tuple[tuple[str, dict[str, JsonValue]], ...] = Field(
        (), description="Name and parameters of each reward that the search went by."
    )
    without: tuple[str, ...] = Field(
        (), description="Names of rewards that the prior asks for, and that did not count."
    )
    importances: tuple[tuple[str, float], ...] = Field(
        (),
        description="Of the objectives, in the choice of one candidate; others have usual ones.",
    )
    chosen: SelectSettings | None = Field(
        None, description="Settings of the candidate that was chosen, sizes in px."
    )
    chosen_decode: DecodeSettings | None = Field(
        None, description="Its grid and crops, where the search left `decode`."
    )
    chosen_view: PreprocessSettings | None = Field(
        None, description="What network and regions saw for it, where the search left `view`."
    )
    boost: BoostSettings | None = None
    prior: Prior = Prior()
    model: ModelRecord | None = None
    seed: int = 0
    versions: dict[str, str] = Field(default_factory=versions)
    created: str = Field(default_factory=_now, description="UTC, ISO 8601.")

    def calibrated(self, micrograph: Micrograph) -> Recipe:
        """Say the pixel size of `micrograph`, which is the same image."""
        size = {"pixel_size": micrograph.pixel_size, "unit": micrograph.unit}
        return self.model_copy(update={"image": self.image.model_copy(update=size)})

    def run_settings(self) -> RunSettings:
        """Take the settings that made a result; a step that it left out stays at its default."""
        steps = {name: getattr(self, name) for name in RunSettings.model_fields}
        given = {name: value for name, value in steps.items() if value is not None}
        return RunSettings(**{**given, "search": self.search, "boost": self.boost})

    def chosen_settings(self) -> RunSettings:
        """Take the settings of the candidate that was chosen, as they are: without a search."""
        given = self.run_settings()
        changed = {
            "select": self.chosen or given.select,
            "decode": self.chosen_decode or given.decode,
            "view": self.chosen_view or given.view,
            "search": None,
        }
        return given.model_copy(update=changed)

    def to_json(self) -> str:
        """Readable JSON; `from_json` gives an equal recipe back."""
        return self.model_dump_json(indent=2)

    @classmethod
    def from_json(cls, text: str, source: str = "This text") -> Recipe:
        """Read what `to_json` wrote; `source` names the document in errors.

        Raises
        ------
        SamStarError
            If `text` is no recipe, was written by a later version, or holds what is not understood.
        """
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as err:
            raise SamStarError(f"{source} is not a recipe: it is not JSON ({err}).") from err
        if not isinstance(raw, dict) or raw.get("format") != _FORMAT:
            raise SamStarError(
                f"{source} is not a recipe of napari-samstar: choose a file that ends with "
                ".recipe.json."
            )
        if raw.get("version") != FORMAT_VERSION:
            raise SamStarError(
                f"{source} has recipe format {raw.get('version')!r}, and this napari-samstar reads "
                f"format {FORMAT_VERSION}: update napari-samstar, or make the recipe again."
            )
        try:
            return cls.model_validate_json(text)
        except ValidationError as err:
            first = err.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise SamStarError(
                f"{source} cannot be used: {where}: {first['msg']}; correct it or make the "
                "recipe again."
            ) from err

    @classmethod
    def read(cls, path: str | Path) -> Recipe:
        """Read a ``.recipe.json`` file.

        Raises
        ------
        SamStarError
            If the file cannot be read or is no recipe that this version understands.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as err:
            raise SamStarError(f"{path} could not be read: {err.strerror or err}.") from err
        except UnicodeDecodeError as err:
            raise SamStarError(f"{path} is not a recipe: it is not text.") from err
        return cls.from_json(text, str(path))

    def write(self, path: str | Path) -> None:
        """Write the recipe under `path`, whole or not at all.

        Raises
        ------
        SamStarError
            If the disk refuses.
        """
        write_text_atomic(path, self.to_json() + "\n")
