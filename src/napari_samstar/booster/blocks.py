"""What the small networks of the booster are built of, and how their weights are read."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Residual", "with_weights"]

_Net = TypeVar("_Net", bound=nn.Module)


class Residual(nn.Module):
    """Two convolutions whose output is added to their input (He et al., CVPR 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.out = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (N, C, H, W)."""
        y: Tensor = self.second(functional.relu(self.norm(self.first(x))))
        return functional.relu(x + self.out(y))


def with_weights(net: _Net, path: Path) -> _Net:
    """Give a network the weights of a safetensors file, ready for use."""
    from safetensors.torch import load_file

    net.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return net.eval()
