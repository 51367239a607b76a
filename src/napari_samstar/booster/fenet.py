"""FENet as a texture encoder, with weights that the user brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_samstar.booster.fractal import FractalNet
from napari_samstar.types import SamStarError

__all__ = ["FractalEncoder", "load_fractal"]


def load_fractal(path: Path) -> FractalNet:
    """Load FENet-18 from a public checkpoint, or from what `samstar train-texture` wrote.

    Parameters
    ----------
    path : Path
        A state dict: safetensors, or a torch file read with ``weights_only=True``.

    Raises
    ------
    SamStarError
        If the file is missing, no state dict, or of another network.
    """
    state = _state(path)
    classes = state.get("fc.3.bias")
    net = FractalNet(47 if classes is None else len(classes))
    counters = [name for name in net.state_dict() if name.endswith("num_batches_tracked")]
    try:
        missing, unknown = net.load_state_dict(state, strict=False)
    except RuntimeError as err:
        reason = str(err).splitlines()[-1].strip()
        raise SamStarError(f"{path} is not a FENet with a ResNet-18: {reason}") from err
    lacking = sorted(set(missing) - set(counters))
    if lacking or unknown:
        name = (lacking or unknown)[0]
        raise SamStarError(
            f"{path} is not a FENet with a ResNet-18: '{name}' is "
            f"{'missing' if lacking else 'not known'}."
        )
    return net.eval()


def _state(path: Path) -> dict[str, torch.Tensor]:
    state: Any
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as err:
        raise SamStarError(f"{path} cannot be read as weights of a network: {err}") from err
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise SamStarError(f"{path} holds no state dict, only that can be loaded safely.")
    return {name.removeprefix("module."): value.float() for name, value in state.items()}


class FractalEncoder:
    """Texture encoder of FENet-18 with a user's weights.

    Parameters
    ----------
    path : Path
        See `load_fractal`.
    batch : int
        Crops embedded at once.
    """

    name = "fenet"

    def __init__(self, path: Path, batch: int = 16) -> None:
        self._net = load_fractal(path)
        self._batch = batch

    def __call__(
        self, crops: NDArray[np.generic], boxes: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Embed crops (N, S, S), 0 to 255 as `in_gray_levels` gives them, as unit vectors (N, 128).

        A crop's vector does not depend on the others.
        """
        pixels = np.asarray(crops, np.float32) / np.float32(255)
        parts = []
        with torch.inference_mode():
            for start in range(0, len(pixels), self._batch):
                part = np.ascontiguousarray(pixels[start : start + self._batch])
                parts.append(self._net(torch.from_numpy(part)).numpy())
        return np.concatenate(parts) if parts else np.zeros((0, FractalNet.dimension), np.float32)
