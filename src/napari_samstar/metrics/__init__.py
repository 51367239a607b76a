"""How good a segmentation is, against a true one."""

from napari_samstar.metrics.instances import adjusted_rand_index, matched_iou

__all__ = ["adjusted_rand_index", "matched_iou"]
