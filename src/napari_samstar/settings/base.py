"""What all settings share: frozen, keyed by their content, marked for the search."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

__all__ = ["BY_STEPS", "FIXED", "SLOW", "WITHOUT_LAYER", "Fraction", "Settings", "SourceName"]

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
SourceName = Literal["grid", "tiles", "regions", "prompted"]

# marks for the search, see `search.fields`: a field is searched within its bounds unless one of
# these says otherwise
FIXED: JsonDict = {"search": False}
SLOW: JsonDict = {"search": {"slow": True}}
WITHOUT_LAYER: JsonDict = {"search": {"when": ["reward_layer", False]}}
# at these steps stability scores are known from the decoding; between them they take a recount
BY_STEPS: JsonDict = {"search": {"when": ["reward_layer", False], "high": 2.0, "step": 0.125}}


class Settings(BaseModel):
    """Base of all settings: frozen, refuses unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def key(self) -> str:
        """Canonical JSON: equal settings give equal keys."""
        return self.model_dump_json()
