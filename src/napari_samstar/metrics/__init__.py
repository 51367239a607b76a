"""How good a segmentation is, against a true one."""

from napari_samstar.metrics.boundary import boundary_agreement, boundary_bands
from napari_samstar.metrics.evaluation import evaluate
from napari_samstar.metrics.instances import matched_iou
from napari_samstar.metrics.partitions import adjusted_rand_index, variation_of_information
from napari_samstar.metrics.samiam import samiam_scores

__all__ = [
    "adjusted_rand_index",
    "boundary_agreement",
    "boundary_bands",
    "evaluate",
    "matched_iou",
    "samiam_scores",
    "variation_of_information",
]
