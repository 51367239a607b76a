"""From SAM's ambiguous, overlapping masks to one mask per material."""

from napari_samstar.booster.removal import Removal, remove_ambiguous

__all__ = ["Removal", "remove_ambiguous"]
