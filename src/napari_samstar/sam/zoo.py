"""The model zoo: every model by its name, ready to be run."""

from __future__ import annotations

from pathlib import Path

import torch

from napari_samstar.sam.base import LoadedModel, SamLike
from napari_samstar.sam.cards import BUNDLED, MODELS, ModelCard, find_card
from napari_samstar.sam.checkpoints import build_sam, card_of, is_path, open_checkpoint
from napari_samstar.sam.device import choose_device, is_out_of_memory
from napari_samstar.sam.download import fetch_model, file_digest, is_sound
from napari_samstar.sam.listing import ImportedModel, ModelRow, imported_models, listing
from napari_samstar.sam.resuming import ProgressCallback
from napari_samstar.types import SamStarError

__all__ = ["BUNDLED", "MODELS", "ModelCard", "ModelRow", "find_card", "listing", "load_model"]


def load_model(
    name_or_path: str | Path = BUNDLED,
    device: str | torch.device = "auto",
    progress: ProgressCallback | None = None,
) -> SamLike:
    """Load a model for `segment_anything.SamPredictor` and for `propose`.

    Parameters
    ----------
    name_or_path : str or path
        A name of the zoo, downloaded first if it is not here; the name of an imported model; or a
        checkpoint file, recognized by its keys (see `layouts.open_checkpoint`).
    device : str
        "auto", "cuda", "mps" or "cpu".
    progress : callable, optional
        Told of a download, in bytes.

    Returns
    -------
    Sam
        In eval mode, without gradients; `model.samstar` is a `LoadedModel`.

    Raises
    ------
    SamStarError
        If there is no such model, file or device, or the file is not a model that can be run.
    """
    where = choose_device(device)
    path, loaded = _locate(name_or_path, progress)
    checkpoint = open_checkpoint(path)
    if loaded.architecture not in ("", checkpoint.architecture):
        raise SamStarError(
            f"{path} should be {loaded.architecture} but is {checkpoint.architecture}: "
            "download or import it again."
        )
    sam = build_sam(checkpoint).requires_grad_(False)
    try:
        sam = sam.to(where)
    except RuntimeError as err:
        if not is_out_of_memory(err):
            raise
        raise SamStarError(
            f"The GPU has too little free memory for {loaded.name}: choose the CPU or a smaller "
            "model."
        ) from err
    sam.samstar = LoadedModel(loaded.name, loaded.hash, loaded.licence, checkpoint.architecture)
    model: SamLike = sam
    return model


def _locate(
    name_or_path: str | Path, progress: ProgressCallback | None
) -> tuple[Path, LoadedModel]:
    """File of a model and what is known of it; architecture "" where only the file will tell."""
    text = str(name_or_path)
    if not isinstance(name_or_path, Path):
        for record in imported_models():
            if record.name == text:
                return _imported(record)
    if not is_path(name_or_path):
        try:
            card = find_card(text)
        except SamStarError:
            if not Path(text).is_file():
                raise
        else:
            path = fetch_model(card.name, progress)
            checksum = f"xxh128:{card.xxh128}" if card.xxh128 else file_digest(path)
            return path, LoadedModel(card.name, checksum, card.licence, card.architecture)
    path = Path(text).expanduser()
    if not path.is_file():
        raise SamStarError(f"There is no model file {path}: check the path.")
    checksum = file_digest(path)
    card_of_it = card_of(checksum)
    if card_of_it is None:
        return path, LoadedModel(path.stem, checksum, "unknown", "")
    return path, LoadedModel(card_of_it.name, checksum, card_of_it.licence, card_of_it.architecture)


def _imported(record: ImportedModel) -> tuple[Path, LoadedModel]:
    if not is_sound(record.path, record.checksum):
        raise SamStarError(
            f"The file of {record.name} is gone or has changed since it was imported: "
            "import it again."
        )
    loaded = LoadedModel(record.name, record.checksum, "unknown", record.architecture)
    return record.path, loaded
