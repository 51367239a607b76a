"""`samstar evaluate`: how good a segmentation is, against the truth."""

from __future__ import annotations

import argparse
import json
from typing import Any

from napari_samstar.cli.errors import OK

__all__ = ["add_parser"]

# what a person wants to see first: label, names of the scores, unit
_SHOWN = (
    ("objects found, true, spurious", ("n_predicted", "n_truth", "n_spurious"), ""),
    ("mean IoU of true objects", ("matched_iou",), ""),
    ("mean AP over IoU 0.5 to 0.95", ("mean_ap",), ""),
    ("precision, recall, F1 at IoU 0.5", ("precision_50", "recall_50", "f1_50"), ""),
    ("panoptic quality", ("pq",), ""),
    ("adjusted Rand index", ("ari",), ""),
    ("variation of information: split, merged", ("vi_split", "vi_merged"), " bits"),
    ("outlines: F, precision, recall", ("boundary_f", "boundary_precision", "boundary_recall"), ""),
)
_PAPER = ("mIoU", "mRecall", "mPrecision", "mFPR")


def add_parser(commands: Any) -> None:
    """Add the command to `commands`."""
    parser = commands.add_parser(
        "evaluate",
        help="compare a segmentation with the truth",
        description="Compare a label image, or a stack of masks, with the true one.",
    )
    parser.add_argument("predicted", metavar="PRED", help="label image: TIFF, PNG, NPY, ...")
    parser.add_argument("truth", metavar="TRUTH", help="the same of the truth")
    parser.add_argument("--json", action="store_true", help="print every measure as one JSON line")
    parser.set_defaults(function=run)


def run(args: argparse.Namespace) -> int:
    """Print the scores."""
    from napari_samstar.io.labels import load_labels
    from napari_samstar.metrics import evaluate

    scores = evaluate(load_labels(args.predicted), load_labels(args.truth))
    if args.json:
        print(json.dumps(scores))
        return OK
    rows = [(title, [scores[n] for n in names], unit) for title, names, unit in _SHOWN]
    for reading in ("code", "paper"):
        for region in ("mask", "boundary"):
            values = [scores[f"samiam_{reading}_{region}_{name}"] for name in _PAPER]
            rows.append((f"SAM-I-Am, {reading}, {region}: {', '.join(_PAPER)}", values, " %"))
    width = max(len(title) for title, *_ in rows)
    for title, values, unit in rows:
        numbers = "  ".join(f"{v:d}" if isinstance(v, int) else _short(v, unit) for v in values)
        print(f"{title:<{width}}  {numbers}{unit}")
    return OK


def _short(value: float, unit: str) -> str:
    return f"{value:.1f}" if unit == " %" else f"{value:.3f}"
