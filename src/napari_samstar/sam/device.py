"""Where the network runs, and what to do when its memory is too small."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

import torch

from napari_samstar.types import SamStarError

__all__ = ["DeviceName", "available_devices", "choose_device", "is_out_of_memory", "run_batched"]

DeviceName = Literal["auto", "cuda", "mps", "cpu"]
Result = TypeVar("Result")

_MISSING = {
    "cuda": "No NVIDIA GPU can be used here (CUDA is not available to PyTorch)",
    "mps": "No Apple GPU can be used here (MPS is not available to PyTorch)",
}


def available_devices() -> tuple[str, ...]:
    """Devices that PyTorch can use on this computer, the fastest first; "cpu" is always last."""
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return (*found, "cpu")


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """Device to run on.

    Parameters
    ----------
    name : str or torch.device
        "auto" for the fastest there is, "cuda" (or one of several, "cuda:1"), "mps" or "cpu".

    Raises
    ------
    SamStarError
        If that device is not known, or not available on this computer.
    """
    wanted = str(name).strip().lower()
    usable = available_devices()
    if wanted == "auto":
        return torch.device(usable[0])
    kind, _, number = wanted.partition(":")
    known = ("cuda", "mps", "cpu")
    if kind not in known or (number and not number.isdigit()):
        raise SamStarError(f"The device '{name}' is not known: choose auto, cuda, mps or cpu.")
    if kind not in usable:
        raise SamStarError(f"{_MISSING[kind]}: choose {' or '.join(('auto', *usable))}.")
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise SamStarError(
            f"There is no GPU number {number}: this computer has {torch.cuda.device_count()}, "
            "counted from 0."
        )
    return torch.device(wanted)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that the memory of a GPU is too small.

    CUDA has a class for it; MPS and the libraries below CUDA raise a plain `RuntimeError`.
    """
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "alloc_failed" in text or "alloc failed" in text
    )


def run_batched(
    function: Callable[[Any, torch.device], Result],
    items: Any,
    batch_size: int,
    device: str | torch.device,
    on_fallback: Callable[[str], None] | None = None,
) -> Iterator[Result]:
    """Apply `function` to `items` in batches, smaller ones and then the CPU if memory is short.

    Each time that a GPU has too little memory the batch is halved, and stays so; where even one
    item does not fit, the rest runs on the CPU. Results come in order, one for each batch; none is
    computed twice, none is left out.

    Parameters
    ----------
    function : callable
        Given a slice of `items` and a device; moves what it needs to that device.
    items : sequence, array or tensor
        Anything with a length and slices.
    batch_size : int
        Items at once, at first.
    device : str or torch.device
        Where to begin, as `choose_device` takes it.
    on_fallback : callable, optional
        Called once, with a sentence, when the CPU takes over; without one it is a warning.

    Raises
    ------
    Exception
        Whatever `function` raises for another reason, or on the CPU.
    """
    where = choose_device(device)
    size = max(int(batch_size), 1)
    start = 0
    while start < len(items):
        try:
            result = function(items[start : start + size], where)
        except RuntimeError as error:
            if where.type == "cpu" or not is_out_of_memory(error):
                raise
            failed = True
        else:
            failed = False
        # outside of the handler: its traceback would keep the batch's tensors alive
        if not failed:
            start += min(size, len(items) - start)
            yield result
            continue
        _release(where)
        if size > 1:
            # a last batch may be shorter than the size that is to be halved
            size = max(min(size, len(items) - start) // 2, 1)
        else:
            sentence = (
                f"The memory of the GPU ({where}) is too small even for one item at a time: "
                "the rest runs on the CPU, slower but with the same result."
            )
            where, size = torch.device("cpu"), max(int(batch_size), 1)
            if on_fallback is None:
                warnings.warn(sentence, stacklevel=2)
            else:
                on_fallback(sentence)


def _release(device: torch.device) -> None:
    if device.type == "cuda" and torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif device.type == "mps" and torch.backends.mps.is_available():
        torch.mps.empty_cache()
