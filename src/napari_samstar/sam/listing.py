"""What models there are and which of them are here, told without PyTorch."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from napari_samstar.cache import models_folder
from napari_samstar.sam.cards import MODELS, ModelCard

__all__ = [
    "NAME",
    "ImportedModel",
    "ModelRow",
    "imported_models",
    "listing",
    "record_of",
    "record_path",
]

#: What a model's name may be.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class ImportedModel:
    """What is recorded beside an imported checkpoint, as JSON.

    Parameters
    ----------
    name, file, architecture : str
        Name to load it by, file in the models folder, and what it was recognized as.
    checksum : str
        "xxh128:..." of the file.
    size : int
        Bytes.
    imported_from : str
        Name of the file it was copied from.
    """

    name: str
    file: str
    architecture: str
    checksum: str
    size: int
    imported_from: str

    @property
    def path(self) -> Path:
        """Where the weights are."""
        return models_folder() / self.file


@dataclass(frozen=True)
class ModelRow:
    """One line of the list of models.

    Parameters
    ----------
    name, architecture, licence, good_for : str
        As in `ModelCard`.
    state : str
        "bundled", "downloaded", "imported", "not downloaded", "missing" (the bundled one, from a
        broken installation) or "not run by this version".
    size : int or None
        Bytes, where it is known.
    path : Path or None
        Where the file is, if it is here.
    """

    name: str
    architecture: str
    state: str
    size: int | None
    licence: str
    good_for: str
    path: Path | None


def listing() -> list[ModelRow]:
    """All models that have a name: the zoo's, then the imported ones."""
    return [_card_row(card) for card in MODELS.values()] + [
        ModelRow(
            name=record.name,
            architecture=record.architecture,
            state="imported",
            size=record.size,
            licence="unknown",
            good_for=f"Imported from {record.imported_from}.",
            path=record.path,
        )
        for record in imported_models()
    ]


def _card_row(card: ModelCard) -> ModelRow:
    path = card.bundled_path or models_folder() / card.file_name
    here = path.is_file()
    if not card.runnable:
        state = "not run by this version"
    elif card.bundled_path is not None:
        state = "bundled" if here else "missing"
    else:
        state = "downloaded" if here else "not downloaded"
    return ModelRow(
        name=card.name,
        architecture=card.architecture,
        state=state,
        size=path.stat().st_size if here else card.size,
        licence=card.licence,
        good_for=card.good_for,
        path=path if here else None,
    )


def imported_models() -> tuple[ImportedModel, ...]:
    """Models that were imported on this computer, by name."""
    found = (record_of(path.stem) for path in sorted(models_folder().glob("*.json")))
    return tuple(record for record in found if record is not None)


def record_path(name: str) -> Path:
    """Where the record of an imported model is, or would be."""
    return models_folder() / f"{name}.json"


def record_of(name: str) -> ImportedModel | None:
    """Record of an imported model; None where there is none, or none that can be trusted."""
    if not NAME.fullmatch(name):
        return None
    try:
        values = json.loads(record_path(name).read_text(encoding="utf-8"))
        record = ImportedModel(**values)
    except (OSError, ValueError, TypeError):
        return None
    # a record that points out of the folder was not written by us
    return record if Path(record.file).name == record.file else None
