"""A laboratory's own reward: nanorods are long."""

from typing import Any, ClassVar

from numpy.typing import NDArray
from pydantic import Field

from napari_samstar.rewards import Quality, measured
from napari_samstar.types import Micrograph, Selection


class Elongation(Quality):
    """Mean of each mask's aspect ratio over the one expected, 1 at most."""

    name: ClassVar[str] = "elongation"
    family: ClassVar[str] = "shape"

    expected: float = Field(3.0, ge=1.0, le=50.0, description="Aspect ratio with full score.")

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[Any]:
        """Aspect ratio of each mask, 0 to 1."""
        return measured(selection).column("aspect_ratio") / self.expected
