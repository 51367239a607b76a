"""What a file is, by its first bytes and its names: so that a wrong one gets a clear answer."""

from __future__ import annotations

import io
import itertools
import json
import pickletools
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from napari_samstar.types import SamStarError

__all__ = ["file_kind", "pickled_words", "seems", "strange_content"]

FileKind = Literal["zip", "pickle", "safetensors"]

_ADVICE = "choose a checkpoint that ends in .pth, .pt or .safetensors"
_HEADER_LIMIT = 100_000_000  # bytes; the safetensors library refuses longer headers too
_PICKLE_LIMIT = 32_000_000  # bytes of a pickle that are searched for words

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG", "a picture (PNG)"),
    (b"\xff\xd8\xff", "a picture (JPEG)"),
    (b"GIF8", "a picture (GIF)"),
    (b"BM", "a picture (BMP)"),
    (b"II*\x00", "a picture (TIFF)"),
    (b"MM\x00*", "a picture (TIFF)"),
    (b"II+\x00", "a picture (BigTIFF)"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
)


def strange_content(head: bytes) -> str | None:
    """Name what a file that begins with `head` is, if it is a known kind without weights.

    Parameters
    ----------
    head : bytes
        The first kilobyte.
    """
    if not head:
        return "empty"
    for magic, what in _MAGIC:
        if head.startswith(magic):
            return what
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return "a web page (HTML)"
    if text.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, which stands for the real file (`git lfs pull` fetches it)"
    if text.startswith(b"<?xml"):
        return "an XML file"
    if all(31 < byte < 127 or byte in b"\t\r\n" for byte in head):
        return "a text file"
    return None


def file_kind(path: Path) -> FileKind:
    """Container of a checkpoint: PyTorch's ZIP, its older bare pickle, or safetensors.

    Raises
    ------
    SamStarError
        If the file is none of them, is truncated, or cannot be read; the sentence says what it is.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError as err:
        reason = "is a folder" if path.is_dir() else f"cannot be read: {err.strerror or err}"
        raise SamStarError(f"{path} {reason}; {_ADVICE}.") from err
    strange = strange_content(head)
    if strange:
        raise SamStarError(f"{path} is {strange}, not a model: {_ADVICE}.")
    if head.startswith(b"PK\x03\x04"):
        return _zip_kind(path)
    if head[8:9] == b"{":
        _check_safetensors(path, size)
        return "safetensors"
    if head[0] == 0x80:
        return "pickle"
    raise SamStarError(f"{path} is of a kind that is not known here, not a model: {_ADVICE}.")


def _zip_kind(path: Path) -> FileKind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            unpacked = sum(member.file_size for member in archive.infolist())
    except Exception as err:  # damage makes the reader stumble in any way
        # the list of contents stands at the end of a ZIP file: without one it is not even a ZIP
        gone = "not a zip file" in str(err)
        state = "truncated: its end is missing" if gone else "damaged"
        raise SamStarError(f"{path} is {state}, so copy or download it again.") from err
    if not any(name.endswith("data.pkl") for name in names):
        raise SamStarError(f"{path} is a ZIP archive without weights: unpack it, or {_ADVICE}.")
    # PyTorch stores its tensors as they are; what unpacks to more could fill the memory
    if unpacked > 2 * path.stat().st_size + 1_000_000:
        raise SamStarError(f"{path} is packed as no checkpoint is, so it was refused: {_ADVICE}.")
    return "zip"


def _check_safetensors(path: Path, size: int) -> None:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _HEADER_LIMIT:
            raise SamStarError(
                f"{path} is of a kind that is not known here, not a model: {_ADVICE}."
            )
        header = file.read(length)
    try:
        entries = json.loads(header)
        ends = [
            int(entry["data_offsets"][1])
            for name, entry in entries.items()
            if name != "__metadata__"
        ]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as err:
        state = "truncated" if len(header) < length else "damaged at its beginning"
        raise SamStarError(f"{path} is {state}: copy or download it again.") from err
    if size < 8 + length + max(ends, default=0):
        raise SamStarError(
            f"{path} is truncated: its end is missing, so copy or download it again."
        )


def pickled_words(path: Path, kind: FileKind) -> set[str]:
    """Names and texts inside a pickle, read as data: nothing of it is carried out."""
    try:
        if kind == "zip":
            with zipfile.ZipFile(path) as archive:
                inner = next(n for n in archive.namelist() if n.endswith("data.pkl"))
                with archive.open(inner) as member:
                    raw = member.read(_PICKLE_LIMIT)
        else:
            with path.open("rb") as file:
                raw = file.read(_PICKLE_LIMIT)
    except Exception:  # damaged: there is nothing to be learned
        return set()
    words: set[str] = set()
    stream = io.BytesIO(raw)
    try:
        # the older kind has several pickles one after another
        for _ in itertools.repeat(None, 6):
            words.update(
                argument for _, argument, _ in pickletools.genops(stream) if type(argument) is str
            )
    except (ValueError, IndexError, EOFError, KeyError, UnicodeDecodeError):
        pass  # the pickles have ended, or what follows is raw numbers
    return words


def seems(words: Iterable[str]) -> str | None:
    """Name what a checkpoint with these names inside seems to be, where it is not one of ours."""
    names = set(words)

    def starts(*prefixes: str) -> bool:
        return any(name.startswith(prefixes) for name in names)

    def holds(*parts: str) -> bool:
        return any(part in name for name in names for part in parts)

    if starts("sam_mask_decoder.", "image_encoder.trunk.", "memory_attention."):
        return "a SAM 2 checkpoint, which this version does not run"
    if holds("hf_token", "compress_vit_feat"):
        return "a SAM-HQ checkpoint, which this version does not run"
    if holds("w_a_linear_q", "lora_A", "lora_a", ".lora_"):
        return "an adapter (LoRA) or a model trained with one, not the weights of a SAM alone"
    if "pytorch-lightning_version" in names:
        return "a PyTorch Lightning training checkpoint, not the weights of a SAM"
    if starts("image_encoder."):
        return "a SAM with another image encoder than the ones this version runs"
    if starts("out_conv.", "decoder.samplers.", "deconv1.", "decoder.blocks."):
        return "a UNETR decoder of micro-sam, which works only beside its own SAM"
    if starts("patch_embed.", "blocks.", "layers."):
        return "an image encoder alone, without SAM's prompt encoder and mask decoder"
    if "optimizer_state" in names or "optimizer_state_dict" in names:
        return "a training checkpoint, not the weights of a SAM alone"
    return None
