"""Layouts of checkpoints: recognized by their keys, opened without running what they contain.

The layouts are described in ``docs/checkpoints.md``.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from napari_samstar.sam.samstar_tiny import build_samstar_tiny
from napari_samstar.sam.sniff import FileKind, file_kind, pickled_words, seems
from napari_samstar.sam.tinyvit import build_sam_vit_t, offset_index
from napari_samstar.sam.vit import VIT_WIDTHS, build_sam_vit
from napari_samstar.types import SamStarError

__all__ = ["Checkpoint", "build_sam", "open_checkpoint"]

# one name for each family of encoders, by which it and the prefix of all names are known
_VIT = "image_encoder.patch_embed.proj.weight"
_TINY_VIT = "image_encoder.patch_embed.seq.0.c.weight"
_SAMSTAR_TINY = "image_encoder.stem.0.conv.weight"

_WRAPPERS = ("model_state", "state_dict", "model")  # of micro-sam, Lightning, Meta's training
_PREFIXES = ("", "sam.", "module.", "module.sam.", "model.", "model.sam.")
_POSITIONS = (1, 64, 64)  # of a 1024 px view
_BIAS_INDEX = ".attn.attention_bias_idxs"  # follow from the window, but some exports keep them
_BIAS_COPY = ".attn.ab"

_ADVICE = "choose a checkpoint of SAM (ViT-B, ViT-L, ViT-H), MobileSAM, micro-sam or samstar-tiny"


@dataclass(frozen=True)
class Checkpoint:
    """Weights that were read and recognized.

    Parameters
    ----------
    path : Path
        The file.
    architecture : str
        "vit_b", "vit_l", "vit_h", "vit_t" or "samstar-tiny".
    state : mapping of str to tensor
        State dict with the names that the architecture's `Sam` has, on the CPU.
    """

    path: Path
    architecture: str
    state: Mapping[str, Tensor]


def open_checkpoint(path: str | Path) -> Checkpoint:
    """Read the weights of a SAM.

    Understood are state dicts of `segment_anything` (ViT-B, ViT-L, ViT-H), MobileSAM, micro-sam
    and samstar-tiny, as PyTorch files or safetensors; bare or under "model_state", "state_dict" or
    "model"; with or without "sam.", "model." or "module." before every name.

    Raises
    ------
    SamStarError
        If the file is something else (the sentence says what it seems to be), is truncated, or
        contains Python objects besides weights.
    """
    path = Path(path).expanduser()
    content = _read(path, file_kind(path))
    state, words = _unwrap(content)
    for prefix in _PREFIXES:
        architecture = _architecture(path, state, prefix)
        if architecture:
            named = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
            if architecture == "vit_t":
                named = _without_derived(path, named)
            return Checkpoint(path, architecture, named)
    what = seems(words)
    if what:
        raise SamStarError(f"{path} seems to be {what}: {_ADVICE}.")
    raise SamStarError(f"{path} holds weights of a model that is not a SAM known here: {_ADVICE}.")


def build_sam(checkpoint: Checkpoint) -> Any:
    """Model with the weights of `checkpoint`, every one used and none missing.

    Returns
    -------
    segment_anything.modeling.Sam
        In eval mode, float32, on the CPU.

    Raises
    ------
    SamStarError
        If weights are missing, left over, or of another shape.
    """
    architecture = checkpoint.architecture
    state = {k: v.float() if v.is_floating_point() else v for k, v in checkpoint.state.items()}
    try:
        if architecture in VIT_WIDTHS:
            return build_sam_vit(architecture, state)
        if architecture == "vit_t":
            return build_sam_vit_t(state)
        return build_samstar_tiny(state)
    except RuntimeError as err:
        problem = " ".join(str(err).split(":", 1)[-1].split())
        what = seems(state) if "nexpected key" in problem else None
        hint = f"it seems to be {what}" if what else _ADVICE
        raise SamStarError(
            f"{checkpoint.path} looks like {architecture}, but its weights do not fit "
            f"({_shorten(problem)}): {hint}."
        ) from err


def _read(path: Path, kind: FileKind) -> Any:
    if kind == "safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as err:
            raise SamStarError(f"{path} is damaged: copy or download it again.") from err
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old formats, which are no concern of the user
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        if "truncated" in str(err):
            raise SamStarError(_truncated(path)) from err
        what = seems(pickled_words(path, kind))
        hint = f"It seems to be {what}; export" if what else "Export"
        raise SamStarError(
            f"{path} was refused, because opening it would run Python code that it contains. "
            f"{hint} its weights alone, in micro-sam with `export_custom_sam_model`."
        ) from err
    except EOFError as err:
        raise SamStarError(_truncated(path)) from err
    except MemoryError as err:
        raise SamStarError(f"{path} does not fit into this computer's memory.") from err
    except Exception as err:  # a damaged file makes PyTorch's readers stumble in any way
        if "EOF" in str(err):
            raise SamStarError(_truncated(path)) from err
        raise SamStarError(f"{path} is damaged: copy or download it again.") from err


def _truncated(path: Path) -> str:
    return f"{path} is truncated: its end is missing, so copy or download it again."


def _unwrap(content: Any) -> tuple[dict[str, Tensor], set[str]]:
    """Tensors by name, and all names that may tell what the file is."""
    if not isinstance(content, Mapping):
        return {}, set()
    words = {str(key) for key in content}
    for wrapper in _WRAPPERS:
        inner = content.get(wrapper)
        if isinstance(inner, Mapping):
            content = inner
            words |= {str(key) for key in inner}
            break
    return {str(k): v for k, v in content.items() if isinstance(v, Tensor)}, words


def _architecture(path: Path, state: Mapping[str, Tensor], prefix: str) -> str | None:
    if prefix + _SAMSTAR_TINY in state:
        return "samstar-tiny"
    if prefix + _TINY_VIT in state:
        return "vit_t"
    if prefix + _VIT not in state:
        return None
    width = state[prefix + _VIT].shape[0]
    positions = state.get(prefix + "image_encoder.pos_embed")
    for name, known in VIT_WIDTHS.items():
        if width == known:
            if positions is not None and tuple(positions.shape[:3]) != _POSITIONS:
                side = 16 * positions.shape[1]
                raise SamStarError(
                    f"{path} is a SAM trained for views of {side} px, where only 1024 px can be "
                    "run: choose another checkpoint."
                )
            return name
    return None


def _without_derived(path: Path, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave out what follows from the window's size, once it is what we would have computed."""
    for name, index in state.items():
        if name.endswith(_BIAS_INDEX):
            side = round(index.shape[0] ** 0.5)
            if not torch.equal(index.long(), offset_index(side)):
                raise SamStarError(
                    f"{path} numbers its attention biases in an unknown way ({name}): {_ADVICE}."
                )
    return {k: v for k, v in state.items() if not k.endswith((_BIAS_INDEX, _BIAS_COPY))}


def _shorten(text: str, limit: int = 160) -> str:
    text = text.rstrip(". ")
    return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0] + " ..."
