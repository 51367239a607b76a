"""Checkpoints of one's own in the models folder, and whether a model's file is still sound."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from napari_samstar.atomic import atomic_path, write_text_atomic
from napari_samstar.cache import models_folder
from napari_samstar.sam.cards import MODELS, ModelCard, find_card
from napari_samstar.sam.download import file_digest, is_sound, local_file
from napari_samstar.sam.layouts import Checkpoint, build_sam, open_checkpoint
from napari_samstar.sam.listing import (
    NAME,
    ImportedModel,
    imported_models,
    record_of,
    record_path,
)
from napari_samstar.types import SamStarError

__all__ = [
    "Checkpoint",
    "ImportedModel",
    "Verification",
    "build_sam",
    "card_of",
    "import_checkpoint",
    "imported_models",
    "is_path",
    "open_checkpoint",
    "verify",
]

_SUFFIXES = (".pth", ".pt", ".safetensors", ".ckpt", ".bin")


@dataclass(frozen=True)
class Verification:
    """Whether a model's file is what it should be.

    Parameters
    ----------
    name : str
        The model.
    ok : bool
        The file is there and has the recorded checksum.
    message : str
        One sentence.
    path : Path or None
        The file that was looked at.
    """

    name: str
    ok: bool
    message: str
    path: Path | None = None


def import_checkpoint(path: str | Path, name: str | None = None) -> Path:
    """Copy a checkpoint into the models folder, so that it is loaded by name.

    The published file of a model in the zoo is recognized by its checksum and takes its place, as
    if it had been downloaded: so a model gets onto a computer without network.

    Parameters
    ----------
    path : path
        A checkpoint as `open_checkpoint` takes it; its weights are loaded once to try them.
    name : str, optional
        Name to load it by: letters, digits, ".", "_", "-"; made from the file's if not given.

    Returns
    -------
    Path
        The copy.

    Raises
    ------
    SamStarError
        If the file is no SAM, the name is taken or not possible, or the disk refuses.
    """
    source = Path(path).expanduser()
    checkpoint = open_checkpoint(source)
    build_sam(checkpoint)
    checksum = file_digest(source)
    card = card_of(checksum)
    if card is not None and (name is None or _same_card(name, card)):
        final = models_folder() / card.file_name
        _copy(source, final, card.checksum)
        return final
    if name is None:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", source.stem).strip("-._")
    name = _checked_name(name)
    suffix = ".safetensors" if source.suffix == ".safetensors" else ".pth"
    known = record_of(name)
    if known is not None and known.checksum != checksum:
        raise SamStarError(
            f"There is an imported model '{name}' already, from another file "
            f"({known.imported_from}): choose another name."
        )
    record = ImportedModel(
        name=name,
        file=name + suffix,
        architecture=checkpoint.architecture,
        checksum=checksum,
        size=source.stat().st_size,
        imported_from=source.name,
    )
    _copy(source, record.path, checksum)
    # the record comes last: a file without one is no model
    write_text_atomic(record_path(name), json.dumps(asdict(record), indent=2) + "\n")
    return record.path


def verify(name_or_path: str | Path) -> Verification:
    """Read a model's file in full and compare its checksum with the published or recorded one.

    For the bundled model and for a file given by its path, which have no recorded checksum, the
    weights are loaded.

    Parameters
    ----------
    name_or_path : str or path
        Name of a model, or a checkpoint file.

    Raises
    ------
    SamStarError
        If there is no such model or file.
    """
    name = str(name_or_path)
    if is_path(name_or_path):
        return _verify_file(Path(name).expanduser())
    record = record_of(name)
    if record is not None:
        if is_sound(record.path, record.checksum):
            return Verification(name, True, f"{name} is sound: {record.checksum}.", record.path)
        problem = "has changed since it was imported" if record.path.is_file() else "is gone"
        message = f"The file of {name} {problem}: import it again."
        return Verification(name, False, message, record.path)
    card = find_card(name)
    path = local_file(card)
    if card.bundled_path is not None:
        return _verify_bundled(card, path)
    if path is not None and is_sound(path, card.checksum):
        return Verification(card.name, True, f"{card.name} is sound: {card.checksum}.", path)
    path = path or models_folder() / card.file_name
    if path.is_file():
        message = f"The file of {card.name} is not the published one: download it again."
    else:
        message = f"{card.name} is not on this computer: download or import it."
    return Verification(card.name, False, message, path if path.is_file() else None)


def card_of(checksum: str) -> ModelCard | None:
    """Card of the published model whose file has this checksum, "xxh128:..."."""
    for card in MODELS.values():
        if card.url and card.quick_checksum == checksum:
            return card
    return None


def _verify_bundled(card: ModelCard, path: Path | None) -> Verification:
    if path is None:
        message = f"The weights of {card.name} are missing: reinstall the program."
        return Verification(card.name, False, message)
    try:
        build_sam(open_checkpoint(path))
    except SamStarError as err:
        return Verification(card.name, False, f"{err} Reinstall the program.", path)
    return Verification(card.name, True, f"{card.name} is sound: {file_digest(path)}.", path)


def is_path(name_or_path: str | Path) -> bool:
    """Whether this is a file's path and not a model's name."""
    return (
        isinstance(name_or_path, Path)
        or name_or_path.lower().endswith(_SUFFIXES)
        or any(separator in name_or_path for separator in (os.sep, "/"))
    )


def _verify_file(path: Path) -> Verification:
    if not path.is_file():
        raise SamStarError(f"There is no model file {path}: check the path.")
    checksum = file_digest(path)
    card = card_of(checksum)
    if card is not None and is_sound(path, card.checksum):
        return Verification(card.name, True, f"{path} is the published {card.name}.", path)
    try:
        checkpoint = open_checkpoint(path)
        build_sam(checkpoint)
    except SamStarError as err:
        return Verification(path.name, False, str(err), path)
    message = f"{path} is a complete {checkpoint.architecture} of your own: {checksum}."
    return Verification(path.name, True, message, path)


def _same_card(name: str, card: ModelCard) -> bool:
    try:
        return find_card(name) is card
    except SamStarError:
        return False


def _checked_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise SamStarError(
            f"'{name}' cannot be a model's name: use up to 64 letters, digits, '.', '_' and '-'."
        )
    try:
        card = find_card(name)
    except SamStarError:
        return name
    raise SamStarError(
        f"{card.name} is the name of a published model, and this file is another: "
        "choose another name."
    )


def _copy(source: Path, final: Path, checksum: str) -> None:
    if is_sound(final, checksum):
        return
    with atomic_path(final) as temporary:
        shutil.copyfile(source, temporary)
        if not is_sound(temporary, checksum):
            raise SamStarError(f"{source} changed while it was copied: try again.")
