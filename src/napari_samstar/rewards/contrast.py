"""Terms that know how objects differ from what is around them.

All are measured on the preprocessed 8-bit image.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_samstar.rewards.base import Quality, Term, measured
from napari_samstar.types import Micrograph, Selection

__all__ = ["Contrast", "EdgeAlignment", "Homogeneity", "Polarity", "Separability"]

_POLARITY = "Whether objects are brighter or darker than around; any: each by itself."
_Polarity = Literal["any", "bright", "dark"]


def _along(values: NDArray[np.float32], polarity: _Polarity) -> NDArray[np.float32]:
    """Signed values, positive for bright masks, as far as they agree with the polarity."""
    if polarity == "any":
        return np.abs(values)
    return np.maximum(values if polarity == "bright" else -values, 0)


class Contrast(Quality):
    """Mean contrast of masks with a ring around them.

    ``q = c / (c + half)``, ``c = |m_in - m_ring| / sqrt(s_in^2 + s_ring^2)``: the contrast that
    unsupervised evaluation of segmentation knows (Zhang, Fritts and Goldman, Comput. Vis. Image
    Underst. 110, 260, 2008; Chabrier et al., EURASIP J. Appl. Signal Process. 96306, 2006),
    over the noise. With a polarity, the wrong sign is worth 0.

    Bias: a ring that meets neighbors of the same kind shows less contrast, so that crowded objects
    score lower. A mask a little too small keeps its contrast; edge alignment does not forgive it.
    """

    name: ClassVar[str] = "contrast"
    family: ClassVar[str] = "contrast"

    polarity: _Polarity = Field("any", description=_POLARITY)
    half: float = Field(1.0, ge=0.05, le=20.0, description="Contrast that is worth one half.")

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """Contrast of each mask, 0 to 1."""
        contrast = _along(measured(selection).column("contrast"), self.polarity)
        return np.asarray(contrast / (contrast + self.half))


class Polarity(Quality):
    """Mean share of the outline across which gray falls outwards, or rises for dark objects.

    ``q = max(0, share that goes the right way - share that goes the wrong way)``; steps under half
    the image's mean gradient count for neither.

    Bias: where an object touches others of its kind there is no step, which costs crowded objects
    that part of their outline.
    """

    name: ClassVar[str] = "polarity"
    family: ClassVar[str] = "contrast"

    polarity: _Polarity = Field("bright", description=_POLARITY)

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """Share of each outline that goes the right way."""
        return _along(measured(selection).column("support"), self.polarity)


class EdgeAlignment(Quality):
    """Mean strength of the edge under outlines.

    ``q = e / (e + half)``, e = mean gradient along the outline over the image's mean gradient, both
    of the image smoothed by 1 px.

    Bias: noise and texture raise the image's mean, so that e is near 1 everywhere in a noisy image.
    Burnt-in text, dust and scratches have the strongest edges of all.
    """

    name: ClassVar[str] = "edge_alignment"
    family: ClassVar[str] = "contrast"

    half: float = Field(2.0, ge=0.1, le=50.0, description="Edge strength that is worth one half.")

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """Edge strength of each mask, 0 to 1."""
        edge = measured(selection).column("edge")
        return np.asarray(edge / (edge + self.half))


class Homogeneity(Quality):
    """How uniform masks are inside: 1 less their mean variance over the image's.

    ``q = max(0, 1 - s_in^2 / s_image^2)``, by area: the intra-region uniformity of Chabrier et al.,
    EURASIP J. Appl. Signal Process. 96306 (2006).

    Bias: the smaller a mask, the more uniform; by number, splinters would win. Texture and shading
    inside objects cost what they should not.
    """

    name: ClassVar[str] = "homogeneity"
    family: ClassVar[str] = "contrast"

    weighting: Literal["number", "area"] = Field(
        "area", description="Whether every mask counts the same, or every pixel."
    )

    def quality(self, selection: Selection, micrograph: Micrograph) -> NDArray[np.floating[Any]]:
        """Uniformity of each mask, 0 to 1."""
        columns = measured(selection)
        variance = columns.gray_std**2
        if not variance > 0:
            return np.zeros(len(selection))
        return np.asarray(1 - columns.column("std") ** 2 / variance)


class Separability(Term):
    """How much of the image's variance the split into covered and not covered explains.

    ``eta = p / (1 - p) * (m_in - m)^2 / s^2``, p = covered share, m_in = mean gray of the masks, m
    and s of the image: the criterion that Otsu maximizes (IEEE Trans. Syst. Man Cybern. 9, 62,
    1979). With a polarity, the wrong sign scores 0. ``score = min(1, eta / full)``.

    Bias: few perfect masks explain little, so this term asks for all objects, not for good ones. It
    is blind to how masks divide what they cover, and to objects of both polarities. Pixels in
    several masks count as often in m_in.
    """

    name: ClassVar[str] = "separability"
    # not contrast: those terms judge single masks, this one asks whether any are missing
    family: ClassVar[str] = "completeness"

    polarity: _Polarity = Field("any", description=_POLARITY)
    full: float = Field(0.8, ge=0.01, le=1.0, description="Share of variance with full score.")

    def score(self, selection: Selection, micrograph: Micrograph) -> float:
        """Share of the variance that the masks explain."""
        if len(selection) == 0:
            return 0.0
        columns = measured(selection)
        area = columns.column("area").astype(np.float64)
        height, width = selection.shape
        share = columns.covered()[0] / (height * width)
        if not 0 < share < 1 or not columns.gray_std > 0:
            return 0.0
        inside = float(area @ columns.column("mean")) / float(area.sum())
        above = inside - columns.gray_mean
        if self.polarity != "any" and (above > 0) != (self.polarity == "bright"):
            return 0.0
        explained = share / (1 - share) * above**2 / columns.gray_std**2
        return min(1.0, explained / self.full)
